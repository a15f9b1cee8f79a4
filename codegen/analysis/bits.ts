/**
 * Diagrams of numbers: a field is a row of levels, its most significant bit first. Addresses have diagrams of their
 * own (levels 0 to 31 or 127); all that is not an address shares one layout, `restBits` wide.
 */
import type { FlagField, NumberField } from '../predicate/expr.js';
import { all, type Diagram, type Diagrams, none } from './diagram.js';

/** Levels of a number, most significant bit first. They ascend. */
export type Levels = readonly number[];

/** What a packet has besides its addresses; `state` is that of Transport: read, absent, hidden. */
export type RestField =
  | Exclude<NumberField, 'family'>
  | 'state'
  | 'fragment'
  | 'later'
  | 'flags'
  | 'fromMac'
  | 'toMac';

/** Protocol first: most sets differ there. Ports alternate, so that comparing them stays small. */
const layout: Readonly<Record<RestField, Levels>> = layOut();
export const restBits = Object.values(layout).reduce((sum, levels) => sum + levels.length, 0);

export const transportStates = ['read', 'absent', 'hidden'] as const;
/** Bits of the TCP flags as the header has them, the most significant first. */
const flagOrder: readonly FlagField[] = ['cwr', 'ece', 'urg', 'ack', 'psh', 'rst', 'syn', 'fin'];

function layOut(): Readonly<Record<RestField, Levels>> {
  let next = 0;
  const row = (bits: number) => Array.from({ length: bits }, () => next++);
  const proto = row(8);
  const state = row(2);
  const fragment = row(1);
  const later = row(1);
  const ports = row(32);
  return {
    proto,
    state,
    fragment,
    later,
    dport: ports.filter((_, i) => i % 2 === 0),
    sport: ports.filter((_, i) => i % 2 === 1),
    icmpType: row(8),
    icmpCode: row(8),
    flags: row(8),
    ttl: row(8),
    dscp: row(6),
    vlan: row(12),
    pcp: row(3),
    len: row(17),
    fromMac: row(48),
    toMac: row(48),
  };
}

export const restFields = Object.keys(layout) as readonly RestField[];

export function levelsOf(field: RestField): Levels {
  return layout[field];
}

export function flagLevel(flag: FlagField): number {
  return layout.flags[flagOrder.indexOf(flag)]!;
}

export function addressLevels(width: number): Levels {
  return Array.from({ length: width }, (_, i) => i);
}

export function oneBit(diagrams: Diagrams, level: number): Diagram {
  return diagrams.node(level, none, all);
}

/** Numbers from `from` to `to`, both included. */
export function between(diagrams: Diagrams, levels: Levels, from: bigint, to: bigint): Diagram {
  const whole = (1n << BigInt(levels.length)) - 1n;
  const part = (at: number, first: bigint, last: bigint): Diagram => {
    if (from <= first && last <= to) return all;
    if (last < from || first > to) return none;
    const middle = (first + last) >> 1n;
    return diagrams.node(levels[at]!, part(at + 1, first, middle), part(at + 1, middle + 1n, last));
  };
  return part(0, 0n, whole);
}

export function numbersBetween(diagrams: Diagrams, field: RestField, from: number, to: number): Diagram {
  return between(diagrams, layout[field], BigInt(from), BigInt(to));
}

export function equals(diagrams: Diagrams, field: RestField, value: number): Diagram {
  return numbersBetween(diagrams, field, value, value);
}

/** Numbers whose bits of `mask` are those of `value`. */
export function maskedEquals(diagrams: Diagrams, field: RestField, mask: number, value: number): Diagram {
  const levels = layout[field];
  const bit = (bits: number, at: number) => Math.floor(bits / 2 ** (levels.length - 1 - at)) % 2 === 1;
  let rest: Diagram = all;
  for (let at = levels.length - 1; at >= 0; at--)
    if (bit(mask, at))
      rest = bit(value, at) ? diagrams.node(levels[at]!, none, rest) : diagrams.node(levels[at]!, rest, none);
  return rest;
}

/** Strings that begin with the first `length` bits of `bits`, a number of as many bits as there are levels. */
export function prefixed(diagrams: Diagrams, levels: Levels, bits: bigint, length: number): Diagram {
  let rest: Diagram = all;
  for (let at = length - 1; at >= 0; at--) {
    const bit = (bits >> BigInt(levels.length - 1 - at)) & 1n;
    rest = bit === 1n ? diagrams.node(levels[at]!, none, rest) : diagrams.node(levels[at]!, rest, none);
  }
  return rest;
}

/** Union by halves: as many small unions as large ones. */
export function union(diagrams: Diagrams, parts: readonly Diagram[]): Diagram {
  if (parts.length < 2) return parts[0] ?? none;
  const middle = parts.length >> 1;
  return diagrams.or(union(diagrams, parts.slice(0, middle)), union(diagrams, parts.slice(middle)));
}

/** Is the string with these bits in the set? */
export function holds(diagrams: Diagrams, set: Diagram, bit: (level: number) => boolean): boolean {
  let at = set;
  while (at > all) at = diagrams.child(at, bit(diagrams.level(at)));
  return at === all;
}
