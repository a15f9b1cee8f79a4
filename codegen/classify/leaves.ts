/**
 * Leaves: the entries that can still take a packet when its classes of addresses are known, in order. What an entry
 * before it takes wholly is left out, so that equal leaves are found more often.
 */
import type { BundleRows } from './bundle-answers.js';
import type { Bundle } from './bundles.js';
import { type Entry, TooLarge } from './input.js';
import { pageBits } from './ports.js';

/** Slots of a line; the last one says whether it is worth reading on. runtime/engine/include/netmill/classify.h */
const slots = 15;
export const lineBytes = 64;
/** Marks an entry whose predicate is still to be asked. */
const residualMark = 0x8000;

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

  /** The bundles of each that has some. */
  *bundles(): Generator<readonly Bundle[]> {
    for (const list of this.#lists) {
      const bundles = this.#bundlesOf(list);
      if (bundles.length > 0) yield bundles;
    }
  }

  #bundlesOf(list: Uint16Array): readonly Bundle[] {
    return [...list].flatMap((unit) => this.#facts.bundles.get(unit) ?? []);
  }

  /**
   * All of them as lines, and the first line of each.
   *
   * @param columns of a row of what bundles answer
   */
  lines(rows: BundleRows, columns: number): { readonly bytes: Uint8Array; readonly first: Uint32Array } {
    const first = new Uint32Array(this.#lists.length);
    const made: Uint8Array[] = [];
    this.#lists.forEach((list, leaf) => {
      first[leaf] = made.length;
      made.push(...this.#linesOf(list, rows, columns));
    });
    const bytes = new Uint8Array(made.length * lineBytes);
    made.forEach((line, i) => {
      bytes.set(line, i * lineBytes);
    });
    return { bytes, first };
  }

  /** Bundles come first. Entries of a page stand together, so that few lines are read; those lines are in the order of their first entries. */
  #linesOf(list: Uint16Array, rows: BundleRows, columns: number): Uint8Array[] {
    const { bundles, testOf } = this.#facts;
    const open = new Map<number, Line>();
    const together = this.#bundlesOf(list);
    const lines: (Line | BundleLine)[] =
      together.length === 0
        ? []
        : rows.of(together).map((row) => new BundleLine(row * columns, rows.rows[row]!));
    for (const entry of list) {
      if (bundles.has(entry)) continue;
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
    let behind = Number.POSITIVE_INFINITY;
    for (const line of lines.toReversed()) {
      if (behind < Number.POSITIVE_INFINITY) new Uint16Array(line.bytes.buffer)[nextAt] = behind + 1;
      behind = Math.min(behind, line.first);
    }
    return lines.map((line) => line.bytes);
  }
}

function slotOf({ entries }: Facts, entry: number): number {
  return entry | (entries[entry]!.residual ? residualMark : 0);
}

/** Where a line says what the first entry of those behind it is, in units of 16 bits. */
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

/** Where its answers begin in the index of bundles, and a mark that it is one. */
class BundleLine {
  readonly bytes = new Uint8Array(lineBytes);
  readonly first: number;

  constructor(index: number, bundles: readonly Bundle[]) {
    new Uint32Array(this.bytes.buffer)[0] = index;
    this.bytes[16 + slots] = 1;
    this.first = Math.min(...bundles.map(({ entries }) => entries[0]!));
  }
}
