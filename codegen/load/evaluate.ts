/** Evaluates a policy's modules in a child process that can do nothing else, with limits of time and memory. */
import { type ChildProcess, fork } from 'node:child_process';
import { realpathSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { PredicateExpr } from '../predicate/expr.js';
import type { Mismatch } from '../predicate/samples.js';
import { packageRoot } from './compiler.js';
import { confined } from './confine.js';
import type { Evaluated, Module, Reply, Request } from './protocol.js';

export interface Limits {
  readonly milliseconds: number;
  readonly megabytes: number;
}

export const defaultLimits: Limits = { milliseconds: 10_000, megabytes: 256 };

export type Outcome<T> = { readonly kind: 'done'; readonly value: T } | NoOutcome;

export type NoOutcome =
  | { readonly kind: 'timeout' }
  | { readonly kind: 'memory' }
  | { readonly kind: 'died'; readonly why: string };

/** A child with one policy in it. */
export interface Evaluator {
  readonly pid: number | undefined;
  /** False when it has ended by itself, or was never started. */
  readonly alive: boolean;
  evaluate(entry: string, modules: readonly Module[]): Promise<Outcome<Evaluated>>;
  /** Predicates by their number in `Evaluated.predicates`. */
  compare(
    predicates: readonly { readonly index: number; readonly expr: PredicateExpr }[],
  ): Promise<Outcome<readonly (Mismatch & { readonly index: number })[]>>;
  close(): void;
}

export function startEvaluator(limits: Limits): Evaluator {
  const [execPath, ...execArgv] = confined(limits, [process.execPath, ...nodeFlags(limits)]);
  const child = fork(fileURLToPath(new URL('./sandbox.js', import.meta.url)), [], {
    execPath: execPath!,
    execArgv,
    // Nothing of the caller's environment may change what a policy means.
    env: { TZ: 'UTC', LC_ALL: 'C' },
    serialization: 'advanced',
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  });
  let complaints = '';
  child.stderr?.on('data', (text: Buffer) => {
    if (complaints.length < 20_000) complaints += text.toString();
  });
  const ask = (request: Request) => exchange(child, request, limits, () => complaints);
  return {
    pid: child.pid,
    get alive() {
      return child.connected;
    },
    async evaluate(entry, modules) {
      const sent = modules.map(({ text: _, ...module }) => module);
      return (await ask({ kind: 'evaluate', entry, modules: sent })) as Outcome<Evaluated>;
    },
    async compare(predicates) {
      const outcome = await ask({ kind: 'compare', predicates });
      if (outcome.kind !== 'done') return outcome;
      return { kind: 'done', value: outcome.value.kind === 'compared' ? outcome.value.mismatches : [] };
    },
    close() {
      child.kill('SIGKILL');
    },
  };
}

function nodeFlags(limits: Limits): readonly string[] {
  return [
    '--no-warnings',
    '--experimental-vm-modules',
    '--disallow-code-generation-from-strings',
    // It reads its own program, and can neither write, nor start processes or threads, nor load addons.
    '--experimental-permission',
    `--allow-fs-read=${realpathSync(join(packageRoot, 'dist'))}/*`,
    `--allow-fs-read=${realpathSync(packageRoot)}/package.json`,
    `--max-old-space-size=${limits.megabytes}`,
  ];
}

const tickMs = 50;

/**
 * One question, one answer, or the reason why there is none. Time in which this process was too busy to read an answer
 * does not count: the interval falls behind with it.
 */
function exchange(
  child: ChildProcess,
  request: Request,
  limits: Limits,
  complaints: () => string,
): Promise<Outcome<Reply>> {
  return new Promise((resolve) => {
    const finish = (outcome: Outcome<Reply>) => {
      clearInterval(timer);
      child.removeAllListeners('message');
      child.removeAllListeners('close');
      resolve(outcome);
    };
    let ticks = Math.ceil(limits.milliseconds / tickMs);
    const timer = setInterval(() => {
      if (--ticks > 0) return;
      finish({ kind: 'timeout' });
      child.kill('SIGKILL');
    }, tickMs);
    child.once('message', (reply) => finish({ kind: 'done', value: reply as Reply }));
    child.once('error', (error) => finish({ kind: 'died', why: error.message }));
    child.once('close', (code, signal) => finish(whyDead(code, signal, complaints())));
    child.send(request, (error) => {
      if (error) setImmediate(() => child.connected || child.exitCode !== null || child.kill('SIGKILL'));
    });
  });
}

function whyDead(code: number | null, signal: string | null, complaints: string): NoOutcome {
  if (complaints.includes('heap out of memory')) return { kind: 'memory' };
  const lines = complaints.split('\n').filter((line) => /Error/.test(line));
  return { kind: 'died', why: lines[0] ?? (signal ? `killed by ${signal}` : `exit code ${code}`) };
}
