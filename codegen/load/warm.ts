/**
 * What a program that loads policies again and again keeps from one load to the next: a compiler that has read the
 * language's library, and a child that waits for modules to evaluate. Nothing of a policy is kept.
 */
import { type Compilation, createCompiler } from './compiler.js';
import { defaultLimits, type Evaluator, type Limits, startEvaluator } from './evaluate.js';

export interface Warm {
  compile(entry: string): Compilation;
  /** The caller closes it: each policy is evaluated in a process of its own. */
  evaluator(limits: Limits): Evaluator;
  /** Starts the child that the next load will need; for when there is nothing else to do. */
  prepare(): Evaluator;
  /** Ends the child that waits. */
  close(): void;
}

export function createWarm(limits: Limits = defaultLimits): Warm {
  const compile = createCompiler();
  let spare: Evaluator | undefined;
  const take = () => {
    const taken = spare;
    spare = undefined;
    return taken;
  };
  return {
    compile,
    evaluator(wanted) {
      const ready = take();
      if (ready?.alive && sameLimits(wanted, limits)) return ready;
      ready?.close();
      return startEvaluator(wanted);
    },
    prepare() {
      spare ??= startEvaluator(limits);
      return spare;
    },
    close: () => take()?.close(),
  };
}

function sameLimits(a: Limits, b: Limits): boolean {
  return a.milliseconds === b.milliseconds && a.megabytes === b.megabytes;
}
