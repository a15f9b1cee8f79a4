/** Bytes → packets, read from the standards and not from the forwarder: what both say is compared. */
import type { Address, Family } from '../../dsl/model.js';
import type { Tag } from '../tags.js';

export interface Frame {
  readonly bytes: Uint8Array;
  /** Outermost first. */
  readonly tags: readonly Tag[];
  readonly etherType: number;
  /** Where the network header starts. */
  readonly network: number;
}

export const etherTypes = {
  ipv4: 0x0800,
  arp: 0x0806,
  vlan: 0x8100,
  ipv6: 0x86dd,
  serviceVlan: 0x88a8,
} as const;
export const protocols = {
  icmp: 1,
  igmp: 2,
  tcp: 6,
  udp: 17,
  icmpv6: 58,
  ospf: 89,
  pim: 103,
  vrrp: 112,
} as const;

const extension = { hopByHop: 0, routing: 43, fragment: 44, authentication: 51, destination: 60 } as const;
const extensions: readonly number[] = Object.values(extension);
/** More headers than an honest host sends are not walked. RFC 7045 §2.1. */
const mostExtensions = 8;

/** The transport header. Numbers are 0 unless it was read. */
export interface Transport {
  /** hidden: cut short, or behind headers that cannot be walked. absent: another protocol, or a later fragment. */
  readonly state: 'read' | 'absent' | 'hidden';
  readonly sport: number;
  readonly dport: number;
  readonly tcpFlags: number;
  readonly icmpType: number;
  readonly icmpCode: number;
}

export interface Packet {
  readonly family: Family;
  readonly src: Address;
  readonly dst: Address;
  /** Bytes, by its own header. */
  readonly length: number;
  readonly ttl: number;
  readonly dscp: number;
  /** Of what comes after IPv6's extension headers. */
  readonly protocol: number;
  readonly fragment: boolean;
  /** Not the first one. */
  readonly laterFragment: boolean;
  readonly dontFragment: boolean;
  /** IPv4 options or hop-by-hop options: every router on the way looks at them. */
  readonly options: boolean;
  readonly transport: Transport;
  /** Where the transport header begins, from the packet's first byte; means something where it was read. */
  readonly transportAt: number;
}

export type PacketError = 'ip-header' | 'ip-checksum';

export function word(bytes: Uint8Array, at: number): number {
  return bytes[at]! * 256 + bytes[at + 1]!;
}

export function isTag(etherType: number): boolean {
  return etherType === etherTypes.vlan || etherType === etherTypes.serviceVlan;
}

/** More tags than two of VLANs and two of priority alone are not read. */
const mostTags = 4;

/**
 * IEEE 802.3 §3.2, 802.1Q §9.6: VLAN 0 is none, its tag carries a priority alone. The tags of at most `depth` VLANs are
 * read. Undefined: the frame ends in its header or in a tag.
 */
export function parseFrame(bytes: Uint8Array, depth: number): Frame | undefined {
  if (bytes.length < 14) return undefined;
  const tags: Tag[] = [];
  let network = 14;
  for (let looked = 0; looked < mostTags && isTag(word(bytes, network - 2)); looked++) {
    if (bytes.length < network + 4) return undefined;
    const tag = { tpid: word(bytes, network - 2), vid: word(bytes, network) & 0xfff };
    if (tag.vid !== 0 && tags.length === depth) break;
    if (tag.vid !== 0) tags.push(tag);
    network += 4;
  }
  return { bytes, tags, etherType: word(bytes, network - 2), network };
}

function bits(bytes: Uint8Array): bigint {
  return bytes.reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
}

function address(family: Family, bytes: Uint8Array): Address {
  return { family, bits: bits(bytes) };
}

/** RFC 1071 §1: the one's complement sum of 16-bit words. */
export function onesSum(bytes: Uint8Array): number {
  let sum = 0;
  for (let at = 0; at + 1 < bytes.length; at += 2) {
    sum += word(bytes, at);
    if (sum > 0xffff) sum -= 0xffff;
  }
  return sum;
}

