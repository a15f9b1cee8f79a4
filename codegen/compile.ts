/**
 * The pipeline, on one page:
 *
 *   load → check → lower (and optimise) → view → render → compile → self-test → write
 *                                                         analyse
 *
 * Whatever goes wrong is a diagnostic, and then nothing is written. The same policy gives the same bytes of C.
 */
import { createHash } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { bugReport } from './bug-report.js';
import type { CheckedPolicy, FrontResult, PolicyFile } from './checked.js';
import {
  type CompilerOptions,
  type CompilerResult,
  compilerFlags,
  compilerName,
  compilerVersion,
  includeFlags,
  linkFlags,
  runCompiler,
  tablesFlag,
} from './compiler.js';
import type { Diagnostic } from './diagnostics/diagnostic.js';
import { forwarderHeader } from './elf.js';
import { type FrontOptions, type ReadResult, readPolicy } from './front.js';
import type { Ir } from './ir.js';
import { coupledPrefixes } from './kernel-tables.js';
import { lower } from './lower.js';
import { makeManifest } from './make-manifest.js';
import { formatManifest, type Manifest } from './manifest.js';
import { policyFile, policyToJson } from './policy-json.js';
import { renderForwarder } from './render.js';
import { makeScratch, removeScratch } from './scratch.js';
import { drawSelfTest } from './selftest/selftest.js';
import { noContents } from './sets/contents.js';
import { initialSetFile, setImage } from './sets/image.js';
import { type Slower, Tables } from './view/classifiers.js';
import { forwarderView } from './view/forwarder.js';

export type Stage = 'check' | 'generate' | 'analyse' | 'compile' | 'self-test' | 'write';

/** One when a stage begins, one with its time when it has ended. */
export interface Progress {
  readonly stage: Stage;
  readonly milliseconds?: number;
}

export interface BuildOptions extends FrontOptions {
  /** Made when it is not there. */
  readonly outDir: string;
  /** Number of the generation; when not said, one more than the highest in outDir. */
  readonly sequence?: number;
  readonly compiler?: CompilerOptions;
  /** False leaves the self-test out, for tests of the other stages. */
  readonly selfTest?: boolean;
  readonly onProgress?: (progress: Progress) => void;
}

export type BuildResult =
  | {
      readonly ok: true;
      /** Absolute, or as outDir is. */
      readonly files: { readonly source: string; readonly manifest: string; readonly forwarder: string };
      readonly manifest: Manifest;
      readonly warnings: readonly Diagnostic[];
      readonly policyFiles: readonly PolicyFile[];
      readonly root: string;
    }
  | {
      readonly ok: false;
      readonly diagnostics: readonly Diagnostic[];
      readonly policyFiles: readonly PolicyFile[];
      readonly root: string;
    };

export async function compile(policyPath: string, options: BuildOptions): Promise<BuildResult> {
  const timed = stopwatch(options.onProgress);
  const read = await timed('check', () => readPolicy(policyPath, options));
  if (!read.ok) return refusal(read);
  const made = await timed('generate', () => generateOrRefuse(read));
  if ('ok' in made) return refusal(made);
  const { ir, source, tables, warnings } = made;
  const scratch = makeScratch('build');
  const compiler = startCompiler(scratch, source, tables, options.compiler);
  try {
    // While the C compiler runs, on another core: types, what is said about all packets, and the packets of the self-test.
    const front = await timed('analyse', () => read.analyse());
    if (!front.ok) return refusal(front);
    const { policy } = front;
    const refuse = (diagnostics: readonly Diagnostic[]): BuildResult =>
      refusal({ diagnostics: [...diagnostics, ...policy.warnings], files: policy.files, root: policy.root });

    const [compiled, selfTest] = await timed('compile', () =>
      Promise.all([compiler.result, (options.selfTest ?? true) ? drawSelfTest(ir) : undefined]),
    );
    const refused = bugReport(compiled, source, ir);
    if (refused.length > 0) return refuse(refused);
    if (selfTest) {
      const differences = await timed('self-test', () => selfTest.run(join(scratch, 'forwarder.so')));
      if (differences.length > 0) return refuse(differences);
    }
    const version = await compiler.version;
    const written = await timed('write', () => write(policy, ir, source, scratch, version, options));
    return {
      ok: true,
      ...written,
      warnings: [...policy.warnings, ...warnings],
      policyFiles: policy.files,
      root: policy.root,
    };
  } finally {
    await compiler.stop();
    removeScratch(scratch);
  }
}

/** Where types are wrong, values may be that no C can be made of. */
function generateOrRefuse(
  read: Extract<ReadResult, { ok: true }>,
): Generated | Extract<FrontResult, { ok: false }> {
  try {
    return generate(read.policy, { prefixes: coupledPrefixes(read.policy.router) });
  } catch (error) {
    const front = read.analyse();
    if (!front.ok) return front;
    throw error;
  }
}

function refusal({ diagnostics, files, root }: Omit<Extract<FrontResult, { ok: false }>, 'ok'>): BuildResult {
  return { ok: false, diagnostics, policyFiles: files, root };
}

export interface Generated {
  readonly ir: Ir;
  readonly source: string;
  /** What MILL_TABLES of the source names: the tables of long lists. */
  readonly tables: Uint8Array;
  readonly warnings: readonly Diagnostic[];
}

export interface GenerateOptions {
  /** In the kernel's tables that the policy is coupled to; not known: a large table is assumed. */
  readonly prefixes?: number | undefined;
  /** Lists of more rules become tables; for tests. */
  readonly longest?: number | undefined;
}

