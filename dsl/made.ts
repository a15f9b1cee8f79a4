/** What was made while a policy was evaluated, used by a router or not: the loader compiles and checks all of it. */
import type { NetSet, Predicate, RuntimeSet } from './model.js';

const networks: NetSet[] = [];
const predicates: Predicate[] = [];
const sets: RuntimeSet[] = [];

export function rememberNets(set: NetSet): void {
  networks.push(set);
}

export function rememberPredicate(predicate: Predicate): void {
  predicates.push(predicate);
}

export function rememberSet(set: RuntimeSet): void {
  sets.push(set);
}

export function everythingMade(): {
  readonly nets: readonly NetSet[];
  readonly predicates: readonly Predicate[];
  readonly sets: readonly RuntimeSet[];
} {
  return { nets: networks, predicates, sets };
}
