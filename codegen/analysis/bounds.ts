/**
 * Bounds of sets, to pass over rules that cannot meet: first and last address, protocol and destination port as numbers
 * in typed arrays, so that 10,000 rules are looked at in some microseconds. Addresses keep their first 52 bits, which a
 * double holds exactly: two sets that seem to meet may not, never the other way round.
 */
import { type Levels, levelsOf } from './bits.js';
import { all, type Diagram, type Diagrams, none } from './diagram.js';
import { type Block, difference, type PacketSet } from './sets.js';
import type { Space } from './space.js';

/** src, dst, protocol, destination port: [first, last] each. */
export type Bounds = readonly number[];

const kept = 52;
const sides = 4;

export function boundsOf({ diagrams, addresses }: Space, { src, dst, rest }: Block): Bounds {
  const address = addresses.slice(0, kept);
  return [
    ...extremes(diagrams, src, address),
    ...extremes(diagrams, dst, address),
    ...extremes(diagrams, rest, levelsOf('proto')),
    // Levels stand between protocol and port: only a set of one protocol says something about its ports.
    ...extremes(diagrams, rest, levelsOf('dport')),
  ];
}

/** The least and the greatest number that these levels have in the set, or less and greater ones. */
function extremes(diagrams: Diagrams, set: Diagram, levels: Levels): readonly [number, number] {
  return [extreme(diagrams, set, levels, false), extreme(diagrams, set, levels, true)];
}

function extreme(diagrams: Diagrams, set: Diagram, levels: Levels, greatest: boolean): number {
  let at = onlyWay(diagrams, set, levels[0]!);
  let value = 0;
  for (const level of levels) {
    at = at === undefined ? undefined : onlyWay(diagrams, at, level);
    let bit = greatest;
    if (at !== undefined && at !== all && diagrams.level(at) === level) {
      if (diagrams.child(at, bit) === none) bit = !bit;
      at = diagrams.child(at, bit);
    }
    value = 2 * value + (bit ? 1 : 0);
  }
  return value;
}

/** Down to `level` where there is one way only; undefined: there are several, and nothing is known. */
function onlyWay(diagrams: Diagrams, set: Diagram, level: number): Diagram | undefined {
  let at = set;
  while (at > all && diagrams.level(at) < level) {
    const [low, high] = [diagrams.child(at, false), diagrams.child(at, true)];
    if (low !== none && high !== none) return undefined;
    at = low === none ? high : low;
  }
  return at;
}

/** Tells which sets may meet something within bounds. */
export interface Overlaps {
  readonly meets: (index: number, bounds: Bounds) => boolean;
  readonly within: (bounds: Bounds, from: number, before: number) => readonly number[];
  /** The first of them of which it is so. */
  readonly first: (
    bounds: Bounds,
    from: number,
    before: number,
    isSo: (index: number) => boolean,
  ) => number | undefined;
}

export function makeOverlaps(space: Space, sets: readonly PacketSet[]): Overlaps {
  const table = new Float64Array(sets.length * 2 * sides);
  for (const [i, set] of sets.entries())
    table.set(around(set.map((block) => boundsOf(space, block))), i * 2 * sides);
  return {
    meets: (index, bounds) => meets(table, index * 2 * sides, bounds),
    within: (bounds, from, before) => {
      const found: number[] = [];
      for (let i = from; i < before; i++) if (meets(table, i * 2 * sides, bounds)) found.push(i);
      return found;
    },
    first: (bounds, from, before, isSo) => {
      for (let i = from; i < before; i++) if (meets(table, i * 2 * sides, bounds) && isSo(i)) return i;
      return undefined;
    },
  };
}

function meets(table: Float64Array, at: number, bounds: Bounds): boolean {
  for (let side = 0; side < 2 * sides; side += 2)
    if (table[at + side]! > bounds[side + 1]! || table[at + side + 1]! < bounds[side]!) return false;
  return true;
}

/** Around all of them; of nothing, such that nothing meets it. */
function around(all: readonly Bounds[]): Bounds {
  return Array.from({ length: 2 * sides }, (_, i) =>
    all.reduce(
      (bound, one) => (i % 2 === 0 ? Math.min(bound, one[i]!) : Math.max(bound, one[i]!)),
      i % 2 === 0 ? Number.POSITIVE_INFINITY : Number.NEGATIVE_INFINITY,
    ),
  );
}

/** Collects blocks that may overlap into disjoint ones. */
export interface Collector {
  readonly add: (block: Block) => void;
  readonly blocks: () => PacketSet;
}

export function makeCollector(space: Space): Collector {
  const blocks: Block[] = [];
  let table = new Float64Array(1024);
  const append = (block: Block) => {
    const at = blocks.length * 2 * sides;
    if (at === table.length) {
      const larger = new Float64Array(2 * table.length);
      larger.set(table);
      table = larger;
    }
    table.set(boundsOf(space, block), at);
    blocks.push(block);
  };
  return {
    blocks: () => blocks,
    add: (block) => {
      const bounds = boundsOf(space, block);
      const near = blocks.filter((_, i) => meets(table, i * 2 * sides, bounds));
      for (const one of difference(space.diagrams, [block], near)) append(one);
    },
  };
}
