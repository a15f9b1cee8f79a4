/** First match over a list's rules, by the operator's own terms: what lowering made of them is tested, too. */
import { contains } from '../../dsl/address.js';
import type {
  FragmentPart,
  HeaderMatch,
  PortRange,
  RuntimeSet,
  Service,
  ServiceMatch,
} from '../../dsl/model.js';
import type { Ir, IrList, IrRule } from '../ir.js';
import { evaluate, isMac, type PredicatePacket } from '../predicate/evaluate.js';
import { type Contents, isIn } from '../sets/contents.js';
import { unreachable } from '../unreachable.js';
import { Hulls } from './hulls.js';
import { type Frame, isTag, type Packet, protocols, word } from './parse.js';

/** What rules see: the packet, and how predicates see it. */
export interface Seen {
  readonly packet: Packet;
  readonly fields: PredicatePacket;
}

/** What rules see of the frame around a packet. */
export interface Link {
  /** Of the innermost tag, 0 without one. */
  readonly vlan: number;
  readonly pcp: number;
  readonly fromMac: number;
  readonly toMac: number;
}

export function linkOf({ bytes, tags }: Frame): Link {
  const mac = (at: number) => word(bytes, at) * 2 ** 32 + word(bytes, at + 2) * 2 ** 16 + word(bytes, at + 4);
  return {
    vlan: tags.at(-1)?.vid ?? 0,
    pcp: isTag(word(bytes, 12)) ? bytes[14]! >> 5 : 0,
    fromMac: mac(6),
    toMac: mac(0),
  };
}

/** Sets hold what `contents` says. */
export function membersBy(contents: Contents, { src, dst }: Packet): PredicatePacket['isMember'] {
  return (set, field) => isIn(contents, set, field === 'src' ? src : dst);
}

/** Sets that change at run time hold nothing. */
export const membersOfNone: PredicatePacket['isMember'] = () => false;

/** @param isMember what sets that change at run time hold */
export function see(packet: Packet, link: Link, isMember: PredicatePacket['isMember'] = membersOfNone): Seen {
  const { transport } = packet;
  const flag = (bit: number) => (transport.tcpFlags & bit) !== 0;
  return {
    packet,
    fields: {
      family: packet.family,
      len: packet.length,
      ttl: packet.ttl,
      dscp: packet.dscp,
      proto: packet.protocol,
      ...link,
      sport: transport.sport,
      dport: transport.dport,
      icmpType: transport.icmpType,
      icmpCode: transport.icmpCode,
      fragment: packet.fragment,
      laterFragment: packet.laterFragment,
      transport: transport.state === 'read',
      src: packet.src,
      dst: packet.dst,
      isMember,
      flags: {
        fin: flag(1),
        syn: flag(2),
        rst: flag(4),
        psh: flag(8),
        ack: flag(16),
        urg: flag(32),
        ece: flag(64),
        cwr: flag(128),
      },
    },
  };
}

/**
 * An ACL that reads transport headers cannot judge a packet that hides them, so it refuses the packet: RFC 1858,
 * RFC 7112. A PBR list sees zeros there, as where there is no such header.
 */
export function isHiddenFrom(acl: IrList, { packet }: Seen): boolean {
  return acl.readsTransport[packet.family] && packet.transport.state === 'hidden';
}

/** Beyond this a rule is not looked at where its hull says that it does not take the packet. */
const mostPlain = 64;
const hullsOf = new WeakMap<readonly IrRule[], Hulls>();

/** The first rule that takes the packet; an ACL's default takes the rest. */
export function firstMatch(ir: Ir, { rules, fallback }: IrList, seen: Seen): IrRule | undefined {
  const takes = (rule: IrRule) => matches(ir, rule, seen);
  if (rules.length <= mostPlain) return rules.find(takes) ?? fallback;
  const hulls = hullsOf.get(rules) ?? new Hulls(rules);
  hullsOf.set(rules, hulls);
  return hulls.first(seen.packet, takes) ?? fallback;
}

