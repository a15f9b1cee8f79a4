/**
 * Rules of which others take a part: exceptions, and conflicts (Al-Shaer and Hamed's correlated rules: each matches
 * packets that the other does not, and they decide differently). Neither is wrong, so they are notes.
 */
import { budget, TooManySteps } from '../analysis/first-match.js';
import { difference } from '../analysis/sets.js';
import type { IrRule } from '../ir.js';
import { type AnalysedList, type Share, sameEffect, shares } from './list.js';

export interface Overlap {
  readonly rule: IrRule;
  readonly shares: readonly Share[];
  /** Rules that decide otherwise, and match more than a part of this one. */
  readonly conflicts: readonly Share[];
}

export function overlaps({ list, matches }: AnalysedList, skip: ReadonlySet<IrRule>): readonly Overlap[] {
  return [...list.rules.entries()].flatMap(([index, rule]): Overlap[] => {
    if (skip.has(rule)) return [];
    try {
      const all = matches.flatMap((match) => shares(match, match.region(index), index, budget(2000)));
      if (all.length === 0) return [];
      return [{ rule, shares: all, conflicts: all.filter((one) => isConflict(one, rule, index)) }];
    } catch (error) {
      if (error instanceof TooManySteps) return [];
      throw error;
    }
  });
}

/** An exception lies within the rule that follows it; what conflicts reaches beyond it. */
function isConflict({ rule, match }: Share, later: IrRule, index: number): boolean {
  const { space } = match.regions;
  if (sameEffect(rule, later, space.family)) return false;
  return difference(space.diagrams, match.regions.of(rule), match.region(index)).length > 0;
}
