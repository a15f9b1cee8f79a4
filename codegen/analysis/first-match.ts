/**
 * Lists of rules over sets of packets: the first rule that matches decides. A set goes down the list as a whole and is
 * split where rules meet it; rules that cannot meet it are passed over by comparing bounds. Depth first, so a question
 * that one packet answers is answered by the first one found.
 */
import type { IrList, IrRule } from '../ir.js';
import { boundsOf, makeOverlaps } from './bounds.js';
import type { Regions } from './regions.js';
import { type Block, common, everything, type PacketSet, without } from './sets.js';

/** Who decides about a block. `undefined`: nobody, the list has no default. `'hidden'`: see isHiddenFrom. */
export type Decider = IrRule | 'hidden' | undefined;

export interface Decision {
  readonly by: Decider;
  readonly block: Block;
}

/** More steps for one question than this, and it is not answered. */
export const usualSteps = 20_000;

export class TooManySteps extends Error {
  constructor() {
    super('too many rules meet in one set of packets');
  }
}

/** Counts down; throws when nothing is left. */
export interface Budget {
  readonly spend: () => void;
}

export function budget(steps = usualSteps): Budget {
  let left = steps;
  return {
    spend: () => {
      if (left-- === 0) throw new TooManySteps();
    },
  };
}

/** A list with the sets of its rules, for one family. */
export interface FirstMatch {
  readonly list: IrList;
  readonly regions: Regions;
  readonly region: (index: number) => PacketSet;
  /** Share of all packets that the rule matches, rounded. */
  readonly share: (index: number) => number;
  /** Indices below `before` of rules that may meet the block, ascending. */
  readonly meeting: (block: Block, from: number, before: number) => readonly number[];
  /** What an ACL that reads transport headers refuses before its first rule, or nothing. */
  readonly hidden: Block | undefined;
}

export function makeFirstMatch(list: IrList, regions: Regions): FirstMatch {
  const { space } = regions;
  const sets = list.rules.map((rule) => regions.of(rule));
  const { diagrams } = space;
  const shares = sets.map((set) =>
    set.reduce(
      (sum, { src, dst, rest }) =>
        sum + diagrams.density(src) * diagrams.density(dst) * diagrams.density(rest),
      0,
    ),
  );
  const overlaps = makeOverlaps(space, sets);
  const refuses = list.kind === 'acl' && list.readsTransport[space.family];
  return {
    list,
    regions,
    region: (index) => sets[index]!,
    share: (index) => shares[index]!,
    meeting: (block, from, before) => overlaps(boundsOf(space, block), from, before),
    hidden: refuses ? { ...everything, rest: space.hidden } : undefined,
  };
}

/**
 * What is left of the blocks after the given rules, in their order; `taken` hears what each takes, and may end it all by
 * true.
 */
export function pass(
  match: FirstMatch,
  blocks: PacketSet,
  indices: readonly number[],
  taken: (index: number, block: Block) => boolean,
  spent: Budget,
): PacketSet | 'ended' {
  const { diagrams } = match.regions.space;
  const left: Block[] = [];
  const waiting = blocks.map((block) => ({ block, at: 0 }));
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const { block, at } = next;
    const met = firstMeeting(match, block, indices, at);
    if (met === undefined) {
      left.push(block);
      continue;
    }
    spent.spend();
    if (taken(indices[met.at]!, met.both)) return 'ended';
    // Other parts of this rule may meet what is left.
    for (const rest of without(diagrams, block, met.part, met.both))
      waiting.push({ block: rest, at: met.at });
  }
  return left;
}

function firstMeeting(match: FirstMatch, block: Block, indices: readonly number[], from: number) {
  for (let at = from; at < indices.length; at++)
    for (const part of match.region(indices[at]!)) {
      const both = common(match.regions.space.diagrams, block, part);
      if (both !== undefined) return { at, part, both };
    }
  return undefined;
}

/**
 * A block that none of the rules takes; undefined: together they take everything. Their order does not matter here, and
 * the largest come first: they leave the fewest pieces.
 */
export function notTaken(
  match: FirstMatch,
  blocks: PacketSet,
  indices: readonly number[],
  spent: Budget,
): Block | undefined {
  const { diagrams } = match.regions.space;
  const largestFirst = [...indices].sort((a, b) => match.share(b) - match.share(a));
  const waiting = blocks.map((block) => ({ block, at: 0 }));
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const met = firstMeeting(match, next.block, largestFirst, next.at);
    if (met === undefined) return next.block;
    spent.spend();
    for (const rest of without(diagrams, next.block, met.part, met.both))
      waiting.push({ block: rest, at: met.at });
  }
  return undefined;
}

/** Every packet of the set with who decides about it. */
export function decisions(match: FirstMatch, set: PacketSet, spent: Budget = budget()): readonly Decision[] {
  const { list } = match;
  const found: Decision[] = [];
  for (const block of set) {
    const open = withoutHidden(match, block);
    const hidden = match.hidden && common(match.regions.space.diagrams, block, match.hidden);
    if (hidden) found.push({ by: 'hidden', block: hidden });
    const indices = match.meeting(block, 0, list.rules.length);
    const take = (index: number, part: Block) => {
      found.push({ by: list.rules[index]!, block: part });
      return false;
    };
    const rest = pass(match, open, indices, take, spent);
    if (rest !== 'ended') for (const part of rest) found.push({ by: list.fallback, block: part });
  }
  return found;
}

export function withoutHidden(match: FirstMatch, block: Block): PacketSet {
  if (match.hidden === undefined) return [block];
  const { diagrams } = match.regions.space;
  const both = common(diagrams, block, match.hidden);
  return both === undefined ? [block] : without(diagrams, block, match.hidden, both);
}

/** What the rule at `index` decides: its region without those of the rules before it. */
export function live(match: FirstMatch, index: number, spent: Budget = budget()): PacketSet {
  const found: Block[] = [];
  for (const block of match.region(index).flatMap((one) => withoutHidden(match, one))) {
    const left = pass(match, [block], match.meeting(block, 0, index), () => false, spent);
    if (left !== 'ended') found.push(...left);
  }
  return found;
}
