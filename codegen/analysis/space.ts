/**
 * The packets of one family that reach a rule at all: what parsing (codegen/evaluate/parse.ts) can make of bytes.
 * Everything else would be counted, and shown as an example, though nobody can send it.
 */
import type { Family } from '../../dsl/model.js';
import { protocols } from '../evaluate/parse.js';
import {
  addressLevels,
  equals,
  type Levels,
  numbersBetween,
  type RestField,
  restBits,
  union,
} from './bits.js';
import { all, type Diagram, Diagrams } from './diagram.js';

export interface Space {
  readonly family: Family;
  readonly diagrams: Diagrams;
  /** Bits of an address. */
  readonly width: 32 | 128;
  readonly addresses: Levels;
  /** Bits of all that is not an address. */
  readonly restWidth: number;
  /** Possible values of all that is not an address. */
  readonly valid: Diagram;
  /** The transport header cannot be read: cut short, or behind what cannot be walked. */
  readonly hidden: Diagram;
  readonly members: MemberLevels;
}

/**
 * Whether an address is in a set that changes at run time is a bit of its own behind all others, which may have any value:
 * what holds for both is true whatever the set holds. Sets of the same name are one unknown, also in two policies.
 */
export interface MemberLevels {
  readonly level: (set: string, field: 'src' | 'dst') => number;
  /** Those that were asked for. */
  readonly all: () => readonly MemberLevel[];
}

export interface MemberLevel {
  readonly set: string;
  readonly field: 'src' | 'dst';
  readonly level: number;
}

function memberLevels(): MemberLevels {
  const all: MemberLevel[] = [];
  return {
    all: () => all,
    level: (set, field) => {
      const known = all.find((one) => one.set === set && one.field === field);
      if (known !== undefined) return known.level;
      const level = restBits + all.length;
      all.push({ set, field, level });
      return level;
    },
  };
}

/** Without a length of their own, IPv6 extension headers have up to 8 × 255 bytes more: RFC 8200 §4. */
const longestExtensions = 8 * 8 * 256;
const extensions: readonly number[] = [0, 43, 44, 51, 60];
const smallest = { tcp: 20, udp: 8, icmp: 4 } as const;

export function makeSpace(family: Family): Space {
  const diagrams = new Diagrams();
  const width = family === 4 ? 32 : 128;
  const state = (value: number) => equals(diagrams, 'state', value);
  return {
    family,
    diagrams,
    width,
    addresses: addressLevels(width),
    restWidth: restBits,
    valid: validRest(diagrams, family),
    hidden: state(2),
    members: memberLevels(),
  };
}

/** Another set of ids for `p.vlan`: those of the interfaces that are looked at. */
export function onVlans(space: Space, ids: readonly number[]): Space {
  const { diagrams } = space;
  const tags = union(
    diagrams,
    [...new Set(ids)].map((id) => equals(diagrams, 'vlan', id)),
  );
  return { ...space, valid: diagrams.and(space.valid, tags) };
}

export function protocolOf(name: keyof typeof smallest, family: Family): number {
  if (name !== 'icmp') return protocols[name];
  return family === 4 ? protocols.icmp : protocols.icmpv6;
}

function validRest(diagrams: Diagrams, family: Family): Diagram {
  const is = (field: RestField, value: number) => equals(diagrams, field, value);
  const most = family === 4 ? 65535 : 40 + 65535;
  const longer = (least: number) => numbersBetween(diagrams, 'len', least, most);
  const header = family === 4 ? 20 : 40;
  const [read, absent, hidden] = [is('state', 0), is('state', 1), is('state', 2)];
  const fragment = is('fragment', 1);
  const later = is('later', 1);
  const each = (['tcp', 'udp', 'icmp'] as const).map((name) => ({
    name,
    proto: is('proto', protocolOf(name, family)),
    least: smallest[name],
  }));
  const known = union(
    diagrams,
    each.map((one) => one.proto),
  );
  const cases = each.flatMap(({ name, proto, least }) => [
    every(diagrams, proto, read, longer(header + least), zeroBut(diagrams, name)),
    // Cut short: RFC 791 §3.1 has up to 40 bytes of options.
    every(
      diagrams,
      proto,
      hidden,
      numbersBetween(diagrams, 'len', header, hiddenMost(family, least)),
      zeroBut(diagrams),
    ),
  ]);
  const other =
    family === 4
      ? diagrams.not(known)
      : diagrams.not(
          diagrams.or(
            known,
            union(
              diagrams,
              extensions.map((one) => is('proto', one)),
            ),
          ),
        );
  // Later fragments have no transport header, whatever their protocol.
  const without = every(diagrams, absent, diagrams.or(other, later), longer(header), zeroBut(diagrams));
  const unwalked =
    family === 4
      ? []
      : extensions.map((one) => every(diagrams, is('proto', one), hidden, longer(header), zeroBut(diagrams)));
  const fragments = family === 4 ? all : diagrams.or(diagrams.not(fragment), longer(header + 8));
  const parts = diagrams.or(diagrams.not(later), diagrams.and(fragment, absent));
  return every(diagrams, union(diagrams, [...cases, without, ...unwalked]), fragments, parts);
}

function hiddenMost(family: Family, least: number): number {
  return family === 4 ? 60 + least - 1 : 40 + longestExtensions + least - 1;
}

function every(diagrams: Diagrams, ...sets: readonly Diagram[]): Diagram {
  return sets.reduce((a, b) => diagrams.and(a, b), all);
}

const fieldsOf = {
  tcp: ['sport', 'dport', 'flags'],
  udp: ['sport', 'dport'],
  icmp: ['icmpType', 'icmpCode'],
} as const;

/** Fields of transport headers that the packet does not have are 0. */
function zeroBut(diagrams: Diagrams, name?: keyof typeof fieldsOf): Diagram {
  const own: readonly RestField[] = name === undefined ? [] : fieldsOf[name];
  const fields: readonly RestField[] = ['sport', 'dport', 'icmpType', 'icmpCode', 'flags'];
  const absent = fields.filter((field) => !own.includes(field));
  return every(diagrams, ...absent.map((field) => equals(diagrams, field, 0)));
}
