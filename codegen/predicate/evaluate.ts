/** What a compiled predicate says of a packet: the plain reading of PredicateExpr, for simulation and self-tests. */
import { contains } from '../../dsl/address.js';
import type { Address, MacTest, NetSet, RuntimeSet } from '../../dsl/model.js';
import { unreachable } from '../unreachable.js';
import type { Arithmetic, BoolExpr, Compare, FlagField, NumberExpr, NumberField } from './expr.js';

/** A packet as predicates see it. Ports, flags and ICMP fields are 0 or false where the header is absent. */
export interface PredicatePacket extends Readonly<Record<NumberField, number>> {
  readonly flags: Readonly<Record<FlagField, boolean>>;
  readonly fragment: boolean;
  readonly laterFragment: boolean;
  /** The TCP, UDP or ICMP header was read. */
  readonly transport: boolean;
  /** Addresses of the frame, as numbers of 48 bits. */
  readonly fromMac: number;
  readonly toMac: number;
  readonly src: Address;
  readonly dst: Address;
  /** What sets that change at run time hold. */
  readonly isMember: (set: string, field: 'src' | 'dst') => boolean;
}

export function evaluate(expr: BoolExpr, packet: PredicatePacket): boolean {
  switch (expr.kind) {
    case 'constant':
      return expr.value;
    case 'not':
      return !evaluate(expr.of, packet);
    case 'and':
      return evaluate(expr.left, packet) && evaluate(expr.right, packet);
    case 'or':
      return evaluate(expr.left, packet) || evaluate(expr.right, packet);
    case 'compare':
      return compare(expr.op, evaluateNumber(expr.left, packet), evaluateNumber(expr.right, packet));
    case 'tcpFlag':
      return packet.flags[expr.flag];
    case 'fragment':
      return packet.fragment;
    case 'laterFragment':
      return packet.laterFragment;
    case 'transport':
      return packet.transport;
    case 'mac':
      return isMac(packet[expr.field], expr);
    case 'within':
      return expr.prefixes.some((prefix) => contains(prefix, packet[expr.field]));
    case 'member':
      return expr.families.includes(packet[expr.field].family) && packet.isMember(expr.set, expr.field);
    default:
      return unreachable(expr);
  }
}

/** Numbers of 48 bits: JavaScript's own bit operations have 32. */
export function isMac(address: number, { mask, value }: MacTest): boolean {
  return (BigInt(address) & BigInt(mask)) === BigInt(value);
}

export function evaluateNumber(expr: NumberExpr, packet: PredicatePacket): number {
  switch (expr.kind) {
    case 'number':
      return expr.value;
    case 'field':
      return packet[expr.field];
    case 'arithmetic':
      return arithmetic(expr.op, evaluateNumber(expr.left, packet), evaluateNumber(expr.right, packet));
    default:
      return unreachable(expr);
  }
}

/** The view of a packet that an operator's arrow function gets. */
export function asOperatorSees(packet: PredicatePacket): unknown {
  const { len, ttl, dscp, proto, family, vlan, pcp, fragment } = packet;
  const { flags, sport, dport, icmpType, icmpCode } = packet;
  const within = (field: 'src' | 'dst') => ({
    within: (networks: NetSet | RuntimeSet) =>
      networks.kind === 'set'
        ? networks.families.includes(packet.src.family) && packet.isMember(networks.name, field)
        : networks.prefixes.some((prefix) => contains(prefix, packet[field])),
  });
  const common = { len, ttl, dscp, proto, family, vlan, pcp, fragment };
  const base = { ...common, src: within('src'), dst: within('dst') };
  if (packet.proto === 6) return { ...base, l4: 'tcp', sport, dport, flags };
  if (packet.proto === 17) return { ...base, l4: 'udp', sport, dport };
  if (packet.proto === (packet.family === 4 ? 1 : 58)) return { ...base, l4: 'icmp', icmpType, icmpCode };
  return { ...base, l4: 'other' };
}

function compare(op: Compare, left: number, right: number): boolean {
  switch (op) {
    case '==':
      return left === right;
    case '!=':
      return left !== right;
    case '<':
      return left < right;
    case '<=':
      return left <= right;
    case '>':
      return left > right;
    case '>=':
      return left >= right;
    default:
      return unreachable(op);
  }
}

/** 32-bit unsigned, as C calculates. */
export function arithmetic(op: Arithmetic, left: number, right: number): number {
  switch (op) {
    case '+':
      return (left + right) >>> 0;
    case '-':
      return (left - right) >>> 0;
    case '*':
      return Math.imul(left, right) >>> 0;
    case '&':
      return (left & right) >>> 0;
    case '|':
      return (left | right) >>> 0;
    case '^':
      return (left ^ right) >>> 0;
    case '%':
      return left % right;
    default:
      return unreachable(op);
  }
}
