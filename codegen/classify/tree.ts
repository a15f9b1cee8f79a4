/**
 * The prefixes of a list as a tree in preorder: node 0 is every address, the nodes below one follow it without a gap. The
 * class of an address is the deepest node that holds it.
 */
import type { Family } from '../../dsl/model.js';
import type { Prefix } from './input.js';

export interface PrefixTree {
  readonly size: number;
  readonly bits: readonly bigint[];
  readonly length: Uint8Array;
  /** Of node 0: -1. */
  readonly parent: Int32Array;
  /** The first node behind those below it. */
  readonly end: Int32Array;
  readonly node: (prefix: Prefix) => number;
}

/** An entry at the nodes of its prefixes in a tree of sources and in one of destinations. */
export interface Placed {
  readonly entry: number;
  readonly from: readonly number[];
  readonly to: readonly number[];
}

export function addressBits(family: Family): number {
  return family === 4 ? 32 : 128;
}

export function prefixTree(prefixes: Iterable<Prefix>, family: Family): PrefixTree {
  const width = addressBits(family);
  const found = new Map<string, Prefix>([['0/0', { bits: 0n, length: 0 }]]);
  for (const prefix of prefixes) found.set(key(prefix), prefix);
  const sorted = [...found.values()].sort((a, b) =>
    a.bits === b.bits ? a.length - b.length : a.bits < b.bits ? -1 : 1,
  );
  const size = sorted.length;
  const parent = new Int32Array(size).fill(-1);
  const end = new Int32Array(size).fill(size);
  const open: number[] = [];
  const holds = (a: Prefix, b: Prefix) => (a.bits ^ b.bits) >> BigInt(width - a.length) === 0n;
  sorted.forEach((prefix, i) => {
    while (open.length > 0 && !holds(sorted[open.at(-1)!]!, prefix)) end[open.pop()!] = i;
    parent[i] = open.at(-1) ?? -1;
    open.push(i);
  });
  const nodes = new Map(sorted.map((prefix, i) => [key(prefix), i]));
  return {
    size,
    bits: sorted.map((one) => one.bits),
    length: Uint8Array.from(sorted, (one) => one.length),
    parent,
    end,
    node: (prefix) => nodes.get(key(prefix))!,
  };
}

function key(prefix: Prefix): string {
  return `${prefix.bits.toString(36)}/${prefix.length}`;
}
