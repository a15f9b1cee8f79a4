/** What the most expensive packet costs in each list, in steps of the naive reading: every test of every rule. */
import type { Family } from '../../dsl/model.js';
import type { Ir, IrList } from '../ir.js';
import { costOf } from '../predicate/cost.js';

export interface ListCost {
  readonly list: string;
  readonly rules: number;
  readonly steps: number;
}

const families: readonly Family[] = [4, 6];

export function listCosts(ir: Ir): readonly ListCost[] {
  return ir.lists.map((list) => ({
    list: list.name,
    rules: list.rules.length,
    steps: Math.max(...families.map((family) => steps(list, family))),
  }));
}

function steps(list: IrList, family: Family): number {
  return list.rules.reduce((sum, rule) => {
    const condition = rule.conditions[family];
    if (condition === undefined) return sum;
    const { from, to, service, when } = condition;
    const tests = [from, to, service].filter((one) => one !== undefined).length;
    return sum + 1 + tests + (when ? costOf(when.expr) : 0);
  }, 0);
}
