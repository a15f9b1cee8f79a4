/** Sets of addresses as C functions: a few prefixes as tests, many as a sorted table that is bisected. */
import { formatPrefix } from '../../dsl/address.js';
import type { Family } from '../../dsl/model.js';
import { place } from '../cite.js';
import type { AddressSet, IrSet } from '../ir.js';
import { comment, hex32, hex64 } from './text.js';

const mostTests = 8;
const mask64 = (1n << 64n) - 1n;

export interface SetView {
  readonly function: string;
  readonly argument: string;
  readonly comment: string;
  /** One of the three has an element. */
  readonly asTest: readonly { readonly prefix: string; readonly test: string }[];
  readonly asTests: readonly {
    readonly tests: readonly { readonly prefix: string; readonly test: string }[];
  }[];
  readonly asTable: readonly {
    readonly table: string;
    readonly type: string;
    readonly search: string;
    readonly rows: readonly string[];
    readonly count: number;
  }[];
}

export function setFunction(set: AddressSet): string {
  return `in_${set.name}_ipv${set.family}`;
}

/** The call that tests a packet's address. */
export function setCall(set: AddressSet, field: 'src' | 'dst'): string {
  return `${setFunction(set)}(${packetAddress(set.family, field)})`;
}

/** As functions of sets take it. */
export function packetAddress(family: Family, field: 'src' | 'dst'): string {
  return family === 4 ? `p->${field}4` : `&p->${field}6`;
}

/** The call that tests it against a set that changes at run time. */
export function memberCall(set: IrSet, family: Family, field: 'src' | 'dst'): string {
  return `mill_in_set${family}(p, ${set.enumerator}, ${packetAddress(family, field)})`;
}

export function setView(set: AddressSet): SetView {
  const table = set.prefixes.length > mostTests && set.ranges.length > 1;
  const name = setFunction(set);
  const tests = set.prefixes.map((prefix) => ({
    prefix: formatPrefix({ family: set.family, ...prefix }),
    test: prefixTest(set.family, prefix.bits, prefix.length),
  }));
  return {
    function: name,
    argument: set.family === 4 ? 'uint32_t address' : 'const struct mill_address6 *address',
    comment: comment(`${place(set.origin)}`),
    asTest: table || tests.length > 1 ? [] : tests,
    asTests: table || tests.length === 1 ? [] : [{ tests }],
    asTable: table
      ? [
          {
            table: `${name}_ranges`,
            type: `mill_range${set.family}`,
            search: `mill_in_ranges${set.family}`,
            rows: set.ranges.map(({ from, to }) =>
              set.family === 4 ? `{${hex32(from)}, ${hex32(to)}}` : `{${pair(from)}, ${pair(to)}}`,
            ),
            count: set.ranges.length,
          },
        ]
      : [],
  };
}

/** 128 bits as struct mill_address6. */
export function pair(bits: bigint): string {
  return `{${hex64(bits >> 64n)}, ${hex64(bits & mask64)}}`;
}

function prefixTest(family: 4 | 6, bits: bigint, length: number): string {
  if (family === 4) return part('address', bits, length, 32);
  const high = bits >> 64n;
  const low = bits & mask64;
  if (length <= 64) return part('address->high', high, length, 64);
  return `${part('address->high', high, 64, 64)} && ${part('address->low', low, length - 64, 64)}`;
}

/** The first `length` bits of a word of `size` bits. */
function part(word: string, bits: bigint, length: number, size: number): string {
  if (length === 0) return 'true';
  const first = bits >> BigInt(size - length);
  const value = first < 10n ? `${first}` : `0x${first.toString(16)}`;
  return length === size ? `${word} == ${value}` : `${word} >> ${size - length} == ${value}`;
}
