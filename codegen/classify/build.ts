/**
 * A list as tables for the reader in runtime/engine/include/netmill/classify.h.
 *
 *   source → class ─┐
 *                   ├─► leaf: entries in order ─┐
 *   destination → class ─┘                      ├─► first entry whose bit is set
 *   protocol, ports → row of bits ──────────────┘
 *
 * One table of pairs serves the whole list where it stays small. Else entries of every source, entries of every
 * destination and the others each get their own, whose products do not multiply; the first of their answers counts.
 */
import type { Family } from '../../dsl/model.js';
import { type Search6, search6, type Trie4, trie4 } from './address-classes.js';
import { type ClassifierInput, type Entry, mostClasses, type PortTest, TooLarge } from './input.js';
import { Leaves } from './leaves.js';
import { type PairTable, type Placed, pairTable } from './pairs.js';
import { containment, type PortClasses, portClasses } from './ports.js';
import { type PrefixTree, prefixTree } from './tree.js';

export type AddressClasses =
  | { readonly kind: 'trie4'; readonly trie: Trie4 }
  | { readonly kind: 'search6'; readonly search: Search6 };

export interface Group {
  readonly source: boolean;
  readonly destination: boolean;
  readonly pairs: PairTable;
}

export interface Classifier {
  readonly family: Family;
  readonly source?: AddressClasses;
  readonly destination?: AddressClasses;
  readonly ports: PortClasses;
  readonly groups: readonly Group[];
  readonly lines: Uint8Array;
}

/** Bit 15 of an entry in a leaf is a mark. */
export const mostEntries = 0x7fff;
/** Larger tables than this are slower than asking several: they leave the caches. */
const wellCached = 4 * 2 ** 20;

const everything: PortTest = { alternatives: [{}] };

/** @throws TooLarge */
export function buildClassifier(input: ClassifierInput): Classifier {
  if (input.entries.length > mostEntries) throw new TooLarge(`more than ${mostEntries} rules`);
  const source = treeOf(input, 'from');
  const destination = treeOf(input, 'to');
  const tests = testsOf(input.entries);
  const numbers = new Map(tests.map((test, t) => [test, t]));
  const testOf = Uint32Array.from(input.entries, (one) => numbers.get(one.test ?? everything)!);
  const within = containment(tests);
  const placed = input.entries.map((one, entry) => place(one, entry, source, destination));
  const make = (budget: number, parts: readonly Part[]) => {
    const leaves = new Leaves(input.entries, testOf, within, budget);
    const groups = parts
      .filter((part) => part.placed.length > 0)
      .map((part) => ({
        source: part.source && source.size > 1,
        destination: part.destination && destination.size > 1,
        pairs: pairTable(
          part.placed,
          part.source ? source : undefined,
          part.destination ? destination : undefined,
          leaves,
          input.memory,
        ),
      }));
    return { groups, leaves };
  };
  const whole: readonly Part[] = [{ source: true, destination: true, placed }];
  const { groups, leaves } = cheapest(
    () => make(Math.min(wellCached, input.memory), whole),
    () => make(input.memory, split(placed)),
  );
  const { bytes, first } = leaves.lines();
  const used = {
    source: groups.some((one) => one.source),
    destination: groups.some((one) => one.destination),
  };
  return {
    family: input.family,
    ...(used.source && { source: addressClasses(source, input.family) }),
    ...(used.destination && { destination: addressClasses(destination, input.family) }),
    ports: portClasses(tests),
    groups: groups.map((group) => ({
      ...group,
      pairs: { ...group.pairs, blocks: group.pairs.blocks.map((leaf) => first[leaf]!) },
    })),
    lines: bytes,
  };
}

/** Those of most entries first: then most lines of leaves are of the first page of rows. */
function testsOf(entries: readonly Entry[]): readonly PortTest[] {
  const uses = new Map<PortTest, number>();
  for (const { test = everything } of entries) uses.set(test, (uses.get(test) ?? 0) + 1);
  return [...uses].sort((a, b) => b[1] - a[1]).map(([test]) => test);
}

interface Part {
  readonly source: boolean;
  readonly destination: boolean;
  readonly placed: readonly Placed[];
}

function cheapest<T>(whole: () => T, parts: () => T): T {
  try {
    return whole();
  } catch (error) {
    if (!(error instanceof TooLarge)) throw error;
    return parts();
  }
}

function split(placed: readonly Placed[]): readonly Part[] {
  const any = (nodes: readonly number[]) => nodes[0] === 0;
  return [
    { source: false, destination: true, placed: placed.filter((one) => any(one.from)) },
    { source: true, destination: false, placed: placed.filter((one) => !any(one.from) && any(one.to)) },
    { source: true, destination: true, placed: placed.filter((one) => !any(one.from) && !any(one.to)) },
  ];
}

function treeOf(input: ClassifierInput, side: 'from' | 'to'): PrefixTree {
  const sets = new Set(input.entries.map((one) => one[side]));
  const tree = prefixTree(
    [...sets].flatMap((set) => set ?? []),
    input.family,
  );
  if (tree.size > mostClasses) throw new TooLarge(`more than ${mostClasses} prefixes`);
  return tree;
}

function place(entry: Entry, number: number, source: PrefixTree, destination: PrefixTree): Placed {
  return {
    entry: number,
    from: entry.from?.map(source.node) ?? [0],
    to: entry.to?.map(destination.node) ?? [0],
  };
}

function addressClasses(tree: PrefixTree, family: Family): AddressClasses {
  return family === 4 ? { kind: 'trie4', trie: trie4(tree) } : { kind: 'search6', search: search6(tree) };
}