/**
 * A checked policy as C: no clock, no random numbers, no absolute path. Of the kernel's tables, nothing but whether they are
 * small or large changes it.
 */
export function generate(policy: CheckedPolicy, options: GenerateOptions = {}): Generated {
  const { prefixes, longest } = options;
  const ir = lower(policy, prefixes);
  const tables = new Tables(policy.router.engine.aclMemory * 2 ** 20, longest);
  const source = renderForwarder(forwarderView(ir, tables));
  return { ir, source, tables: tables.bytes(), warnings: tables.slower.map(slower) };
}

function slower({ list, family, parts, why }: Slower): Diagnostic {
  const how =
    parts === 0 ? 'is searched rule by rule' : `is searched in ${parts} parts, one after the other,`;
  return {
    code: 'NM5009',
    severity: 'warning',
    origin: list.origin,
    message: `${list.kind} list '${list.name}' ${how} for IPv${family}: ${why}`,
    related: [],
    fix: 'grant it more memory by engine.aclMemory, or take rules or networks out of it.',
  };
}

const tablesFile = 'forwarder.tables';

/** A run of the C compiler, whose forwarder.so will lie in `directory`. */
interface Compiling {
  readonly result: Promise<CompilerResult>;
  readonly version: Promise<string>;
  /** Resolves when nothing of it runs any more. */
  stop(): Promise<void>;
}

function startCompiler(
  directory: string,
  source: string,
  tables: Uint8Array,
  options: CompilerOptions | undefined,
): Compiling {
  const at = (name: string) => join(directory, name);
  writeFileSync(at('forwarder.c'), source);
  writeFileSync(at(tablesFile), tables);
  const files = [at('forwarder.c'), ...linkFlags(), '-o', at('forwarder.so')];
  const flags = [...compilerFlags(options), ...includeFlags(), tablesFlag(at(tablesFile))];
  const stopped = new AbortController();
  const result = runCompiler([...flags, ...files], options, stopped.signal);
  const version = compilerVersion(options, stopped.signal);
  const stop = async () => {
    stopped.abort();
    await Promise.all([result, version]);
  };
  return { result, version, stop };
}

/** The manifest comes last: a directory with one is whole. */
function write(
  policy: CheckedPolicy,
  ir: Ir,
  source: string,
  scratch: string,
  version: string,
  options: BuildOptions,
): { readonly files: Extract<BuildResult, { ok: true }>['files']; readonly manifest: Manifest } {
  const code = readFileSync(join(scratch, 'forwarder.so'));
  const header = forwarderHeader(code);
  if (header === undefined || header.policyHash !== ir.policyHash)
    throw new Error('the compiled forwarder does not say what it is');
  const hash = hashOf(code);
  mkdirSync(options.outDir, { recursive: true });
  const sequence = options.sequence ?? nextSequence(options.outDir);
  const forwarder = `fwd-${sequence}-${hash.slice(0, 12)}.so`;
  const sets = ir.sets.map(({ name }) => ({
    name,
    image: setImage(name, ir.contents.get(name) ?? noContents, 0),
  }));
  const manifest = makeManifest(ir, {
    sequence,
    abi: header.abi,
    layout: header.layout,
    forwarder,
    forwarderHash: hash,
    sets: new Map(sets.map(({ name, image }) => [name, hashOf(image)])),
    compiler: { name: compilerName(options.compiler), version, flags: compilerFlags(options.compiler) },
  });
  const at = (name: string) => join(options.outDir, name);
  const files = { source: at('forwarder.c'), forwarder: at(forwarder), manifest: at('forwarder.json') };
  replaceAll([
    [at(policyFile), policyToJson(policy)],
    ...sets.map(({ name, image }) => [at(initialSetFile(name)), image] as const),
    [files.source, source],
    [files.forwarder, code],
    [files.manifest, formatManifest(manifest)],
  ]);
  removeOld(options.outDir, forwarder);
  return { files, manifest };
}

/** In this order, once all of them are written: where one does not fit on the disk, what was there stays as it was. */
function replaceAll(files: readonly (readonly [path: string, content: string | Uint8Array])[]): void {
  try {
    for (const [path, content] of files) writeFileSync(`${path}.new`, content);
  } catch (error) {
    for (const [path] of files) rmSync(`${path}.new`, { force: true, recursive: true });
    throw error;
  }
  for (const [path] of files) renameSync(`${path}.new`, path);
}

function hashOf(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}

/** Shared objects of a directory that are kept: who has just read the manifest before finds what it names. */
const kept = 3;

/** Their numbers by name. */
function forwardersIn(directory: string): readonly { readonly name: string; readonly sequence: number }[] {
  return readdirSync(directory).flatMap((name) => {
    const found = /^fwd-(\d+)-[0-9a-f]{12}\.so$/.exec(name);
    return found ? [{ name, sequence: Number(found[1]) }] : [];
  });
}

function nextSequence(directory: string): number {
  return Math.max(0, ...forwardersIn(directory).map((one) => one.sequence)) + 1;
}

/** Engines have copies of their own: the daemon's store takes a bundle in, and loads it from there. */
function removeOld(directory: string, newest: string): void {
  const others = forwardersIn(directory).filter((one) => one.name !== newest);
  const oldest = [...others].sort((a, b) => b.sequence - a.sequence).slice(kept - 1);
  for (const { name } of oldest) rmSync(join(directory, name), { force: true });
}

function stopwatch(report: BuildOptions['onProgress']) {
  return async <T>(stage: Stage, work: () => T | Promise<T>): Promise<T> => {
    report?.({ stage });
    const from = performance.now();
    const result = await work();
    report?.({ stage, milliseconds: performance.now() - from });
    return result;
  };
}
