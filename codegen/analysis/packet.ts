/** One packet, as rules see it: drawn from a set, looked up in one, or handed to the evaluator. */
import type { Family } from '../../dsl/model.js';
import { protocols } from '../evaluate/parse.js';
import { membersOfNone, type Seen, see } from '../evaluate/rules.js';
import type { PredicatePacket } from '../predicate/evaluate.js';
import { equals, holds, levelsOf, oneBit, type RestField, restFields, transportStates } from './bits.js';
import { all, type Diagram, type Diagrams, none } from './diagram.js';
import type { Block, PacketSet } from './sets.js';
import { protocolOf, type Space } from './space.js';

export interface PacketPoint {
  readonly family: Family;
  readonly src: bigint;
  readonly dst: bigint;
  readonly fields: Readonly<Record<RestField, number>>;
  /** What sets that change at run time hold of it, where that is known or matters; left out: nothing. */
  readonly members?: readonly Member[];
  /** The same of any set, where it was asked for. */
  readonly isMember?: PredicatePacket['isMember'];
}

/** Whether an address is in a set that changes at run time. */
export interface Member {
  readonly field: 'src' | 'dst';
  readonly set: string;
  readonly value: boolean;
}

function memberTest({ isMember, members }: PacketPoint): PredicatePacket['isMember'] {
  if (isMember || members === undefined) return isMember ?? membersOfNone;
  return (set, field) => members.some((one) => one.set === set && one.field === field && one.value);
}

/** Addresses for documentation: RFC 5737, RFC 3849. */
const usualAddresses = {
  4: { src: 0xc633640an, dst: 0xcb00710an },
  6: { src: (0x20010db8000an << 80n) + 0x10n, dst: (0x20010db8000bn << 80n) + 0x10n },
} as const;
/** Locally administered, of one station. */
export const usualMacs = { from: 0x020000000001, to: 0x020000000002 } as const;
/** The address of a host rather than that of a network, where it does not matter. */
const hostBits = 10n;

/** What people send: values to try, the first first; otherwise the smallest. */
function usualValues(
  family: Family,
  values: Partial<Record<RestField, number>>,
): Record<RestField, readonly number[]> {
  const tcp = values.proto === protocols.tcp;
  const udp = values.proto === protocols.udp;
  return {
    proto: [protocols.tcp, protocols.udp, protocolOf('icmp', family)],
    state: [0, 1],
    fragment: [0],
    later: [0],
    dport: tcp ? [443, 80, 22] : udp ? [443, 53] : [],
    sport: tcp || udp ? [40000, 1234] : [],
    icmpType: family === 4 ? [8, 0] : [128, 129],
    icmpCode: [0],
    flags: [2, 16, 24],
    ttl: [64, 255],
    dscp: [0],
    vlan: [0],
    pcp: [0],
    fromMac: [usualMacs.from],
    toMac: [usualMacs.to],
    len: [family === 4 ? 60 : 80, 100, 1500],
  };
}

/** A packet of the block, as ordinary as the block has one. */
export function examplePacket(space: Space, block: Block): PacketPoint {
  const { diagrams, family } = space;
  const fields: Partial<Record<RestField, number>> = {};
  let left = diagrams.and(block.rest, space.valid);
  for (const field of restFields) {
    const wanted = usualValues(family, fields)[field];
    const usual = wanted.find((value) => diagrams.and(left, equals(diagrams, field, value)) !== none);
    const value = usual ?? smallest(diagrams, left, field);
    fields[field] = value;
    left = diagrams.and(left, equals(diagrams, field, value));
  }
  const members = exampleMembers(space, left);
  return {
    family,
    ...(members.length > 0 && { members }),
    src: exampleAddress(space, block.src, usualAddresses[family].src),
    dst: exampleAddress(space, block.dst, usualAddresses[family].dst),
    fields: fields as Record<RestField, number>,
  };
}

/** What sets must hold, or must not. */
function exampleMembers({ diagrams, members }: Space, set: Diagram): readonly Member[] {
  let left = set;
  return members.all().flatMap(({ level, field, set: name }) => {
    const bit = oneBit(diagrams, level);
    const outside = diagrams.minus(left, bit);
    const value = outside === none;
    const matters = value || diagrams.and(left, bit) === none;
    left = value ? diagrams.and(left, bit) : outside;
    return matters ? [{ field, set: name, value }] : [];
  });
}

function smallest(diagrams: Diagrams, set: Diagram, field: RestField): number {
  let left = set;
  return levelsOf(field).reduce((value, level) => {
    const zero = diagrams.minus(left, oneBit(diagrams, level));
    const bit = zero === none ? 1 : 0;
    left = bit === 0 ? zero : diagrams.and(left, oneBit(diagrams, level));
    return 2 * value + bit;
  }, 0);
}

