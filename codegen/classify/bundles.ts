/**
 * Bundles: entries that have the same addresses, where they are many. Leaves hold a bundle as one, and its bits lie side by
 * side in the rows, in the order of its entries. So hundreds of rules that leave addresses open, or name the same ones, cost
 * one comparison for 512 of them. A bundle is known by its first entry.
 */
import type { PortTest } from './input.js';
import type { Placed } from './pairs.js';

/** Fewer than this are two lines of a leaf at most. */
const fewest = 32;
const wordBits = 64;

export interface Bundle {
  readonly entries: readonly number[];
  /** Of its first entry, a multiple of 64. */
  readonly bit: number;
  /** Where its entries begin in the table of them. */
  readonly first: number;
  /** Among the bundles. */
  readonly number: number;
}

export interface Bundled {
  /** A bundle stands where its first entry is. */
  readonly placed: readonly Placed[];
  readonly bundles: ReadonlyMap<number, readonly number[]>;
}

export function bundle(placed: readonly Placed[]): Bundled {
  const alike = new Map<string, Placed[]>();
  for (const one of placed) {
    const key = `${one.from.join()} ${one.to.join()}`;
    const known = alike.get(key);
    if (known === undefined) alike.set(key, [one]);
    else known.push(one);
  }
  const many = [...alike.values()].filter((one) => one.length >= fewest);
  const bundles = new Map(many.map((one) => [one[0]!.entry, one.map(({ entry }) => entry)]));
  const within = new Set(many.flatMap((one) => one.slice(1)));
  return { placed: placed.filter((one) => !within.has(one)), bundles };
}

/** What each bit of a row tests; undefined: nothing, so that a bundle begins with a word. */
export type Bits = readonly (PortTest | undefined)[];

/** Bits of single entries' tests, then those of bundles, which repeat a test where several have it. */
export function layOut(
  singles: readonly PortTest[],
  bundles: Bundled['bundles'],
  testOf: (entry: number) => PortTest,
): { readonly bits: Bits; readonly bundles: ReadonlyMap<number, Bundle> } {
  const bits: (PortTest | undefined)[] = [...singles];
  const laid = new Map<number, Bundle>();
  let first = 0;
  for (const [unit, entries] of bundles) {
    while (bits.length % wordBits !== 0) bits.push(undefined);
    laid.set(unit, { entries, bit: bits.length, first, number: laid.size });
    for (const entry of entries) bits.push(testOf(entry));
    first += Math.ceil(entries.length / wordBits) * wordBits;
  }
  return { bits, bundles: laid };
}

/** What is in a row of firsts where no entry of the bundle takes the packet. */
const none = 0x7fff;

/**
 * By row and bundle: the first entry that takes packets of the row by some source port, marked where more is to be asked.
 * Mostly that is the answer.
 */
export function firstsOf(
  rows: Uint32Array,
  words: number,
  bundles: Iterable<Bundle>,
  slotOf: (entry: number) => number,
): Uint16Array {
  const all = [...bundles];
  const slots = all.map(({ entries }) => entries.map(slotOf));
  const firsts = new Uint16Array((rows.length / words) * all.length);
  for (let row = 0; row * words < rows.length; row++)
    all.forEach(({ bit, entries }, b) => {
      const at = firstBit(rows, row * words * 32 + bit, entries.length);
      firsts[row * all.length + b] = slots[b]![at] ?? none;
    });
  return firsts;
}

/** Of `count` bits from `from` on, a multiple of 32; -1 where none is set. */
function firstBit(words: Uint32Array, from: number, count: number): number {
  for (let at = 0; at < count; at += 32) {
    const word = words[(from + at) / 32]!;
    if (word !== 0) return at + 31 - Math.clz32(word & -word);
  }
  return -1;
}
