/**
 * Writes down which rules, and which branches of predicates, a test has reached. Each process and thread of a test run
 * appends to a file of its own in $NETMILL_COVERAGE, at once and only what is new, so that nothing is lost when it is killed.
 */
import { appendFileSync } from 'node:fs';
import { join } from 'node:path';
import { threadId } from 'node:worker_threads';
import type { Family } from '../../dsl/model.js';
import { askedCondition } from '../analysis/asked.js';
import { TooComplex } from '../analysis/diagram.js';
import type { Judged, Pipeline } from '../analysis/pipeline.js';
import { intersection, type PacketSet } from '../analysis/sets.js';
import type { CheckedPolicy } from '../checked.js';
import { firstMatch, isHiddenFrom, type Seen } from '../evaluate/rules.js';
import type { Explanation } from '../explain/explain.js';
import type { Condition, Ir, IrInterface, IrList, IrRule } from '../ir.js';
import { simplify, specialise } from '../optimise/predicate.js';
import type { PredicateExpr } from '../predicate/expr.js';
import { and } from '../predicate/logic.js';
import { type Branch, branchesOf, branchesTaken } from './branches.js';

/** Environment variable: directory that records go to. */
export const coverageVariable = 'NETMILL_COVERAGE';

/** A line of a record. */
export interface Reached {
  /** Absolute path of the policy file, and the hash of what it was. */
  readonly policy: string;
  readonly hash: string;
  /** Local numbers. */
  readonly rules: readonly number[];
  /** `PREDICATE NUMBER OUTCOME` */
  readonly branches: readonly string[];
}

const told = new Map<string, Set<number | string>>();

/** Undefined: nobody wants to know. */
export function recorderOf(policy: CheckedPolicy, ir: Ir): Recorder | undefined {
  const directory = process.env[coverageVariable];
  if (directory === undefined) return undefined;
  const path = join(policy.root, ir.policy);
  const key = `${path} ${policy.policyHash}`;
  const known = told.get(key) ?? new Set();
  told.set(key, known);
  const isNew = (one: number | string) => !known.has(one) && known.add(one);
  const write = (rules: readonly number[], branches: readonly string[]) => {
    const fresh = { rules: rules.filter(isNew), branches: branches.filter(isNew) };
    if (fresh.rules.length === 0 && fresh.branches.length === 0) return;
    const line: Reached = { policy: path, hash: policy.policyHash, ...fresh };
    appendFileSync(join(directory, `${process.pid}-${threadId}.jsonl`), `${JSON.stringify(line)}\n`);
  };
  return {
    packet: (explanation, seen, leaves) => {
      for (const { stage, list: name } of explanation.steps) {
        if (stage === 'out' && !leaves) continue;
        const list = ir.lists.find((one) => stageOf(one) === stage && one.name === name);
        if (list && !(list.kind === 'acl' && isHiddenFrom(list, seen)))
          write(...reachedByOne(ir, list, seen));
      }
    },
    packets: (pipe, iface, out, judged) => {
      for (const list of [iface.acl, iface.pbr, out?.out])
        if (list) write(...reachedBySet(pipe, list, judged, known));
    },
  };
}

export interface Recorder {
  /** @param leaves by which interface it leaves is known: without that, no `out` ACL decides */
  readonly packet: (explanation: Explanation, seen: Seen, leaves: boolean) => void;
  readonly packets: (
    pipe: Pipeline,
    iface: IrInterface,
    out: IrInterface | undefined,
    judged: readonly Judged[],
  ) => void;
}

/** Which question on a packet's way a list answers. */
export function stageOf({ kind, direction }: IrList): 'acl' | 'pbr' | 'out' {
  return kind === 'pbr' ? 'pbr' : direction === 'out' ? 'out' : 'acl';
}

/** The list was asked about these packets. */
export function wasAsked(one: Judged, list: IrList): boolean {
  const stage = stageOf(list);
  if (one[stage] !== undefined) return true;
  // What no rule of a PBR list takes is routed, and perhaps denied on its way out; an ACL may have diverted it before.
  const diverted = one.acl !== undefined && one.acl !== 'hidden' && one.acl.action.kind === 'nexthop';
  return stage === 'pbr' && !diverted && (one.fate.kind === 'routed' || one.out !== undefined);
}

type Found = readonly [rules: readonly number[], branches: readonly string[]];

export function branchKey(predicate: string, { key }: Branch): string {
  return `${predicate} ${key}`;
}

function reachedByOne(ir: Ir, list: IrList, seen: Seen): Found {
  const taker = firstMatch(ir, list, seen);
  const last = taker && list.rules.includes(taker) ? list.rules.indexOf(taker) : list.rules.length - 1;
  const branches = list.rules.slice(0, last + 1).flatMap((rule) => {
    const { when, ...match } = rule.match;
    if (when === undefined) return [];
    const { fallback: _, ...alone } = {
      ...list,
      rules: [{ ...rule, match, action: { kind: 'allow' } as const }],
    };
    if (firstMatch(ir, alone, seen) === undefined) return [];
    const all = branchesOf(ir.predicates.get(when.name)!.expr);
    return branchesTaken(all, seen.fields).map((one) => branchKey(when.name, one));
  });
  return [taker ? [taker.local] : [], branches];
}

/** A packet reaches a rule when that rule, a later one or the default decides about it. */
function reachedBySet(
  pipe: Pipeline,
  list: IrList,
  judged: readonly Judged[],
  known: ReadonlySet<number | string>,
): Found {
  const kind = stageOf(list);
  const by = judged.filter((one) => wasAsked(one, list) && one[kind] !== 'hidden');
  const rules = new Set(by.flatMap((one) => (one[kind] as IrRule | undefined)?.local ?? []));
  const positionOf = (one: Judged) => {
    const index = list.rules.indexOf(one[kind] as IrRule);
    return index < 0 ? list.rules.length : index;
  };
  const branches = list.rules.flatMap((rule, index) => {
    if (rule.match.when === undefined) return [];
    const there = by.filter((one) => positionOf(one) >= index).map((one) => one.block);
    return there.length === 0 ? [] : branchesInSet(pipe, list, rule, there, known);
  });
  return [[...rules], branches];
}

function branchesInSet(
  pipe: Pipeline,
  list: IrList,
  rule: IrRule,
  there: PacketSet,
  known: ReadonlySet<number | string>,
): readonly string[] {
  const { space } = pipe;
  const predicate = pipe.ir.predicates.get(rule.match.when!.name)!;
  const { regions } = pipe.list(list);
  return branchesOf(predicate.expr)
    .filter((one) => !known.has(branchKey(predicate.name, one)))
    .filter((one) => {
      try {
        const condition = conditionOf(rule, predicate, one, space.family);
        const taken = condition === undefined ? [] : regions.ofCondition(condition);
        return intersection(space.diagrams, there, taken).length > 0;
      } catch (error) {
        if (error instanceof TooComplex) return false;
        throw error;
      }
    })
    .map((one) => branchKey(predicate.name, one));
}

/** What the rule tests, with a branch in the place of its predicate. Undefined: nothing of the family. */
export function conditionOf(
  rule: IrRule,
  source: PredicateExpr,
  branch: Branch,
  family: Family,
): Condition | undefined {
  const condition = askedCondition(rule.match, family);
  if (condition === undefined) return undefined;
  const own = specialise(branch.condition, family);
  // What is tested of headers is a predicate, too.
  const expr = simplify(condition.when ? and(condition.when.expr, own) : own);
  return {
    ...condition,
    when: { name: source.name, function: '', source, expr, sets: new Map(), members: new Map() },
  };
}
