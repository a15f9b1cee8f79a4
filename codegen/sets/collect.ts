/** Prefixes in any order, as they are read, and the ranges that they are. */
import type { Family } from '../../dsl/model.js';
import { type AddressRanges, Joiner, lastOf, wordsOf } from './ranges.js';

const firstCapacity = 64;

/** Of one family. */
export class PrefixCollector {
  readonly family: Family;
  readonly #words: number;
  #address: Uint32Array;
  #length: Uint8Array;
  count = 0;

  constructor(family: Family) {
    this.family = family;
    this.#words = wordsOf(family);
    this.#address = new Uint32Array(firstCapacity * this.#words);
    this.#length = new Uint8Array(firstCapacity);
  }

  add(address: ArrayLike<number>, length: number): void {
    if (this.count === this.#length.length) this.#grow();
    const at = this.count * this.#words;
    for (let k = 0; k < this.#words; k++) this.#address[at + k] = address[k]!;
    this.#length[this.count++] = length;
  }

  #grow(): void {
    const address = new Uint32Array(2 * this.#address.length);
    address.set(this.#address);
    this.#address = address;
    const length = new Uint8Array(2 * this.#length.length);
    length.set(this.#length);
    this.#length = length;
  }

  ranges(): AddressRanges {
    const order = this.#sorted();
    const words = this.#words;
    const joiner = new Joiner(this.family, this.count);
    const last = new Uint32Array(words);
    const address = new Uint32Array(words);
    for (const one of order) {
      for (let k = 0; k < words; k++) address[k] = this.#address[one * words + k]!;
      lastOf(address, 32 * words - this.#length[one]!, last);
      joiner.add(address, 0, last, 0);
    }
    return joiner.ranges();
  }

  /** Numbers of prefixes in ascending order of their addresses: by 16 bits at a time, the least significant first. */
  #sorted(): Uint32Array {
    let order = Uint32Array.from({ length: this.count }, (_, i) => i);
    let next = new Uint32Array(this.count);
    const starts = new Uint32Array(65537);
    for (let k = this.#words - 1; k >= 0; k--)
      for (const shift of [0, 16]) {
        starts.fill(0);
        const digit = (one: number) => (this.#address[one * this.#words + k]! >>> shift) & 0xffff;
        for (const one of order) starts[digit(one) + 1]!++;
        for (let i = 1; i < starts.length; i++) starts[i]! += starts[i - 1]!;
        for (const one of order) next[starts[digit(one)]!++] = one;
        [order, next] = [next, order];
      }
    return order;
  }
}
