/*
 * Clocks that jump, of netmill's processes only: the wall clock by a library that is put before the C library's, CLOCK_MONOTONIC by
 * a time namespace. Neither may matter to what is forwarded, to who counts as alive, or to what follows the kernel.
 * Topology: support/line.ts.
 */
import { execFileSync } from 'node:child_process';
import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { FibReply } from '../../runtime/control/types.js';
import { behind, Line, macs, own } from '../support/line.js';
import { built, Netmill } from '../support/netmill.js';
import { sleep, until } from '../support/netns.js';
import { systemTest } from '../support/system-test.js';
import { settled } from '../support/traffic.js';
import { numbered, plain } from './policies.js';

const source = fileURLToPath(new URL('../../../tests/support/clock.c', import.meta.url));
const DAY = 86_400;

/** What to start netmill with, and how its wall clock is set, in seconds from the machine's. */
function movable({ directory }: { readonly directory: string }) {
  const [library, file] = [join(directory, 'clock.so'), join(directory, 'clock')];
  const jump = (seconds: number) => {
    const shift = Buffer.alloc(8);
    shift.writeBigInt64LE(BigInt(seconds) * 1_000_000_000n);
    writeFileSync(file, shift, { flag: 'r+' });
  };
  writeFileSync(file, '');
  jump(0);
  execFileSync('gcc', ['-O1', '-shared', '-fPIC', '-o', library, source]);
  chmodSync(directory, 0o711); // policies are evaluated by a user of their own
  return { wrapper: ['env', `LD_PRELOAD=${library}`, `WALL_CLOCK=${file}`], jump };
}

const rate = 5000;

systemTest(
  'the wall clock jumps under traffic and route changes: nothing is lost, all stays in step',
  async (t) => {
    const line = await Line.create();
    try {
      const { wrapper, jump } = movable(line.lab);
      const netmill = await Netmill.start(line.lab, line.router, await built(plain), wrapper);
      await line.warm();
      const { client, provider } = await line.traffic();
      await client.flow({ id: 1, src: own.client.v4, dst: behind.provider.v4, dmac: macs.r0 });
      await client.start(rate);
      for (const [i, seconds] of [DAY, -DAY, -7000 * DAY, 40_000 * DAY, 0].entries()) {
        jump(seconds);
        const routes = Array.from({ length: 500 }, (_, n) => `20.${i}.${n & 255}.${(n >> 8) << 7}/25`);
        await line.router.ip(...routes.map((prefix) => `route add ${prefix} via 10.0.2.2`));
        await netmill.call({ op: 'fib', action: 'couple' });
        const answer = await netmill.route(`20.${i}.77.1`);
        t.true(answer.agree, answer.differences.join('; '));
        t.is(answer.compiled.legs[0]?.interface, 'server');
        const away = (Date.parse(answer.rib!.since!) - Date.now()) / 1000 - seconds;
        t.true(
          Math.abs(away) < 60,
          `a route of now is said to be of ${answer.rib!.since}, by a clock ${seconds} s off`,
        );
      }
      await client.stop();
      const seen = await settled(client, provider);
      t.like(seen, { lost: 0, reordered: 0, duplicates: 0 });
      const { interfaces } = await netmill.counters();
      t.true(
        interfaces.find((one) => one.name === 'client')!.rx.packets >= seen.sent,
        'the kernel forwarded',
      );
      t.like((await netmill.json<FibReply>('fib', 'audit')).audit, { compiled: true, divergences: 0 });
    } finally {
      await line.close();
    }
  },
);

systemTest(
  'a generation that kills its engine twice within a minute goes, whatever the wall clock says',
  async (t) => {
    const line = await Line.create();
    try {
      const { wrapper, jump } = movable(line.lab);
      const netmill = await Netmill.start(line.lab, line.router, numbered(0), wrapper);
      await netmill.deploy(numbered(1));
      const { running } = (await netmill.status()).generation;
      for (const seconds of [DAY, 2 * DAY]) {
        jump(seconds);
        const engine = await netmill.enginePid();
        process.kill(engine, 'SIGKILL');
        await until('another engine', async () => {
          const status = await netmill.status().catch(() => undefined);
          return status?.fib.synced && status.engine.pid !== engine;
        });
      }
      await until('the generation before', async () => (await netmill.status()).generation.running < running);
      t.is(await line.client.pings(3, own.server.v4), 3);
    } finally {
      await line.close();
    }
  },
);

for (const seconds of [100_000, -10]) {
  systemTest(
    `in a time namespace ${seconds} s off: netmill forwards, and a port falls back when nobody serves it`,
    async (t) => {
      const line = await Line.create();
      try {
        const wrapper = ['unshare', '--time', '--fork', '--kill-child', '--monotonic', String(seconds)];
        const netmill = await Netmill.start(line.lab, line.router, await built(plain), wrapper);
        await line.warm();
        const { client, server } = await line.traffic();
        await client.flow({ id: 1, src: own.client.v4, dst: behind.server.v4, dmac: macs.r0 });
        await client.send(rate, { count: 500 });
        t.is((await settled(client, server)).lost, 0);
        const { interfaces } = await netmill.counters();
        t.true(interfaces.find((one) => one.name === 'client')!.rx.packets >= 500, 'the kernel forwarded');
        const { daemon, engine } = await netmill.status();
        t.true(engine.upSeconds < 60 && engine.upSeconds >= 0, `up for ${engine.upSeconds} s`);
        await server.reset();
        await client.start(rate);
        process.kill(daemon.pid, 'SIGSTOP'); // it holds the engine's sockets, so the ports stay as they are
        process.kill(engine.pid, 'SIGKILL');
        await sleep(300);
        await client.stop();
        const seen = await settled(client, server);
        t.true(
          seen.received > 500 && seen.gapMs < 150,
          `the kernel did not take over: ${JSON.stringify(seen)}`,
        );
      } finally {
        await line.close();
      }
    },
    { tools: ['unshare'] },
  );
}
