/**
 * Files of networks, one a line: an address or a prefix, then a comment behind `#` or `;` if there is one. Read byte by byte,
 * since a million lines are to take a moment; what is unusual is left to the reader of policies' own addresses.
 */
import {
  formatAddress,
  formatPrefix,
  network,
  parseInterfaceAddress,
  whyNotAddress,
} from '../../dsl/address.js';
import type { Family } from '../../dsl/model.js';
import { PrefixCollector } from './collect.js';
import { mostPrefixes, type SetContents } from './contents.js';
import { wordsOfBits } from './ranges.js';

/** 1-based. */
export interface LineMistake {
  readonly line: number;
  readonly column: number;
  readonly message: string;
  readonly expected: string;
  readonly got: string;
  readonly fix?: string;
}

/** The first mistakes are enough to see what is wrong. */
const mostMistakes = 20;
const expected = 'an address, or a prefix without bits beyond its length';

/** Reads one file, or the same lines in several pieces, each of whole lines. */
export class SetReader {
  readonly #families: readonly Family[];
  readonly #collectors = { 4: new PrefixCollector(4), 6: new PrefixCollector(6) };
  readonly mistakes: LineMistake[] = [];
  #line = 0;
  readonly #groups = new Uint16Array(8);
  readonly #words = new Uint32Array(4);

  constructor(families: readonly Family[]) {
    this.#families = families;
  }

  get count(): number {
    return this.#collectors[4].count + this.#collectors[6].count;
  }

  read(bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length; ) {
      const found = bytes.indexOf(10, at);
      const end = found < 0 ? bytes.length : found;
      this.#line++;
      this.#readLine(bytes, at, end);
      if (this.mistakes.length >= mostMistakes) return;
      at = end + 1;
    }
  }

  contents(): SetContents {
    return { 4: this.#collectors[4].ranges(), 6: this.#collectors[6].ranges() };
  }

  #readLine(bytes: Uint8Array, start: number, stop: number): void {
    let [from, to] = [start, start];
    while (from < stop && isBlank(bytes[from]!)) from++;
    for (to = from; to < stop && bytes[to] !== 35 && bytes[to] !== 59; ) to++;
    while (to > from && isBlank(bytes[to - 1]!)) to--;
    if (from === to) return;
    if (this.count === mostPrefixes) {
      this.#mistake(from - start, 'the set has too many networks', `at most ${mostPrefixes}`, '1 more');
      return;
    }
    if (this.#families.includes(4) && this.#quick4(bytes, from, to)) return;
    if (this.#families.includes(6) && this.#quick6(bytes, from, to)) return;
    this.#thorough(Buffer.from(bytes.buffer, bytes.byteOffset + from, to - from).toString(), from - start);
  }

  /** An IPv4 address or prefix in its plain form. False: it may be something else, or wrong. */
  #quick4(bytes: Uint8Array, from: number, to: number): boolean {
    const numbers = [0, 0, 0, 0, 32];
    let [part, digits] = [0, 0];
    for (let at = from; at < to; at++) {
      const digit = bytes[at]! - 48;
      if (digit >= 0 && digit <= 9) {
        if (digits++ > 0 && numbers[part] === 0) return false;
        numbers[part] = (digits === 1 ? 0 : 10 * numbers[part]!) + digit;
        if (numbers[part]! > 255) return false;
      } else {
        if (bytes[at] !== (part < 3 ? 46 : 47) || part === 4 || digits === 0) return false;
        part++;
        digits = 0;
      }
    }
    if (part < 3 || digits === 0 || numbers[4]! > 32) return false;
    const address = numbers[0]! * 2 ** 24 + numbers[1]! * 65536 + numbers[2]! * 256 + numbers[3]!;
    if (address % 2 ** (32 - numbers[4]!) !== 0) return false;
    this.#collectors[4].add([address], numbers[4]!);
    return true;
  }

  /** An IPv6 address or prefix of hexadecimal groups alone. False: it may be something else, or wrong. */
  #quick6(bytes: Uint8Array, from: number, to: number): boolean {
    let end = from;
    while (end < to && bytes[end] !== 47) end++;
    const length = end === to ? 128 : decimal(bytes, end + 1, to);
    if (length > 128 || !readGroups(bytes, from, end, this.#groups)) return false;
    for (let at = length; at < 128; at = (at | 15) + 1)
      if (this.#groups[at >> 4]! & (0xffff >> (at & 15))) return false;
    for (let k = 0; k < 4; k++) this.#words[k] = this.#groups[2 * k]! * 65536 + this.#groups[2 * k + 1]!;
    this.#collectors[6].add(this.#words, length);
    return true;
  }

  #thorough(text: string, column: number): void {
    const parsed = parseInterfaceAddress(text);
    if (parsed === undefined) {
      const message = whyNotAddress(text) ?? 'this is not an address or a prefix';
      this.#mistake(column, message, expected, `'${shorten(text)}'`);
      return;
    }
    const prefix = network(parsed);
    if (prefix.bits !== parsed.bits) {
      const fix = `write ${formatPrefix(prefix)} for the network, or ${formatAddress(parsed)} for the host.`;
      const message = 'this prefix has bits set beyond its length';
      this.#mistake(column, message, formatPrefix(prefix), `'${text}'`, fix);
    } else if (!this.#families.includes(prefix.family)) {
      const families = this.#families.map((one) => `IPv${one}`).join(' and ');
      this.#mistake(
        column,
        `the set holds ${families} alone`,
        `an ${families} address or prefix`,
        `'${text}'`,
      );
    } else this.#collectors[prefix.family].add(wordsOfBits(prefix.family, prefix.bits), prefix.length);
  }

  #mistake(column: number, message: string, wanted: string, got: string, fix?: string): void {
    this.mistakes.push({
      line: this.#line,
      column: column + 1,
      message,
      expected: wanted,
      got,
      ...(fix !== undefined && { fix }),
    });
  }
}

