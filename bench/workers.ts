/**
 *   load0 ──► engine, worker on core 0 ──► load1        load2 ──► the same engine, worker on core 1 ──► load3
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

const names = ['in0', 'out0', 'in1', 'out1'] as const;

const policyOf = (file: string) => {
  const worker = (core: number) => `{ core: ${core}, rings: { in${core}: [0], out${core}: [0] } }`;
  const face = (name: string, i: number) =>
    `${name}: { port: 'dpdk:load${i},file=${file}', address: ['10.0.${i + 1}.1/24'], fallback: 'drop' },`;
  return `import { router } from 'netmill'
export default router('bench', {
  engine: { workers: [${worker(0)}, ${worker(1)}], events: 'poll', lookup: 'flat' },
  interfaces: {
    ${names.map(face).join('\n    ')}
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
  faces: readonly InterfaceReply[],
  prefixes: readonly string[],
) {
  for (const net of [2, 4]) {
    const device = faces.find(({ name }) => name === names[net - 1])!.device;
    await router.ip(`neigh replace 10.0.${net}.2 lladdr 02:00:00:00:00:05 dev ${device} nud permanent`);
  }
  const file = join(lab.directory, 'routes');
  await writeFile(
    file,
    prefixes.map((prefix) => `route replace ${prefix} via 10.0.${2 + 2 * workerOf(prefix)}.2`).join('\n'),
  );
  await router.ipFile(file);
}

function framesOf(mac: string, worker: number, prefixes: readonly string[]): Buffer[] {
  const random = seeded(64 + worker);
  const mine = prefixes.filter((prefix) => workerOf(prefix) === worker);
  return Array.from({ length: hot }, () => {
    const ends = {
      src: `10.0.${worker * 2 + 1}.2`,
      dst: mine[Math.floor(random() * mine.length)]!.split('/')[0]!,
    };
    return ethernet(mac, '02:00:00:00:00:0c', 0x0800, ipv4(ends, udp(ends, 4096, 8192, Buffer.alloc(18))));
  });
}

/** Packets a second of all workers that have load, while those of `busy` have. */
async function rate(loads: Loads, busy: readonly number[]): Promise<number> {
  for (const worker of [0, 1]) loads.set(worker * 2, busy.includes(worker) ? hot : 0);
  await sleep(30);
  const count = () => busy.reduce((sum, worker) => sum + loads.sent(worker * 2 + 1), 0n);
  const [before, started] = [count(), process.hrtime.bigint()];
  await sleep(runMs);
  const [after, ended] = [count(), process.hrtime.bigint()];
  for (const worker of [0, 1]) loads.set(worker * 2, 0);
  await sleep(10);
  return (Number(after - before) / Number(ended - started)) * 1e9;
}

interface Sums {
  readonly first: number;
  readonly second: number;
  readonly both: number;
}

export async function workers(say: (text: string) => void): Promise<Measured> {
  const about = {
    case: 'workers.2',
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
    say('workers.2: routes');
    const netmill = await Netmill.start(lab, router, policyOf(loads.path), wrapper(lab));
    const faces = await netmill.call<readonly InterfaceReply[]>({ op: 'ifconfig' });
    const prefixes = grownTable();
    await install(lab, router, faces, prefixes);
    await until('the routes', async () => (await netmill.status()).fib.routes4 >= prefixes.length, 60_000);
    for (const worker of [0, 1]) {
      const mac = faces.find(({ name }) => name === `in${worker}`)!.mac;
      loads.fill(worker * 2, framesOf(mac, worker, prefixes));
    }
    const [both, one, sums]: [number[], number[], number[]] = [[], [], []];
    for (let run = 0; run < runs; run++) {
      say(`workers.2: run ${run + 1} of ${runs}`);
      // Who begins changes: what comes over a shared host is nobody's for long.
      const rates = [0, 0, 0];
      for (const turn of [0, 1, 2].map((i) => (i + run) % 3))
        rates[turn] = await rate(loads, turn === 2 ? [0, 1] : [turn]);
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
