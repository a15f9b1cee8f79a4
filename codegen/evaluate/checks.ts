/** What a router looks at before any rule: whose frame it is, and addresses that cannot be on a wire. */
import { contains, network, parseAddress, parseInterfaceAddress } from '../../dsl/address.js';
import type { Address, Prefix } from '../../dsl/model.js';
import type { PuntClass } from '../../dsl/punt.js';
import type { DropReason } from './outcome.js';
import { type Packet, protocols } from './parse.js';

export type Judged = { readonly drop: DropReason } | { readonly toHost: boolean };

const prefix = (text: string): Prefix => network(parseInterfaceAddress(text)!);
const bitsOf = (text: string): bigint => parseAddress(text)!.bits;

const v4 = {
  loopback: prefix('127.0.0.0/8'),
  multicast: prefix('224.0.0.0/4'),
  broadcast: bitsOf('255.255.255.255'),
} as const;

const v6 = {
  loopback: bitsOf('::1'),
  multicast: prefix('ff00::/8'),
  linkLocal: prefix('fe80::/10'),
} as const;

const drop = (reason: DropReason): Judged => ({ drop: reason });

/** Group bit: IEEE 802 §8.2. */
export function isGroupFrame(frame: Uint8Array): boolean {
  return frame[0]! % 2 === 1;
}

export function judgeAddresses(packet: Packet): Judged {
  return packet.family === 4 ? judge4(packet) : judge6(packet);
}

/** RFC 1812 §5.3.7, §4.2.2.11; 0.0.0.0 asks for an address by broadcast. */
function judge4({ src, dst }: Packet): Judged {
  if (contains(v4.multicast, src) || contains(v4.loopback, src) || src.bits === v4.broadcast)
    return drop('martian-source');
  const forMany = contains(v4.multicast, dst) || dst.bits === v4.broadcast;
  if (forMany || (src.bits === 0n && dst.bits === 0n)) return { toHost: true };
  if (src.bits === 0n) return drop('martian-source');
  if (dst.bits === 0n || contains(v4.loopback, dst)) return drop('martian-destination');
  return { toHost: false };
}

/** RFC 4291 §2.5.2, §2.5.3, §2.5.6, §2.7. */
function judge6({ src, dst }: Packet): Judged {
  if (contains(v6.multicast, src) || src.bits === v6.loopback) return drop('martian-source');
  if (dst.bits === v6.loopback) return drop('martian-destination');
  const multicast = contains(v6.multicast, dst);
  const scope = (dst.bits >> 112n) & 15n;
  if (multicast && scope < 2n) return drop('martian-destination');
  return { toHost: multicast || contains(v6.linkLocal, dst) };
}

/** Never leaves its link: RFC 4291 §2.5.2, §2.5.6. */
export function staysOnLink(src: Address): boolean {
  return src.family === 6 && (src.bits === 0n || contains(v6.linkLocal, src));
}

/** BGP, LDP, BFD; RIP, RIPng. */
const routingPorts: Readonly<Record<number, PuntClass>> = {
  179: 'bgp',
  646: 'bgp',
  3784: 'bgp',
  3785: 'bgp',
  4784: 'bgp',
  520: 'ospf',
  521: 'ospf',
};

/** By how much the router depends on it: RFC 6192 §3.1. */
export function hostClass({ family, protocol, transport }: Packet): PuntClass {
  if (protocol === protocols.tcp && transport.sport === 179) return 'bgp';
  if (protocol === protocols.tcp || protocol === protocols.udp)
    return routingPorts[transport.dport] ?? 'local';
  if (protocol === protocols.ospf || protocol === protocols.pim || protocol === protocols.vrrp) return 'ospf';
  if (protocol === protocols.igmp) return 'nd';
  if (family === 6 && protocol === protocols.icmpv6 && isNeighbourMessage(transport.icmpType)) return 'nd';
  return 'local';
}

/** Multicast Listener Discovery (RFC 2710, RFC 3810) and Neighbour Discovery (RFC 4861). */
function isNeighbourMessage(type: number): boolean {
  return (type >= 130 && type <= 137) || type === 143;
}
