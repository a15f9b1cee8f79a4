/** What all processes of a test run have reached, together. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Reached } from './record.js';

/** Of one policy, as it was when the tests read it. */
export interface ReachedTogether {
  /** Absolute. */
  readonly policy: string;
  readonly hash: string;
  readonly rules: ReadonlySet<number>;
  readonly branches: ReadonlySet<string>;
}

/** @param directory what $NETMILL_COVERAGE was */
export function collect(directory: string): readonly ReachedTogether[] {
  const found = new Map<
    string,
    { policy: string; hash: string; rules: Set<number>; branches: Set<string> }
  >();
  for (const { policy, hash, rules, branches } of records(directory)) {
    const key = `${policy} ${hash}`;
    const one = found.get(key) ?? { policy, hash, rules: new Set(), branches: new Set() };
    for (const rule of rules) one.rules.add(rule);
    for (const branch of branches) one.branches.add(branch);
    found.set(key, one);
  }
  return [...found.values()].sort((a, b) => (a.policy < b.policy ? -1 : 1));
}

/** A process that was killed may have left half a line at the end: it is passed over. */
function records(directory: string): readonly Reached[] {
  return readdirSync(directory)
    .filter((name) => name.endsWith('.jsonl'))
    .flatMap((name) => readFileSync(join(directory, name), 'utf8').split('\n').slice(0, -1))
    .map((line) => JSON.parse(line) as Reached);
}
