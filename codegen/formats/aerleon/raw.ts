/** Filters of Aerleon as both of its notations have them, YAML and Capirca's own: words with their places, not yet read. */
import type { Origin, Problem } from '../../../dsl/model.js';

export interface Word {
  readonly text: string;
  readonly origin: Origin;
}

export interface RawField {
  readonly key: Word;
  readonly words: readonly Word[];
  /** As it stands there, lines and all. */
  readonly text: string;
  /** A table or something else that is no list of words. */
  readonly nested: boolean;
}

export interface RawTerm {
  readonly name: Word;
  readonly fields: readonly RawField[];
  /** Comments of the notation. */
  readonly comments: readonly string[];
}

export interface RawTarget {
  readonly name: Word;
  readonly options: readonly Word[];
}

export interface RawFilter {
  readonly origin: Origin;
  readonly comments: readonly string[];
  readonly targets: readonly RawTarget[];
  /** What its header says besides. */
  readonly others: readonly RawField[];
  readonly terms: readonly RawTerm[];
}

/** What cannot be taken over; the reader goes on behind it, so that all of it is told. */
export class Refused extends Error {
  readonly problem: Problem;
  constructor(problem: Problem) {
    super(problem.message);
    this.problem = problem;
  }
}

export function refuse(
  code: 'NM6001' | 'NM6002' | 'NM6003' | 'NM6004',
  origin: Origin,
  message: string,
  more: Pick<Problem, 'expected' | 'got' | 'fix'> = {},
): never {
  throw new Refused({ code, origin, message, ...more });
}

/** Runs it, and keeps what it refuses. */
export function attempt<T>(problems: Problem[], run: () => T): T | undefined {
  try {
    return run();
  } catch (thrown) {
    if (!(thrown instanceof Refused)) throw thrown;
    problems.push(thrown.problem);
    return undefined;
  }
}

/** Words between spaces, each with its place; for text on several lines all have the first one's. */
export function wordsOf(text: string, origin: Origin, exact = !text.includes('\n')): readonly Word[] {
  return [...text.matchAll(/\S+/g)].map(({ 0: word, index }) => ({
    text: word,
    origin: exact ? { ...origin, column: origin.column + index } : origin,
  }));
}
