/**
 * Address → class. IPv4: 16, 8 and 8 bits, three loads and no branch, equal blocks kept once. IPv6: the places where the
 * class changes, by their upper halves in a tree of nodes of eight, a cache line each; behind an upper half that has several,
 * their lower halves.
 */
import { mostClasses, TooLarge } from './input.js';
import type { PrefixTree } from './tree.js';

interface Span {
  readonly from: bigint;
  readonly class: number;
}

/** The class of a node, which is its number where nothing else is said. */
export type ClassOf = (node: number) => number;

/** Where the class changes, ascending, the first at address 0. */
function spans(tree: PrefixTree, width: number, classOf: ClassOf): readonly Span[] {
  const found: Span[] = [];
  const put = (from: bigint, node: number) => {
    if (found.at(-1)?.from === from) found.pop();
    const one = classOf(node);
    if (found.at(-1)?.class !== one) found.push({ from, class: one });
  };
  const open: number[] = [];
  const behind = (node: number) => tree.bits[node]! + (1n << BigInt(width - tree.length[node]!));
  for (let node = 0; node <= tree.size; node++) {
    while (open.length > 0 && tree.end[open.at(-1)!]! <= node) {
      const closed = open.pop()!;
      if (open.length > 0 && behind(closed) < 1n << BigInt(width)) put(behind(closed), open.at(-1)!);
    }
    if (node === tree.size) break;
    put(tree.bits[node]!, node);
    open.push(node);
  }
  return found;
}

export interface Trie4 {
  readonly root: Uint16Array;
  readonly middle: Uint16Array;
  readonly low: Uint16Array;
}

export function trie4(tree: PrefixTree, classOf: ClassOf): Trie4 {
  const list = spans(tree, 32, classOf);
  const from = Float64Array.from(list, (one) => Number(one.from));
  const low = new Level();
  const middle = new Level();
  const root = new Uint16Array(0x10000);
  let at = 0;
  const classAt = (address: number) => {
    while (at + 1 < from.length && from[at + 1]! <= address) at++;
    return list[at]!.class;
  };
  const block = (base: number, step: number, below: (address: number) => number) => {
    const here = classAt(base);
    const alone = at + 1 === from.length || from[at + 1]! >= base + 256 * step;
    return {
      here,
      alone,
      values: alone ? [] : Array.from({ length: 256 }, (_, i) => below(base + i * step)),
    };
  };
  const lowBlock = (base: number) => {
    const { here, alone, values } = block(base, 1, classAt);
    return alone ? low.uniform(here) : low.id(Uint16Array.from(values));
  };
  for (let i = 0; i < root.length; i++) {
    const { here, alone, values } = block(i * 0x10000, 0x100, lowBlock);
    root[i] = alone ? middle.uniform(low.uniform(here)) : middle.id(Uint16Array.from(values));
  }
  return { root, middle: middle.all(), low: low.all() };
}

/** Distinct blocks of 256. */
class Level {
  readonly #ids = new Map<string, number>();
  readonly #uniform = new Map<number, number>();
  readonly #made: Uint16Array[] = [];

  uniform(value: number): number {
    const known = this.#uniform.get(value);
    if (known !== undefined) return known;
    const made = this.id(new Uint16Array(256).fill(value));
    this.#uniform.set(value, made);
    return made;
  }

  id(block: Uint16Array): number {
    const key = Buffer.from(block.buffer).toString('latin1');
    const known = this.#ids.get(key);
    if (known !== undefined) return known;
    if (this.#made.length > mostClasses) throw new TooLarge('the tables of addresses');
    this.#ids.set(key, this.#made.length);
    return this.#made.push(block) - 1;
  }

  all(): Uint16Array {
    const all = new Uint16Array(this.#made.length * 256);
    this.#made.forEach((block, i) => {
      all.set(block, i * 256);
    });
    return all;
  }
}

export interface Search6 {
  /** How many upper halves there are. */
  readonly count: number;
  /** The levels of the tree from the top, each padded to whole nodes; the last has all of them, those above every eighth. */
  readonly keys: BigUint64Array;
  /** Two words for each: itself; where its lower halves begin, how many (16 bits), the class of the last (16 bits). */
  readonly uppers: BigUint64Array;
  /** Place and class of each, in turn. */
  readonly lows: BigUint64Array;
}

const node = 8;
const half = (1n << 64n) - 1n;

export function search6(tree: PrefixTree, classOf: ClassOf): Search6 {
  const groups = byUpperHalf(spans(tree, 128, classOf));
  const lows: bigint[] = [];
  const uppers = groups.flatMap(({ high, changes }) => {
    const first = BigInt(lows.length / 2);
    // One change is at its beginning: the class says all.
    const many = changes.length === 1 ? 0 : changes.length;
    if (many > 0) for (const one of changes) lows.push(one.low, BigInt(one.class));
    return [high, first | (BigInt(many) << 32n) | (BigInt(changes.at(-1)!.class) << 48n)];
  });
  if (groups.some((one) => one.changes.length > 0xffff)) throw new TooLarge('the tables of addresses');
  return {
    count: groups.length,
    keys: levels(groups.map((one) => one.high)),
    uppers: BigUint64Array.from(uppers),
    lows: BigUint64Array.from(lows),
  };
}

interface Group {
  readonly high: bigint;
  /** The first at 0. */
  readonly changes: { readonly low: bigint; readonly class: number }[];
}

function byUpperHalf(list: readonly Span[]): readonly Group[] {
  const groups: Group[] = [];
  let before = 0;
  for (const { from, class: number } of list) {
    const [high, low] = [from >> 64n, from & half];
    if (groups.at(-1)?.high !== high)
      groups.push({ high, changes: low === 0n ? [] : [{ low: 0n, class: before }] });
    groups.at(-1)!.changes.push({ low, class: number });
    before = number;
  }
  return groups;
}

function levels(highs: readonly bigint[]): BigUint64Array {
  const all: bigint[][] = [];
  for (let keys = highs; ; keys = keys.filter((_, i) => i % node === 0)) {
    const padding = (node - (keys.length % node)) % node;
    all.unshift([...keys, ...new Array<bigint>(padding).fill(half)]);
    if (keys.length <= node) return BigUint64Array.from(all.flat());
  }
}
