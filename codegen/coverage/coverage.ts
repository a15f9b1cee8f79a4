/** How much of a policy its tests have reached, and for each rule and branch that they have not: why. */
import type { Family, Origin } from '../../dsl/model.js';
import { builtinOrigin } from '../../dsl/origin.js';
import { TooComplex } from '../analysis/diagram.js';
import { budget, eachDefault, eachLive, makeFirstMatch, TooManySteps } from '../analysis/first-match.js';
import { examplePacket } from '../analysis/packet.js';
import { packetText } from '../analysis/packet-text.js';
import { type Judged, makePipeline, type Pipeline } from '../analysis/pipeline.js';
import { type Block, common } from '../analysis/sets.js';
import { makeSpace } from '../analysis/space.js';
import { place } from '../cite.js';
import { shares } from '../findings/list.js';
import type { Ir, IrList, IrRule } from '../ir.js';
import { ruleText } from '../plan/plan.js';
import { type Branch, branchesOf } from './branches.js';
import type { ReachedTogether } from './collect.js';
import { branchKey, conditionOf, stageOf, wasAsked } from './record.js';

/**
 * `shadowed`: rules before it take all of its packets. `empty`: no packet matches. `stopped`: what it would take is stopped
 * before its list is asked. `not asked`: there is such a packet, and no test asks about one. `undecided`: the analysis did not say.
 */
export type WhyNot = 'shadowed' | 'empty' | 'stopped' | 'not asked' | 'undecided';

export interface NotReached {
  readonly kind: 'rule' | 'branch';
  readonly origin: Origin;
  /** The policy line; of a branch, `predicate tiny-syn: p.len < 40 is true`. */
  readonly text: string;
  readonly why: WhyNot;
  /** Who shadows it: `edge.ts:12`. */
  readonly by?: string;
  /** A packet that would reach it. */
  readonly example?: string;
}

export interface Share {
  readonly reached: number;
  readonly all: number;
}

export interface Coverage {
  readonly router: string;
  readonly rules: Share;
  readonly branches: Share;
  readonly missing: readonly NotReached[];
}

const families: readonly Family[] = [4, 6];
const steps = 100_000;

/** @param reached undefined: no test has read the policy */
export function coverageOf(ir: Ir, reached?: Pick<ReachedTogether, 'rules' | 'branches'>): Coverage {
  const pipes = families.map((family) => makePipeline(ir, makeSpace(family)));
  const rules = ir.lists
    .flatMap((list) =>
      [...list.rules, ...(list.fallback ? [list.fallback] : [])].map((rule) => ({ list, rule })),
    )
    .filter(({ rule }) => rule.origin.file !== builtinOrigin.file);
  const missed = rules.filter(({ rule }) => !reached?.rules.has(rule.local));
  const branches = [...ir.predicates.values()]
    .filter((one) => one.origin.file !== builtinOrigin.file)
    .flatMap((predicate) => branchesOf(predicate.expr).map((branch) => ({ predicate, branch })));
  const open = branches.filter(
    ({ predicate, branch }) => !reached?.branches.has(branchKey(predicate.name, branch)),
  );
  return {
    router: ir.router.name,
    rules: { reached: rules.length - missed.length, all: rules.length },
    branches: { reached: branches.length - open.length, all: branches.length },
    missing: [
      ...missed.map(({ list, rule }) => missingRule(pipes, list, rule)),
      ...open.map(
        ({ predicate, branch }): NotReached => ({
          kind: 'branch',
          origin: predicate.origin,
          text: `predicate ${predicate.name}: ${branch.text}`,
          ...whyNoBranch(pipes, predicate.name, branch),
        }),
      ),
    ],
  };
}

type Why = Pick<NotReached, 'why' | 'by' | 'example'>;

function missingRule(pipes: readonly Pipeline[], list: IrList, rule: IrRule): NotReached {
  return {
    kind: 'rule',
    origin: rule.origin,
    text: ruleText(rule),
    ...decided(() => whyNoRule(pipes, list, rule)),
  };
}

/** What is too complicated is said to be. */
function decided(why: () => Why): Why {
  try {
    return why();
  } catch (error) {
    if (error instanceof TooManySteps || error instanceof TooComplex) return { why: 'undecided' };
    throw error;
  }
}

