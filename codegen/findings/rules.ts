/**
 * Rules that do nothing: that match no packet, that rules before them leave nothing (E. S. Al-Shaer, H. H. Hamed,
 * "Discovery of Policy Anomalies in Distributed Firewalls", INFOCOM 2004: shadowed, here by unions of rules), and that
 * could go without any packet noticing (redundant). Exact: a rule that is named here does nothing for every packet.
 */
import { TooComplex } from '../analysis/diagram.js';
import {
  budget,
  eachLive,
  type FirstMatch,
  pass,
  TooManySteps,
  withoutHidden,
} from '../analysis/first-match.js';
import { type Probe, probesOf, taker } from '../analysis/probe.js';
import { type Block, common } from '../analysis/sets.js';
import type { IrRule } from '../ir.js';
import { readsTransport } from '../optimise/transport.js';
import { effectWords } from '../treatment.js';
import { type AnalysedList, sameEffect } from './list.js';

export type Idle =
  | { readonly kind: 'empty'; readonly rule: IrRule }
  | { readonly kind: 'dead'; readonly rule: IrRule }
  /** `like`: rules after it that do the same; none: the list's default alone does. */
  | { readonly kind: 'redundant'; readonly rule: IrRule; readonly like: readonly IrRule[] };

export interface IdleRules {
  readonly idle: readonly Idle[];
  /** Rules that too many others meet: nothing is said about them. */
  readonly undecided: readonly IrRule[];
}

/** Of one question: some tenths of a second. */
const mostNodes = 500_000;

export function idleRules({ list, matches }: AnalysedList): IdleRules {
  for (const { regions } of matches) regions.space.diagrams.keep();
  const idle: Idle[] = [];
  const undecided: IrRule[] = [];
  const gone = new Set<number>();
  const decide = (rule: IrRule, question: () => Idle | undefined, index: number) => {
    try {
      const found = byItself(matches, question);
      if (found === undefined) return;
      idle.push(found);
      gone.add(index);
    } catch (error) {
      if (!(error instanceof TooManySteps || error instanceof TooComplex)) throw error;
      undecided.push(rule);
    }
  };
  for (const [index, rule] of list.rules.entries()) decide(rule, () => deadRule(matches, index, rule), index);
  // From the last to the first, each without those found so far: what is named can go, all of it together.
  for (const [index, rule] of [...list.rules.entries()].reverse())
    if (!gone.has(index) && !undecided.includes(rule) && isSilent(rule))
      decide(rule, () => redundantRule(matches, index, rule, gone), index);
  return { idle: idle.sort((a, b) => a.rule.position - b.rule.position), undecided };
}

function byItself<T>(matches: readonly FirstMatch[], question: () => T): T {
  return matches.reduce<() => T>(
    (ask, { regions }) =>
      () =>
        regions.space.diagrams.scratch(mostNodes, ask),
    question,
  )();
}

/** Nobody notices that it takes a packet rather than another rule. */
function isSilent(rule: IrRule): boolean {
  const { police, sample } = rule.treatment ?? {};
  const own = [rule.logPerSecond, rule.counter, police, sample];
  return own.every((one) => one === undefined) && !rule.name?.startsWith('builtin:');
}

function deadRule(matches: readonly FirstMatch[], index: number, rule: IrRule): Idle | undefined {
  if (matches.every((match) => match.region(index).length === 0)) return { kind: 'empty', rule };
  const isAlive = matches.some(
    (match) => someProbe(match, index, () => true) || eachLive(match, index, () => true),
  );
  return isAlive ? undefined : { kind: 'dead', rule };
}

/** Among a few packets that the rule decides, is there one of which it is so? */
function someProbe(match: FirstMatch, index: number, isSo: (probe: Probe) => boolean): boolean {
  const { space } = match.regions;
  for (const region of match.region(index).slice(0, 4))
    for (const block of withoutHidden(match, region))
      for (const probe of probesOf(space, block))
        if (taker(match, probe, 0, index) === undefined && isSo(probe)) return true;
  return false;
}

function redundantRule(
  matches: readonly FirstMatch[],
  index: number,
  rule: IrRule,
  gone: ReadonlySet<number>,
): Idle | undefined {
  const like = new Set<IrRule>();
  const needed = matches.some((match) => {
    const { list, regions } = match;
    const isOther = (by: IrRule | undefined) =>
      by === undefined || !sameEffect(rule, by, regions.space.family);
    const probeDiffers = (probe: Probe) => {
      const later = taker(match, probe, index + 1, list.rules.length, gone);
      return isOther(later === undefined ? list.fallback : list.rules[later]);
    };
    if (someProbe(match, index, probeDiffers) || hiddenDiffers(match, index, gone)) return true;
    const spent = budget();
    const laterDiffers = (block: Block) => {
      const after = match.meeting(block, index + 1, list.rules.length).filter((one) => !gone.has(one));
      const take = (at: number) => {
        if (isOther(list.rules[at])) return true;
        like.add(list.rules[at]!);
        return false;
      };
      return pass(match, [block], after, take, () => isOther(list.fallback), spent);
    };
    return eachLive(match, index, laterDiffers, spent);
  });
  return needed ? undefined : { kind: 'redundant', rule, like: [...like] };
}

/**
 * An ACL whose last rule that reads transport headers goes no longer refuses what hides them (RFC 1858): then its other rules
 * decide, those that take nothing else among them.
 */
function hiddenDiffers(match: FirstMatch, index: number, gone: ReadonlySet<number>): boolean {
  const { list, regions, hidden } = match;
  const { family, diagrams } = regions.space;
  const reads = (at: number) => readsTransport([list.rules[at]!], family);
  if (hidden === undefined || !reads(index)) return false;
  const others = [...list.rules.keys()].filter((at) => at !== index);
  if (others.some((at) => !gone.has(at) && reads(at))) return false;
  const passes = (by: IrRule | undefined) => by?.action.kind !== 'deny' || effectWords(by).length > 0;
  const meets = (at: number) =>
    match.region(at).some((block) => common(diagrams, block, hidden) !== undefined);
  return passes(list.fallback) || others.some((at) => passes(list.rules[at]) && meets(at));
}
