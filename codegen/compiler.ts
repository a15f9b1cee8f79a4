/** Runs the C compiler, bounded in time and memory, in a process group of its own. */
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { packageRoot } from './load/compiler.js';

export interface CompilerOptions {
  readonly cc?: string;
  /** -O level, '2' when not said. */
  readonly optimise?: '0' | '1' | '2' | '3';
  readonly milliseconds?: number;
}

export type CompilerResult =
  | { readonly kind: 'done'; readonly errors: string }
  | { readonly kind: 'refused'; readonly errors: string }
  | { readonly kind: 'missing' | 'timeout'; readonly compiler: string };

const addressSpace = 4 * 1024 ** 3;
const prlimit = ['/usr/bin/prlimit', '/bin/prlimit'].find((path) => existsSync(path));

export function compilerFlags(options: CompilerOptions = {}): readonly string[] {
  return [
    '-std=gnu11',
    `-O${options.optimise ?? '2'}`,
    '-fno-strict-aliasing',
    '-fPIC',
    '-shared',
    '-Wall',
    '-Wextra',
    '-Werror',
  ];
}

/** Where `#include` finds the engine's headers. */
export function includeFlags(): readonly string[] {
  return ['runtime', 'runtime/engine/include'].flatMap((path) => ['-I', join(packageRoot, path)]);
}

/** What every forwarder is linked with, made with the engine: runtime/engine/forwarder/lookups.c */
export const lookupsObject = join(packageRoot, 'runtime/engine/build/forwarder/lookups.o');

/** Behind the C file: the FIB's lookups come from there, and are not compiled with it. */
export function linkFlags(): readonly string[] {
  return ['-DMILL_LINKED_LOOKUPS', lookupsObject];
}

/** Where the assembler finds the tables of long lists. runtime/engine/include/netmill/classify_packet.h */
export function tablesFlag(path: string): string {
  return `-DMILL_TABLES="${path.replaceAll(/["\\]/g, '\\$&')}"`;
}

export function compilerName(options: CompilerOptions = {}): string {
  return options.cc ?? process.env.CC ?? 'gcc';
}

/** @param signal ends it; what it has written by then is worth nothing */
export function runCompiler(
  args: readonly string[],
  options: CompilerOptions = {},
  signal?: AbortSignal,
): Promise<CompilerResult> {
  const compiler = compilerName(options);
  const [command, ...rest] = prlimit
    ? [prlimit, `--as=${addressSpace}`, '--core=0', compiler, ...args]
    : [compiler, ...args];
  return new Promise((resolve) => {
    const child = spawn(command!, rest, {
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
      env: { PATH: process.env.PATH, LC_ALL: 'C', TMPDIR: process.env.TMPDIR },
    });
    let errors = '';
    let late = false;
    let ended = false;
    const kill = () => {
      if (child.pid !== undefined && !ended) process.kill(-child.pid, 'SIGKILL');
    };
    const timer = setTimeout(() => {
      late = true;
      kill();
    }, options.milliseconds ?? 120_000);
    signal?.addEventListener('abort', kill, { once: true });
    const collect = (text: Buffer) => {
      if (errors.length < 100_000) errors += text.toString();
    };
    child.stdout.on('data', collect);
    child.stderr.on('data', collect);
    child.on('error', () => {
      clearTimeout(timer);
      resolve({ kind: 'missing', compiler });
    });
    child.on('exit', () => {
      ended = true;
    });
    child.on('close', (code) => {
      clearTimeout(timer);
      if (late) resolve({ kind: 'timeout', compiler });
      else if (code === 127 || /failed to execute/.test(errors)) resolve({ kind: 'missing', compiler });
      else resolve(code === 0 ? { kind: 'done', errors } : { kind: 'refused', errors });
    });
  });
}

/** First line of `gcc --version`. */
export async function compilerVersion(options: CompilerOptions = {}, signal?: AbortSignal): Promise<string> {
  const found = await runCompiler(['--version'], options, signal);
  return found.kind === 'done' ? (found.errors.split('\n')[0] ?? '') : '';
}
