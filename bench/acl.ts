/**
 * Classification, one core: the tables of a long list against DPDK's rte_acl with AVX-512, on ClassBench sets. Packets
 * are drawn uniformly over rules; both judge the same ones, in bursts of 64, run by run in turn in one process.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { generate } from '../codegen/compile.js';
import { compilerFlags, includeFlags, linkFlags, runCompiler, tablesFlag } from '../codegen/compiler.js';
import { builtinPredicate } from '../codegen/predicate/builtin.js';
import { acl, allow, router } from '../dsl/index.js';
import { buildProgram, compileSet, judge } from './acl-program.js';
import { filterSets } from './acl-sets.js';
import { type Filter, readSet, setNames } from './classbench.js';
import { matchOf } from './policy-filters.js';
import { type Bench, type Measured, median, ratioOf } from './result.js';

const load = { packets: 1 << 18, runs: 9, checked: 20_000 };
const large = /_10k$/;

export const aclBench: Bench = async function* (wants, say) {
  const directory = mkdtempSync(join(tmpdir(), 'netmill-acl-'));
  try {
    yield* rates(directory, wants, say);
    if (wants('build.10k')) yield await buildTime(directory, say);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
};

const every = ['median', 'memory.10k'];

async function* rates(
  directory: string,
  wants: (name: string) => boolean,
  say: (text: string) => void,
): AsyncGenerator<Measured> {
  const all = every.some(wants);
  const given = setNames();
  const wanted = filterSets().filter(({ name }) => wants(name) || (all && given.includes(name)));
  if (wanted.length === 0) return;
  const program = await buildProgram(directory, true);
  const ratios: number[] = [];
  const megabytes: number[] = [];
  for (const { name, family, filters } of wanted) {
    say(`acl: ${name}`);
    const set = await compileSet(directory, name, filters(), family);
    const judged = await judge(program, set, load);
    if (judged.differences + judged.plain_differences > 0)
      throw new Error(`${name}: the classifier and a scan of the rules disagree`);
    if (given.includes(name)) {
      if (large.test(name)) megabytes.push(set.bytes / 2 ** 20);
      if (judged.peer.length > 0)
        ratios.push(ratioOf({ ours: judged.ours, peerRuns: judged.peer, better: 'higher' })!);
    }
    const skipped = program.withoutPeer ?? (judged.peer.length === 0 ? 'rte_acl did not start' : undefined);
    if (wants(name))
      yield {
        case: name,
        unit: 'M packets/s',
        better: 'higher',
        ours: judged.ours,
        peer: `rte_acl ${judged.peer_method ?? ''}`.trim(),
        peerRuns: judged.peer,
        bar: 1,
        ...(skipped && { skipped }),
      };
  }
  const one = { better: 'higher', unit: '×' } as const;
  if (wants('median') && ratios.length > 0)
    yield { ...one, case: 'median', ours: [median(ratios)!], bar: 1.5 };
  if (wants('memory.10k') && megabytes.length > 0)
    yield { case: 'memory.10k', unit: 'MiB', better: 'lower', ours: [Math.max(...megabytes)] };
}

/** Generating and compiling a forwarder with each of the large sets as its ACL, so far as a policy can say it; the slowest. */
async function buildTime(directory: string, say: (text: string) => void): Promise<Measured> {
  const runs: number[] = [];
  for (let i = 0; i < 3; i++) {
    say(`acl: build ${i + 1}`);
    const seconds: number[] = [];
    for (const name of setNames().filter((name) => large.test(name)))
      seconds.push(await secondsToBuild(directory, readSet(name)));
    runs.push(Math.max(...seconds));
  }
  return { case: 'build.10k', unit: 's', better: 'lower', ours: runs, bar: 5 };
}

async function secondsToBuild(directory: string, filters: readonly Filter[]): Promise<number> {
  const list = acl(
    'long',
    { default: 'deny' },
    filters.map((one) => allow(matchOf(one))),
  );
  const policy = router('bench', { interfaces: { a: { port: 'pipe:a', fallback: 'drop', in: list } } });
  const from = performance.now();
  const made = generate({
    router: policy,
    predicates: [builtinPredicate],
    files: [],
    policyHash: 'ab'.repeat(32),
    warnings: [],
    root: directory,
  });
  const [source, tables] = [join(directory, 'build.c'), join(directory, 'build.tables')];
  writeFileSync(source, made.source);
  writeFileSync(tables, made.tables);
  const flags = [...compilerFlags(), ...includeFlags(), tablesFlag(tables)];
  const compiled = await runCompiler([...flags, source, ...linkFlags(), '-o', join(directory, 'build.so')]);
  if (compiled.kind !== 'done') throw new Error(JSON.stringify(compiled));
  return (performance.now() - from) / 1e3;
}
