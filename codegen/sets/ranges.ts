/**
 * A set of addresses of one family as disjoint ranges in typed arrays: a million prefixes are some megabytes, and what is
 * done with them takes one pass. An address is one word of 32 bits, or four, the most significant first.
 */
import type { Address, Family, Prefix } from '../../dsl/model.js';

/** Ascending, disjoint, and none begins where the one before ends. */
export interface AddressRanges {
  readonly family: Family;
  readonly count: number;
  /** First and last addresses, `wordsOf(family)` words each. */
  readonly first: Uint32Array;
  readonly last: Uint32Array;
}

export function wordsOf(family: Family): 1 | 4 {
  return family === 4 ? 1 : 4;
}

export function emptyRanges(family: Family): AddressRanges {
  return { family, count: 0, first: new Uint32Array(0), last: new Uint32Array(0) };
}

/** Less than, equal to, or greater than 0. */
export function compareWords(a: Uint32Array, i: number, b: Uint32Array, j: number, words: number): number {
  for (let k = 0; k < words; k++) {
    const difference = a[i + k]! - b[j + k]!;
    if (difference !== 0) return difference;
  }
  return 0;
}

/** Collects ranges in ascending order of their first addresses; what meets or touches becomes one. */
export class Joiner {
  readonly #family: Family;
  readonly #words: number;
  #first: Uint32Array;
  #last: Uint32Array;
  #next: Uint32Array;
  #count = 0;

  constructor(family: Family, capacity: number) {
    this.#family = family;
    this.#words = wordsOf(family);
    this.#first = new Uint32Array(Math.max(1, capacity) * this.#words);
    this.#last = new Uint32Array(Math.max(1, capacity) * this.#words);
    this.#next = new Uint32Array(this.#words);
  }