function exampleAddress(space: Space, set: Diagram, usual: bigint): bigint {
  if (holdsAddress(space, set, usual)) return usual;
  let [at, value] = [set, 0n];
  for (let level = 0; level < space.width; level++) {
    let bit = (hostBits >> BigInt(space.width - 1 - level)) & 1n;
    if (space.diagrams.level(at) === level) {
      if (space.diagrams.child(at, bit === 1n) === none) bit = 1n - bit;
      at = space.diagrams.child(at, bit === 1n);
    }
    value = 2n * value + bit;
  }
  return value;
}

function holdsAddress({ diagrams, width }: Space, set: Diagram, bits: bigint): boolean {
  return holds(diagrams, set, (level) => ((bits >> BigInt(width - 1 - level)) & 1n) === 1n);
}

export function contains(space: Space, set: PacketSet, packet: PacketPoint): boolean {
  const bits = restBitsOf(packet);
  const isMember = memberTest(packet);
  for (const { level, field, set: name } of space.members.all()) bits[level] = isMember(name, field);
  return (
    packet.family === space.family &&
    set.some(
      ({ src, dst, rest }) =>
        holds(space.diagrams, rest, (level) => bits[level]!) &&
        holdsAddress(space, src, packet.src) &&
        holdsAddress(space, dst, packet.dst),
    )
  );
}

function restBitsOf({ fields }: PacketPoint): boolean[] {
  const bits: boolean[] = [];
  for (const field of restFields) {
    const levels = levelsOf(field);
    for (const [i, level] of levels.entries())
      bits[level] = Math.floor(fields[field] / 2 ** (levels.length - 1 - i)) % 2 === 1;
  }
  return bits;
}

/** The set of this packet alone. */
export function only({ diagrams, width, members }: Space, packet: PacketPoint): Block {
  const address = (value: bigint) => {
    let set: Diagram = all;
    for (let level = width - 1; level >= 0; level--)
      set =
        (value >> BigInt(width - 1 - level)) & 1n
          ? diagrams.node(level, none, set)
          : diagrams.node(level, set, none);
    return set;
  };
  const fields = restFields.reduce<Diagram>(
    (set, field) => diagrams.and(set, equals(diagrams, field, packet.fields[field])),
    all,
  );
  const rest = (packet.members ?? []).reduce((set, { field, set: name, value }) => {
    const bit = oneBit(diagrams, members.level(name, field));
    return value ? diagrams.and(set, bit) : diagrams.minus(set, bit);
  }, fields);
  return { src: address(packet.src), dst: address(packet.dst), rest };
}

export function pointOf({ packet, fields }: Seen): PacketPoint {
  const { transport } = packet;
  return {
    family: packet.family,
    src: packet.src.bits,
    dst: packet.dst.bits,
    fields: {
      proto: packet.protocol,
      state: transportStates.indexOf(transport.state),
      fragment: packet.fragment ? 1 : 0,
      later: packet.laterFragment ? 1 : 0,
      dport: transport.dport,
      sport: transport.sport,
      icmpType: transport.icmpType,
      icmpCode: transport.icmpCode,
      flags: transport.tcpFlags,
      ttl: packet.ttl,
      dscp: packet.dscp,
      vlan: fields.vlan,
      pcp: fields.pcp,
      fromMac: fields.fromMac,
      toMac: fields.toMac,
      len: packet.length,
    },
    ...(fields.isMember !== membersOfNone && { isMember: fields.isMember }),
  };
}

/** The packet as the evaluator's rules see it. */
export function seenAs(point: PacketPoint): Seen {
  const { family, src, dst, fields } = point;
  return see(
    {
      family,
      src: { family, bits: src },
      dst: { family, bits: dst },
      length: fields.len,
      ttl: fields.ttl,
      dscp: fields.dscp,
      protocol: fields.proto,
      fragment: fields.fragment === 1,
      laterFragment: fields.later === 1,
      dontFragment: family === 6,
      options: false,
      transport: {
        state: transportStates[fields.state]!,
        sport: fields.sport,
        dport: fields.dport,
        tcpFlags: fields.flags,
        icmpType: fields.icmpType,
        icmpCode: fields.icmpCode,
      },
      transportAt: family === 4 ? 20 : 40,
    },
    { vlan: fields.vlan, pcp: fields.pcp, fromMac: fields.fromMac, toMac: fields.toMac },
    memberTest(point),
  );
}
