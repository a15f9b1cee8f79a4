/**
 * Some packets of a block, its first and its last in the order of the bits and a few that are drawn: looking them up in a
 * list is quick, and often answers what would take all of the block otherwise. A probe can show that something is so, never
 * that nothing is.
 */
import { type Random, randomOf } from '../selftest/random.js';
import { addressLevels, holds, levelsOf, restBits } from './bits.js';
import type { Bounds } from './bounds.js';
import { all, type Diagram, type Diagrams, none } from './diagram.js';
import type { FirstMatch } from './first-match.js';
import type { Block } from './sets.js';
import type { Space } from './space.js';

export interface Probe {
  /** 0 or 1 by level. */
  readonly src: Uint8Array;
  readonly dst: Uint8Array;
  readonly rest: Uint8Array;
  readonly bounds: Bounds;
}

const drawn = 8;

/** The same at every call. */
export function* probesOf(space: Space, block: Block): Generator<Probe> {
  yield probe(space, block, always(0));
  yield probe(space, block, always(1));
  const random = randomOf(block.src ^ (block.dst << 8) ^ (block.rest << 16));
  for (let i = 0; i < drawn; i++) yield probe(space, block, uniform(random));
}

/** Where a set leaves it open what a bit is. */
interface Choice {
  /** Of a bit that is not tested. */
  readonly free: () => 0 | 1;
  /** Of one that is, by the shares of what follows. */
  readonly branch: (low: number, high: number) => 0 | 1;
}

function always(bit: 0 | 1): Choice {
  return { free: () => bit, branch: () => bit };
}

/** Each packet of a set as likely as any other. */
function uniform(random: Random): Choice {
  let [word, left] = [0, 0];
  return {
    free: () => {
      if (left === 0) [word, left] = [random.below(2 ** 31), 31];
      left--;
      return ((word >> left) & 1) as 0 | 1;
    },
    branch: (low, high) => (random.below(2 ** 31) * (low + high) < high * 2 ** 31 ? 1 : 0),
  };
}

function probe({ diagrams, width, members }: Space, block: Block, choice: Choice): Probe {
  const src = oneOf(diagrams, block.src, width, choice);
  const dst = oneOf(diagrams, block.dst, width, choice);
  const rest = oneOf(diagrams, block.rest, restBits + members.all().length, choice);
  const address = addressLevels(Math.min(width, 52));
  const numbers = [
    numberOf(src, address),
    numberOf(dst, address),
    numberOf(rest, levelsOf('proto')),
    numberOf(rest, levelsOf('dport')),
  ];
  return { src, dst, rest, bounds: numbers.flatMap((one) => [one, one]) };
}

function oneOf(diagrams: Diagrams, set: Diagram, width: number, { free, branch }: Choice): Uint8Array {
  const bits = Uint8Array.from({ length: width }, free);
  for (let at = set; at !== all; ) {
    const [low, high] = [diagrams.child(at, false), diagrams.child(at, true)];
    const bit = low === none ? 1 : high === none ? 0 : branch(diagrams.density(low), diagrams.density(high));
    bits[diagrams.level(at)] = bit;
    at = bit === 1 ? high : low;
  }
  return bits;
}

function numberOf(bits: Uint8Array, levels: readonly number[]): number {
  return levels.reduce((value, level) => 2 * value + bits[level]!, 0);
}

/** The first rule from `from` to below `before` that takes the probe, `skip` left out; undefined: none does. */
export function taker(
  match: FirstMatch,
  { bounds, src, dst, rest }: Probe,
  from: number,
  before: number,
  skip?: ReadonlySet<number>,
): number | undefined {
  const { diagrams } = match.regions.space;
  return match.first(
    bounds,
    from,
    before,
    (index) =>
      !skip?.has(index) &&
      match
        .region(index)
        .some(
          (block) =>
            holds(diagrams, block.src, (level) => src[level] === 1) &&
            holds(diagrams, block.dst, (level) => dst[level] === 1) &&
            holds(diagrams, block.rest, (level) => rest[level] === 1),
        ),
  );
}
