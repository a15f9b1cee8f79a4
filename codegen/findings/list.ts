/** A list as findings look at it: its rules' sets in both families, on the VLANs of the interfaces that use it. */

import type { Family } from '../../dsl/model.js';
import { type Budget, budget, type FirstMatch, makeFirstMatch, pass } from '../analysis/first-match.js';
import { makeRegions } from '../analysis/regions.js';
import type { Block, PacketSet } from '../analysis/sets.js';
import { blockSize } from '../analysis/sets.js';
import { makeSpace, onVlans } from '../analysis/space.js';
import type { Ir, IrList, IrRule } from '../ir.js';
import { tagsOf } from '../tags.js';
import { effectWords } from '../treatment.js';
import { dropsUnreachable } from '../ways.js';

export interface AnalysedList {
  readonly list: IrList;
  readonly matches: readonly FirstMatch[];
}

const families: readonly Family[] = [4, 6];

/** @throws TooComplex */
export function analysedList(ir: Ir, list: IrList): AnalysedList {
  // What leaves by an interface has come in by any.
  const users =
    list.direction === 'out'
      ? ir.interfaces
      : ir.interfaces.filter((one) => one.acl === list || one.pbr === list);
  const ids = users.map((one) => tagsOf(one.encapsulation).at(-1)?.vid ?? 0);
  return {
    list,
    matches: families.map((family) => makeFirstMatch(list, makeRegions(onVlans(makeSpace(family), ids)))),
  };
}

/** Two rules do the same with what they take, in this family. */
export function sameEffect(a: IrRule, b: IrRule, family: Family): boolean {
  return (
    a.action.kind === b.action.kind &&
    a.conditions[family]?.gateway === b.conditions[family]?.gateway &&
    dropsUnreachable(a) === dropsUnreachable(b) &&
    effectWords(a).join() === effectWords(b).join()
  );
}

/** How much of a set each earlier rule takes, and what they leave. */
export interface Share {
  readonly rule: IrRule;
  readonly taken: bigint;
  /** Something that it takes. */
  readonly block: Block;
  readonly match: FirstMatch;
}

/** The largest first. @throws TooManySteps */
export function shares(
  match: FirstMatch,
  set: PacketSet,
  before: number,
  spent: Budget = budget(),
): readonly Share[] {
  const { list, regions } = match;
  const found = new Map<number, { taken: bigint; block: Block }>();
  for (const block of set)
    pass(
      match,
      [block],
      match.meeting(block, 0, before),
      (index, part) => {
        const known = found.get(index);
        const taken = (known?.taken ?? 0n) + blockSize(regions.space, part);
        found.set(index, { taken, block: known?.block ?? part });
        return false;
      },
      () => false,
      spent,
    );
  return [...found]
    .map(([index, one]) => ({ rule: list.rules[index]!, match, ...one }))
    .sort((a, b) => (a.taken < b.taken ? 1 : a.taken > b.taken ? -1 : 0));
}

/** The largest, one of another action always among them. */
export function mostTelling(
  all: readonly Share[],
  action: IrRule['action']['kind'],
  most = 3,
): readonly Share[] {
  const first = all.slice(0, most);
  if (first.some((one) => one.rule.action.kind !== action)) return first;
  const other = all.find((one) => one.rule.action.kind !== action);
  return other === undefined ? first : [...first.slice(0, most - 1), other];
}
