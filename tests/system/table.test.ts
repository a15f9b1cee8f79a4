/*
 * A whole routing table read while packets are forwarded: by a client that reads, and by one that does not.
 * Topology: support/line.ts.
 */
import { createReadStream, readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import net from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { encodeFrame } from '../../runtime/control/frame.js';
import { behind, Line, macs, own } from '../support/line.js';
import { built, Netmill } from '../support/netmill.js';
import { until } from '../support/netns.js';
import { scaled, systemTest } from '../support/system-test.js';
import { settled } from '../support/traffic.js';
import { plain } from './policies.js';

/** A million with NETMILL_TEST_SCALE=17. */
const ROUTES = scaled(60_000);

/** Kilobytes of a process in memory. */
function residentKb(pid: number): number {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
}

systemTest(
  `a table of ${ROUTES} routes is read whole under traffic, past a reader that has stopped`,
  async (t) => {
    const line = await Line.create();
    try {
      const netmill = await Netmill.start(line.lab, line.router, await built(plain));
      await line.warm();
      const before = (await netmill.status()).fib.routes4;
      const file = join(line.lab.directory, 'routes');
      const prefixes = Array.from(
        { length: ROUTES },
        (_, i) => `${20 + (i >> 16)}.${(i >> 8) & 255}.${i & 255}.0/24`,
      );
      await writeFile(file, prefixes.map((prefix) => `route add ${prefix} via 10.0.2.2\n`).join(''));
      await line.router.ipFile(file);
      const all = async () => (await netmill.status()).fib.routes4 === before + ROUTES;
      await until('all routes', all, 60_000);
      const { client, server } = await line.traffic();
      await client.flow({ id: 1, src: own.client.v4, dst: behind.server.v4, dmac: macs.r0, n: 4 });
      const { daemon } = await netmill.status();
      const resident = residentKb(daemon.pid);
      const deaf = net.connect(netmill.socket).pause();
      deaf.write(encodeFrame({ v: 1, id: 1, body: { op: 'route.list' } }));

      await client.start(10_000);
      const out = join(line.lab.directory, 'table');
      const table = await netmill.runInto(out, 'route', '-4', '--json');
      await client.stop();
      const { sent, lost } = await settled(client, server);
      t.is(lost, 0, `of ${sent} packets`);
      t.true(sent > 1000);
      const grown = residentKb(daemon.pid) - resident;
      t.true(grown < 100_000, `the daemon grew by ${grown} kB`);
      t.is(table.code, 0, table.stderr);
      const listed = new Set<string>();
      let lines = 0;
      for await (const text of createInterface({ input: createReadStream(out) })) {
        listed.add((JSON.parse(text) as { prefix: string }).prefix);
        lines++;
      }
      t.is(lines, before + ROUTES);
      t.is(listed.size, lines);
      t.true(prefixes.every((prefix) => listed.has(prefix)));
      t.log(`${lines} routes, ${sent} packets meanwhile, daemon ${resident} kB and ${grown} kB more`);
      deaf.destroy();
    } finally {
      await line.close();
    }
  },
  { seconds: 240 },
);
