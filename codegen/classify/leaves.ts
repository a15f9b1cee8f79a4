/**
 * Leaves: the entries that can still take a packet when its classes of addresses are known, in order. What an entry
 * before it takes wholly is left out, so that equal leaves are found more often.
 */
import type { Bundle } from './bundles.js';
import { type Entry, TooLarge } from './input.js';
import { pageBits } from './ports.js';

/** Slots of a line; the last one says whether it is worth reading on. runtime/engine/include/netmill/classify.h */
const slots = 15;
const lineBytes = 64;
/** Marks an entry whose predicate is still to be asked. */
const residualMark = 0x8000;
const wordBits = 64;

/** What is known of the entries of a list. */
export interface Facts {
  readonly entries: readonly Entry[];
  /** Their tests' numbers; of single entries those of the bits in a row. */
  readonly testOf: Uint32Array;
  /** Does the second of two tests take all that the first one takes? */
  readonly within: (a: number, b: number) => boolean;
  /** By first entry, which stands for the bundle. */
  readonly bundles: ReadonlyMap<number, Bundle>;
}

export class Leaves {
  readonly #facts: Facts;
  readonly #ids = new Map<string, number>();
  readonly #lists: Uint16Array[] = [];
  readonly #budget: number;
  /** Of a bundle, the first entry that takes all of a test. */
  readonly #takers = new Map<Bundle, Map<number, number>>();
  #bytes = 0;

  /** @param budget bytes that the lines may take */
  constructor(facts: Facts, budget: number) {
    this.#facts = facts;
    this.#budget = budget;
    this.#id([]);
  }

  /** The leaf of what `leaf` holds and of `own`, ascending. */
  add(leaf: number, own: readonly number[]): number {
    const list = this.#lists[leaf]!;
    const kept: number[] = [];
    let i = 0;
    let k = 0;
    while (i < list.length || k < own.length) {
      const next = k === own.length || (i < list.length && list[i]! < own[k]!) ? list[i++]! : own[k++]!;
      if (!this.#taken(kept, next)) kept.push(next);
    }
    return this.#id(kept);
  }

  #taken(kept: readonly number[], next: number): boolean {
    const { bundles, testOf } = this.#facts;
    if (bundles.has(next)) return false;
    const test = testOf[next]!;
    return kept.some((before) => {
      const bundle = bundles.get(before);
      return bundle ? this.#firstTaking(bundle, test) < next : this.#takes(before, test);
    });
  }

  /** The entry takes every packet of the test, of its addresses. */
  #takes(entry: number, test: number): boolean {
    const { entries, testOf, within } = this.#facts;
    return !entries[entry]!.residual && within(test, testOf[entry]!);
  }

  #firstTaking(bundle: Bundle, test: number): number {
    const known = this.#takers.get(bundle) ?? new Map<number, number>();
    this.#takers.set(bundle, known);
    const first =
      known.get(test) ?? bundle.entries.find((entry) => this.#takes(entry, test)) ?? Number.POSITIVE_INFINITY;
    known.set(test, first);
    return first;
  }

  #id(kept: readonly number[]): number {
    const list = Uint16Array.from(kept);
    const key = Buffer.from(list.buffer).toString('latin1');
    const known = this.#ids.get(key);
    if (known !== undefined) return known;
    this.#bytes += Math.max(1, Math.ceil(kept.length / slots)) * lineBytes;
    if (this.#bytes > this.#budget) throw new TooLarge('the leaves');
    this.#ids.set(key, this.#lists.length);
    return this.#lists.push(list) - 1;
  }

  /** All of them as lines, and the first line of each. */
  lines(): { readonly bytes: Uint8Array; readonly first: Uint32Array } {
    const first = new Uint32Array(this.#lists.length);
    const made: Uint8Array[] = [];
    this.#lists.forEach((list, leaf) => {
      first[leaf] = made.length;
      made.push(...this.#linesOf(list));
    });
    const bytes = new Uint8Array(made.length * lineBytes);
    made.forEach((line, i) => {
      bytes.set(line, i * lineBytes);
    });
    return { bytes, first };
  }

  /** Entries of a page stand together, so that few lines are read; lines are in the order of their first entries. */
  #linesOf(list: Uint16Array): Uint8Array[] {
    const { bundles, testOf } = this.#facts;
    const open = new Map<number, Line>();
    const lines: (Line | BundleLine)[] = [];
    for (const entry of list) {
      const bundle = bundles.get(entry);
      if (bundle !== undefined) {
        lines.push(new BundleLine(bundle));
        continue;
      }
      const test = testOf[entry]!;
      const page = Math.floor(test / pageBits);
      let line = open.get(page);
      if (line === undefined || line.used === slots) {
        line = new Line(page, entry);
        open.set(page, line);
        lines.push(line);
      }
      line.put(test % pageBits, slotOf(this.#facts, entry));
    }
    if (lines.length === 0) lines.push(new Line(0, 0));
    lines.forEach((line, i) => {
      const next = lines[i + 1];
      if (next !== undefined) new Uint16Array(line.bytes.buffer)[nextAt] = next.first + 1;
    });
    return lines.map((line) => line.bytes);
  }
}

function slotOf({ entries }: Facts, entry: number): number {
  return entry | (entries[entry]!.residual ? residualMark : 0);
}

/** Where a line says what the first entry of the next one is, in units of 16 bits. */
const nextAt = 31;

/** Sixteen positions of bytes in a row of bits, the bits in them, and the entries. */
class Line {
  readonly bytes = new Uint8Array(lineBytes);
  readonly #entries = new Uint16Array(this.bytes.buffer, 32, 16);
  readonly first: number;
  used = 0;

  constructor(page: number, first: number) {
    this.bytes[slots] = page;
    this.first = first;
  }

  put(bit: number, entry: number): void {
    this.bytes[this.used] = bit >>> 3;
    this.bytes[16 + this.used] = 1 << (bit & 7);
    this.#entries[this.used++] = entry;
  }
}

/** struct mill_bundle, and a mark that it is one. */
class BundleLine {
  readonly bytes = new Uint8Array(lineBytes);
  readonly first: number;

  constructor({ entries, bit, first, number }: Bundle) {
    const words = Math.ceil(entries.length / wordBits);
    new Uint32Array(this.bytes.buffer).set([bit / 8, words, first, number]);
    this.bytes[16 + slots] = 1;
    this.first = entries[0]!;
  }
}

/** As it stands where source ports have not been asked for. */
export function firstSlotOf({ entries }: Facts, entry: number): number {
  const { residual, test } = entries[entry]!;
  return entry | (residual || test?.sources ? residualMark : 0);
}

/** The entries of all bundles, each from the beginning of a word on. */
export function bundleTable(facts: Facts): Uint16Array {
  const all: number[] = [];
  for (const { entries, first } of facts.bundles.values()) {
    while (all.length < first) all.push(0);
    all.push(...entries.map((entry) => slotOf(facts, entry)));
  }
  return Uint16Array.from(all);
}
