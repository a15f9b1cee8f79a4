/** Frames from descriptions: correct ones, and by description ones that are not. */
import type { Address, Family } from '../../dsl/model.js';
import { addressBytes, be16, joined } from '../evaluate/output.js';
import { etherTypes, onesSum, protocols } from '../evaluate/parse.js';
import type { Tag } from '../tags.js';

export interface FramePlan {
  readonly to: Uint8Array;
  readonly from: Uint8Array;
  readonly tags: readonly (Tag & { readonly priority: number })[];
  readonly src: Address;
  readonly dst: Address;
  readonly ttl: number;
  readonly dscp: number;
  readonly protocol: number;
  readonly sport: number;
  readonly dport: number;
  readonly tcpFlags: number;
  /** Words of TCP header that it says it has: 5 when not said. */
  readonly dataOffset?: number;
  readonly icmpType: number;
  readonly icmpCode: number;
  /** Bytes behind the transport header. */
  readonly payload: number;
  /** In units of eight bytes, and whether more follow; undefined: a whole packet. */
  readonly fragment?: { readonly offset: number; readonly more: boolean };
  /** IPv6: the fragment header stands before the other ones. */
  readonly fragmentFirst: boolean;
  readonly dontFragment: boolean;
  /** Give an IPv4 header such an identification that its checksum is the complement of this: what raises 0xff00 must
   * carry, and 0xfeff becomes 0 (RFC 1624). 0: any. */
  readonly headerSum: number;
  /** Words of IPv4 options, 0 to 10. */
  readonly options: number;
  /** IPv6 extension headers by number, with their length fields. */
  readonly extensions: readonly { readonly protocol: number; readonly length: number }[];
  /** Bytes behind the IP packet, as Ethernet pads short ones. */
  readonly padding: number;
}

/** Where nothing else is meant. */
export const usualFrom = Uint8Array.of(2, 0xcc, 0, 0, 0, 1);
const fragmentHeader = 44;
const authentication = 51;

export function buildFrame(plan: FramePlan): Uint8Array {
  const packet = plan.src.family === 4 ? ipv4(plan) : ipv6(plan);
  const etherType = plan.src.family === 4 ? etherTypes.ipv4 : etherTypes.ipv6;
  return joined(
    plan.to,
    plan.from,
    ...plan.tags.map(tagBytes),
    be16(etherType),
    packet,
    filled(plan.padding),
  );
}

function tagBytes({ tpid, vid, priority }: FramePlan['tags'][number]): Uint8Array {
  return joined(be16(tpid), be16((priority << 12) | vid));
}

function ipv4(plan: FramePlan): Uint8Array {
  const body = joined(transport(plan, 4), filled(plan.payload));
  const bytes = 20 + 4 * plan.options;
  const flags =
    (plan.dontFragment ? 0x4000 : 0) | (plan.fragment?.more ? 0x2000 : 0) | (plan.fragment?.offset ?? 0);
  const header = joined(
    Uint8Array.of(0x40 | (bytes / 4), plan.dscp << 2),
    be16(bytes + body.length),
    be16(0),
    be16(flags),
    Uint8Array.of(plan.ttl, plan.protocol, 0, 0),
    addressBytes(plan.src),
    addressBytes(plan.dst),
    new Uint8Array(4 * plan.options).fill(1),
  );
  const rest = onesSum(header);
  header.set(be16(plan.headerSum === 0 ? 0x1234 : (plan.headerSum + 0xffff - rest) % 0xffff), 4);
  header.set(be16(0xffff - onesSum(header)), 10);
  return joined(header, body);
}

function ipv6(plan: FramePlan): Uint8Array {
  const own = plan.fragment ? [{ protocol: fragmentHeader, length: 0, fragment: plan.fragment }] : [];
  const headers: readonly Header[] = plan.fragmentFirst
    ? [...own, ...plan.extensions]
    : [...plan.extensions, ...own];
  const next = [...headers.map((one) => one.protocol), plan.protocol];
  const body = joined(
    ...headers.map((one, i) => extension(one, next[i + 1]!)),
    transport(plan, 6),
    filled(plan.payload),
  );
  const first = (6 << 12) | (plan.dscp << 6);
  return joined(
    be16(first),
    be16(0x1234),
    be16(body.length),
    Uint8Array.of(next[0]!, plan.ttl),
    addressBytes(plan.src),
    addressBytes(plan.dst),
    body,
  );
}

interface Header {
  readonly protocol: number;
  readonly length: number;
  readonly fragment?: NonNullable<FramePlan['fragment']>;
}

/** A fragment header without a fragment is of a whole packet: RFC 6946. */
function extension({ protocol, length, fragment }: Header, next: number): Uint8Array {
  if (protocol === fragmentHeader) {
    const { offset = 0, more = false } = fragment ?? {};
    return joined(Uint8Array.of(next, 0), be16((offset << 3) | (more ? 1 : 0)), be16(7), be16(7));
  }
  const bytes = protocol === authentication ? 4 * (length + 2) : 8 * (length + 1);
  return joined(Uint8Array.of(next, length, 1, 0), new Uint8Array(bytes - 4));
}

function transport(plan: FramePlan, family: Family): Uint8Array {
  if ((plan.fragment?.offset ?? 0) > 0) return new Uint8Array(0);
  const ports = joined(be16(plan.sport), be16(plan.dport));
  if (plan.protocol === protocols.tcp) {
    // Numbers whose sums run over.
    const numbers = [0xff, 0xff, 0xff, 0xf0, 0x12, 0x34, 0xab, 0xcd];
    const header = joined(ports, Uint8Array.from(numbers), new Uint8Array(8));
    header.set([(plan.dataOffset ?? 5) << 4, plan.tcpFlags], 12);
    return header;
  }
  if (plan.protocol === protocols.udp) return joined(ports, be16(8 + plan.payload), be16(0));
  if (plan.protocol === (family === 4 ? protocols.icmp : protocols.icmpv6))
    return Uint8Array.of(plan.icmpType, plan.icmpCode, 0, 0, 0, 0, 0, 0);
  return new Uint8Array(0);
}

function filled(bytes: number): Uint8Array {
  return new Uint8Array(Math.max(0, bytes)).map((_, i) => i * 7);
}
