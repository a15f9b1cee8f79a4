/**
 * A list as tables for the reader in runtime/engine/include/netmill/classify.h.
 *
 *   source → class ─┐
 *                   ├─► leaf: entries in order ─┐
 *   destination → class ─┘                      ├─► first entry whose bit is set
 *   protocol, ports → row of bits ──────────────┘
 *
 * Entries of the same addresses, where they are many, stand in leaves as one bundle, whose answer by protocol and ports is
 * a table of its own.
 *
 * One table of pairs serves the whole list where it stays small. Else entries of every source, entries of every
 * destination and the others each get their own, whose products do not multiply; the first of their answers counts.
 */
import type { Family } from '../../dsl/model.js';
import { type ClassOf, type Search6, search6, type Trie4, trie4 } from './address-classes.js';
import { type BundleAnswers, BundleRows, bundleAnswers, columnsOf } from './bundle-answers.js';
import { bundle, layOut } from './bundles.js';
import { containment } from './containment.js';
import { type ClassifierInput, type Entry, mostClasses, type PortTest, TooLarge } from './input.js';
import { Leaves, lineBytes } from './leaves.js';
import { leafOf, type PairTable, pairTable } from './pairs.js';
import { type PortClasses, pageBits, portClasses } from './ports.js';
import { type Placed, type PrefixTree, prefixTree } from './tree.js';

export type AddressClasses =
  | { readonly kind: 'trie4'; readonly trie: Trie4 }
  | { readonly kind: 'search6'; readonly search: Search6 };

export interface Group {
  readonly source: boolean;
  readonly destination: boolean;
  readonly pairs: PairTable;
  /** Classes of addresses are lines of leaves. */
  readonly direct: boolean;
}

export interface Classifier {
  readonly family: Family;
  readonly source?: AddressClasses;
  readonly destination?: AddressClasses;
  readonly ports: PortClasses;
  readonly groups: readonly Group[];
  readonly lines: Uint8Array;
  readonly bundles?: BundleAnswers;
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
  const { placed, bundles } = bundle(input.entries.map((one, i) => place(one, i, source, destination)));
  const testOf = (entry: number) => input.entries[entry]!.test ?? everything;
  const singles = testsOf(
    placed.filter(({ entry }) => !bundles.has(entry)),
    testOf,
  );
  const rows = layOut(singles, bundles, testOf);
  const tests = numbered([...singles, ...input.entries.map((_, i) => testOf(i))]);
  const facts = {
    entries: input.entries,
    testOf: Uint32Array.from(input.entries, (_, i) => tests.get(testOf(i))!),
    within: containment([...tests.keys()]),
    bundles: rows.bundles,
  };
  const make = (budget: number, parts: readonly Part[]) => {
    const leaves = new Leaves(facts, budget);
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
  const ports = portClasses(rows.bits, singles.length, input.memory);
  const answers = new BundleRows(leaves.bundles(), ports.count);
  const { bytes, first } = leaves.lines(answers, columnsOf(ports.count));
  const used = {
    source: groups.some((one) => one.source),
    destination: groups.some((one) => one.destination),
  };
  // Where one address alone decides, its class is the line itself.
  const direct =
    groups.length === 1 && used.source !== used.destination && bytes.length / lineBytes <= mostClasses;
  const { pairs } = groups[0] ?? {};
  const sourceClass: ClassOf = (node) => (direct ? first[leafOf(pairs!, node, 0)]! : node);
  const destinationClass: ClassOf = (node) => (direct ? first[leafOf(pairs!, 0, node)]! : node);
  return {
    family: input.family,
    ...(used.source && { source: addressClasses(source, input.family, sourceClass) }),
    ...(used.destination && {
      destination: addressClasses(destination, input.family, destinationClass),
    }),
    ports,
    groups: groups.map((group) => ({
      ...group,
      direct,
      pairs: { ...group.pairs, blocks: group.pairs.blocks.map((leaf) => first[leaf]!) },
    })),
    lines: bytes,
    ...(answers.rows.length > 0 && {
      bundles: bundleAnswers(answers.rows, ports, input.entries, input.memory),
    }),
  };
}

/**
 * Those of most entries are the first page of rows, so that most lines of leaves are of that page. The others stand in the
 * order of their addresses: those of one leaf are in few pages.
 */
function testsOf(singles: readonly Placed[], testOf: (entry: number) => PortTest): readonly PortTest[] {
  const uses = new Map<PortTest, { count: number; readonly at: Placed }>();
  for (const one of singles) {
    const test = testOf(one.entry);
    const known = uses.get(test);
    if (known === undefined) uses.set(test, { count: 1, at: one });
    else known.count++;
  }
  const all = [...uses].sort(([, a], [, b]) => b.count - a.count);
  const rare = all
    .splice(pageBits)
    .sort(([, { at: a }], [, { at: b }]) => a.to[0]! - b.to[0]! || a.from[0]! - b.from[0]!);
  return [...all, ...rare].map(([test]) => test);
}

function numbered(tests: readonly PortTest[]): ReadonlyMap<PortTest, number> {
  const numbers = new Map<PortTest, number>();
  for (const test of tests) if (!numbers.has(test)) numbers.set(test, numbers.size);
  return numbers;
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

function addressClasses(tree: PrefixTree, family: Family, classOf: ClassOf): AddressClasses {
  return family === 4
    ? { kind: 'trie4', trie: trie4(tree, classOf) }
    : { kind: 'search6', search: search6(tree, classOf) };
}
