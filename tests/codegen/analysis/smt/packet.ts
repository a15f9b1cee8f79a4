/**
 * Packets as bit vectors (SMT-LIB 2.6), for a solver that knows nothing of diagrams and blocks. Written from the standards, as
 * codegen/evaluate/ is, not from what the analysis makes of them.
 */

import type { Family, Prefix } from '../../../../dsl/model.js';
import { setNames } from '../../../oracle/conditions.js';

/** Bits of each number; arithmetic is done with 32. */
export const bits = {
  proto: 8,
  state: 2,
  fragment: 1,
  dport: 16,
  sport: 16,
  icmpType: 8,
  icmpCode: 8,
  flags: 8,
  ttl: 8,
  dscp: 6,
  vlan: 12,
  len: 17,
  later: 1,
  pcp: 3,
  fromMac: 48,
  toMac: 48,
} as const;
export type Field = keyof typeof bits;

export const flagBit = { fin: 0, syn: 1, rst: 2, psh: 3, ack: 4, urg: 5, ece: 6, cwr: 7 } as const;

export const number = (value: number) => `(_ bv${value} 32)`;
export const constant = (name: Field, value: number) => `(_ bv${value} ${bits[name]})`;
export const is = (name: Field, value: number) => `(= ${name} ${constant(name, value)})`;
export const and = (...parts: readonly string[]) => `(and true ${parts.join(' ')})`;
export const or = (...parts: readonly string[]) => `(or false ${parts.join(' ')})`;
export const not = (part: string) => `(not ${part})`;
export const implies = (a: string, b: string) => `(=> ${a} ${b})`;
export const least = (name: Field, value: number) => `(bvuge ${name} ${constant(name, value)})`;
export const most = (name: Field, value: number) => `(bvule ${name} ${constant(name, value)})`;
export const between = (name: Field, from: number, to: number) => and(least(name, from), most(name, to));

export const widthOf = (family: Family) => (family === 4 ? 32 : 128);
export const icmpOf = (family: Family) => (family === 4 ? 1 : 58);

/** Declares a packet; `valid` is what parsing can give: RFC 791, RFC 8200, RFC 9293, RFC 768, RFC 792, RFC 4443. */
export function packet(family: Family): string {
  const icmp = icmpOf(family);
  const header = family === 4 ? 20 : 40;
  const known = or(is('proto', 6), is('proto', 17), is('proto', icmp));
  const walked = family === 4 ? 'false' : or(...[0, 43, 44, 51, 60].map((one) => is('proto', one)));
  const [read, absent, hidden] = [0, 1, 2].map((one) => is('state', one)) as [string, string, string];
  const only = (name: Field, ...protocols: readonly number[]) =>
    implies(not(is(name, 0)), and(read, or(...protocols.map((one) => is('proto', one)))));
  const sizes = [
    [6, 20],
    [17, 8],
    [icmp, 4],
  ] as const;
  // 60 bytes of IPv4 header at most; of IPv6 eight extension headers of 8 × 256 bytes.
  const headers = family === 4 ? 60 : 40 + 8 * 8 * 256;
  const declared = [
    ...['src', 'dst'].map((name) => `(declare-const ${name} (_ BitVec ${widthOf(family)}))`),
    ...Object.entries(bits).map(([name, width]) => `(declare-const ${name} (_ BitVec ${width}))`),
    ...setNames.flatMap((set) =>
      (['src', 'dst'] as const).map((side) => `(declare-const ${memberName(set, side)} Bool)`),
    ),
  ];
  const facts = [
    most('state', 2),
    between('len', header, header === 20 ? 65535 : 65575),
    implies(read, known),
    implies(hidden, or(known, walked)),
    implies(and(absent, is('later', 0)), and(not(known), not(walked))),
    implies(is('later', 1), and(is('fragment', 1), absent)),
    ...sizes.map(([proto, size]) => implies(and(read, is('proto', proto)), least('len', header + size))),
    ...sizes.map(([proto, size]) =>
      implies(and(hidden, is('proto', proto)), most('len', headers + size - 1)),
    ),
    family === 6 ? implies(is('fragment', 1), least('len', 48)) : 'true',
    only('dport', 6, 17),
    only('sport', 6, 17),
    only('flags', 6),
    only('icmpType', icmp),
    only('icmpCode', icmp),
  ];
  return [...declared, `(define-fun valid () Bool ${and(...facts)})`].join('\n');
}

export function within(field: 'src' | 'dst', prefixes: readonly Prefix[], family: Family): string {
  const width = widthOf(family);
  const own = prefixes.filter((one) => one.family === family);
  return or(
    ...own.map(({ bits, length }) =>
      length === 0
        ? 'true'
        : `(= ((_ extract ${width - 1} ${width - length}) ${field}) (_ bv${bits >> BigInt(width - length)} ${length}))`,
    ),
  );
}

/** Anything may be in a set that changes at run time. */
export const memberName = (set: string, field: 'src' | 'dst') => `${field}_in_${set}`;
