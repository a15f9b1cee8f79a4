/*
 * Hot reload under traffic. Topology: support/line.ts. The rate is the highest of a ladder at which a control run
 * loses nothing on this machine: the same traffic and as many questions to the daemon, but no swaps. At that rate,
 * swaps may not lose or reorder a packet either, and no counter may ever go back. The ladder ends where sender, sink,
 * engine and daemon still fit on two processors.
 */
import type { ExecutionContext } from 'ava';
import { Line, mixedFlows } from '../support/line.js';
import { built, Netmill } from '../support/netmill.js';
import { scaled, systemTest } from '../support/system-test.js';
import { settled, type Traffic } from '../support/traffic.js';
import { numbered } from './policies.js';

const ladder = [50_000, 40_000, 30_000, 20_000, 10_000, 5_000] as const;

interface Bed {
  readonly line: Line;
  readonly netmill: Netmill;
  readonly from: Traffic;
  readonly to: Traffic;
}

async function build(): Promise<Bed> {
  const line = await Line.create();
  try {
    const netmill = await Netmill.start(line.lab, line.router, await built(numbered(0)));
    await line.warm();
    const { client, server } = await line.traffic();
    await mixedFlows(client, 'server');
    return { line, netmill, from: client, to: server };
  } catch (error) {
    await line.close();
    throw error;
  }
}

const clean = { lost: 0, reordered: 0, duplicates: 0, bad: 0 };

/** Sends while `work` goes on; says what was sent and what came. */
async function during(bed: Bed, rate: number, work: () => Promise<void>) {
  await bed.from.clear();
  await mixedFlows(bed.from, 'server');
  await bed.to.reset();
  await bed.from.start(rate);
  await work();
  await bed.from.stop();
  return settled(bed.from, bed.to);
}

/** What swaps cost the machine, without swaps. */
async function askFor(netmill: Netmill, milliseconds: number): Promise<void> {
  for (const end = performance.now() + milliseconds; performance.now() < end; ) await netmill.counters();
}

/** Where the test before began to lose nothing: the next one tries one step above. */
let step = 0;

async function losslessRate(bed: Bed, t: ExecutionContext): Promise<number> {
  for (step = Math.max(0, step - 1); step < ladder.length; step++) {
    const rate = ladder[step]!;
    // Most rates that are too high show it within the first second.
    if ((await during(bed, rate, () => askFor(bed.netmill, 1000))).lost > 0) continue;
    const control = await during(bed, rate, () => askFor(bed.netmill, 3000));
    if (control.lost === 0 && control.reordered === 0 && control.sent > rate * 2) {
      t.log(`control run without loss: ${control.sent} packets at ${rate}/s`);
      return rate;
    }
  }
  throw new Error(`no rate of ${ladder.join(', ')} was without loss`);
}

/** Every counter that may only grow, by name. */
async function counters(netmill: Netmill): Promise<ReadonlyMap<string, number>> {
  const all = new Map<string, number>();
  for (const one of (await netmill.counters()).interfaces) {
    all.set(`${one.name} rx`, one.rx.packets);
    all.set(`${one.name} tx`, one.tx.packets);
  }
  for (const rule of (await netmill.rules()).rules) all.set(`rule ${rule.id}`, rule.packets);
  return all;
}

function watchCounters(t: ExecutionContext, netmill: Netmill) {
  let last: ReadonlyMap<string, number> = new Map();
  return async () => {
    const now = await counters(netmill);
    for (const [name, value] of now) t.true(value >= (last.get(name) ?? 0), `${name} went back to ${value}`);
    last = new Map([...last, ...now]);
  };
}

systemTest(
  '1,000 swaps between built generations lose and reorder nothing',
  async (t) => {
    const bed = await build();
    try {
      const rate = await losslessRate(bed, t);
      await bed.netmill.deploy(numbered(1));
      const look = watchCounters(t, bed.netmill);
      const swaps = scaled(1000);
      const seen = await during(bed, rate, async () => {
        for (let swap = 0; swap < swaps; swap++) {
          await bed.netmill.rollback();
          if (swap % 50 === 0) await look();
        }
      });
      t.log(`${swaps} swaps, ${seen.sent} packets`);
      t.like(seen, clean);
      await look();
    } finally {
      await bed.line.close();
    }
  },
  { seconds: 180 },
);

systemTest(
  '20 deploys, some of which take a port away or bring it back, and their rollback, lose nothing for the others',
  async (t) => {
    const bed = await build();
    try {
      const rate = Math.min(await losslessRate(bed, t), 50_000);
      const look = watchCounters(t, bed.netmill);
      const deploys = scaled(20);
      const seen = await during(bed, rate, async () => {
        for (let n = 1; n <= deploys; n++) {
          await bed.netmill.deploy(numbered(n, n % 4 === 2 ? ['server'] : ['server', 'provider']));
          await look();
          if (n % 5 === 0) {
            await bed.netmill.rollback();
            await look();
          }
        }
      });
      t.log(`${deploys} deploys, ${seen.sent} packets at ${rate}/s`);
      t.like(seen, clean);
      const client = (await bed.netmill.rules()).rules.find((rule) => rule.id === 'client');
      t.true(client!.packets >= seen.sent, 'the rule’s counter was not carried on');
    } finally {
      await bed.line.close();
    }
  },
  { seconds: 300 },
);

/** Left to netmill, the method is the one for the table as it was when the generation was built. */
async function automatic(t: ExecutionContext, { line, netmill }: Bed): Promise<void> {
  const says = async () => {
    const { lookup, lookupReason } = (await netmill.status()).generation;
    return [lookup, lookupReason];
  };
  await netmill.deploy(numbered(5));
  t.deepEqual(await says(), ['radix', 'small table']);
  const routes = Array.from(
    { length: 5000 },
    (_, i) => `route add 20.${i >> 8}.${i & 255}.0/24 via 10.0.3.2`,
  );
  await line.router.ip(...routes);
  await netmill.deploy(numbered(6));
  t.deepEqual(await says(), ['flat', 'large table']);
  await netmill.rollback();
  t.deepEqual(await says(), ['radix', 'small table']);
}

systemTest(
  'the lookup method changes by deploy and by rollback, and nothing is lost',
  async (t) => {
    const bed = await build();
    try {
      const rate = Math.min(await losslessRate(bed, t), 20_000);
      const seen = await during(bed, rate, async () => {
        for (let n = 1; n <= 2; n++) {
          for (const lookup of ['radix', 'dxr'] as const)
            await bed.netmill.deploy(numbered(n, undefined, lookup));
          await bed.netmill.rollback(); // radix again
          await bed.netmill.deploy(numbered(n, undefined, 'flat'));
        }
        await automatic(t, bed);
      });
      t.log(`11 changes of the method, ${seen.sent} packets at ${rate}/s`);
      t.like(seen, clean);
    } finally {
      await bed.line.close();
    }
  },
  { seconds: 180 },
);

systemTest('a swap by rollback goes to the generation before, and names what runs', async (t) => {
  const bed = await build();
  try {
    const first = (await bed.netmill.status()).generation.running;
    const { generation } = await bed.netmill.deploy(numbered(5));
    t.not(generation, first);
    t.is((await bed.netmill.rollback()).generation, first);
    t.is((await bed.netmill.status()).generation.running, first);
    const listed = await bed.netmill.json<{ generation: number; state: string }[]>('generations');
    t.is(listed.find((one) => one.state === 'running')?.generation, first);
  } finally {
    await bed.line.close();
  }
});
