/**
 * The oracle: what a router with this policy does with one frame. Slow and plain, from the standards and the policy's
 * own terms; a forwarder that differs from it is not let into the engine.
 */
import { formatGateways } from '../../dsl/gateways.js';
import type { PuntClass } from '../../dsl/punt.js';
import type { Ir, IrInterface, IrList, IrPort, IrRule } from '../ir.js';
import { tagsOf } from '../tags.js';
import { dropsUnreachable, gatewaysOf } from '../ways.js';
import { answerTo } from './answer.js';
import { hostClass, isGroupFrame, judgeAddresses, staysOnLink } from './checks.js';
import { icmpError, tooBig } from './icmp.js';
import type { DropReason, Fate, Outcome } from './outcome.js';
import { joined, linkHeader, lowered } from './output.js';
import { etherTypes, type Frame, isTag, type Packet, parseFrame, parseIpv4, parseIpv6 } from './parse.js';
import { type Path, type Paths, route } from './paths.js';
import { firstMatch, isHiddenFrom, linkOf, membersBy, type Seen, see } from './rules.js';

/** What changes from one packet to the next. */
export interface Circumstances {
  /** Rules are applied: ACLs and PBR lists. */
  readonly aclEnabled: boolean;
  /** The host queue, the neighbour queue and the fragmenter take what they are given. */
  readonly servicesTake: boolean;
  /** Transmit rings have room. */
  readonly room: boolean;
  /** Gateways of rules are as the paths say; else none can be reached. */
  readonly gatewaysAnswer: boolean;
}

export const usual: Circumstances = {
  aclEnabled: true,
  servicesTake: true,
  room: true,
  gatewaysAnswer: true,
};

/** One packet on its way. */
interface Way {
  readonly ir: Ir;
  readonly iface: IrInterface;
  readonly paths: Paths;
  readonly now: Circumstances;
  readonly frame: Frame;
  readonly packet: Packet;
  readonly hits: IrRule[];
  readonly policed: { rule: IrRule; conforms: boolean }[];
}

export function evaluateFrame(
  ir: Ir,
  port: IrPort,
  bytes: Uint8Array,
  paths: Paths,
  now: Circumstances = usual,
): Outcome {
  const first = port.interfaces[0]!.local;
  const depth = Math.max(...port.interfaces.map((one) => tagsOf(one.encapsulation).length));
  const frame = parseFrame(bytes, depth);
  if (frame === undefined) return rejected(first, 'truncated-frame');
  const iface = port.interfaces.find((one) => hasTags(one, frame));
  if (iface === undefined) return rejected(first, 'unknown-vlan');
  const hits: IrRule[] = [];
  const policed: Way['policed'] = [];
  const fate = received(ir, iface, frame, paths, now, { hits, policed });
  return {
    iface: iface.local,
    network: frame.network,
    rules: hits.map((rule) => rule.local),
    logs: hits.filter((rule) => rule.logPerSecond !== undefined).map((rule) => rule.local),
    policed: policed.map(({ rule, conforms }) => ({ rule: rule.local, conforms })),
    copies: hits.flatMap(({ treatment }) => {
      const { mirror } = treatment ?? {};
      const port = ir.ports.find((one) => one.name === mirror?.port);
      return mirror && port ? [{ port: port.local, oneIn: mirror.oneIn, lost: !now.servicesTake }] : [];
    }),
    samples: hits.flatMap(({ local, treatment }) =>
      treatment?.sample === undefined ? [] : [{ rule: local, oneIn: treatment.sample }],
    ),
    fate,
  };
}

function rejected(iface: number, reason: DropReason): Outcome {
  return { iface, network: 0, rules: [], logs: [], policed: [], copies: [], samples: [], fate: drop(reason) };
}

function drop(reason: DropReason): Fate {
  return { verdict: 'drop', reason };
}

function hasTags(iface: IrInterface, frame: Frame): boolean {
  const tags = tagsOf(iface.encapsulation);
  return (
    tags.length === frame.tags.length &&
    tags.every((tag, i) => tag.tpid === frame.tags[i]!.tpid && tag.vid === frame.tags[i]!.vid)
  );
}

