/**
 * What bundles answer: by class of protocol and selector a cell, which is the entry itself, or says by which source ports or
 * predicates to go on. Bundles of one leaf answer as one. A row of cells is cut into blocks, equal blocks kept once.
 */
import type { Bundle } from './bundles.js';
import { type Entry, TooLarge } from './input.js';
import type { PortClasses } from './ports.js';
import { SourcePieces } from './source-pieces.js';

/** log2 of a block's columns. */
const shift = 5;
/** Cells that are made for the sake of asking one table in place of several. */
const mostCells = 2 ** 22;

export interface BundleAnswers {
  /** Blocks of a row of the index. */
  readonly columns: number;
  /** Block by row and column. */
  readonly index: Uint32Array;
  /** Cells, block by block. */
  readonly cells: Uint32Array;
  /** Cells by band of source ports. */
  readonly bands: Uint32Array;
  /** First source port (16 bits), how many pieces there are (in the first one, 16 bits), cell. */
  readonly pieces: Uint32Array;
  /** Entries as leaves have them, up to one without a predicate, or none. */
  readonly candidates: Uint16Array;
}

/** Rows of answers: each of one bundle, or of all those of a leaf. */
export class BundleRows {
  readonly #together: boolean;
  readonly #numbers = new Map<string, number>();
  readonly rows: (readonly Bundle[])[] = [];

  /** @param leaves the bundles of each leaf, which ascend */
  constructor(leaves: Iterable<readonly Bundle[]>, classes: number) {
    const combinations = new Set([...leaves].map((bundles) => keyOf(bundles)));
    this.#together = combinations.size * classes <= mostCells;
  }

  /** Of the bundles of a leaf, at least one. */
  of(bundles: readonly Bundle[]): readonly number[] {
    return this.#together ? [this.#number(bundles)] : bundles.map((one) => this.#number([one]));
  }

  #number(bundles: readonly Bundle[]): number {
    const key = keyOf(bundles);
    const known = this.#numbers.get(key);
    if (known !== undefined) return known;
    this.#numbers.set(key, this.rows.length);
    return this.rows.push(bundles) - 1;
  }
}

const keyOf = (bundles: readonly Bundle[]) => bundles.map((one) => one.entries[0]).join();

export function columnsOf(classes: number): number {
  return Math.ceil(classes / (1 << shift));
}

/**
 * @param memory bytes that all of it may take
 * @throws TooLarge
 */
export function bundleAnswers(
  rows: readonly (readonly Bundle[])[],
  ports: PortClasses,
  entries: readonly Entry[],
  memory: number,
): BundleAnswers {
  const columns = columnsOf(ports.count);
  const index = new Uint32Array(rows.length * columns);
  const blocks = new Blocks(memory - index.byteLength);
  const pieces = new SourcePieces(entries, memory);
  const bundles = [...new Set(rows.flat())];
  const sequences = new Map<Bundle, number[]>(bundles.map((one) => [one, []]));
  const rowsOf = rows.map((of) => of.map((one) => sequences.get(one)!));
  const open = rows.map(() => new Uint32Array(1 << shift));
  const isLast = Uint8Array.from(entries, (one) => (one.residual || one.test?.sources ? 0 : 1));
  for (let number = 0; number < ports.count; number++) {
    for (const [bundle, sequence] of sequences) candidatesOf(bundle, ports.tests(number), isLast, sequence);
    const within = number & ((1 << shift) - 1);
    rowsOf.forEach((of, row) => {
      open[row]![within] = pieces.cell(row, mergedUpTo(of, isLast));
    });
    if (within !== (1 << shift) - 1 && number !== ports.count - 1) continue;
    open.forEach((block, row) => {
      index[row * columns + (number >>> shift)] = blocks.id(block);
      block.fill(0);
    });
  }
  return { columns, index, cells: blocks.all(), ...pieces.tables() };
}

/** Its entries whose bits are set, up to the first that takes a packet whatever else it has. */
function candidatesOf(bundle: Bundle, row: Uint32Array, isLast: Uint8Array, into: number[]): void {
  into.length = 0;
  const { entries, bit } = bundle;
  for (let at = 0; at < entries.length; at += 32)
    for (let word = row[(bit + at) >>> 5]!; word !== 0; word &= word - 1) {
      const entry = entries[at + 31 - Math.clz32(word & -word)]!;
      into.push(entry);
      if (isLast[entry]) return;
    }
}

function mergedUpTo(of: readonly (readonly number[])[], isLast: Uint8Array): readonly number[] {
  if (of.length === 1) return of[0]!;
  const all = of.flat().sort((a, b) => a - b);
  const last = all.findIndex((entry) => isLast[entry]);
  return last < 0 ? all : all.slice(0, last + 1);
}

/** Distinct blocks of cells. */
class Blocks {
  readonly #ids = new Map<string, number>();
  readonly #made: Uint32Array[] = [];
  readonly #most: number;

  constructor(memory: number) {
    this.#most = memory / (4 << shift);
  }

  id(block: Uint32Array): number {
    const key = Buffer.from(block.buffer).toString('latin1');
    const known = this.#ids.get(key);
    if (known !== undefined) return known;
    if (this.#made.length >= this.#most) throw new TooLarge('the answers of bundles');
    this.#ids.set(key, this.#made.length);
    return this.#made.push(block.slice()) - 1;
  }

  all(): Uint32Array {
    const all = new Uint32Array(this.#made.length << shift);
    this.#made.forEach((block, i) => {
      all.set(block, i << shift);
    });
    return all;
  }
}
