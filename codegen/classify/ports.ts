/**
 * Protocol and ports as rows of bits: bit t of a packet's row says whether test t takes it. Packets with equal rows are one
 * class; a table from protocol and selector gives it. Source ports have classes and rows of their own, and both rows are
 * intersected. Of bits that bundles alone have, only what they answer is kept (bundle-answers.ts). Lakshman and Stiliadis, High-Speed Policy-based Packet Forwarding, SIGCOMM 1998.
 */
import type { PortRange } from '../../dsl/model.js';
import { type Alternative, mostClasses, type PortTest, TooLarge } from './input.js';

const ports = 0x10000;
const protocols = 0x100;

/** What each bit of a row tests; undefined: nothing, so that a bundle begins with a word. */
export type Bits = readonly (PortTest | undefined)[];

export interface PortClasses {
  /** 32-bit words of a row: a multiple of 16, one cache line a page; 0 where no single entry is tested. */
  readonly words: number;
  /** How many classes there are. */
  readonly count: number;
  /** Every bit of a class, source ports not being asked. */
  readonly tests: (number: number) => Uint32Array;
  /** Class by position: rows of 65536 selectors, one for each kind of protocol. */
  readonly classes: Uint16Array;
  /** First position of a protocol's row. */
  readonly kinds: Uint32Array;
  /** Class by protocol of packets whose transport header was not read. */
  readonly unread: Uint16Array;
  readonly rows: Uint32Array;
  readonly sources?: { readonly classes: Uint16Array; readonly rows: Uint32Array; readonly count: number };
}

/** Bits of a row that one line of a leaf can name. */
export const pageBits = 512;

/**
 * @param bits what each of them tests
 * @param singles how many of them are asked one by one; they come first
 * @param memory bytes that rows may take
 * @throws TooLarge
 */
export function portClasses(bits: Bits, singles: number, memory: number): PortClasses {
  const tests = bits.map((test) => test ?? nothing);
  const words = Math.ceil(singles / pageBits) * (pageBits / 32);
  const rows = new Rows(Math.max(words, Math.ceil(tests.length / 32)), memory);
  const { classes, kinds } = byProtocol(tests, rows);
  const unread = Uint16Array.from({ length: protocols }, (_, proto) => {
    const row = rows.empty();
    tests.forEach((test, t) => {
      if (!test.sources && test.alternatives.some((one) => takes(one, proto) && one.ranges === undefined))
        set(row, t);
    });
    return rows.id(row);
  });
  const asked = tests.slice(0, singles);
  const sources = asked.some((test) => test.sources) ? sourceClasses(asked, words, memory) : undefined;
  return {
    words,
    count: rows.count,
    tests: (number) => rows.at(number),
    classes,
    kinds,
    unread,
    rows: rows.first(words),
    ...(sources && { sources }),
  };
}

function takes(one: Alternative, proto: number): boolean {
  return one.proto === undefined || one.proto === proto;
}

/** Protocols that no test tells apart share a row of classes. */
function byProtocol(tests: readonly PortTest[], rows: Rows) {
  const named = new Set(tests.flatMap((test) => test.alternatives.flatMap((one) => one.proto ?? [])));
  const parts: Uint16Array[] = [];
  const rowFor = (proto: number) => {
    const spans = tests.map((test) =>
      test.alternatives.filter((one) => takes(one, proto)).flatMap((one) => one.ranges ?? [everyPort]),
    );
    return parts.push(spread(spans, rows)) - 1;
  };
  const others = named.size === protocols ? 0 : rowFor(-1);
  const kinds = new Uint32Array(protocols).fill(others * ports);
  for (const proto of [...named].sort((a, b) => a - b)) kinds[proto] = rowFor(proto) * ports;
  const classes = new Uint16Array(parts.length * ports);
  parts.forEach((part, i) => {
    classes.set(part, i * ports);
  });
  return { classes, kinds };
}

const everyPort: PortRange = { from: 0, to: ports - 1 };
const nothing: PortTest = { alternatives: [] };

function sourceClasses(tests: readonly PortTest[], words: number, memory: number) {
  const rows = new Rows(words, memory);
  const classes = spread(
    tests.map((test) => test.sources ?? [everyPort]),
    rows,
  );
  return { classes, rows: rows.first(words), count: rows.count };
}

/** The class of each of 65536 values, where test t takes those in spans[t]. */
function spread(spans: readonly (readonly PortRange[])[], rows: Rows): Uint16Array {
  const depth = new Uint32Array(spans.length);
  const starts = new Map([[0, new Map<number, number>()]]);
  spans.forEach((ranges, t) => {
    for (const { from, to } of ranges) {
      for (const [at, step] of [
        [from, 1],
        [to + 1, -1],
      ] as const) {
        const here = starts.get(at) ?? new Map<number, number>();
        here.set(t, (here.get(t) ?? 0) + step);
        starts.set(at, here);
      }
    }
  });
  const classes = new Uint16Array(ports);
  const row = rows.empty();
  const cuts = [...starts.keys()].filter((at) => at < ports).sort((a, b) => a - b);
  cuts.forEach((at, i) => {
    for (const [t, step] of starts.get(at) ?? []) {
      depth[t] = depth[t]! + step;
      if (depth[t] > 0) set(row, t);
      else clear(row, t);
    }
    classes.fill(rows.id(row), at, cuts[i + 1] ?? ports);
  });
  return classes;
}

function set(row: Uint32Array, t: number): void {
  row[t >>> 5]! |= 1 << (t & 31);
}

function clear(row: Uint32Array, t: number): void {
  row[t >>> 5]! &= ~(1 << (t & 31));
}

/** Distinct rows, numbered in the order of their coming. */
class Rows {
  readonly #words: number;
  readonly #most: number;
  readonly #ids = new Map<string, number>();
  readonly #rows: Uint32Array[] = [];

  constructor(words: number, memory: number) {
    this.#words = words;
    this.#most = Math.min(mostClasses, Math.floor(memory / (4 * words)));
  }

  id(row: Uint32Array): number {
    const key = Buffer.from(row.buffer, row.byteOffset, row.byteLength).toString('latin1');
    const known = this.#ids.get(key);
    if (known !== undefined) return known;
    if (this.#rows.length > this.#most) throw new TooLarge('the classes of ports');
    this.#ids.set(key, this.#rows.length);
    return this.#rows.push(row.slice()) - 1;
  }

  empty(): Uint32Array {
    return new Uint32Array(this.#words);
  }

  get count(): number {
    return this.#rows.length;
  }

  at(number: number): Uint32Array {
    return this.#rows[number]!;
  }

  /** The first `words` of each. */
  first(words: number): Uint32Array {
    const all = new Uint32Array(this.#rows.length * words);
    this.#rows.forEach((row, i) => {
      all.set(row.subarray(0, words), i * words);
    });
    return all;
  }
}
