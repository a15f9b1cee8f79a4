/**
 * A full view that changes while packets are forwarded by it. `visible`: from one change, sent by netlink, to the first packet
 * that goes by it. `churn.kernel`: all prefixes get other neighbours, as fast as the kernel takes it: changes a second
 * until the compiled FIB has the last one, against those that the kernel took, which must not drop a message. `churn.lost`:
 * packets lost meanwhile, at a rate at which a control run loses none.
 */
import { Line, macs, own } from '../tests/support/line.js';
import { Netmill } from '../tests/support/netmill.js';
import { missing, sleep, until } from '../tests/support/netns.js';
import type { Traffic } from '../tests/support/traffic.js';
import { plain } from '../tests/system/policies.js';
import { fullView, routesOf, settleNeighbours } from './full-view.js';
import type { Bench, Measured } from './result.js';
import { RouteTool } from './route-tool.js';

const runs = 5;
const changes = 200;
const visibleRate = 20_000; // packets a second: 50 us between two
const rates = [20_000, 10_000, 5_000];
const moving = { prefix: '240.1.0.0/16', address: '240.1.2.3' } as const;
const steady = { prefix: '240.2.0.0/16', address: '240.2.3.4' } as const;

interface Bed {
  readonly line: Line;
  readonly tool: RouteTool;
  readonly netmill: Netmill;
  readonly ends: { readonly client: Traffic; readonly server: Traffic; readonly provider: Traffic };
}

async function bed(): Promise<Bed> {
  const line = await Line.create();
  try {
    await settleNeighbours(line);
    await line.router.ip(
      `neigh replace 10.0.2.2 lladdr ${macs.s0} dev r1 nud permanent`,
      `neigh replace 10.0.3.2 lladdr ${macs.p0} dev r2 nud permanent`,
      `route add ${moving.prefix} via 10.0.2.2`,
      `route add ${steady.prefix} via 10.0.2.2`,
    );
    const tool = new RouteTool(line.lab, line.router);
    const view = await fullView();
    await tool.load(0, routesOf(view));
    await tool.load(1, routesOf(view, 1));
    await tool.send('add', 0);
    const netmill = await Netmill.start(line.lab, line.router, plain);
    return { line, tool, netmill, ends: await line.traffic() };
  } catch (error) {
    await line.close();
    throw error;
  }
}

/** Milliseconds to the first packet by the new way, of each change. */
async function visible({ tool, ends: { client, server, provider } }: Bed): Promise<number[]> {
  await client.clear();
  await client.flow({ id: 1, src: own.client.v4, dst: moving.address, dmac: macs.r0 });
  await client.start(visibleRate);
  const all: number[] = [];
  for (let i = 0; i < changes; i++) {
    const [gateway, next] = i % 2 ? (['10.0.2.2', server] as const) : (['10.0.3.2', provider] as const);
    await sleep(20);
    await next.reset();
    const sent = await tool.change(moving.prefix, gateway);
    const first = await until('a packet by the new way', async () => {
      const [flow] = (await next.stats()).flows;
      return flow !== undefined && flow.received > 0 ? flow.firstNs : undefined;
    });
    all.push((first - sent) / 1e6);
  }
  await client.stop();
  await tool.change(moving.prefix, '10.0.2.2');
  return all;
}

interface Churn {
  /** Changes a second: as the kernel took them, and until the compiled FIB had them. */
  readonly kernel: number;
  readonly netmill: number;
  readonly overruns: number;
}

/**
 * Packets that are lost while `work` goes on. The sink counts by XDP, so that it always finds time; since that counts a host's
 * own packets too, the engine's count of what it sent to the server is held against it, and the smaller one counts.
 */
async function lostDuring({ netmill, ends }: Bed, rate: number, work: () => Promise<void>): Promise<number> {
  const counts = async () => {
    const { interfaces } = await netmill.counters();
    const engine = interfaces.find((one) => one.name === 'server')!.tx.packets;
    return { engine, sink: (await ends.server.dropped()).packets };
  };
  const before = await counts();
  await ends.client.start(rate);
  await work();
  const { sent } = await ends.client.stop();
  await sleep(200);
  const after = await counts();
  return sent - Math.min(after.engine - before.engine, after.sink - before.sink);
}

