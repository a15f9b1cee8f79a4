/**
 * Lookups, one core, in the tables of a full view: the engine's FIB by each method against DPDK's rte_fib (DIR-24-8,
 * next hops of 2 bytes) and rte_fib6 (trie, 4 bytes), both with AVX-512. Two programs hold the tables, draw the same
 * addresses, look up in bursts of 64 and store 64-bit numbers in the array of a burst, as a forwarder does; runs are
 * measured in turn on one core, by the thread's own time, after it was compared that both give the same answers.
 */
import { execFile, spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface, type Interface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { sampleRoutes } from '../examples/data/tables.js';
import type { Bench, Measured } from './result.js';

const run = promisify(execFile);
const folder = fileURLToPath(new URL('../../bench', import.meta.url));
const shared = fileURLToPath(new URL('../../../shared/data', import.meta.url));
const runs = 7;

type Method = 'flat' | 'radix' | 'dxr';
type Family = 4 | 6;
type Pattern = 'uniform' | 'routed' | 'zipf';

interface Case {
  readonly name: string;
  readonly method: Method;
  readonly family: Family;
  readonly what: Pattern | 'build' | 'update' | 'memory';
  readonly bar?: number;
}

function lookups(method: Method, family: Family, bars: Partial<Record<Pattern, number>>): Case[] {
  const patterns: readonly Pattern[] = ['uniform', 'routed', 'zipf'];
  const prefix = method === 'flat' ? `v${family}` : `v${family}.${method}`;
  return patterns.map((what) => ({
    name: `${prefix}.${what}`,
    method,
    family,
    what,
    ...(bars[what] !== undefined && { bar: bars[what] }),
  }));
}

/** Bars are ratios where there is a peer; a build in half the peer's time is 2. */
const cases: readonly Case[] = [
  { name: 'build', method: 'flat', family: 4, what: 'build', bar: 2 },
  { name: 'update', method: 'flat', family: 4, what: 'update', bar: 10 },
  { name: 'memory', method: 'flat', family: 4, what: 'memory' },
  ...lookups('flat', 4, { uniform: 1.3, routed: 1.3, zipf: 1.3 }),
  { name: 'v4.radix.update', method: 'radix', family: 4, what: 'update', bar: 10 },
  { name: 'v4.radix.memory', method: 'radix', family: 4, what: 'memory', bar: 8 },
  ...lookups('radix', 4, { uniform: 2, routed: 0.9, zipf: 0.6 }),
  { name: 'v4.dxr.update', method: 'dxr', family: 4, what: 'update', bar: 10 },
  { name: 'v4.dxr.memory', method: 'dxr', family: 4, what: 'memory' },
  ...lookups('dxr', 4, {}),
  { name: 'v6.build', method: 'flat', family: 6, what: 'build', bar: 2 },
  { name: 'v6.update', method: 'flat', family: 6, what: 'update', bar: 10 },
  { name: 'v6.memory', method: 'flat', family: 6, what: 'memory' },
  ...lookups('flat', 6, { uniform: 1, routed: 1, zipf: 1 }),
  { name: 'v6.radix.memory', method: 'radix', family: 6, what: 'memory' },
  ...lookups('radix', 6, {}),
  { name: 'v6.dxr.memory', method: 'dxr', family: 6, what: 'memory' },
  ...lookups('dxr', 6, {}),
];

/** A program that answers each line with a number. */
class Program {
  readonly #child;
  readonly #lines: AsyncIterator<string>;

  constructor(name: string, tables: readonly string[]) {
    this.#child = spawn('taskset', ['-c', '1', join(folder, 'build', name), ...tables], {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    const lines: Interface = createInterface({ input: this.#child.stdout });
    this.#lines = lines[Symbol.asyncIterator]();
  }

  async ask(command: string): Promise<number> {
    this.#child.stdin.write(`${command}\n`);
    const { value, done } = await this.#lines.next();
    if (done) throw new Error(`${this.#child.spawnargs.join(' ')} ended at '${command}'`);
    return Number(value);
  }

  close(): void {
    this.#child.stdin.end();
  }
}

export const fib: Bench = async function* (wants, say) {
  const wanted = cases.filter((one) => wants(one.name));
  if (wanted.length === 0) return;
  const directory = mkdtempSync(join(tmpdir(), 'netmill-fib-'));
  try {
    say('fib: programs and tables');
    await run('make', ['-s', '-C', folder, 'build/fib-lookup']);
    const skipped = await buildPeer();
    const tables = await tablesIn(directory);
    for (const method of ['flat', 'radix', 'dxr'] as const)
      for (const family of [4, 6] as const) {
        const mine = wanted.filter((one) => one.method === method && one.family === family);
        if (mine.length > 0) yield* measure(mine, tables, skipped, say);
      }
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
};

/** Why there is no peer. */
async function buildPeer(): Promise<string | undefined> {
  try {
    await run('pkg-config', ['--exists', 'libdpdk']);
  } catch {
    return 'libdpdk is not installed (Debian: libdpdk-dev): no peer';
  }
  await run('make', ['-s', '-C', folder, 'build/rte-fib']);
  return undefined;
}

/** A full view where there is one, else the sample. */
async function tablesIn(directory: string): Promise<string[]> {
  const paths: string[] = [];
  for (const family of [4, 6] as const) {
    const path = join(directory, `v${family}.txt`);
    const full = join(shared, `bgp-v${family}.txt.xz`);
    if (existsSync(full)) await run('sh', ['-c', `xz -dc '${full}' > '${path}'`]);
    else
      writeFileSync(
        path,
        sampleRoutes(family)
          .map(({ prefix, neighbour }) => `${prefix} ${neighbour}`)
          .join('\n'),
      );
    paths.push(path);
  }
  return paths;
}

/** All cases of one method and family, with one table in each program. */
async function* measure(
  mine: readonly Case[],
  tables: readonly string[],
  skipped: string | undefined,
  say: (text: string) => void,
): AsyncGenerator<Measured> {
  const ours = new Program('fib-lookup', tables);
  const peer = skipped === undefined ? new Program('rte-fib', tables) : undefined;
  try {
    const { method, family } = mine[0]!;
    const built = await inTurn(ours, peer, `build ${method} ${family}`, say);
    const answers = `answers ${method} ${family} routed`;
    if (peer && (await ours.ask(answers)) !== (await peer.ask(answers)))
      throw new Error(`${method}, IPv${family}: the answers differ from the peer's`);
    for (const one of mine) yield await measureOne(one, ours, peer, built, skipped, say);
  } finally {
    ours.close();
    peer?.close();
  }
}

interface Runs {
  readonly ours: number[];
  readonly peerRuns: number[];
}

async function inTurn(
  ours: Program,
  peer: Program | undefined,
  command: string,
  say: (text: string) => void,
): Promise<Runs> {
  const all: Runs = { ours: [], peerRuns: [] };
  for (let i = 0; i < runs; i++) {
    say(`fib: ${command}, run ${i + 1} of ${runs}`);
    all.ours.push(await ours.ask(command));
    if (peer) all.peerRuns.push(await peer.ask(command));
  }
  return all;
}

async function measureOne(
  one: Case,
  ours: Program,
  peer: Program | undefined,
  built: Runs,
  skipped: string | undefined,
  say: (text: string) => void,
): Promise<Measured> {
  const about = { case: one.name, ...(one.bar !== undefined && { bar: one.bar }) };
  const against = { peer: one.family === 4 ? 'rte_fib' : 'rte_fib6', ...(skipped && { skipped }) };
  switch (one.what) {
    case 'build':
      return { ...about, ...against, unit: 's', better: 'lower', ...built };
    case 'memory': {
      const megabytes = await ours.ask(`memory ${one.method} ${one.family}`);
      return { ...about, unit: 'MB', better: 'lower', ours: [megabytes] };
    }
    case 'update': {
      const measured = await inTurn(ours, undefined, `update ${one.method} ${one.family}`, say);
      return { ...about, unit: 'us', better: 'lower', ours: measured.ours };
    }
    default: {
      const measured = await inTurn(ours, peer, `lookup ${one.method} ${one.family} ${one.what}`, say);
      const millions = (rates: readonly number[]) => rates.map((rate) => rate / 1e6);
      return {
        ...about,
        ...against,
        unit: 'M/s',
        better: 'higher',
        ours: millions(measured.ours),
        peerRuns: millions(measured.peerRuns),
      };
    }
  }
}
