/**
 * Lists of rules over sets of packets: the first rule that matches decides. A set goes down the list as a whole and is
 * split where rules meet it; rules that cannot meet it are passed over by comparing bounds. Depth first, so a question
 * that one packet answers is answered by the first one found.
 */
import type { IrList, IrRule } from '../ir.js';
import { boundsOf, makeOverlaps, type Overlaps } from './bounds.js';
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
  /** Those of `indices` from position `at` on that may meet it. */
  readonly still: (block: Block, indices: readonly number[], at: number) => readonly number[];
  /** Of the rules that may meet something within bounds, the first of which it is so. */
  readonly first: Overlaps['first'];
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
    meeting: (block, from, before) => overlaps.within(boundsOf(space, block), from, before),
    still: (block, indices, at) => {
      // Bounds cost as much as some meetings.
      if (indices.length - at < 8) return indices.slice(at);
      const bounds = boundsOf(space, block);
      return indices.filter((one, i) => i >= at && overlaps.meets(one, bounds));
    },
    first: overlaps.first,
    hidden: refuses ? { ...everything, rest: space.hidden } : undefined,
  };
}

/** Hears of blocks as they are found; true: enough. */
export type Listener = (block: Block) => boolean;

/**
 * Sends blocks down the given rules, in their order: `taken` hears what each rule takes, `left` what none does.
 * @returns whether a listener had enough
 */
export function pass(
  match: FirstMatch,
  blocks: PacketSet,
  indices: readonly number[],
  taken: (index: number, block: Block) => boolean,
  left: Listener,
  spent: Budget,
): boolean {
  const { diagrams } = match.regions.space;
  const waiting = blocks.map((block) => ({ block, open: indices }));
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    const { block, open } = next;
    const met = firstMeeting(match, block, open);
    if (met === undefined) {
      if (left(block)) return true;
      continue;
    }
    spent.spend();
    if (taken(open[met.at]!, met.both)) return true;
    // Other parts of this rule may meet what is left.
    for (const rest of without(diagrams, block, met.part, met.both))
      waiting.push({ block: rest, open: match.still(rest, open, met.at) });
  }
  return false;
}

function firstMeeting(match: FirstMatch, block: Block, indices: readonly number[]) {
  for (let at = 0; at < indices.length; at++)
    for (const part of match.region(indices[at]!)) {
      const both = common(match.regions.space.diagrams, block, part);
      if (both !== undefined) return { at, part, both };
    }
  return undefined;
}

/**
 * What none of the rules takes. Who takes what does not matter here, so the largest come first: they leave the fewest
 * pieces.
 * @returns whether the listener had enough
 */
export function remains(
  match: FirstMatch,
  blocks: PacketSet,
  indices: readonly number[],
  left: Listener,
  spent: Budget,
): boolean {
  const largestFirst = [...indices].sort((a, b) => match.share(b) - match.share(a));
  return pass(match, blocks, largestFirst, () => false, left, spent);
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
    const note = (by: Decider, part: Block) => {
      found.push({ by, block: part });
      return false;
    };
    pass(
      match,
      open,
      indices,
      (index, part) => note(list.rules[index]!, part),
      (part) => note(list.fallback, part),
      spent,
    );
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
  eachLive(match, index, (block) => found.push(block) === 0, spent);
  return found;
}

/** The same, told block by block. @returns whether the listener had enough */
export function eachLive(
  match: FirstMatch,
  index: number,
  left: Listener,
  spent: Budget = budget(),
): boolean {
  return match
    .region(index)
    .flatMap((block) => withoutHidden(match, block))
    .some((block) => remains(match, [block], match.meeting(block, 0, index), left, spent));
}

/** What no rule of the list takes. @returns whether the listener had enough */
export function eachDefault(match: FirstMatch, left: Listener, spent: Budget = budget()): boolean {
  const rules = [...match.list.rules.keys()];
  return withoutHidden(match, everything).some((block) => remains(match, [block], rules, left, spent));
}