function whyNoRule(pipes: readonly Pipeline[], list: IrList, rule: IrRule): Why {
  const index = list.rules.indexOf(rule);
  const isDefault = index < 0;
  if (!isDefault && pipes.every((pipe) => pipe.list(list).region(index).length === 0))
    return { why: 'empty' };
  let live = false;
  for (const pipe of pipes) {
    const match = pipe.list(list);
    let example: string | undefined;
    const found = (block: Block): boolean => {
      live = true;
      example = exampleIn(pipe, list, block, (one) => one[stageOf(list)] === rule);
      return example !== undefined;
    };
    const spent = budget(steps);
    if (isDefault ? eachDefault(match, found, spent) : eachLive(match, index, found, spent))
      return { why: 'not asked', ...(example !== undefined && { example }) };
  }
  if (live) return { why: 'stopped' };
  if (isDefault) return { why: 'shadowed' };
  const [most] = pipes.flatMap((pipe) => {
    const match = pipe.list(list);
    return shares(match, match.region(index), index, budget(steps));
  });
  return { why: 'shadowed', ...(most && { by: place(most.rule.origin) }) };
}

/** Asked of every rule that has the predicate: the first packet that takes the branch. */
function whyNoBranch(pipes: readonly Pipeline[], predicate: string, branch: Branch): Why {
  const reasons = new Set<Why['why']>();
  for (const pipe of pipes)
    for (const list of pipe.ir.lists)
      for (const [index, rule] of list.rules.entries()) {
        if (rule.match.when?.name !== predicate) continue;
        const found = decided(() => branchAt(pipe, list, index, branch));
        if (found.why === 'not asked') return found;
        reasons.add(found.why);
      }
  const [why] = (['undecided', 'stopped', 'shadowed', 'empty'] as const).filter((one) => reasons.has(one));
  return { why: why ?? 'empty' };
}

function branchAt(pipe: Pipeline, list: IrList, index: number, branch: Branch): Why {
  const { family } = pipe.space;
  const rule = list.rules[index]!;
  const condition = conditionOf(rule, pipe.ir.predicates.get(rule.match.when!.name)!, branch, family);
  const { regions } = pipe.list(list);
  if (condition === undefined || regions.ofCondition(condition).length === 0) return { why: 'empty' };
  const narrowed: IrRule = { ...rule, conditions: { ...rule.conditions, [family]: condition } };
  const match = makeFirstMatch({ ...list, rules: list.rules.with(index, narrowed) }, regions);
  let live = false;
  let example: string | undefined;
  const found = (block: Block): boolean => {
    live = true;
    example = exampleIn(pipe, list, block, (one) => wasAsked(one, list));
    return example !== undefined;
  };
  if (eachLive(match, index, found, budget(steps)))
    return { why: 'not asked', ...(example !== undefined && { example }) };
  return { why: live ? 'stopped' : 'shadowed' };
}

/** A packet of the block that comes in, or leaves, somewhere and fares as wanted. */
function exampleIn(
  pipe: Pipeline,
  list: IrList,
  block: Block,
  wanted: (one: Judged) => boolean,
): string | undefined {
  const stage = stageOf(list);
  const leaves = stage === 'out';
  for (const iface of pipe.ir.interfaces.filter((one) => one[stage] === list)) {
    const there = leaves ? pipe.leaving() : pipe.arriving(iface);
    const here = there.flatMap((one) => common(pipe.space.diagrams, one, block) ?? []);
    const spent = budget(steps);
    const judged = leaves ? pipe.judgeOut(iface, here, spent) : pipe.judge(iface, here, spent);
    const all = judged.filter(wanted);
    const found = all.find(isUsual) ?? all[0];
    if (found)
      return `${leaves ? 'out' : 'in'} ${iface.name} ${packetText(examplePacket(pipe.space, found.block))}`;
  }
  return undefined;
}

/** Rather a packet to somebody than one to everybody. */
function isUsual({ fate }: Judged): boolean {
  return fate.kind !== 'host' && fate.kind !== 'martian';
}