/** RFC 1812 §5.3.4, and then by what the frame carries. A tag here is one more than the port has. */
function received(
  ir: Ir,
  iface: IrInterface,
  frame: Frame,
  paths: Paths,
  now: Circumstances,
  taken: Pick<Way, 'hits' | 'policed'>,
): Fate {
  const { mac } = paths.faces[iface.local]!;
  if (!isGroupFrame(frame.bytes) && !mac.every((byte, i) => byte === frame.bytes[i]))
    return drop('other-mac');
  if (isTag(frame.etherType)) return drop('unknown-vlan');
  const toHost = (kind: PuntClass) => punt({ iface, paths, now, frame }, kind);
  if (frame.etherType === etherTypes.arp) return toHost('arp');
  if (frame.etherType !== etherTypes.ipv4 && frame.etherType !== etherTypes.ipv6) return toHost('local');
  const payload = frame.bytes.subarray(frame.network);
  const packet = frame.etherType === etherTypes.ipv4 ? parseIpv4(payload) : parseIpv6(payload);
  if (typeof packet === 'string') return drop(packet);
  const judged = judgeAddresses(packet);
  if ('drop' in judged) return drop(judged.drop);
  return ruled({ ir, iface, paths, now, frame, packet, ...taken }, judged.toHost);
}

function punt(
  { iface, paths, now, frame }: Pick<Way, 'iface' | 'paths' | 'now' | 'frame'>,
  kind: PuntClass,
): Fate {
  if (now.servicesTake) return { verdict: 'punt', class: kind, frame: frame.bytes };
  return drop(paths.faces[iface.local]!.host ? 'punt-full' : 'host-refused');
}

/** The `in` ACL; then what is for the router itself, which no rule diverts; then the way. */
function ruled(way: Way, forMany: boolean): Fate {
  const { ir, iface, packet, paths, now } = way;
  const seen = see(packet, linkOf(way.frame), membersBy(ir.contents, packet));
  let taken: IrRule | undefined;
  if (iface.acl && now.aclEnabled) {
    if (isHiddenFrom(iface.acl, seen)) return drop('l4-header');
    taken = firstMatch(ir, iface.acl, seen)!;
    const dropped = took(way, taken, 'acl', forMany);
    if (dropped) return dropped;
  }
  // RFC 1812 §5.3.8: nobody else sends from the router's own addresses. The kernel asks this for IPv4 alone.
  if (!forMany && packet.family === 4 && route(paths, packet.src).kind === 'local')
    return drop('martian-source');
  if (!leadsBack(way)) return drop('urpf');
  if (forMany) return punt(way, hostClass(packet));
  const usualPath = route(paths, packet.dst);
  if (isOwn(usualPath)) return punt(way, hostClass(packet));
  const diverted = gatewayPath(way, taken) ?? byPbr(way, seen);
  if (diverted === 'dropped') return drop('no-gateway');
  return sent(way, diverted ?? usualPath, diverted !== undefined);
}

/** BCP 38, BCP 84: by the interface where it came in, or by any. Who has no address yet, or one of its link alone, is there. */
function leadsBack({ iface: { local, urpf }, packet: { src }, paths }: Way): boolean {
  if (urpf === undefined || (src.family === 4 && src.bits === 0n) || staysOnLink(src)) return true;
  const back = route(paths, src);
  if (back.kind === 'kernel') return urpf === 'loose';
  return back.iface !== undefined && (urpf === 'loose' || back.iface === local);
}

/** An address of the router, or a broadcast of one of its networks. */
function isOwn({ kind }: Path): boolean {
  return kind === 'local' || kind === 'broadcast';
}

/** Undefined: the packet goes on. */
function took(way: Way, rule: IrRule, reason: DropReason, forMany = false): Fate | undefined {
  const { packet, frame, paths, now } = way;
  way.hits.push(rule);
  if (rule.treatment?.police) {
    way.policed.push({ rule, conforms: now.servicesTake });
    if (!now.servicesTake) return drop('policed');
  }
  if (rule.action.kind === 'deny') return drop(reason);
  if (rule.action.kind !== 'reject') return undefined;
  const quiet = forMany || isGroupFrame(frame.bytes) || isBroadcast(way) || !now.servicesTake;
  const { speaksFrom } = paths.faces[way.iface.local]!;
  const bytes = frame.bytes.subarray(frame.network);
  const told = quiet ? {} : answerTo(packet, bytes, speaksFrom[packet.family], rule.action);
  return { verdict: 'drop', reason, ...told };
}

/** To all hosts of a network of ours: RFC 1812 §4.3.2.7. */
function isBroadcast({ packet, paths }: Way): boolean {
  return packet.family === 4 && route(paths, packet.dst).kind === 'broadcast';
}

