/**
 * A carrier is lost under 500,000 routes that go by one nexthop object; a shorter prefix goes by another wire. What counts
 * is the time from when the kernel has counted the loss to the last packet that the engine gave to that port; `moved` is until
 * each of the flows, spread over the routes, arrives on the other one. Before that, a control run at the same rate must lose nothing.
 */
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { type Line as Bed, Line, macs, own } from '../tests/support/line.js';
import { Netmill } from '../tests/support/netmill.js';
import { missing, sleep, until } from '../tests/support/netns.js';
import { settled, type Traffic } from '../tests/support/traffic.js';
import { plain } from '../tests/system/policies.js';
import type { Bench } from './result.js';
import { RouteTool } from './route-tool.js';

const runs = 5;
const routes = 500_000;
const flows = 64;
const rate = 20_000; // packets a second

const prefix = (i: number): string => `${20 + (i >> 16)}.${(i >> 8) & 255}.${i & 255}.0/24`;

interface Ends {
  readonly client: Traffic;
  readonly server: Traffic;
  readonly provider: Traffic;
}

async function bed(): Promise<{ line: Bed; tool: RouteTool; netmill: Netmill; ends: Ends }> {
  const line = await Line.create();
  try {
    await line.router.ip('route add 16.0.0.0/4 via 10.0.3.2');
    const tool = new RouteTool(line.lab, line.router);
    const lines = Array.from({ length: routes }, (_, i) => `${prefix(i)} #1\n`);
    await tool.load(0, lines.join(''));
    const netmill = await Netmill.start(line.lab, line.router, plain);
    const ends = await line.traffic();
    for (let id = 1; id <= flows; id++) {
      const dst = prefix(Math.floor((id * routes) / flows) - 1).replace(/0\/24$/, '9');
      await ends.client.flow({ id, src: own.client.v4, dst, dmac: macs.r0 });
    }
    return { line, tool, netmill, ends };
  } catch (error) {
    await line.close();
    throw error;
  }
}

/** Carrier, nexthop object and routes as they were before it was lost. */
async function restore({ line, tool, netmill }: Awaited<ReturnType<typeof bed>>): Promise<void> {
  await line.server.ip('link set s0 up');
  await until('the carrier', async () => {
    const [link] = await line.router.ipJson<{ flags: string[] }[]>('link', 'show', 'dev', 'r1');
    return link?.flags.includes('LOWER_UP');
  });
  await line.router.ip(
    'nexthop replace id 1 via 10.0.2.2 dev r1',
    `neigh replace 10.0.2.2 lladdr ${macs.s0} dev r1 nud permanent`,
    `neigh replace 10.0.3.2 lladdr ${macs.p0} dev r2 nud permanent`,
  );
  await tool.send('add', 0);
  await netmill.call({ op: 'fib', action: 'couple' }); // answers when the compiled FIB has them
}

interface Loss {
  /** Milliseconds from when the carrier was lost to the last packet that the engine gave to its port. */
  readonly dead: number;
  /** … until every flow has arrived on the other wire. */
  readonly moved: number;
}

const watchProgram = fileURLToPath(new URL('../../bench/build/link-watch', import.meta.url));
const watchMs = 1000;

/** Milliseconds since the epoch. */
interface Watched {
  readonly lost: number;
  /** The last packet that the engine gave to the port, sent or not. */
  readonly given: number;
}

/** Looks at the port of the server while `work` is done. */
async function watched(
  { line: { lab, router }, netmill }: Awaited<ReturnType<typeof bed>>,
  work: () => Promise<void>,
): Promise<Watched> {
  const words = [String(await netmill.enginePid()), 'server', 'r1', String(watchMs)];
  const child = lab.own(router.start(watchProgram, words, { conversation: true }));
  const lines = createInterface({ input: child.stdout! })[Symbol.asyncIterator]();
  await lines.next();
  await work();
  const { value, done } = await lines.next();
  if (done) throw new Error(`link-watch ${words.join(' ')} ended`);
  const { lostNs, givenNs } = JSON.parse(value) as Record<'lostNs' | 'givenNs', number>;
  if (lostNs === 0) throw new Error('r1 did not lose its carrier');
  return { lost: lostNs / 1e6, given: givenNs / 1e6 };
}

async function lose(one: Awaited<ReturnType<typeof bed>>): Promise<Loss> {
  const { client, server, provider } = one.ends;
  await Promise.all([client.reset(), server.reset(), provider.reset()]);
  await client.start(rate);
  await sleep(200);
  const { lost, given } = await watched(one, () => one.line.server.ip('link set s0 down'));
  await client.stop();
  const others = (await provider.stats()).flows.filter((flow) => flow.received > 0);
  if (others.length < flows) throw new Error(`${others.length} of ${flows} flows found the other way`);
  const moved = Math.max(...others.map((flow) => flow.firstNs)) / 1e6;
  return { dead: Math.max(0, given - lost), moved: moved - lost };
}

export const linkDown: Bench = async function* (wants, say) {
  const dead = { case: 'linkdown.500k', unit: 'ms', better: 'lower', bar: 50 } as const;
  const moved = { case: 'linkdown.moved', unit: 'ms', better: 'lower' } as const;
  const wanted = [dead, moved].filter((one) => wants(one.case));
  if (wanted.length === 0) return;
  const skipped = missing();
  if (skipped !== undefined) {
    for (const one of wanted) yield { ...one, ours: [], skipped };
    return;
  }
  say('linkdown.500k: routes');
  const one = await bed();
  const { client, server } = one.ends;
  try {
    await restore(one);
    await client.send(rate, { ms: 1000 });
    const { lost, sent } = await settled(client, server);
    if (lost !== 0)
      throw new Error(`at ${rate} packets a second ${lost} of ${sent} were lost without any event`);
    const all: Loss[] = [];
    for (let run = 0; run < runs; run++) {
      say(`linkdown.500k: run ${run + 1} of ${runs}`);
      if (run > 0) await restore(one);
      all.push(await lose(one));
    }
    if (wants(dead.case)) yield { ...dead, ours: all.map((loss) => loss.dead) };
    if (wants(moved.case)) yield { ...moved, ours: all.map((loss) => loss.moved) };
  } finally {
    await one.line.close();
  }
};
