/**
 * Two packets of a block, its first and its last in the order of the bits: looking them up in a list is quick, and often
 * answers what would take all of the block otherwise. A probe can show that something is so, never that nothing is.
 */
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

export function probesOf(space: Space, block: Block): readonly Probe[] {
  return [corner(space, block, 0), corner(space, block, 1)];
}

function corner({ diagrams, width, members }: Space, block: Block, wanted: 0 | 1): Probe {
  const src = oneOf(diagrams, block.src, width, wanted);
  const dst = oneOf(diagrams, block.dst, width, wanted);
  const rest = oneOf(diagrams, block.rest, restBits + members.all().length, wanted);
  const address = addressLevels(Math.min(width, 52));
  const numbers = [
    numberOf(src, address),
    numberOf(dst, address),
    numberOf(rest, levelsOf('proto')),
    numberOf(rest, levelsOf('dport')),
  ];
  return { src, dst, rest, bounds: numbers.flatMap((one) => [one, one]) };
}

function oneOf(diagrams: Diagrams, set: Diagram, width: number, wanted: 0 | 1): Uint8Array {
  const bits = new Uint8Array(width).fill(wanted);
  for (let at = set; at !== all; ) {
    const bit = diagrams.child(at, wanted === 1) === none ? 1 - wanted : wanted;
    bits[diagrams.level(at)] = bit;
    at = diagrams.child(at, bit === 1);
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
  return match
    .within(bounds, from, before)
    .find(
      (index) =>
        !skip?.has(index) &&
        match
          .region(index)
          .some(
            (block) =>
              holds(diagrams, block.rest, (level) => rest[level] === 1) &&
              holds(diagrams, block.src, (level) => src[level] === 1) &&
              holds(diagrams, block.dst, (level) => dst[level] === 1),
          ),
    );
}
