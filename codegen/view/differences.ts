/** Sets of addresses and services as C without branches: functions that are 0 of what is in them (branchless.ts). */
import { formatPrefix } from '../../dsl/address.js';
import { place } from '../cite.js';
import type { AddressSet, ServiceSet } from '../ir.js';
import { packetAddress } from './addresses.js';
import { protocolNames } from './expression.js';
import { type Selection, selectionsOf } from './rows.js';
import { comment, hex32, hex64 } from './text.js';

export interface DifferenceView {
  readonly function: string;
  readonly type: string;
  readonly argument: string;
  readonly comment: string;
  /** One of the two has an element: what it differs from, or several things, one of which suffices. */
  readonly single: readonly Difference[];
  readonly several: readonly {
    readonly type: string;
    readonly differences: readonly Difference[];
  }[];
}

interface Difference {
  readonly notes: readonly { readonly prefix: string }[];
  /** An expression of C; in parentheses where that is needed. */
  readonly bits: string;
}

const addressFunction = (set: AddressSet) => `off_${set.name}_ipv${set.family}`;
const serviceFunction = (service: ServiceSet) => `off_${service.name}`;

/** The call that compares a packet's address. */
export function addressDifferenceCall(set: AddressSet, field: 'src' | 'dst'): string {
  return `${addressFunction(set)}(${packetAddress(set.family, field)})`;
}

/** The call that compares what stands in the variable `service`. */
export const serviceDifferenceCall = (service: ServiceSet) => `${serviceFunction(service)}(service)`;

export function difference(of: AddressSet | ServiceSet): DifferenceView {
  return of.kind === 'addresses' ? addressDifference(of) : serviceDifference(of);
}

function addressDifference(set: AddressSet): DifferenceView {
  const six = set.family === 6;
  const differences = set.prefixes.map((prefix) => ({
    notes: [{ prefix: formatPrefix({ family: set.family, ...prefix }) }],
    bits: six ? bits6(prefix.bits, prefix.length) : bitsOf('address', prefix.bits, prefix.length, 32),
  }));
  return {
    function: addressFunction(set),
    type: six ? 'uint64_t' : 'uint32_t',
    argument: six ? 'const struct mill_address6 *address' : 'uint32_t address',
    comment: comment(place(set.origin)),
    ...either(six ? 'uint64_t' : 'uint32_t', differences),
  };
}

/** Of a service that tests no source ports. */
function serviceDifference(service: ServiceSet): DifferenceView {
  return {
    function: serviceFunction(service),
    type: 'uint32_t',
    argument: 'uint32_t service',
    comment: comment(place(service.origin)),
    ...either(
      'uint32_t',
      selectionsOf(service)!.map((one) => ({ notes: [], bits: serviceBits(one) })),
    ),
  };
}

function either(
  type: string,
  differences: readonly Difference[],
): Pick<DifferenceView, 'single' | 'several'> {
  return differences.length === 1
    ? { single: differences.map((one) => ({ ...one, bits: bare(one.bits) })), several: [] }
    : { single: [], several: [{ type, differences }] };
}

/** Without the parentheses around all of it. */
const bare = (bits: string) => (bits.startsWith('(') ? bits.slice(1, -1) : bits);

const mask64 = (1n << 64n) - 1n;

function bits6(bits: bigint, length: number): string {
  const high = bits >> 64n;
  if (length <= 64) return bitsOf('address->high', high, length, 64);
  const low = bitsOf('address->low', bits & mask64, length - 64, 64);
  return `(${bitsOf('address->high', high, 64, 64)} | ${low})`;
}

/** 0 where the first `length` bits of a word of `size` bits are those of `bits`. Of a subtraction gcc would make a branch again. */
function bitsOf(word: string, bits: bigint, length: number, size: number): string {
  if (length === 0) return '0';
  const differ = `(${word} ^ ${size === 32 ? hex32(bits) : hex64(bits)})`;
  return length === size ? differ : `(${differ} >> ${size - length})`;
}

function serviceBits({ proto, range }: Selection): string {
  const protocol = protocolNames.get(proto!) ?? `${proto}`;
  const number = (selector: number) => `MILL_SERVICE(${protocol}, ${selector})`;
  if (range === undefined) return `((service ^ ${number(0)}) & MILL_SERVICE_PROTO)`;
  if (range.from === range.to) return `(service ^ ${number(range.from)})`;
  return `mill_outside(service, ${number(range.from)}, ${number(range.to)})`;
}