function matches(ir: Ir, { match, action }: IrRule, { packet, fields }: Seen): boolean {
  if (match.from && !match.from.prefixes.some((prefix) => contains(prefix, packet.src))) return false;
  if (match.to && !match.to.prefixes.some((prefix) => contains(prefix, packet.dst))) return false;
  if (match.fromSet && !isOf(match.fromSet, 'src', fields)) return false;
  if (match.toSet && !isOf(match.toSet, 'dst', fields)) return false;
  if (match.service && !isService(match.service, packet)) return false;
  if (match.header && !hasHeader(match.header, packet, fields)) return false;
  if (match.when && !evaluate(ir.predicates.get(match.when.name)!.expr, fields)) return false;
  return action.kind !== 'nexthop' || action.gateways.some((gateway) => gateway.family === packet.family);
}

function isOf(set: RuntimeSet, field: 'src' | 'dst', fields: PredicatePacket): boolean {
  return set.families.includes(fields[field].family) && fields.isMember(set.name, field);
}

function hasHeader(match: HeaderMatch, packet: Packet, fields: PredicatePacket): boolean {
  const among = (ranges: readonly PortRange[] | undefined, value: number) =>
    ranges === undefined || ranges.some(({ from, to }) => value >= from && value <= to);
  const isTcp = packet.protocol === protocols.tcp && packet.transport.state === 'read';
  const { flags, fromMac, toMac } = match;
  return (
    among(match.dscp, packet.dscp) &&
    among(match.ttl, packet.ttl) &&
    among(match.length, packet.length) &&
    among(match.pcp, fields.pcp) &&
    (match.fragment === undefined || isPart(match.fragment, packet)) &&
    (!flags || (isTcp && flags.some(({ mask, value }) => (packet.transport.tcpFlags & mask) === value))) &&
    (!fromMac || fromMac.some((one) => isMac(fields.fromMac, one))) &&
    (!toMac || toMac.some((one) => isMac(fields.toMac, one)))
  );
}

function isPart(part: FragmentPart, { fragment, laterFragment }: Packet): boolean {
  switch (part) {
    case 'any':
      return fragment;
    case 'none':
      return !fragment;
    case 'first':
      return fragment && !laterFragment;
    case 'later':
      return laterFragment;
    default:
      return unreachable(part);
  }
}

function isService(service: Service, packet: Packet): boolean {
  if (service.alternatives.some((one) => one.l4 === 'ip' && one.protocols.includes(packet.protocol)))
    return true;
  if (packet.protocol === protocols.tcp) return isPortService(service, 'tcp', packet);
  if (packet.protocol === protocols.udp) return isPortService(service, 'udp', packet);
  if (packet.protocol !== (packet.family === 4 ? protocols.icmp : protocols.icmpv6)) return false;
  return service.alternatives.some((one) => one.l4 === 'icmp' && isIcmp(one, packet));
}

/** Where every port is meant, the ports need not be there: later fragments match. */
function isPortService(service: Service, l4: 'tcp' | 'udp', { transport }: Packet): boolean {
  const parts = service.alternatives.flatMap((one) => (one.l4 === l4 ? [one] : []));
  const isIn = (ranges: readonly PortRange[], port: number) =>
    ranges.some((range) => port >= range.from && port <= range.to);
  if (transport.state === 'read')
    return parts.some(
      ({ dports, sports }) =>
        isIn(dports, transport.dport) && (sports === undefined || isIn(sports, transport.sport)),
    );
  const ranges = parts.flatMap(({ dports, sports }) => (sports ? [] : dports));
  const has = (port: number) => isIn(ranges, port);
  const edges = ranges.flatMap((range) => [range.from - 1, range.to + 1]);
  return has(0) && has(65535) && edges.every((port) => port < 0 || port > 65535 || has(port));
}

function isIcmp(one: Extract<ServiceMatch, { l4: 'icmp' }>, { family, transport }: Packet): boolean {
  if (one.types.length === 0) return true;
  if (transport.state !== 'read') return false;
  return one.types.some(
    (type) =>
      type.family === family &&
      type.type === transport.icmpType &&
      (type.code === undefined || type.code === transport.icmpCode),
  );
}
