/**
 * Bundles: entries that have the same addresses, where they are many. Leaves hold a bundle as one, and what it answers is
 * a table of its own (bundle-answers.ts). A bundle is known by its first entry.
 */
import type { PortTest } from './input.js';
import type { Bits } from './ports.js';
import type { Placed } from './tree.js';

/** Fewer than this are two lines of a leaf at most. */
const fewest = 32;
const wordBits = 32;

export interface Bundle {
  readonly entries: readonly number[];
  /** Of its first entry in a row of bits, the first one of a word; its others follow. */
  readonly bit: number;
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

/** Bits of single entries' tests, then those of bundles, which repeat a test where several have it. */
export function layOut(
  singles: readonly PortTest[],
  bundles: Bundled['bundles'],
  testOf: (entry: number) => PortTest,
): { readonly bits: Bits; readonly bundles: ReadonlyMap<number, Bundle> } {
  const bits: (PortTest | undefined)[] = [...singles];
  const laid = new Map<number, Bundle>();
  for (const [unit, entries] of bundles) {
    while (bits.length % wordBits !== 0) bits.push(undefined);
    laid.set(unit, { entries, bit: bits.length });
    for (const entry of entries) bits.push(testOf(entry));
  }
  return { bits, bundles: laid };
}
