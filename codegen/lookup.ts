/** Which lookup structure a policy's `engine.lookup` comes to, and why. */
import type { EngineConfig, LookupMethod } from '../dsl/model.js';

export const lookupReasons = ['policy', 'small table', 'large table', 'assumed'] as const;

/** `assumed`: the table could not be counted, and is taken for a large one. */
export type LookupReason = (typeof lookupReasons)[number];

export interface Lookup {
  readonly method: Exclude<LookupMethod, 'auto'>;
  readonly reason: LookupReason;
}

/**
 * Prefixes of both families up to which a table is small. Measured (docs/performance.md): a small table's radix structure stays
 * in the first caches whatever the destinations, while the flat tables are as wide as the addresses that a default route
 * takes; with a full view the flat tables are the fastest for traffic as it is, in both families.
 */
export const smallTable = 4096;

/** @param prefixes of the coupled tables; undefined: not known */
export function lookupOf(engine: EngineConfig, prefixes: number | undefined): Lookup {
  if (engine.lookup !== 'auto') return { method: engine.lookup, reason: 'policy' };
  if (prefixes === undefined) return { method: 'flat', reason: 'assumed' };
  return prefixes <= smallTable
    ? { method: 'radix', reason: 'small table' }
    : { method: 'flat', reason: 'large table' };
}

const because: Readonly<Record<LookupReason, string>> = {
  policy: 'as the policy says',
  'small table': `for a small table (at most ${smallTable.toLocaleString('en')} prefixes)`,
  'large table': `for a large table (more than ${smallTable.toLocaleString('en')} prefixes)`,
  assumed: 'for a large table, assumed: the router’s tables cannot be seen from here',
};

/** `flat, for a large table …`. */
export function lookupText(method: Lookup['method'], reason: LookupReason): string {
  return `${method}, ${because[reason]}`;
}
