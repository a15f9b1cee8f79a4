/*
 * The kernel's routing is changed violently while packets go: after it, kernel, RIB and compiled FIB are the same, and no
 * packet has gone a way that none of its routes names. Topology: support/line.ts.
 */
import { mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import type { FibReply } from '../../runtime/control/types.js';
import { behind, Line, macs, own } from '../support/line.js';
import { built, Netmill } from '../support/netmill.js';
import { sleep, until } from '../support/netns.js';
import { scaled, systemTest } from '../support/system-test.js';
import { settled, Traffic, tally } from '../support/traffic.js';
import { plain } from './policies.js';

interface Bed {
  readonly line: Line;
  readonly netmill: Netmill;
  readonly client: Traffic;
  readonly server: Traffic;
  readonly provider: Traffic;
}

const rate = 5000;

interface Options {
  readonly seconds?: number;
  /** Put before netmilld's command line. */
  readonly wrapper?: (line: Line) => readonly string[];
}

function faultTest(
  title: string,
  body: (t: ExecutionContext, bed: Bed) => Promise<void>,
  options: Options = {},
): void {
  const { seconds = 60, wrapper = () => [] } = options;
  systemTest(
    title,
    async (t) => {
      const line = await Line.create();
      try {
        const netmill = await Netmill.start(line.lab, line.router, await built(plain), wrapper(line));
        const { engine } = await netmill.status();
        await line.warm();
        await body(t, { line, netmill, ...(await line.traffic()) });
        const { audit } = await netmill.json<FibReply>('fib', 'audit');
        t.like(audit, { compiled: true, divergences: 0, last: [] });
        t.is((await netmill.status()).engine.pid, engine.pid, 'the engine died');
      } finally {
        await line.close();
      }
    },
    { seconds },
  );
}

/** Waits until the engine has what the kernel has. */
const inStep = (netmill: Netmill): Promise<unknown> => netmill.call({ op: 'fib', action: 'couple' });

const to = (dst: string) => ({ src: own.client.v4, dst, dmac: macs.r0 });

/** The same when what was under way is there; soon, too, if packets go on to come. */
async function atEnd(end: Traffic, ids?: readonly number[]): Promise<number> {
  for (let looks = 0, last = -1; ; looks++) {
    const sink = await end.stats();
    const now = tally(sink, sink, ids).received;
    if (now === last || looks === 10) return now;
    last = now;
    await sleep(200);
  }
}

/** Packets of the flow that came out there. */
async function arrived(end: Traffic, id: number): Promise<number> {
  return (await end.stats()).flows.find((flow) => flow.id === id)?.unique ?? 0;
}

faultTest('routes are flushed under traffic: those that stay lose nothing', async (t, bed) => {
  const { line, netmill, client, server, provider } = bed;
  const routes = Array.from({ length: 3000 }, (_, i) => `20.${i >> 8}.${i & 255}.0/24`);
  await line.router.ip(...routes.map((prefix) => `route add ${prefix} via 10.0.2.2 proto bird`));
  await inStep(netmill);
  await client.flow({ id: 1, ...to(behind.provider.v4) });
  await client.flow({ id: 2, ...to('20.1.1.1') });
  await client.start(rate);
  await sleep(100);
  await line.router.ip('route flush proto bird');
  await inStep(netmill);
  const before = await atEnd(server, [2]);
  await client.stop();
  t.is((await settled(client, provider, [1])).lost, 0);
  t.true(before > 0);
  t.is(await arrived(server, 2), before, 'packets went by a route that was flushed');
  t.is(await arrived(provider, 2), 0, 'packets went by a route of others');
});

faultTest(
  'nexthop groups are replaced under traffic: no packet is lost or goes by others',
  async (t, bed) => {
    const { line, netmill, client, server, provider } = bed;
    await line.router.ip(
      'nexthop add id 1 via 10.0.2.2 dev r1',
      'nexthop add id 2 via 10.0.3.2 dev r2',
      'nexthop add id 9 group 1/2',
      'route add 20.0.0.0/8 nhid 9',
    );
    await inStep(netmill);
    await client.flow({ id: 1, ...to('20.1.1.1'), n: 32 });
    await client.start(rate);
    for (const members of ['1', '2', '1,3/2', '2/1', '1']) {
      await line.router.ip(`nexthop replace id 9 group ${members}`);
      await inStep(netmill);
      await sleep(50);
    }
    const others = await atEnd(provider);
    await client.stop();
    const all = async () => {
      const [a, b] = [await settled(client, server), await settled(client, provider)];
      return { sent: a.sent, received: a.received + b.received, elsewhere: b.received };
    };
    const { sent, received, elsewhere } = await all();
    t.is(received, sent);
    t.true(others > 0, 'none went by the second nexthop');
    t.is(elsewhere, others, 'packets went by a nexthop that had left the group');
  },
);

faultTest('an interface is removed under traffic and comes back: others lose nothing', async (t, bed) => {
  const { line, netmill, client, provider } = bed;
  await client.flow({ id: 1, ...to(behind.provider.v4) });
  await client.flow({ id: 2, ...to(behind.server.v4) });
  await client.start(rate);
  await sleep(100);
  await line.router.ip('link del r1');
  await inStep(netmill);
  t.true((await netmill.route(behind.server.v4)).compiled.legs.every((leg) => leg.interface !== 'server'));
  await line.lab.link(
    { node: line.server, device: 's0', mac: macs.s0, addresses: ['10.0.2.2/24'] },
    { node: line.router, device: 'r1', mac: macs.r1, addresses: ['10.0.2.1/24'] },
  );
  await line.router.ip('route add 10.9.0.0/16 via 10.0.2.2');
  const again = await Traffic.on(line.lab, line.server, 's0');
  await until('packets on the new wire', async () => (await arrived(again, 2)) > 0);
  await client.stop();
  t.is((await settled(client, provider, [1])).lost, 0);
  t.is(await arrived(provider, 2), 0, 'packets went by another interface');
  t.true((await netmill.route(behind.server.v4)).agree);
});

/** So long the daemon stands still: the full minute with NETMILL_TEST_SCALE=20. */
const stillSeconds = Math.min(60, scaled(3));

faultTest(
  `the daemon stands still for ${stillSeconds} s while routes change: nothing is lost, then all is in step`,
  async (t, bed) => {
    const { line, netmill, client, server, provider } = bed;
    await line.router.ip('route add 20.0.0.0/8 via 10.0.2.2');
    await inStep(netmill);
    await client.flow({ id: 1, ...to(behind.provider.v4) });
    await client.flow({ id: 2, ...to('20.1.1.1') });
    await client.start(rate);
    netmill.signalDaemon('SIGSTOP');
    const end = Date.now() + stillSeconds * 1000;
    for (let round = 0; Date.now() < end; round++) {
      const via = round % 2 ? '10.0.2.2' : '10.0.3.2';
      const lines = Array.from(
        { length: 500 },
        (_, i) => `route replace 21.${i >> 8}.${i & 255}.0/24 via ${via}`,
      );
      await line.router.ip(...lines, 'route replace 20.0.0.0/8 via 10.0.3.2');
      await sleep(50);
    }
    t.is(await arrived(provider, 2), 0, 'nobody could have told the engine of the other way');
    netmill.signalDaemon('SIGCONT');
    await until('the engine to follow', async () => (await arrived(provider, 2)) > 0);
    await inStep(netmill);
    const before = await atEnd(server, [2]);
    await client.stop();
    t.is(await arrived(server, 2), before, 'packets went on by the way of before');
    t.is((await settled(client, provider, [1])).lost, 0);
    const flow2 = async () => (await arrived(server, 2)) + (await arrived(provider, 2));
    const sent = (await client.stats()).flows.find((flow) => flow.id === 2)!.sent;
    await until('every packet by one way or the other', async () => (await flow2()) === sent).catch(
      async () => t.is(await flow2(), sent),
    );
  },
  { seconds: 60 + stillSeconds },
);

const small = (line: Line): string => join(line.lab.directory, 'small');

faultTest(
  'the disk is full while the table is dumped, under traffic and route changes: no route and no packet minds',
  async (t, { line, netmill, client, provider }) => {
    const routes = (verb: string, via: string) =>
      Array.from({ length: 2000 }, (_, i) => `route ${verb} 20.${i >> 8}.${i & 255}.0/24 via ${via}`);
    await line.router.ip(...routes('add', '10.0.2.2'));
    await inStep(netmill);
    await client.flow({ id: 1, ...to(behind.provider.v4) });
    await client.start(rate);
    for (const via of ['10.0.3.2', '10.0.2.2', '10.0.3.2']) {
      const changes = line.router.ip(...routes('replace', via));
      const full = await netmill.run('route', 'dump', join(small(line), 'routes'));
      t.is(full.code, 71);
      t.regex(full.stderr, /the disk is full/);
      await changes;
    }
    await inStep(netmill);
    await client.stop();
    t.is((await settled(client, provider, [1])).lost, 0);
    const daemon = (await netmill.status()).daemon.pid;
    t.deepEqual(readdirSync(`/proc/${daemon}/root${small(line)}`), []);
  },
  {
    wrapper: (line) => {
      mkdirSync(small(line));
      return ['sh', '-ec', `mount -t tmpfs -o size=16k none ${small(line)}; exec "$@"`, 'sh'];
    },
  },
);