  add(first: Uint32Array, i: number, last: Uint32Array, j: number): void {
    const words = this.#words;
    const at = (this.#count - 1) * words;
    if (at >= 0 && this.#reaches(at, first, i)) {
      if (compareWords(last, j, this.#last, at, words) > 0)
        for (let k = 0; k < words; k++) this.#last[at + k] = last[j + k]!;
      return;
    }
    if ((this.#count + 1) * words > this.#first.length) this.#grow();
    for (let k = 0; k < words; k++) {
      this.#first[at + words + k] = first[i + k]!;
      this.#last[at + words + k] = last[j + k]!;
    }
    this.#count++;
  }

  /** Does the range at `at` end at, or just before, this address? */
  #reaches(at: number, first: Uint32Array, i: number): boolean {
    const words = this.#words;
    if (compareWords(first, i, this.#last, at, words) <= 0) return true;
    for (let k = 0; k < words; k++) this.#next[k] = this.#last[at + k]!;
    return increment(this.#next) && compareWords(first, i, this.#next, 0, words) === 0;
  }

  #grow(): void {
    const larger = (from: Uint32Array) => {
      const to = new Uint32Array(2 * from.length);
      to.set(from);
      return to;
    };
    this.#first = larger(this.#first);
    this.#last = larger(this.#last);
  }

  ranges(): AddressRanges {
    const length = this.#count * this.#words;
    return {
      family: this.#family,
      count: this.#count,
      first: this.#first.slice(0, length),
      last: this.#last.slice(0, length),
    };
  }
}

/** False: there is no next one. */
export function increment(address: Uint32Array): boolean {
  for (let k = address.length - 1; k >= 0; k--) {
    address[k] = address[k]! + 1;
    if (address[k] !== 0) return true;
  }
  return false;
}

function decrement(address: Uint32Array): void {
  for (let k = address.length - 1; k >= 0; k--) {
    address[k] = address[k]! - 1;
    if (address[k] !== 0xffffffff) return;
  }
}

export function sameRanges(a: AddressRanges, b: AddressRanges): boolean {
  const same = (one: Uint32Array, other: Uint32Array) => one.every((word, i) => word === other[i]);
  return a.count === b.count && same(a.first, b.first) && same(a.last, b.last);
}

export function union(a: AddressRanges, b: AddressRanges): AddressRanges {
  const words = wordsOf(a.family);
  const joiner = new Joiner(a.family, a.count + b.count);
  let [i, j] = [0, 0];
  while (i < a.count || j < b.count) {
    const fromA =
      j === b.count || (i < a.count && compareWords(a.first, i * words, b.first, j * words, words) <= 0);
    if (fromA) joiner.add(a.first, i * words, a.last, i++ * words);
    else joiner.add(b.first, j * words, b.last, j++ * words);
  }
  return joiner.ranges();
}

/** What is in `a` and not in `b`. */
export function difference(a: AddressRanges, b: AddressRanges): AddressRanges {
  const words = wordsOf(a.family);
  const joiner = new Joiner(a.family, a.count + b.count);
  const from = new Uint32Array(words);
  const to = new Uint32Array(words);
  let j = 0;
  for (let i = 0; i < a.count; i++) {
    from.set(a.first.subarray(i * words, (i + 1) * words));
    let left = true;
    while (j < b.count && compareWords(b.last, j * words, from, 0, words) < 0) j++;
    for (let k = j; left && k < b.count; k++) {
      if (compareWords(b.first, k * words, a.last, i * words, words) > 0) break;
      if (compareWords(b.first, k * words, from, 0, words) > 0) {
        to.set(b.first.subarray(k * words, (k + 1) * words));
        decrement(to);
        joiner.add(from, 0, to, 0);
      }
      from.set(b.last.subarray(k * words, (k + 1) * words));
      left = increment(from) && compareWords(from, 0, a.last, i * words, words) <= 0;
    }
    if (left) joiner.add(from, 0, a.last, i * words);
  }
  return joiner.ranges();
}

/** How many ranges begin at or before the address. */
export function rank(ranges: AddressRanges, address: Uint32Array): number {
  const words = wordsOf(ranges.family);
  let [low, high] = [0, ranges.count];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (compareWords(ranges.first, middle * words, address, 0, words) <= 0) low = middle + 1;
    else high = middle;
  }
  return low;
}

export function holdsWords(ranges: AddressRanges, address: Uint32Array): boolean {
  const at = rank(ranges, address) - 1;
  const words = wordsOf(ranges.family);
  return at >= 0 && compareWords(address, 0, ranges.last, at * words, words) <= 0;
}

export function holdsAddress(ranges: AddressRanges, { family, bits }: Address): boolean {
  return ranges.family === family && holdsWords(ranges, wordsOfBits(family, bits));
}

export function wordsOfBits(family: Family, bits: bigint): Uint32Array {
  if (family === 4) return Uint32Array.of(Number(bits));
  return Uint32Array.from({ length: 4 }, (_, k) => Number((bits >> BigInt(96 - 32 * k)) & 0xffffffffn));
}

export function bitsOfWords(words: Uint32Array): bigint {
  return words.reduce((bits, word) => (bits << 32n) | BigInt(word), 0n);
}

/** The fewest prefixes that say the same, in order. `address` is only valid during the call. */
export function eachPrefix(
  ranges: AddressRanges,
  visit: (address: Uint32Array, length: number) => void,
): void {
  const words = wordsOf(ranges.family);
  const width = 32 * words;
  const from = new Uint32Array(words);
  const end = new Uint32Array(words);
  for (let i = 0; i < ranges.count; i++) {
    from.set(ranges.first.subarray(i * words, (i + 1) * words));
    for (let more = true; more; ) {
      let host = trailingZeros(from);
      lastOf(from, host, end);
      while (compareWords(end, 0, ranges.last, i * words, words) > 0) lastOf(from, --host, end);
      visit(from, width - host);
      more = compareWords(end, 0, ranges.last, i * words, words) < 0 && increment(end);
      from.set(end);
    }
  }
}

export function prefixesOf(ranges: AddressRanges): readonly Prefix[] {
  const found: Prefix[] = [];
  eachPrefix(ranges, (address, length) =>
    found.push({ family: ranges.family, bits: bitsOfWords(address), length }),
  );
  return found;
}

/** At most so many of its prefixes, from everywhere in it. */
export function somePrefixes(ranges: AddressRanges, most: number): readonly Prefix[] {
  const words = wordsOf(ranges.family);
  const count = Math.min(most, ranges.count);
  const picked = Array.from({ length: count }, (_, i) => Math.floor((i * ranges.count) / count));
  return picked.flatMap((i) => {
    const [from, to] = [i * words, (i + 1) * words];
    const one = { first: ranges.first.slice(from, to), last: ranges.last.slice(from, to) };
    return prefixesOf({ family: ranges.family, count: 1, ...one }).slice(0, 4);
  });
}

export function countPrefixes(ranges: AddressRanges): number {
  let count = 0;
  eachPrefix(ranges, () => count++);
  return count;
}

function trailingZeros(address: Uint32Array): number {
  let zeros = 0;
  for (let k = address.length - 1; k >= 0; k--) {
    const word = address[k]!;
    if (word !== 0) return zeros + 31 - Math.clz32(word & -word);
    zeros += 32;
  }
  return zeros;
}

/** The last address of a prefix with so many bits of hosts. */
export function lastOf(address: Uint32Array, host: number, last: Uint32Array, at = 0): void {
  const words = address.length;
  for (let k = 0; k < words; k++) {
    const bits = Math.min(32, Math.max(0, host - 32 * (words - 1 - k)));
    last[at + k] = bits === 32 ? 0xffffffff : (address[k]! | (2 ** bits - 1)) >>> 0;
  }
}
