/**
 * The answer of entries in order, of which some test source ports or predicates. Where few of them do, source ports are
 * cut into pieces that the same entry takes; where many, into bands of equal width first, and pieces of those. What is
 * equal is kept once. Cells as runtime/engine/include/netmill/classify.h reads them.
 */
import type { PortRange } from '../../dsl/model.js';
import { type Entry, TooLarge } from './input.js';

const none = 0x7fff;
const kinds = { asked: 0x40000000, pieces: 0x80000000, bands: 0xc0000000 } as const;
const residualMark = 0x8000;
/** Of so many entries pieces are found without bands. */
const few = 12;
const bandBits = 10;
const bandCount = 0x10000 >> bandBits;
/** They are counted in 16 bits. */
const mostPieces = 0xffff;
const everyPort: PortRange = { from: 0, to: 0xffff };
/** Comparisons: some seconds. */
const mostSteps = 2 ** 30;

interface Row {
  readonly entries: readonly number[];
  readonly cells: Uint32Array;
}

export class SourcePieces {
  readonly #entries: readonly Entry[];
  readonly #most: number;
  /** By row, what was said last: most bands of the next class are the same. */
  readonly #before = new Map<number, Row>();
  readonly #cells = new Map<string, number>();
  readonly #bands: Uint32Array[] = [];
  readonly #pieces: number[] = [];
  readonly #candidates: number[] = [];
  #steps = 0;

  /** @param memory bytes that all of it may take */
  constructor(entries: readonly Entry[], memory: number) {
    this.#entries = entries;
    this.#most = memory;
  }

  /** @param candidates ascending, of which only the last one may take a packet whatever else it has */
  cell(row: number, candidates: readonly number[]): number {
    const [first] = candidates;
    if (first === undefined) return none;
    const { residual, test } = this.#entries[first]!;
    if (!residual && !test?.sources) return first;
    return candidates.length > few
      ? this.#inBands(row, candidates)
      : this.#once(candidates.join(), () => this.#cut(candidates, everyPort));
  }

  tables(): { bands: Uint32Array; pieces: Uint32Array; candidates: Uint16Array } {
    const bands = new Uint32Array(this.#bands.length * bandCount);
    this.#bands.forEach((one, i) => {
      bands.set(one, i * bandCount);
    });
    return {
      bands,
      pieces: Uint32Array.from(this.#pieces),
      candidates: Uint16Array.from(this.#candidates),
    };
  }

  #once(key: string, make: () => number): number {
    const known = this.#cells.get(key);
    if (known !== undefined) return known;
    const made = make();
    this.#cells.set(key, made);
    const bytes = this.#bands.length * bandCount * 4 + this.#pieces.length * 4 + this.#candidates.length * 2;
    if (bytes > this.#most || this.#steps > mostSteps) throw new TooLarge('the pieces of source ports');
    return made;
  }

  #inBands(row: number, entries: readonly number[]): number {
    const before = this.#before.get(row);
    const changed = new Uint8Array(bandCount).fill(before ? 0 : 1);
    if (before) for (const entry of difference(before.entries, entries)) this.#touch(entry, changed);
    const cells = before ? before.cells.slice() : new Uint32Array(bandCount);
    for (let band = 0; band < bandCount; band++) {
      if (!changed[band]) continue;
      const within = { from: band << bandBits, to: ((band + 1) << bandBits) - 1 };
      const own = entries.filter((entry) => this.#overlaps(entry, within));
      cells[band] = this.#once(`${band}:${own.join()}`, () => this.#cut(own, within));
    }
    this.#before.set(row, { entries: [...entries], cells });
    return this.#once(
      `bands ${cells.join()}`,
      () => (kinds.bands | ((this.#bands.push(cells) - 1) * bandCount)) >>> 0,
    );
  }

  #touch(entry: number, changed: Uint8Array): void {
    for (const { from, to } of this.#sources(entry))
      changed.fill(1, from >>> bandBits, (to >>> bandBits) + 1);
  }

  #sources(entry: number): readonly PortRange[] {
    return this.#entries[entry]!.test?.sources ?? [everyPort];
  }

  #overlaps(entry: number, { from, to }: PortRange): boolean {
    this.#steps++;
    return this.#sources(entry).some((one) => one.from <= to && from <= one.to);
  }

  /** The cell of source ports `within`. */
  #cut(entries: readonly number[], within: PortRange): number {
    const cuts = new Set([within.from]);
    for (const entry of entries)
      for (const { from, to } of this.#sources(entry)) {
        if (from > within.from && from <= within.to) cuts.add(from);
        if (to >= within.from && to < within.to) cuts.add(to + 1);
      }
    const pieces: { readonly from: number; readonly cell: number }[] = [];
    for (const from of [...cuts].sort((a, b) => a - b)) {
      const cell = this.#at(entries, from);
      if (pieces.at(-1)?.cell !== cell) pieces.push({ from, cell });
    }
    if (pieces.length === 1) return pieces[0]!.cell;
    if (pieces.length > mostPieces) throw new TooLarge('the pieces of source ports');
    const at = this.#pieces.length / 2;
    pieces.forEach(({ from, cell }, i) => {
      this.#pieces.push((i === 0 ? from | (pieces.length << 16) : from) >>> 0, cell);
    });
    return (kinds.pieces | at) >>> 0;
  }

  /** The cell of one source port: which of the entries takes it, those before being asked whose predicates decide. */
  #at(entries: readonly number[], port: number): number {
    const asked: number[] = [];
    for (const entry of entries) {
      this.#steps++;
      if (!this.#sources(entry).some(({ from, to }) => from <= port && port <= to)) continue;
      if (!this.#entries[entry]!.residual) return this.#asking(asked, entry);
      asked.push(entry);
    }
    return this.#asking(asked, none);
  }

  #asking(asked: readonly number[], last: number): number {
    if (asked.length === 0) return last;
    return this.#once(`asked ${asked.join()} ${last}`, () => {
      const at = this.#candidates.length;
      this.#candidates.push(...asked.map((entry) => entry | residualMark), last);
      return kinds.asked | at;
    });
  }
}

/** What one of two ascending lists has and the other has not. */
function difference(a: readonly number[], b: readonly number[]): readonly number[] {
  const found: number[] = [];
  let i = 0;
  let k = 0;
  while (i < a.length || k < b.length) {
    if (i < a.length && k < b.length && a[i] === b[k]) {
      i++;
      k++;
    } else if (k === b.length || (i < a.length && a[i]! < b[k]!)) found.push(a[i++]!);
    else found.push(b[k++]!);
  }
  return found;
}
