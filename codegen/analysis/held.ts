/**
 * Is there a packet in a block when sets that change at run time hold this? The block says of which sets its addresses are
 * members; an address of its diagram that is in those and in none of the others is looked for from boundary to boundary.
 */
import { type Contents, noContents } from '../sets/contents.js';
import { type AddressRanges, bitsOfWords, rank, wordsOf, wordsOfBits } from '../sets/ranges.js';
import { oneBit, prefixed } from './bits.js';
import { all, type Diagram, type Diagrams, none } from './diagram.js';
import type { Block } from './sets.js';
import type { MemberLevel, Space } from './space.js';

/** A block of one source, one destination and one reading of the sets; undefined: there is none. */
export function heldBlock(space: Space, block: Block, contents: Contents): Block | undefined {
  for (const { rest, said } of readings(space, block.rest)) {
    const src = heldAddress(space, block.src, sidesOf(space, said, 'src', contents));
    if (src === undefined) continue;
    const dst = heldAddress(space, block.dst, sidesOf(space, said, 'dst', contents));
    if (dst === undefined) continue;
    const { diagrams, addresses, width } = space;
    const only = (bits: bigint) => prefixed(diagrams, addresses, bits, width);
    return { src: only(src), dst: only(dst), rest };
  }
  return undefined;
}

interface Reading {
  /** What of the block has this reading. */
  readonly rest: Diagram;
  /** By level; others may be either. */
  readonly said: ReadonlyMap<number, boolean>;
}

/** Tests of members come last: below each of their first ones stand the ways to hold, or not to hold, what matters. */
function readings({ diagrams, members, restWidth }: Space, rest: Diagram): readonly Reading[] {
  const tops = new Set<Diagram>();
  const seen = new Set<Diagram>();
  const descend = (at: Diagram): void => {
    if (at === none || seen.has(at)) return;
    seen.add(at);
    if (at === all || diagrams.level(at) >= restWidth) tops.add(at);
    else for (const bit of [false, true]) descend(diagrams.child(at, bit));
  };
  descend(rest);
  const found = new Map<string, ReadonlyMap<number, boolean>>();
  const ways = (at: Diagram, said: ReadonlyMap<number, boolean>): void => {
    if (at === none) return;
    if (at === all) found.set([...said].join(), said);
    else
      for (const bit of [false, true])
        ways(diagrams.child(at, bit), new Map([...said, [diagrams.level(at), bit]]));
  };
  for (const top of tops) ways(top, new Map());
  const narrowed = (said: ReadonlyMap<number, boolean>) =>
    members.all().reduce((set, { level }) => {
      const value = said.get(level);
      if (value === undefined) return set;
      const bit = oneBit(diagrams, level);
      return value ? diagrams.and(set, bit) : diagrams.minus(set, bit);
    }, rest);
  return [...found.values()].map((said) => ({ said, rest: narrowed(said) }));
}

interface Sides {
  readonly within: readonly AddressRanges[];
  readonly outside: readonly AddressRanges[];
}

function sidesOf(
  { members, family }: Space,
  said: ReadonlyMap<number, boolean>,
  field: MemberLevel['field'],
  contents: Contents,
): Sides {
  const of = (value: boolean) =>
    members
      .all()
      .filter((one) => one.field === field && said.get(one.level) === value)
      .map(({ set }) => (contents.get(set) ?? noContents)[family]);
  return { within: of(true), outside: of(false) };
}

/** The least address of the diagram that is in all of `within` and in none of `outside`. */
function heldAddress(space: Space, set: Diagram, { within, outside }: Sides): bigint | undefined {
  const { diagrams, width } = space;
  let at: bigint | undefined = nextIn(diagrams, set, 0, width, 0n);
  for (let moved = true; moved && at !== undefined; ) {
    const before: bigint = at;
    for (const ranges of within) at = at === undefined ? at : nextWithin(ranges, at);
    for (const ranges of outside) at = at === undefined ? at : nextOutside(ranges, at, width);
    if (at !== undefined) at = nextIn(diagrams, set, 0, width, at);
    moved = at !== before;
  }
  return at;
}

/** The least string of the set, of the levels from `level` on, that is not below `from`. */
function nextIn(
  diagrams: Diagrams,
  set: Diagram,
  level: number,
  width: number,
  from: bigint,
): bigint | undefined {
  if (set === none) return undefined;
  if (level === width) return 0n;
  const half = 1n << BigInt(width - 1 - level);
  const child = (bit: boolean) => (diagrams.level(set) === level ? diagrams.child(set, bit) : set);
  if (from < half) {
    const low = nextIn(diagrams, child(false), level + 1, width, from);
    if (low !== undefined) return low;
  }
  const high = nextIn(diagrams, child(true), level + 1, width, from < half ? 0n : from - half);
  return high === undefined ? undefined : half + high;
}

function nextWithin(ranges: AddressRanges, from: bigint): bigint | undefined {
  const words = wordsOf(ranges.family);
  const at = rank(ranges, wordsOfBits(ranges.family, from));
  const edge = (edges: Uint32Array, i: number) => bitsOfWords(edges.subarray(i * words, (i + 1) * words));
  if (at > 0 && edge(ranges.last, at - 1) >= from) return from;
  return at < ranges.count ? edge(ranges.first, at) : undefined;
}

function nextOutside(ranges: AddressRanges, from: bigint, width: number): bigint | undefined {
  const words = wordsOf(ranges.family);
  const at = rank(ranges, wordsOfBits(ranges.family, from)) - 1;
  if (at < 0) return from;
  const last = bitsOfWords(ranges.last.subarray(at * words, (at + 1) * words));
  if (last < from) return from;
  return last + 1n < 1n << BigInt(width) ? last + 1n : undefined;
}
