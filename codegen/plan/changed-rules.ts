/**
 * Which rules of two versions of a list are not in both, in the same order. A packet about which the versions differ is
 * decided by such a rule in one of them: if rules that both have decided it in both, the one that stands first in their
 * common order would match it in the other version, too.
 */
import type { Family } from '../../dsl/model.js';
import type { AddressSet, Condition, Ir, IrList, IrRule, ServiceSet } from '../ir.js';
import { effectWords } from '../treatment.js';
import { dropsUnreachable } from '../ways.js';

/** What a rule matches and does, as text: equal texts, equal rules. */
export function ruleKeys(ir: Ir): (rule: IrRule) => string {
  const sets = new Map<AddressSet, string>();
  const setKey = (set: AddressSet | undefined) => {
    if (set === undefined) return '';
    const key = sets.get(set) ?? set.prefixes.map((one) => `${one.bits}/${one.length}`).join(' ');
    sets.set(set, key);
    return key;
  };
  const gateway = (local: number | undefined) => ir.gateways.find((one) => one.local === local)?.text ?? '';
  const conditionKey = (condition: Condition | undefined) =>
    condition === undefined
      ? null
      : [
          setKey(condition.from),
          setKey(condition.to),
          condition.service && serviceKey(condition.service),
          condition.when && JSON.stringify(condition.when.expr, withoutOrigins),
          gateway(condition.gateway),
        ];
  const families: readonly Family[] = [4, 6];
  return (rule) =>
    JSON.stringify([
      rule.action.kind,
      dropsUnreachable(rule),
      effectWords(rule),
      ...families.map((family) => conditionKey(rule.conditions[family])),
    ]);
}

function serviceKey({ tcp, udp, icmp, protocols }: ServiceSet): unknown {
  return [tcp, udp, icmp, protocols];
}

function withoutOrigins(key: string, value: unknown): unknown {
  if (key === 'origin') return undefined;
  return typeof value === 'bigint' ? value.toString() : value;
}

export interface ChangedRules {
  /** Indices in the lists' rules. */
  readonly old: readonly number[];
  readonly new: readonly number[];
}

export function changedRules(
  old: IrList,
  fresh: IrList,
  oldKey: (rule: IrRule) => string,
  newKey: (rule: IrRule) => string,
): ChangedRules {
  const places = new Map<string, number[]>();
  for (const [i, rule] of fresh.rules.entries()) {
    const key = newKey(rule);
    const all = places.get(key);
    if (all) all.push(i);
    else places.set(key, [i]);
  }
  // The k-th of equal rules stands for the k-th.
  const pairs = old.rules.flatMap((rule, from): [number, number][] => {
    const to = places.get(oldKey(rule))?.shift();
    return to === undefined ? [] : [[from, to]];
  });
  const kept = longestAscending(pairs.map(([, to]) => to)).map((i) => pairs[i]!);
  const [keptOld, keptNew] = [new Set(kept.map(([from]) => from)), new Set(kept.map(([, to]) => to))];
  return {
    old: [...old.rules.keys()].filter((i) => !keptOld.has(i)),
    new: [...fresh.rules.keys()].filter((i) => !keptNew.has(i)),
  };
}

/** Positions of a longest ascending subsequence: C. Schensted, 1961, by piles. */
function longestAscending(values: readonly number[]): readonly number[] {
  const piles: number[] = [];
  const before = new Int32Array(values.length).fill(-1);
  for (const [i, value] of values.entries()) {
    let [low, high] = [0, piles.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if (values[piles[middle]!]! < value) low = middle + 1;
      else high = middle;
    }
    before[i] = low > 0 ? piles[low - 1]! : -1;
    piles[low] = i;
  }
  const found: number[] = [];
  for (let at = piles.at(-1) ?? -1; at >= 0; at = before[at]!) found.push(at);
  return found.reverse();
}
