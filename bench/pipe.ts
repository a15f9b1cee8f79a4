/**
 *   pipe-load ═══ pipe:in  engine, one worker  pipe:out ═══ pipe-load
 *
 * 64-byte packets from process to process through shared memory: the generator and sink are one process on one core,
 * the engine's worker has the other. What counts is what comes out. The table has a full view's size, grown from the
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
import type { Measured } from './result.js';

const tool = fileURLToPath(new URL('../../bench/build/pipe-load', import.meta.url));
const runs = 5;
const runMs = 1500;
const hot = 900; // different destinations, as the peer's measurement has packets

const policy = `import { router } from 'netmill'
export default router('bench', {
  engine: { workers: [{ core: 1 }], events: 'busy', lookup: 'flat' },
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

async function measure(args: readonly string[]): Promise<number> {
  const { stdout } = await promisify(execFile)('taskset', ['-c', '0', tool, ...args, String(runMs)]);
  const load = JSON.parse(stdout) as Load;
  return (load.received / load.ns) * 1e9;
}

export async function pipe(say: (text: string) => void): Promise<Measured> {
  const about = { case: 'pipe', unit: 'packets/s', better: 'higher' } as const;
  const reason = missing('taskset') ?? (existsSync(tool) ? undefined : 'bench/build/pipe-load is not built');
  if (reason) return { ...about, ours: [], skipped: reason };
  const lab = await Lab.create();
  try {
    const router = await lab.router('router');
    say('pipe: routes');
    const netmill = await Netmill.start(lab, router, policy);
    const faces = await netmill.call<readonly InterfaceReply[]>({ op: 'ifconfig' });
    const face = (name: string) => faces.find((one) => one.name === name)!;
    await router.ip(
      `neigh replace 10.0.2.2 lladdr 02:00:00:00:00:05 dev ${face('out').device} nud permanent`,
    );
    const prefixes = grownTable();
    await install(lab, router, prefixes);
    await until('the routes', async () => (await netmill.status()).fib.routes4 >= prefixes.length, 60_000);
    const socket = (name: string) => join(netmill.rundir, 'pipe', `${name}.sock`);
    const args = [socket('in'), socket('out'), face('in').mac, await destinations(lab, prefixes)];
    const ours: number[] = [];
    for (let run = 0; run < runs; run++) {
      say(`pipe: run ${run + 1} of ${runs}`);
      ours.push(await measure(args));
    }
    return { ...about, ours };
  } finally {
    await lab.close();
  }
}
