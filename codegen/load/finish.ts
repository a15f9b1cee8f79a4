/** Last touches to a router in which nothing is wrong: exact and relative places, names of objects, predicates to run. */
import { builtinRules } from '../../dsl/builtin.js';
import type { Origin, Predicate, Router, Rule } from '../../dsl/model.js';
import { evaluate, type PredicatePacket } from '../predicate/evaluate.js';
import type { PredicateExpr } from '../predicate/expr.js';
import type { Locator } from './locate.js';

/** @param name relative path of a file */
export function finishRouter(
  router: Router,
  predicates: readonly PredicateExpr[],
  locator: Locator,
  name: (file: string) => string,
): Router {
  const place = (origin: Origin): Origin => {
    const { path: _, ...found } = locator.locate(origin)?.origin ?? origin;
    return { ...found, file: name(found.file) };
  };
  const finish = (value: Tagged): Tagged => ({
    ...value,
    ...named(value, locator),
    ...(value.kind === 'predicate' ? { test: runnable(value as Predicate, predicates) } : {}),
    ...(value.kind === 'set' && value.file !== undefined ? { file: name(value.file) } : {}),
    ...(value.origin ? { origin: place(value.origin) } : {}),
  });
  return rewrite(router, finish, new Map());
}

/** The predicates that some list of the router tests, built-in ones included. */
export function usedPredicates(router: Router): readonly Predicate[] {
  const rules: Rule[] = router.interfaces.flatMap((one) => [
    ...(one.in ? [...builtinRules(one.in), ...one.in.rules] : []),
    ...(one.out?.rules ?? []),
    ...(one.pbr?.rules ?? []),
  ]);
  return [...new Set(rules.flatMap((rule) => rule.match.when ?? []))];
}

interface Tagged {
  readonly kind?: string;
  readonly file?: string;
  readonly origin?: Origin;
}

function named(value: Tagged, locator: Locator): { readonly name?: string } {
  if ((value.kind !== 'nets' && value.kind !== 'service') || value.origin === undefined) return {};
  const name = locator.variableAt(value.origin);
  return name === undefined ? {} : { name };
}

function runnable(predicate: Predicate, compiled: readonly PredicateExpr[]): Predicate['test'] {
  const found = compiled.find((one) => one.name === predicate.name);
  return (packet: PredicatePacket) => found !== undefined && evaluate(found.expr, packet);
}

/** A frozen copy with every object passed through `finish`; what is shared stays shared. */
function rewrite<T>(value: T, finish: (value: Tagged) => Tagged, seen: Map<object, unknown>): T {
  if (typeof value !== 'object' || value === null) return value;
  const known = seen.get(value);
  if (known !== undefined) return known as T;
  const copy = Array.isArray(value)
    ? value.map((one) => rewrite(one, finish, seen))
    : Object.fromEntries(
        Object.entries(finish(value as Tagged)).map(([key, one]) => [
          key,
          key === 'origin' ? one : rewrite(one, finish, seen),
        ]),
      );
  seen.set(value, Object.freeze(copy));
  return copy as T;
}
