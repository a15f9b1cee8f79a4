/** IPv4 and IPv6 addresses and prefixes as text and as unsigned integers. Canonical text is RFC 5952's. */
import { isIPv4, isIPv6 } from 'node:net';
import type { Address, Family, InterfaceAddress, Prefix } from './model.js';

export function addressBits(family: Family): 32 | 128 {
  return family === 4 ? 32 : 128;
}

/** `undefined` when the text is not exactly one address; zones (`%eth0`) are refused. */
export function parseAddress(text: string): Address | undefined {
  if (isIPv4(text)) return { family: 4, bits: BigInt(ipv4Number(text)) };
  if (isIPv6(text) && !text.includes('%')) return { family: 6, bits: ipv6Bits(text) };
  return undefined;
}

/** `10.0.0.1/24` with its host bits; without a length the address stands alone (/32 or /128). */
export function parseInterfaceAddress(text: string): InterfaceAddress | undefined {
  const slash = text.indexOf('/');
  const address = parseAddress(slash < 0 ? text : text.slice(0, slash));
  if (address === undefined) return undefined;
  const whole = addressBits(address.family);
  if (slash < 0) return { ...address, length: whole };
  const length = text.slice(slash + 1);
  if (!/^(0|[1-9]\d{0,2})$/.test(length) || Number(length) > whole) return undefined;
  return { ...address, length: Number(length) };
}

/** The part of a wrong prefix that is wrong, in the words that the types use; `undefined` when it is another. */
export function whyNotAddress(text: unknown): string | undefined {
  if (typeof text !== 'string' || !/^[\w.:/]{1,60}$/.test(text)) return undefined;
  const [base = '', length, ...more] = text.split('/');
  if (parseAddress(base) === undefined) return `'${base}' is not an IPv${base.includes(':') ? 6 : 4} address`;
  const most = base.includes(':') ? 128 : 32;
  return length === undefined || more.length > 0 || parseInterfaceAddress(text) !== undefined
    ? undefined
    : `'/${length}' is not a prefix length from /0 to /${most}`;
}

/** Host bits are kept: compare with `network()` to see whether there are any. */
export function network(address: InterfaceAddress): Prefix {
  const hostBits = BigInt(addressBits(address.family) - address.length);
  return { family: address.family, bits: (address.bits >> hostBits) << hostBits, length: address.length };
}

export function contains(outer: Prefix, inner: Address & { readonly length?: number }): boolean {
  if (outer.family !== inner.family || outer.length > (inner.length ?? addressBits(inner.family)))
    return false;
  const hostBits = addressBits(outer.family) - outer.length;
  // Asked for each rule of each packet: mostly of IPv4, for which numbers are many times faster.
  if (outer.family === 4 && hostBits < 32)
    return Number(inner.bits) >>> hostBits === Number(outer.bits) >>> hostBits;
  return inner.bits >> BigInt(hostBits) === outer.bits >> BigInt(hostBits);
}

export function formatAddress(address: Address): string {
  if (address.family === 4) return formatIpv4(Number(address.bits));
  const words = Array.from({ length: 8 }, (_, i) => Number((address.bits >> BigInt(112 - 16 * i)) & 0xffffn));
  if (words.slice(0, 5).every((word) => word === 0) && words[5] === 0xffff)
    return `::ffff:${formatIpv4(Number(address.bits & 0xffffffffn))}`;
  return compress(words);
}

export function formatPrefix(prefix: Prefix | InterfaceAddress): string {
  return `${formatAddress(prefix)}/${prefix.length}`;
}

function ipv4Number(text: string): number {
  return text.split('.').reduce((sum, octet) => sum * 256 + Number(octet), 0);
}

function formatIpv4(bits: number): string {
  return [24, 16, 8, 0].map((shift) => (bits >>> shift) & 255).join('.');
}

function ipv6Bits(text: string): bigint {
  const last = text.slice(text.lastIndexOf(':') + 1);
  const number = last.includes('.') ? ipv4Number(last) : undefined;
  const hex =
    number === undefined
      ? text
      : `${text.slice(0, -last.length)}${(number >>> 16).toString(16)}:${(number & 0xffff).toString(16)}`;
  const [head = '', tail] = hex.split('::');
  const front = head === '' ? [] : head.split(':');
  const back = tail === undefined || tail === '' ? [] : tail.split(':');
  const gap = new Array<string>(tail === undefined ? 0 : 8 - front.length - back.length).fill('0');
  return [...front, ...gap, ...back].reduce((sum, word) => (sum << 16n) | BigInt(`0x${word}`), 0n);
}

/** RFC 5952 §4: the longest run of zero words, the first of equals, at least two, becomes `::`. */
function compress(words: readonly number[]): string {
  let best = { start: -1, length: 1 };
  for (let start = 0; start < 8; start++) {
    let length = 0;
    while (start + length < 8 && words[start + length] === 0) length++;
    if (length > best.length) best = { start, length };
  }
  const hex = words.map((word) => word.toString(16));
  if (best.start < 0) return hex.join(':');
  return `${hex.slice(0, best.start).join(':')}::${hex.slice(best.start + best.length).join(':')}`;
}
