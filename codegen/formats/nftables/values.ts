/** Right-hand sides of nftables' tests as ranges: numbers, names, addresses, prefixes, ranges, sets. */
import { network, parseAddress, parseInterfaceAddress } from '../../../dsl/address.js';
import { dscpNumbers, flagBits } from '../../../dsl/header.js';
import type { Family, PortRange } from '../../../dsl/model.js';
import { protocolNumbers } from '../../../dsl/protocols.js';
import { type AddressRange, mergePorts, mergeRanges, prefixRange } from '../../addresses.js';

/** What cannot be taken over, in words. */
export class NotHere extends Error {}

/** Elements of a set by its name, as they are in JSON. */
export type Sets = (name: string) => readonly unknown[];

/** A set, named or not, as its elements; anything else alone. */
export function elementsOf(right: unknown, sets: Sets): readonly unknown[] {
  if (typeof right === 'string' && right.startsWith('@')) return sets(right.slice(1)).map(plain);
  if (isObject(right) && Array.isArray(right.set)) return right.set.map(plain);
  return [right];
}

/** An element may carry a comment and a counter of its own; what ends in time is refused. */
function plain(element: unknown): unknown {
  if (!isObject(element) || !isObject(element.elem)) return element;
  const { val, comment: _, ...more } = element.elem;
  const [other] = Object.keys(more);
  if (other !== undefined) throw new NotHere(`an element of a set has a ${other}`);
  return val;
}

export function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** @param name number by name; names that it does not have are refused */
export function numbers(
  elements: readonly unknown[],
  most: number,
  names: Readonly<Record<string, number>> = {},
): readonly PortRange[] {
  const one = (value: unknown): number => {
    const number = typeof value === 'string' && Object.hasOwn(names, value) ? names[value] : value;
    if (typeof number === 'number' && Number.isInteger(number) && number >= 0 && number <= most)
      return number;
    throw new NotHere(`${JSON.stringify(value)} is not a number or a name that is known here`);
  };
  return mergePorts(
    elements.map((element) => {
      const range = isObject(element) && Array.isArray(element.range) ? element.range : [element, element];
      return ascending({ from: one(range[0]), to: one(range[1]) });
    }),
  );
}

export function addresses(elements: readonly unknown[], family: Family): readonly AddressRange[] {
  const one = (text: unknown): AddressRange => {
    const prefix = typeof text === 'string' ? parseInterfaceAddress(text) : undefined;
    if (prefix?.family === family) return prefixRange(network(prefix), family === 4 ? 32 : 128);
    throw new NotHere(`${JSON.stringify(text)} is not an IPv${family} address`);
  };
  return mergeRanges(
    elements.map((element) => {
      if (isObject(element) && isObject(element.prefix))
        return one(`${String(element.prefix.addr)}/${String(element.prefix.len)}`);
      if (!isObject(element) || !Array.isArray(element.range)) return one(element);
      const [from, to] = element.range.map((end) =>
        typeof end === 'string' ? parseAddress(end) : undefined,
      );
      if (from?.family !== family || to?.family !== family) return one(element);
      return ascending({ from: from.bits, to: to.bits });
    }),
  );
}

function ascending<T extends number | bigint>(range: { readonly from: T; readonly to: T }) {
  if (range.from <= range.to) return range;
  throw new NotHere('a range that ends before it begins');
}

export const protocolNames: Readonly<Record<string, number>> = {
  ...protocolNumbers,
  icmpv6: protocolNumbers['ipv6-icmp'],
  comp: protocolNumbers.ipcomp,
};

export const dscpNames: Readonly<Record<string, number>> = dscpNumbers;
export const flagNames: Readonly<Record<string, number>> = { ...flagBits, ecn: flagBits.ece };

export const familyNames: Readonly<Record<string, number>> = { ipv4: 4, ipv6: 6 };

/** As nft prints them. */
export const icmpNames: Readonly<Record<Family, Readonly<Record<string, number>>>> = {
  4: {
    'echo-reply': 0,
    'destination-unreachable': 3,
    'source-quench': 4,
    redirect: 5,
    'echo-request': 8,
    'router-advertisement': 9,
    'router-solicitation': 10,
    'time-exceeded': 11,
    'parameter-problem': 12,
    'timestamp-request': 13,
    'timestamp-reply': 14,
    'info-request': 15,
    'info-reply': 16,
    'address-mask-request': 17,
    'address-mask-reply': 18,
  },
  6: {
    'destination-unreachable': 1,
    'packet-too-big': 2,
    'time-exceeded': 3,
    'parameter-problem': 4,
    'echo-request': 128,
    'echo-reply': 129,
    'mld-listener-query': 130,
    'mld-listener-report': 131,
    'mld-listener-done': 132,
    'mld-listener-reduction': 132,
    'nd-router-solicit': 133,
    'nd-router-advert': 134,
    'nd-neighbor-solicit': 135,
    'nd-neighbor-advert': 136,
    'nd-redirect': 137,
    'router-renumbering': 138,
    'ind-neighbor-solicit': 141,
    'ind-neighbor-advert': 142,
    'mld2-listener-report': 143,
  },
};

/** Of destination-unreachable, as nft prints them for every type. */
export const icmpCodes: Readonly<Record<Family, Readonly<Record<string, number>>>> = {
  4: {
    'net-unreachable': 0,
    'host-unreachable': 1,
    'prot-unreachable': 2,
    'port-unreachable': 3,
    'frag-needed': 4,
    'net-prohibited': 9,
    'host-prohibited': 10,
    'admin-prohibited': 13,
  },
  6: {
    'no-route': 0,
    'admin-prohibited': 1,
    'addr-unreachable': 3,
    'port-unreachable': 4,
    'policy-fail': 5,
    'reject-route': 6,
  },
};