/** All prefixes by the neighbours of the other set. */
async function churn({ tool, netmill }: Bed, set: number): Promise<Churn> {
  const before = (await netmill.status()).fib;
  const begin = performance.now();
  const { ns, count } = await tool.send('replace', set);
  await netmill.call({ op: 'fib', action: 'couple' }); // answers when the compiled FIB has it all
  const seconds = (performance.now() - begin) / 1000;
  const { overruns } = (await netmill.status()).fib;
  return { kernel: count / (ns / 1e9), netmill: count / seconds, overruns: overruns - before.overruns };
}

/** The highest rate at which nothing is lost while no route changes. */
async function quietRate(one: Bed): Promise<number> {
  const { client, server } = one.ends;
  await client.clear();
  await client.flow({ id: 1, src: own.client.v4, dst: steady.address, dmac: macs.r0, n: 16 });
  await server.drop();
  for (const rate of rates) if ((await lostDuring(one, rate, () => sleep(3000))) === 0) return rate;
  throw new Error(`packets are lost without any change at ${rates.at(-1)} a second`);
}

async function churns(one: Bed, say: (text: string) => void): Promise<Churn[]> {
  const all: Churn[] = [];
  for (let run = 0; run < runs; run++) {
    say(`churn: run ${run + 1} of ${runs}`);
    all.push(await churn(one, (run + 1) % 2));
  }
  return all;
}

/** Packets lost during each of two churns, one there and one back. */
async function losses(one: Bed, say: (text: string) => void): Promise<number[]> {
  const rate = await quietRate(one);
  const all: number[] = [];
  for (const set of [0, 1]) {
    say(`churn: ${rate} packets a second`);
    all.push(await lostDuring(one, rate, async () => void (await churn(one, set))));
  }
  return all;
}

const percentile = (values: readonly number[], share: number): number =>
  [...values].sort((a, b) => a - b)[Math.ceil(values.length * share) - 1]!;

const about = {
  visible: { case: 'visible', unit: 'ms', better: 'lower', bar: 10 },
  p99: { case: 'visible.p99', unit: 'ms', better: 'lower', bar: 10 },
  kernel: { case: 'churn.kernel', unit: 'changes/s', better: 'higher', peer: 'kernel', bar: 0.95 },
  overruns: { case: 'churn.overruns', unit: 'overruns', better: 'lower', bar: 0 },
  lost: { case: 'churn.lost', unit: 'packets', better: 'lower', bar: 0 },
} as const;

async function* measure(
  one: Bed,
  wants: (name: string) => boolean,
  say: (text: string) => void,
): AsyncGenerator<Measured> {
  if (wants('visible') || wants('visible.p99')) {
    say('visible');
    const ours = await visible(one);
    if (wants('visible')) yield { ...about.visible, ours };
    if (wants('visible.p99')) yield { ...about.p99, ours: [percentile(ours, 0.99)] };
  }
  if (wants('churn.kernel') || wants('churn.overruns')) {
    const all = await churns(one, say);
    const rates = { ours: all.map((run) => run.netmill), peerRuns: all.map((run) => run.kernel) };
    if (wants('churn.kernel')) yield { ...about.kernel, ...rates };
    if (wants('churn.overruns'))
      yield { ...about.overruns, ours: [all.reduce((sum, run) => sum + run.overruns, 0)] };
  }
  if (wants('churn.lost'))
    yield { ...about.lost, ours: [(await losses(one, say)).reduce((sum, lost) => sum + lost, 0)] };
}

export const live: Bench = async function* (wants, say) {
  const wanted = Object.values(about).filter((one) => wants(one.case));
  if (wanted.length === 0) return;
  const skipped = missing('xz');
  if (skipped !== undefined) {
    for (const one of wanted) yield { ...one, ours: [], skipped };
    return;
  }
  say('visible, churn: routes');
  const one = await bed();
  try {
    yield* measure(one, wants, say);
  } finally {
    await one.line.close();
  }
};
