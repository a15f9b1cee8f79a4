/**
 *   workers.2          in0 ──► worker on core 0 ──► out0              in1 ──► worker on core 1 ──► out1
 *   workers.2.shared   in ring 0 ──► worker on core 0 ──► out ring 0  in ring 1 ──► worker on core 1 ──► out ring 1
 *
 * Two workers of one engine against one, each with its own load. A machine of two cores has none left for generators, so the load comes
 * from within: ports whose packets each worker writes itself, out of a plugin with the ABI of DPDK's (bench/load_port.c). All
 * else is the engine as it is: turns, syncs, forwarder, FIB, counters. What the cores do at once of mere arithmetic is
 * measured in between, since no two workers can do better than that.
 */
import { closeSync, cpSync, mkdirSync, openSync, readSync, writeSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import type { InterfaceReply } from '../runtime/control/types.js';
import { engineBinary } from '../runtime/paths.js';
import { Netmill } from '../tests/support/netmill.js';
import { Lab, missing, type Node, sleep, until } from '../tests/support/netns.js';
import { ethernet, ipv4, seeded, udp } from '../tests/support/packet.js';
import { built, LoopProgram } from './loop-program.js';
import { grownTable } from './pipe.js';
import { type Measured, median } from './result.js';

const runs = 15;
const runMs = 120;
const hot = 900; // packets of each load, sent in turn

// bench/load_port.c
const cellBytes = 128;
const packetsAt = 4096;
const shareBytes = 65_536;

/** What a worker receives by and sends by, and the cell of its load: a ring's is that of its port, and the ring's number. */
interface Way {
  readonly in: string;
  readonly out: string;
  readonly ring: number;
  readonly load: number;
  readonly sent: number;
}

interface Layout {
  readonly name: string;
  /** By name; the first ring's cell, and how many rings. */
  readonly ports: Readonly<Record<string, readonly [number, number]>>;
  readonly ways: readonly [Way, Way];
}

const apart: Layout = {
  name: 'workers.2',
  ports: { in0: [0, 1], out0: [1, 1], in1: [2, 1], out1: [3, 1] },
  ways: [
    { in: 'in0', out: 'out0', ring: 0, load: 0, sent: 1 },
    { in: 'in1', out: 'out1', ring: 0, load: 2, sent: 3 },
  ],
};

const shared: Layout = {
  name: 'workers.2.shared',
  ports: { in: [0, 2], out: [2, 2] },
  ways: [
    { in: 'in', out: 'out', ring: 0, load: 0, sent: 2 },
    { in: 'in', out: 'out', ring: 1, load: 1, sent: 3 },
  ],
};

export const layouts: readonly Layout[] = [apart, shared];

const netOf = (layout: Layout, port: string) => `10.0.${Object.keys(layout.ports).indexOf(port) + 1}`;

const policyOf = (layout: Layout, file: string) => {
  const worker = (way: Way, core: number) =>
    `{ core: ${core}, rings: { ${way.in}: [${way.ring}], ${way.out}: [${way.ring}] } }`;
  const face = ([name, [cell, rings]]: [string, readonly [number, number]]) =>
    `${name}: { port: 'dpdk:load${cell},rings=${rings},file=${file}', address: ['${netOf(layout, name)}.1/24'], fallback: 'drop' },`;
  return `import { router } from 'netmill'
export default router('bench', {
  engine: { workers: [${layout.ways.map(worker).join(', ')}], events: 'poll', lookup: 'flat' },
  interfaces: {
    ${Object.entries(layout.ports).map(face).join('\n    ')}
  },
})
`;
};

/** An engine's folder in which the plugin for `dpdk:` is the load; shown to the daemon in place of the real one. */
function wrapper(lab: Lab): readonly string[] {
  const real = dirname(engineBinary);
  const folder = join(lab.directory, 'engine');
  mkdirSync(folder);
  for (const part of ['netmill-engine', 'netmill-selftest', 'forwarder'])
    cpSync(join(real, part), join(folder, part), { recursive: true });
  cpSync(built('load-port.so'), join(folder, 'netmill-dpdk.so'));
  return ['sh', '-c', 'mount --bind "$1" "$2" && shift 2 && exec "$@"', 'sh', folder, real];
}

/** The file that load and bench share. */
class Loads {
  readonly #fd: number;

  constructor(readonly path: string) {
    this.#fd = openSync(path, 'w+');
    writeSync(this.#fd, Buffer.alloc(packetsAt + 8 * shareBytes));
  }

  fill(port: number, frames: readonly Buffer[]): void {
    for (const [i, frame] of frames.entries())
      writeSync(this.#fd, frame, 0, frame.length, packetsAt + port * shareBytes + i * 64);
  }

  set(port: number, n: number): void {
    const word = Buffer.alloc(4);
    word.writeUInt32LE(n);
    writeSync(this.#fd, word, 0, 4, port * cellBytes);
  }

  sent(port: number): bigint {
    const word = Buffer.alloc(8);
    readSync(this.#fd, word, 0, 8, port * cellBytes + 64);
    return word.readBigUInt64LE();
  }

  close(): void {
    closeSync(this.#fd);
  }
}

/** Which worker's: all within an octet are the same one's, so that no longer prefix leads to the other. */
const workerOf = (prefix: string) => Number(prefix.split('.')[0]) % 2;

/** Half of the prefixes by the first worker's way out, half by the second's. */
async function install(
  lab: Lab,
  router: Node,
  layout: Layout,
  faces: readonly InterfaceReply[],
  prefixes: readonly string[],
) {
  const gateways = layout.ways.map(({ out }) => `${netOf(layout, out)}.2`);
  for (const [i, { out }] of layout.ways.entries()) {
    const device = faces.find(({ name }) => name === out)!.device;
    await router.ip(`neigh replace ${gateways[i]} lladdr 02:00:00:00:00:05 dev ${device} nud permanent`);
  }
  const file = join(lab.directory, 'routes');
  await writeFile(
    file,
    prefixes.map((prefix) => `route replace ${prefix} via ${gateways[workerOf(prefix)]}`).join('\n'),
  );
  await router.ipFile(file);
}

function framesOf(mac: string, source: string, worker: number, prefixes: readonly string[]): Buffer[] {
  const random = seeded(64 + worker);
  const mine = prefixes.filter((prefix) => workerOf(prefix) === worker);
  return Array.from({ length: hot }, () => {
    const ends = {
      src: source,
      dst: mine[Math.floor(random() * mine.length)]!.split('/')[0]!,
    };
    return ethernet(mac, '02:00:00:00:00:0c', 0x0800, ipv4(ends, udp(ends, 4096, 8192, Buffer.alloc(18))));
  });
}

/** Packets a second of all workers that have load, while those of `busy` have. */
async function rate(loads: Loads, { ways }: Layout, busy: readonly number[]): Promise<number> {
  for (const [worker, { load }] of ways.entries()) loads.set(load, busy.includes(worker) ? hot : 0);
  await sleep(30);
  const count = () => busy.reduce((sum, worker) => sum + loads.sent(ways[worker]!.sent), 0n);
  const [before, started] = [count(), process.hrtime.bigint()];
  await sleep(runMs);
  const [after, ended] = [count(), process.hrtime.bigint()];
  for (const { load } of ways) loads.set(load, 0);
  await sleep(10);
  return (Number(after - before) / Number(ended - started)) * 1e9;
}

interface Sums {
  readonly first: number;
  readonly second: number;
  readonly both: number;
}

export async function workers(layout: Layout, say: (text: string) => void): Promise<Measured> {
  const about = {
    case: layout.name,
    unit: 'packets/s',
    better: 'higher',
    peer: 'one worker',
    bar: 1.9,
  } as const;
  const reason = missing('taskset', 'mount');
  if (reason) return { ...about, ours: [], skipped: reason };
  const lab = await Lab.create();
  const loads = new Loads(join(lab.directory, 'load'));
  const arithmetic = new LoopProgram('arithmetic', [], '0,1');
  try {
    const router = await lab.router('router');
    say(`${layout.name}: routes`);
    const netmill = await Netmill.start(lab, router, policyOf(layout, loads.path), wrapper(lab));
    const faces = await netmill.call<readonly InterfaceReply[]>({ op: 'ifconfig' });
    const prefixes = grownTable();
    await install(lab, router, layout, faces, prefixes);
    await until('the routes', async () => (await netmill.status()).fib.routes4 >= prefixes.length, 60_000);
    for (const [worker, way] of layout.ways.entries()) {
      const mac = faces.find(({ name }) => name === way.in)!.mac;
      loads.fill(way.load, framesOf(mac, `${netOf(layout, way.in)}.2`, worker, prefixes));
    }
    const [both, one, sums]: [number[], number[], number[]] = [[], [], []];
    for (let run = 0; run < runs; run++) {
      say(`${layout.name}: run ${run + 1} of ${runs}`);
      // Who begins changes: what comes over a shared host is nobody's for long.
      const rates = [0, 0, 0];
      for (const turn of [0, 1, 2].map((i) => (i + run) % 3))
        rates[turn] = await rate(loads, layout, turn === 2 ? [0, 1] : [turn]);
      const [first, second, together] = rates as [number, number, number];
      both.push(together);
      one.push((first + second) / 2);
      const sum = await arithmetic.ask<Sums>('run');
      sums.push((2 * sum.both) / (sum.first + sum.second));
    }
    return { ...about, ours: both, peerRuns: one, more: { arithmetic: median(sums)! } };
  } finally {
    arithmetic.close();
    loads.close();
    await lab.close();
  }
}
