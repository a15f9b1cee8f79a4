/**
 * The leaf of each pair of a source's and a destination's class: a table whose rows are cut into blocks, equal blocks kept
 * once. A row is its parent's with the node's own entries added, so most of its blocks are its parent's too.
 * Gupta and McKeown, Packet Classification on Multiple Fields, SIGCOMM 1999 (equivalence classes, phase by phase).
 */
import { TooLarge } from './input.js';
import type { Leaves } from './leaves.js';
import type { Placed, PrefixTree } from './tree.js';

export interface PairTable {
  /** log2 of a block's columns. */
  readonly shift: number;
  /** Blocks of a row. */
  readonly columns: number;
  /** Block by row and column. */
  readonly index: Uint32Array;
  /** Leaves, block by block. */
  readonly blocks: Uint32Array;
}

/**
 * @param memory bytes that the table may take
 * @throws TooLarge
 */
export function pairTable(
  placed: readonly Placed[],
  rows: PrefixTree | undefined,
  columns: PrefixTree | undefined,
  leaves: Leaves,
  memory: number,
): PairTable {
  const width = columns?.size ?? 1;
  const shift = columns === undefined ? 0 : 5;
  const table = new Blocks(rows?.size ?? 1, width, shift, memory);
  const own = byNode(placed, rows?.size ?? 1);
  const open: { readonly node: number; readonly row: Uint32Array }[] = [];
  for (let node = 0; node < own.length; node++) {
    while (open.length > 0 && open.at(-1)!.node !== (rows?.parent[node] ?? -1)) open.pop();
    const above = open.at(-1);
    if (above !== undefined && own[node]!.length === 0) {
      table.same(node, above.node);
      open.push({ node, row: above.row });
      continue;
    }
    const row = above === undefined ? new Uint32Array(width) : above.row.slice();
    addEntries(row, own[node]!, columns, leaves);
    table.put(node, row, above?.node, above?.row);
    open.push({ node, row });
  }
  return { shift, columns: table.columns, index: table.index, blocks: table.blocks() };
}

export function leafOf({ shift, columns, index, blocks }: PairTable, row: number, column: number): number {
  const block = index[row * columns + (column >>> shift)]!;
  return blocks[(block << shift) | (column & ((1 << shift) - 1))]!;
}

function byNode(placed: readonly Placed[], size: number): Placed[][] {
  const own: Placed[][] = Array.from({ length: size }, () => []);
  for (const one of placed) for (const node of size === 1 ? [0] : one.from) own[node]!.push(one);
  return own;
}

/** Walks the nodes that entries stand at; between two of them the same entries hold. */
function addEntries(
  row: Uint32Array,
  own: readonly Placed[],
  columns: PrefixTree | undefined,
  leaves: Leaves,
): void {
  const at = new Map<number, number[]>();
  for (const { entry, to } of own)
    for (const node of columns === undefined ? [0] : to) {
      const list = at.get(node);
      if (list === undefined) at.set(node, [entry]);
      else list.push(entry);
    }
  const nodes = [...at.keys()].sort((a, b) => a - b);
  const open: { readonly end: number; readonly entries: readonly number[] }[] = [];
  let from = 0;
  const fill = (to: number) => {
    const entries = open.at(-1)?.entries;
    if (entries !== undefined) addTo(row, from, to, entries, leaves);
    from = to;
  };
  const closeUpTo = (position: number) => {
    while (open.length > 0 && open.at(-1)!.end <= position) {
      fill(open.at(-1)!.end);
      open.pop();
    }
  };
  for (const node of nodes) {
    closeUpTo(node);
    fill(node);
    const entries = [...(open.at(-1)?.entries ?? []), ...at.get(node)!].sort((a, b) => a - b);
    open.push({ end: columns?.end[node] ?? 1, entries });
  }
  closeUpTo(row.length);
}

function addTo(row: Uint32Array, from: number, to: number, entries: readonly number[], leaves: Leaves): void {
  const known = new Map<number, number>();
  let last = -1;
  let result = -1;
  for (let i = from; i < to; i++) {
    const leaf = row[i]!;
    if (leaf !== last) {
      last = leaf;
      result = known.get(leaf) ?? leaves.add(leaf, entries);
      known.set(leaf, result);
    }
    row[i] = result;
  }
}

class Blocks {
  readonly columns: number;
  readonly index: Uint32Array;
  readonly #shift: number;
  readonly #ids = new Map<string, number>();
  readonly #made: Uint32Array[] = [];
  readonly #most: number;

  constructor(rows: number, width: number, shift: number, memory: number) {
    this.#shift = shift;
    this.columns = Math.ceil(width / (1 << shift));
    this.#most = (memory / 4 - rows * this.columns) >> shift;
    if (this.#most <= 0) throw new TooLarge('the table of pairs');
    this.index = new Uint32Array(rows * this.columns);
  }

  same(row: number, as: number): void {
    this.index.copyWithin(row * this.columns, as * this.columns, (as + 1) * this.columns);
  }

  put(
    row: number,
    leaves: Uint32Array,
    above: number | undefined,
    aboveLeaves: Uint32Array | undefined,
  ): void {
    const size = 1 << this.#shift;
    for (let column = 0; column < this.columns; column++) {
      const from = column * size;
      const to = Math.min(from + size, leaves.length);
      this.index[row * this.columns + column] =
        above !== undefined && equal(leaves, aboveLeaves!, from, to)
          ? this.index[above * this.columns + column]!
          : this.#id(leaves.subarray(from, to));
    }
  }

  #id(part: Uint32Array): number {
    const key = Buffer.from(part.buffer, part.byteOffset, part.byteLength).toString('latin1');
    const known = this.#ids.get(key);
    if (known !== undefined) return known;
    if (this.#made.length >= this.#most) throw new TooLarge('the table of pairs');
    this.#ids.set(key, this.#made.length);
    return this.#made.push(part.slice()) - 1;
  }

  blocks(): Uint32Array {
    const all = new Uint32Array(this.#made.length << this.#shift);
    this.#made.forEach((part, i) => {
      all.set(part, i << this.#shift);
    });
    return all;
  }
}

function equal(a: Uint32Array, b: Uint32Array, from: number, to: number): boolean {
  for (let i = from; i < to; i++) if (a[i] !== b[i]) return false;
  return true;
}
