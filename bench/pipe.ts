/**
 *   pipe-load ═══ pipe:in  engine, one worker  pipe:out ═══ pipe-load
 *
 * 64-byte packets from process to process through shared memory: the generator and sink are one process on one core,
 * the engine's worker has the other. The peer is l3fwd's steps between two of DPDK's memifs, zero-copy, on the same cores. What counts is what comes out. The table has a full view's size, grown from the
 * sample: each of its prefixes and the 17 that follow it in address order.
 */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { sampleRoutes } from '../examples/data/tables.js';
import type { InterfaceReply } from '../runtime/control/types.js';
import { Netmill } from '../tests/support/netmill.js';
import { Lab, missing, type Node, until } from '../tests/support/netns.js';
import { seeded } from '../tests/support/packet.js';
import { LoopProgram, makePeer } from './loop-program.js';
import type { Measured } from './result.js';

const tool = fileURLToPath(new URL('../../bench/build/pipe-load', import.meta.url));
const runs = 5;
const runMs = 1500;
const hot = 900; // different destinations, as the peer's measurement has packets

export const policyOf = (events: string) => `import { router } from 'netmill'
export default router('bench', {
  engine: { workers: [{ core: 1 }], events: '${events}', lookup: 'flat' },
  interfaces: {
    in: { port: 'pipe:in', address: ['10.0.1.1/24'], fallback: 'drop' },
    out: { port: 'pipe:out', address: ['10.0.2.1/24'], fallback: 'drop' },
  },
})
`;

/** As many prefixes as a full view has. */
export function grownTable(): string[] {
  const all = new Set<string>();
  for (const { prefix } of sampleRoutes(4)) {
    const [address, length] = prefix.split('/') as [string, string];
    const base = address.split('.').reduce((sum, octet) => sum * 256 + Number(octet), 0);
    const size = 2 ** (32 - Number(length));
    for (let k = 0; k < 18 && base + k * size < 0xe0000000; k++) {
      const bits = base + k * size;
      all.add(`${bits >>> 24}.${(bits >>> 16) & 255}.${(bits >>> 8) & 255}.${bits & 255}/${length}`);
    }
  }
  return [...all];
}

async function install(lab: Lab, router: Node, prefixes: readonly string[]): Promise<void> {
  const file = join(lab.directory, 'routes');
  await writeFile(file, prefixes.map((prefix) => `route replace ${prefix} via 10.0.2.2`).join('\n'));
  await router.ipFile(file);
}

/** Addresses drawn from the table's prefixes, always the same. */
async function destinations(lab: Lab, prefixes: readonly string[]): Promise<string> {
  const random = seeded(64);
  const file = join(lab.directory, 'destinations');
  const list = Array.from({ length: hot }, () => {
    const [address] = prefixes[Math.floor(random() * prefixes.length)]!.split('/') as [string];
    return address;
  });
  await writeFile(file, `${list.join('\n')}\n`);
  return file;
}

interface Load {
  readonly sent: number;
  readonly received: number;
  readonly ns: number;
}

/** The rate of what came out. */
const rateOf = ({ received, ns }: Load) => (received / ns) * 1e9;

/** One run of the generator and sink; `more` is put behind its milliseconds. */
export async function loadOf<T extends Load>(
  bed: PipeBed,
  ms: number,
  ...more: readonly string[]
): Promise<T> {
  const args = ['-c', '0', tool, ...bed.args, String(ms), ...more];
  return JSON.parse((await promisify(execFile)('taskset', args)).stdout) as T;
}

export interface PipeBed {
  readonly lab: Lab;
  readonly netmill: Netmill;
  /** Of the tool. */
  readonly args: readonly string[];
  readonly prefixes: readonly string[];
  readonly destinations: string;
  readonly mac: string;
}

/** Why it cannot be measured here. */
export const whyNot = () =>
  missing('taskset') ?? (existsSync(tool) ? undefined : 'bench/build/pipe-load is not built');

export async function pipeBed(lab: Lab, events: string): Promise<PipeBed> {
  const router = await lab.router('router');
  const netmill = await Netmill.start(lab, router, policyOf(events));
  const faces = await netmill.call<readonly InterfaceReply[]>({ op: 'ifconfig' });
  const face = (name: string) => faces.find((one) => one.name === name)!;
  await router.ip(`neigh replace 10.0.2.2 lladdr 02:00:00:00:00:05 dev ${face('out').device} nud permanent`);
  const prefixes = grownTable();
  await install(lab, router, prefixes);
  await until('the routes', async () => (await netmill.status()).fib.routes4 >= prefixes.length, 60_000);
  const socket = (name: string) => join(netmill.rundir, 'pipe', `${name}.sock`);
  const list = await destinations(lab, prefixes);
  const { mac } = face('in');
  const args = [socket('in'), socket('out'), mac, list];
  return { lab, netmill, args, prefixes, destinations: list, mac };
}

/** l3fwd's steps between memifs: a forwarder, and a generator and sink, which are started in this order for memif's sake. */
class Memif {
  private constructor(
    readonly load: LoopProgram,
    readonly forwarder: LoopProgram,
  ) {}

  static async start({ lab, prefixes, destinations, mac }: PipeBed): Promise<Memif> {
    const table = join(lab.directory, 'table');
    await writeFile(table, prefixes.map((prefix) => `${prefix} 1\n`).join(''));
    const load = new LoopProgram('memif', ['load', lab.directory, destinations, mac], '0');
    await until('memif', async () => existsSync(join(lab.directory, '1.sock')));
    const forwarder = new LoopProgram('memif', ['forward', lab.directory, table, mac]);
    await forwarder.ask('');
    return new Memif(load, forwarder);
  }

  async measure(): Promise<number> {
    this.forwarder.signal('SIGCONT');
    const load = await this.load.ask<Load>(String(runMs));
    this.forwarder.signal('SIGSTOP');
    return rateOf(load);
  }

  close(): void {
    this.forwarder.signal('SIGKILL'); // first: it does not outlive its peer in peace
    this.load.close();
  }
}

export async function pipe(say: (text: string) => void): Promise<Measured> {
  const about = { case: 'pipe', unit: 'packets/s', better: 'higher', peer: 'dpdk memif', bar: 1 } as const;
  const reason = whyNot();
  if (reason) return { ...about, ours: [], skipped: reason };
  const skipped = await makePeer('memif');
  const lab = await Lab.create();
  let memif: Memif | undefined;
  try {
    say('pipe: routes');
    const bed = await pipeBed(lab, 'busy');
    const engine = await bed.netmill.enginePid();
    const [ours, theirs]: [number[], number[]] = [[], []];
    for (let run = 0; run < runs; run++) {
      say(`pipe: run ${run + 1} of ${runs}`);
      process.kill(engine, 'SIGCONT');
      ours.push(rateOf(await loadOf(bed, runMs)));
      process.kill(engine, 'SIGSTOP'); // it would go on looking for packets on the peer's core
      if (skipped) continue;
      memif ??= await Memif.start(bed);
      theirs.push(await memif.measure());
    }
    process.kill(engine, 'SIGCONT');
    return { ...about, ours, peerRuns: theirs, ...(skipped && { skipped }) };
  } finally {
    memif?.close();
    await lab.close();
  }
}