function byPbr(way: Way, seen: Seen): Path | 'dropped' | undefined {
  const { pbr } = way.iface;
  if (pbr === undefined || !way.now.aclEnabled) return undefined;
  const taken = firstMatch(way.ir, pbr, seen);
  if (taken) took(way, taken, 'acl');
  return gatewayPath(way, taken);
}

/** Undefined: the rule names no gateway, or none that can be reached, and the packet goes on as if it named none. */
function gatewayPath(
  { ir, packet, paths, now }: Way,
  rule: IrRule | undefined,
): Path | 'dropped' | undefined {
  if (rule?.action.kind !== 'nexthop') return undefined;
  const text = formatGateways(gatewaysOf(rule, packet.family));
  const gateway = ir.gateways.find((one) => one.text === text);
  const path = now.gatewaysAnswer && gateway ? paths.gateways[gateway.local] : undefined;
  if (path?.kind === 'forward' || path?.kind === 'resolve') return path;
  return dropsUnreachable(rule) ? 'dropped' : undefined;
}

/**
 * RFC 1812 §5.2.1.2. What a rule diverted, or an `out` ACL has judged, is never given to the kernel, which would forward
 * it by its own table and ask no ACL; but the answer to an expired TTL is the same whatever the table says.
 */
function sent(way: Way, path: Path, byRule: boolean): Fate {
  const { packet } = way;
  const judge = path.iface === undefined ? undefined : way.ir.interfaces[path.iface]!.out;
  const refused = judge && judgedOut(way, judge);
  if (refused) return refused;
  const diverted = byRule || judge !== undefined;
  if (isGroupFrame(way.frame.bytes)) return drop('other-mac');
  if (packet.ttl <= 1) return punt(way, 'ttl');
  if (packet.options && !diverted) return punt(way, 'exception');
  if (staysOnLink(packet.src)) return diverted ? drop('link-local') : punt(way, 'exception');
  switch (path.kind) {
    case 'forward':
    case 'resolve':
    case 'glean':
      return leaving(way, path, path.iface!, diverted);
    case 'blackhole':
      return drop('blackhole');
    default:
      return punt(way, 'exception');
  }
}

/** Every list judges the packet as it came in. */
function judgedOut(way: Way, acl: IrList): Fate | undefined {
  if (!way.now.aclEnabled) return undefined;
  const seen = see(way.packet, linkOf(way.frame), membersBy(way.ir.contents, way.packet));
  if (isHiddenFrom(acl, seen)) return drop('l4-header');
  return took(way, firstMatch(way.ir, acl, seen)!, 'acl-out');
}

/** As it leaves: with the DSCP that the last rule set. */
function outgoing({ frame, packet, hits }: Way): Uint8Array {
  return lowered(frame, packet, hits.flatMap((rule) => rule.treatment?.dscp ?? []).at(-1));
}

/** RFC 791 §3.2; RFC 1812 §5.3.3 and RFC 8200 §4.5: the source is told, by the kernel where it would say the same. */
function tooLarge(way: Way, mtu: number, diverted: boolean): Fate {
  const { packet, frame, now } = way;
  const { host, speaksFrom } = way.paths.faces[way.iface.local]!;
  if (!diverted && host) return punt(way, 'exception');
  const bytes = frame.bytes.subarray(frame.network);
  const tells = icmpError(packet, bytes, speaksFrom[packet.family], tooBig(packet.family, mtu));
  return { verdict: 'drop', reason: 'too-big', ...(tells && now.servicesTake && { tells }) };
}

function leaving(way: Way, path: Path, out: number, diverted: boolean): Fate {
  const { ir, paths, now, packet, frame } = way;
  const face = paths.faces[out]!;
  if (packet.length > face.mtu) {
    if (packet.dontFragment) return tooLarge(way, face.mtu, diverted);
    if (!now.servicesTake) return drop('too-big');
    return { verdict: 'fragment', path, frame: outgoing(way) };
  }
  if (path.kind !== 'forward') {
    if (!now.servicesTake) return drop('unresolved');
    return { verdict: 'defer', path, neighbour: path.neighbour ?? packet.dst, frame: outgoing(way) };
  }
  if (!face.up) return drop('egress-down');
  if (!now.room) return drop('tx-full');
  const { encapsulation } = ir.interfaces[out]!;
  const header = linkHeader(path.mac!, face, encapsulation, packet.family);
  return {
    verdict: 'forward',
    iface: out,
    frame: joined(header, outgoing(way).subarray(frame.network)),
  };
}