/** RFC 791 §3.1, RFC 1812 §5.2.2. */
export function parseIpv4(bytes: Uint8Array): Packet | PacketError {
  if (bytes.length < 20 || bytes[0]! >> 4 !== 4) return 'ip-header';
  const headerBytes = (bytes[0]! & 15) * 4;
  const length = word(bytes, 2);
  if (headerBytes < 20 || length < headerBytes || length > bytes.length) return 'ip-header';
  if (onesSum(bytes.subarray(0, headerBytes)) !== 0xffff) return 'ip-checksum';
  const offset = word(bytes, 6) % 0x2000;
  const more = (bytes[6]! & 0x20) !== 0;
  const protocol = bytes[9]!;
  return {
    family: 4,
    src: address(4, bytes.subarray(12, 16)),
    dst: address(4, bytes.subarray(16, 20)),
    length,
    ttl: bytes[8]!,
    dscp: bytes[1]! >> 2,
    protocol,
    fragment: more || offset > 0,
    laterFragment: offset > 0,
    dontFragment: (bytes[6]! & 0x40) !== 0,
    options: headerBytes > 20,
    transport: offset > 0 ? absent : parseTransport(4, protocol, bytes.subarray(headerBytes, length)),
    transportAt: headerBytes,
  };
}

/** RFC 8200 §3. */
export function parseIpv6(bytes: Uint8Array): Packet | PacketError {
  if (bytes.length < 40 || bytes[0]! >> 4 !== 6) return 'ip-header';
  const length = 40 + word(bytes, 4);
  if (length > bytes.length) return 'ip-header';
  const upper = walk(bytes.subarray(40, length), bytes[6]!);
  return {
    family: 6,
    src: address(6, bytes.subarray(8, 24)),
    dst: address(6, bytes.subarray(24, 40)),
    length,
    ttl: bytes[7]!,
    dscp: ((bytes[0]! & 15) << 2) | (bytes[1]! >> 6),
    protocol: upper.protocol,
    fragment: upper.fragment,
    laterFragment: upper.later,
    dontFragment: true,
    options: bytes[6] === extension.hopByHop,
    transport:
      upper.rest === undefined
        ? hidden
        : upper.later
          ? absent
          : parseTransport(6, upper.protocol, upper.rest),
    transportAt: length - (upper.rest?.length ?? 0),
  };
}

interface Upper {
  readonly protocol: number;
  readonly fragment: boolean;
  readonly later: boolean;
  /** From the transport header on; undefined: it cannot be found. */
  readonly rest: Uint8Array | undefined;
}

/** RFC 8200 §4. */
function walk(payload: Uint8Array, first: number): Upper {
  let rest = payload;
  let protocol = first;
  let fragment = false;
  for (let walked = 0; extensions.includes(protocol); walked++) {
    if (walked === mostExtensions || rest.length < 8)
      return { protocol, fragment, later: false, rest: undefined };
    const length = extensionLength(protocol, rest[1]!);
    if (length > rest.length) return { protocol, fragment, later: false, rest: undefined };
    const isFragment = protocol === extension.fragment;
    const field = word(rest, 2);
    protocol = rest[0]!;
    rest = rest.subarray(length);
    if (!isFragment) continue;
    fragment ||= field >> 3 > 0 || field % 2 === 1;
    if (field >> 3 > 0) return { protocol, fragment, later: true, rest };
  }
  return { protocol, fragment, later: false, rest };
}

/** RFC 8200 §4.3 to §4.6; RFC 4302 §2.2 for the authentication header, which counts in words of four bytes. */
function extensionLength(protocol: number, field: number): number {
  if (protocol === extension.fragment) return 8;
  return protocol === extension.authentication ? 4 * (field + 2) : 8 * (field + 1);
}

const empty = { sport: 0, dport: 0, tcpFlags: 0, icmpType: 0, icmpCode: 0 } as const;
const absent: Transport = { state: 'absent', ...empty };
const hidden: Transport = { state: 'hidden', ...empty };

/** RFC 9293 §3.1, RFC 768, RFC 792, RFC 4443 §2.1. */
function parseTransport(family: Family, protocol: number, header: Uint8Array): Transport {
  const isIcmp = protocol === (family === 4 ? protocols.icmp : protocols.icmpv6);
  if (protocol === protocols.tcp && header.length >= 20) return { ...ports(header), tcpFlags: header[13]! };
  if (protocol === protocols.udp && header.length >= 8) return ports(header);
  if (isIcmp && header.length >= 4)
    return { state: 'read', ...empty, icmpType: header[0]!, icmpCode: header[1]! };
  return isIcmp || protocol === protocols.tcp || protocol === protocols.udp ? hidden : absent;
}

function ports(header: Uint8Array): Transport {
  return { state: 'read', ...empty, sport: word(header, 0), dport: word(header, 2) };
}
