/** Calls into the thread that works on sets. It is started by the first one, and ended when nobody has called for a while. */
import { Worker } from 'node:worker_threads';
import { type ErrorData, MillError } from '../errors.js';
import type { SetWork } from './work.js';

export interface Call {
  readonly number: number;
  readonly name: keyof SetWork;
  readonly args: readonly unknown[];
}

export type Answer =
  | { readonly number: number; readonly value: unknown }
  | { readonly number: number; readonly error: ErrorData };

type Later<T> = {
  readonly [K in keyof T]: T[K] extends (...args: infer A) => infer R ? (...args: A) => Promise<R> : never;
};

export interface SetThread extends Later<SetWork> {
  close(): Promise<void>;
}

/** Longer than a list may wait for its next piece. */
const idleMs = 120_000;

interface Waiting {
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: Error) => void;
}

export function openSetThread(): SetThread {
  let worker: Worker | undefined;
  let idle: NodeJS.Timeout | undefined;
  let last = 0;
  const waiting = new Map<number, Waiting>();

  const end = async (): Promise<void> => {
    clearTimeout(idle);
    const ended = worker;
    worker = undefined;
    await ended?.terminate();
  };
  const started = (): Worker => {
    const made = new Worker(new URL('./thread-main.js', import.meta.url), { name: 'sets' });
    made.unref();
    made.on('message', (answer: Answer) => {
      const asked = waiting.get(answer.number);
      waiting.delete(answer.number);
      if (waiting.size === 0) made.unref();
      if ('error' in answer) {
        const { code, message, fix, details } = answer.error;
        asked?.reject(new MillError(code, message, fix, details));
      } else asked?.resolve(answer.value);
    });
    made.on('error', (error) => lost(made, error.message));
    made.on('exit', () => lost(made, 'it was ended'));
    return made;
  };
  /** Whoever waits is told, and the next call starts another one. */
  const lost = (which: Worker, why: string): void => {
    if (worker === which) worker = undefined;
    else if (worker !== undefined) return;
    for (const { reject } of waiting.values())
      reject(new MillError('internal', `the thread that works on sets is gone: ${why}`));
    waiting.clear();
  };
  const call =
    (name: keyof SetWork) =>
    (...args: readonly unknown[]): Promise<never> => {
      worker ??= started();
      worker.ref();
      clearTimeout(idle);
      idle = setTimeout(() => waiting.size === 0 && void end(), idleMs);
      idle.unref();
      const number = ++last;
      return new Promise((resolve, reject) => {
        waiting.set(number, { resolve: resolve as Waiting['resolve'], reject });
        worker!.postMessage({ number, name, args } satisfies Call);
      });
    };

  return {
    upload: call('upload'),
    forget: call('forget'),
    guards: call('guards'),
    judge: call('judge'),
    change: call('change'),
    summary: call('summary'),
    contents: call('contents'),
    among: call('among'),
    close: end,
  };
}
