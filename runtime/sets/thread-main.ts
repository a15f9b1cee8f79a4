/** The thread that works on sets: one call after the other, each answered with its number. */
import { parentPort } from 'node:worker_threads';
import { errorData } from '../errors.js';
import type { Answer, Call } from './thread.js';
import { setWork } from './work.js';

const work = setWork() as unknown as Readonly<Record<string, (...args: readonly unknown[]) => unknown>>;

parentPort!.on('message', ({ number, name, args }: Call) => {
  let answer: Answer;
  try {
    answer = { number, value: work[name]!(...args) };
  } catch (error) {
    answer = { number, error: errorData(error) };
  }
  parentPort!.postMessage(answer);
});
