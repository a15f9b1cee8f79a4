/*
 * Who may die. Topology: support/line.ts. Daemon, engine and both are killed under traffic and route changes; what
 * is lost, and for how long, is measured on the wire.
 */
import type { ExecutionContext } from 'ava';
import type { FibReply } from '../../runtime/control/types.js';
import { Line, macs, mixedFlows, own } from '../support/line.js';
import { built, Netmill } from '../support/netmill.js';
import { sleep, until } from '../support/netns.js';
import { seeded } from '../support/packet.js';
import { scaled, systemTest } from '../support/system-test.js';
import { settled, tally } from '../support/traffic.js';
import { numbered, plain } from './policies.js';

const rate = 10_000;

interface Bed {
  readonly line: Line;
  readonly netmill: Netmill;
  readonly ends: Awaited<ReturnType<Line['traffic']>>;
}

function survivalTest(
  title: string,
  policy: string,
  seconds: number,
  body: (t: ExecutionContext, bed: Bed) => Promise<void>,
): void {
  systemTest(
    title,
    async (t) => {
      const line = await Line.create();
      try {
        const netmill = await Netmill.start(line.lab, line.router, await built(policy));
        await line.warm();
        await body(t, { line, netmill, ends: await line.traffic() });
      } finally {
        await line.close();
      }
    },
    { seconds },
  );
}

survivalTest(
  'the daemon may be killed at any moment: no packet is lost, counters go on, routes are in step again',
  numbered(0),
  420,
  async (t, { line, netmill, ends }) => {
    const kills = scaled(100);
    const random = seeded(20);
    await mixedFlows(ends.client, 'server');
    await ends.client.start(rate);
    let last = 0;
    for (let kill = 0; kill < kills; kill++) {
      const changes = churn(line, kill);
      await sleep(random() * 400);
      await netmill.killDaemon();
      await changes;
      netmill.launch();
      // The next kill may come before the daemon is ready: that, too, is a moment.
      if (random() < 0.8) {
        await until('the daemon to be back', () => back(netmill), 20_000);
        const counted = (await netmill.rules()).rules.find((rule) => rule.id === 'client')!.packets;
        t.true(counted >= last, `after kill ${kill} the rule’s counter went from ${last} to ${counted}`);
        last = counted;
      }
    }
    await until('the daemon to be back', () => back(netmill), 20_000);
    await ends.client.stop();
    const seen = await settled(ends.client, ends.server);
    t.log(`${kills} kills, ${seen.sent} packets, longest gap ${seen.gapMs.toFixed(1)} ms`);
    t.like(seen, { lost: 0, reordered: 0, duplicates: 0, bad: 0 });
    const counted = (await netmill.rules()).rules.find((rule) => rule.id === 'client')!.packets;
    t.true(counted >= seen.sent, 'counters were lost');
    for (const address of ['20.0.0.1', '20.0.63.1', '10.9.0.1']) {
      await until(`${address} to agree`, async () => (await netmill.route(address)).agree, 5000);
    }
    t.like((await netmill.json<FibReply>('fib', 'audit')).audit, {
      compiled: true,
      divergences: 0,
      last: [],
    });
  },
);

/** Routes come, change and go while the daemon lives and while it does not. */
async function churn(line: Line, round: number): Promise<void> {
  const via = round % 2 ? '10.0.3.2' : '10.0.2.2';
  const lines = Array.from({ length: 64 }, (_, i) => `route replace 20.0.${i}.0/24 via ${via}`);
  await line.router.ip(...lines, `route replace 20.1.${round & 255}.0/24 via ${via}`);
}

async function back(netmill: Netmill): Promise<boolean> {
  const status = await netmill.status().catch(() => undefined);
  return status?.fib.synced === true && status.generation.running > 0;
}

survivalTest(
  'the engine killed, another adopts its ports within 200 ms, and links never flap',
  numbered(0),
  120,
  async (t, { line, netmill, ends }) => {
    const before = await netmill.status();
    const carrier = () => line.client.run('cat', '/sys/class/net/c0/carrier_changes');
    const changes = await carrier();
    const gaps: number[] = [];
    for (let kill = 0; kill < scaled(5); kill++) {
      await ends.client.clear();
      await ends.client.flow({ id: 1, src: own.client.v4, dst: '10.9.0.1', dmac: macs.r0, n: 2 });
      await ends.server.reset();
      await ends.client.start(rate);
      await sleep(300);
      process.kill(await netmill.enginePid(), 'SIGKILL');
      await sleep(1000);
      await ends.client.stop();
      const seen = await settled(ends.client, ends.server);
      gaps.push(seen.gapMs);
      t.true(seen.received > 0 && seen.reordered === 0 && seen.duplicates === 0, JSON.stringify(seen));
      await until(
        'the daemon to have another engine',
        async () => (await back(netmill)) && (await netmill.status()).engine.adopted > kill,
      );
      // Twice within a minute would roll the generation back.
      if (kill === 0) t.is((await netmill.status()).generation.running, before.generation.running);
    }
    t.log(`gaps: ${gaps.map((gap) => gap.toFixed(1)).join(', ')} ms`);
    t.true(Math.max(...gaps) < 200, `gaps of ${gaps.join(', ')} ms`);
    t.is(await carrier(), changes, 'the link flapped');
    t.is(await line.client.pings(10, own.server.v4), 10);
  },
);

const falling = (fallback: 'kernel' | 'drop') =>
  plain.replaceAll("fallback: 'kernel'", `fallback: '${fallback}'`);

for (const fallback of ['kernel', 'drop'] as const) {
  for (const [how, stopDaemon] of [
    ['both killed', 'SIGKILL'],
    ['the engine killed while the daemon is stopped', 'SIGSTOP'],
  ] as const) {
    survivalTest(
      `${how}: within 100 ms the ports fall back to '${fallback}'`,
      falling(fallback),
      60,
      async (t, { line, netmill, ends }) => {
        await ends.client.flow({ id: 1, src: own.client.v4, dst: '10.9.0.1', dmac: macs.r0, n: 2 });
        await ends.client.start(rate);
        await sleep(300);
        const engine = await netmill.enginePid();
        netmill.signalDaemon(stopDaemon);
        await sleep(20);
        const killedAt = Date.now() * 1e6;
        process.kill(engine, 'SIGKILL');
        await sleep(600);
        await ends.client.stop();
        await sleep(50);
        const sink = await ends.server.stats();
        const seen = tally(await ends.client.stats(), sink);
        const lastAfterKill = Math.max(...sink.flows.map((flow) => flow.lastNs)) - killedAt;
        if (fallback === 'kernel') {
          t.true(seen.gapMs < 100, `silence of ${seen.gapMs} ms`);
          t.true(lastAfterKill > 400e6, 'the kernel did not take over');
        } else {
          t.true(lastAfterKill < 100e6, `packets passed for ${lastAfterKill / 1e6} ms`);
          t.regex(
            (await line.client.try('ping', '-c2', '-i0.1', '-W1', own.server.v4)).stdout,
            /100% packet loss/,
          );
        }
        netmill.signalDaemon('SIGKILL');
      },
    );
  }
}
