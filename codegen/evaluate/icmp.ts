/** ICMP errors that the router sends itself: RFC 792, RFC 1812 §4.3, RFC 4443 §2. */
import { contains, network, parseInterfaceAddress } from '../../dsl/address.js';
import type { Address, Family } from '../../dsl/model.js';
import { addressBytes, be16, be32, joined } from './output.js';
import { onesSum, type Packet, protocols } from './parse.js';

export interface IcmpError {
  readonly type: number;
  readonly code: number;
  /** Of the next hop, where the packet was too big for it. */
  readonly mtu: number;
}

/** RFC 1191 §4, RFC 4443 §3.2. */
export function tooBig(family: Family, mtu: number): IcmpError {
  return family === 4 ? { type: 3, code: 4, mtu } : { type: 2, code: 0, mtu };
}

/** RFC 1812 §4.3.2.3, RFC 4443 §2.4 (c): no larger than what every link carries. */
const largest: Readonly<Record<Family, number>> = { 4: 576, 6: 1280 };
const ourTtl = 64;
/** Of IPv4, and their answers: any other message may be an error of a later standard. */
const queries: readonly number[] = [0, 8, 13, 14, 15, 16, 17, 18];
const reserved = network(parseInterfaceAddress('240.0.0.0/4')!);

/** The IP packet that tells of it, but for IPv4's identification, which is 0. Undefined: there must be none. */
export function icmpError(
  about: Packet,
  bytes: Uint8Array,
  from: Address,
  error: IcmpError,
): Uint8Array | undefined {
  if (!mayAnswer(about)) return undefined;
  const header = about.family === 4 ? 20 : 40;
  const quoted = bytes.subarray(0, Math.min(about.length, largest[about.family] - header - 8));
  const message = joined(Uint8Array.of(error.type, error.code, 0, 0), be32(error.mtu), quoted);
  return about.family === 4 ? over4(about, bytes, from, message) : over6(about, from, message);
}

/**
 * Never about errors, or what could be one, nor to nobody: RFC 1812 §4.3.2.7, RFC 4443 §2.4 (e). In IPv4 alone, not about
 * later fragments.
 */
function mayAnswer({ family, protocol, src, transport, laterFragment }: Packet): boolean {
  if (src.bits === 0n) return false;
  if (family === 4 && (laterFragment || contains(reserved, src))) return false;
  if (protocol === protocols.tcp || protocol === protocols.udp) return true;
  if (transport.state === 'hidden') return false;
  if (protocol !== (family === 4 ? protocols.icmp : protocols.icmpv6)) return true;
  const type = transport.icmpType;
  return family === 4 ? queries.includes(type) : type >= 128 && type !== 137;
}

/** The packet's type of service with the precedence of network control: RFC 1812 §4.3.2.5. */
function over4(about: Packet, bytes: Uint8Array, from: Address, message: Uint8Array): Uint8Array {
  const header = joined(
    Uint8Array.of(0x45, (bytes[1]! & 0x1e) | 0xc0),
    be16(20 + message.length),
    be32(0),
    Uint8Array.of(ourTtl, protocols.icmp, 0, 0),
    addressBytes(from),
    addressBytes(about.src),
  );
  header.set(be16(0xffff - onesSum(header)), 10);
  message.set(be16(0xffff - onesSum(even(message))), 2);
  return joined(header, message);
}

/** With the pseudo-header of RFC 8200 §8.1. */
function over6(about: Packet, from: Address, message: Uint8Array): Uint8Array {
  const addresses = joined(addressBytes(from), addressBytes(about.src));
  const pseudo = joined(addresses, be32(message.length), be32(protocols.icmpv6));
  message.set(be16(0xffff - onesSum(joined(pseudo, even(message)))), 2);
  const first = joined(be32(0x60000000), be16(message.length), Uint8Array.of(protocols.icmpv6, ourTtl));
  return joined(first, addresses, message);
}

function even(bytes: Uint8Array): Uint8Array {
  return bytes.length % 2 === 0 ? bytes : joined(bytes, Uint8Array.of(0));
}