/** Infinity: it is none, or not in its plain form. */
function decimal(bytes: Uint8Array, from: number, to: number): number {
  if (from === to || to - from > 3 || (bytes[from] === 48 && to - from > 1)) return Infinity;
  let value = 0;
  for (let at = from; at < to; at++) {
    const digit = bytes[at]! - 48;
    if (digit < 0 || digit > 9) return Infinity;
    value = 10 * value + digit;
  }
  return value;
}

/** RFC 4291 §2.2, without the form that ends in an IPv4 address. False: it is something else. */
function readGroups(bytes: Uint8Array, from: number, to: number, groups: Uint16Array): boolean {
  let [count, gap, value, digits] = [0, -1, 0, 0];
  for (let at = from; at < to; at++) {
    const byte = bytes[at]!;
    if (byte !== 58) {
      const digit = hexadecimal[byte]!;
      if (digit < 0 || digits === 4 || count === 8) return false;
      value = (digits++ === 0 ? 0 : value << 4) | digit;
    } else if (digits > 0) {
      groups[count++] = value;
      digits = 0;
      if (at + 1 === to) return false;
    } else if (at === from) {
      // One colon alone does not begin an address.
      if (bytes[at + 1] !== 58) return false;
    } else if (gap >= 0) return false;
    else gap = count;
  }
  if (digits > 0) groups[count++] = value;
  if (gap < 0) return count === 8;
  if (count === 8) return false;
  groups.copyWithin(gap + 8 - count, gap, count);
  groups.fill(0, gap, gap + 8 - count);
  return true;
}

/** -1: no digit. */
const hexadecimal = Int8Array.from({ length: 256 }, (_, byte) =>
  byte >= 48 && byte <= 57 ? byte - 48 : /[a-f]/i.test(String.fromCharCode(byte)) ? (byte | 32) - 87 : -1,
);

function isBlank(byte: number): boolean {
  return byte === 32 || byte === 9 || byte === 13;
}

function shorten(text: string): string {
  return text.length > 60 ? `${text.slice(0, 57)}...` : text;
}
