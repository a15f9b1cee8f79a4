/**
 * Leaves: the entries that can still take a packet when its classes of addresses are known, in order. What an entry
 * before it takes wholly is left out, so that equal leaves are found more often.
 */
import { type Entry, TooLarge } from './input.js';

/** Slots of a line; the last one says whether it is worth reading on. runtime/engine/include/netmill/classify.h */
const slots = 15;
const lineBytes = 64;
/** Marks an entry whose predicate is still to be asked. */
const residualMark = 0x8000;
const pageBits = 512;

export class Leaves {
  readonly #entries: readonly Entry[];
  readonly #testOf: Uint32Array;
  readonly #within: (a: number, b: number) => boolean;
  readonly #ids = new Map<string, number>();
  readonly #lists: Uint16Array[] = [];
  readonly #budget: number;
  #bytes = 0;

  constructor(
    entries: readonly Entry[],
    testOf: Uint32Array,
    within: (a: number, b: number) => boolean,
    budget: number,
  ) {
    this.#entries = entries;
    this.#testOf = testOf;
    this.#within = within;
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
    const test = this.#testOf[next]!;
    return kept.some(
      (before) => !this.#entries[before]!.residual && this.#within(test, this.#testOf[before]!),
    );
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
    const open = new Map<number, Line>();
    const lines: Line[] = [];
    for (const entry of list) {
      const test = this.#testOf[entry]!;
      const page = Math.floor(test / pageBits);
      let line = open.get(page);
      if (line === undefined || line.used === slots) {
        line = new Line(page, entry);
        open.set(page, line);
        lines.push(line);
      }
      line.put(test % pageBits, entry | (this.#entries[entry]!.residual ? residualMark : 0));
    }
    if (lines.length === 0) lines.push(new Line(0, 0));
    return lines.map((line, i) => line.end(lines[i + 1]?.first));
  }
}

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

  /** @param next first entry of the line behind it */
  end(next: number | undefined): Uint8Array {
    this.#entries[slots] = next === undefined ? 0 : next + 1;
    return this.bytes;
  }
}
