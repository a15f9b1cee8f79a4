/** What the source of a rejected packet is told: a TCP reset (RFC 9293 §3.10.7.1), or an ICMP error. */
import type { Action, Address } from '../../dsl/model.js';
import { icmpError } from './icmp.js';
import { addressBytes, be16, be32, joined } from './output.js';
import { onesSum, type Packet, protocols, word } from './parse.js';

export interface Answer {
  readonly tells?: Uint8Array;
  readonly resets?: Uint8Array;
}

/**
 * @param bytes of the IP packet
 * @param from what ICMP errors come from
 */
export function answerTo(
  packet: Packet,
  bytes: Uint8Array,
  from: Address,
  { icmp, tcp }: Extract<Action, { kind: 'reject' }>,
): Answer {
  const codes = {
    4: { type: 3, 'admin-prohibited': 13, 'port-unreachable': 3 },
    6: { type: 1, 'admin-prohibited': 1, 'port-unreachable': 4 },
  }[packet.family];
  const error = { type: codes.type, code: codes[icmp], mtu: 0 };
  if (packet.laterFragment || packet.transport.state === 'hidden') return {};
  const tells = icmpError(packet, bytes, from, error);
  if (tells === undefined) return {};
  if (packet.protocol !== protocols.tcp || tcp === 'icmp') return { tells };
  const resets = reset(packet, bytes.subarray(0, packet.length));
  return resets === undefined ? {} : { resets };
}

const flags = { fin: 1, syn: 2, rst: 4, ack: 16 } as const;
const headerBytes = 20;
const ourTtl = 64;

/** Nothing about a reset, about a part of a segment, nor about what is none. */
function reset(packet: Packet, bytes: Uint8Array): Uint8Array | undefined {
  const segment = bytes.subarray(packet.transportAt);
  const { tcpFlags } = packet.transport;
  const header = (segment[12]! >> 4) * 4;
  if (packet.fragment || (tcpFlags & flags.rst) !== 0) return undefined;
  if (header < headerBytes || header > segment.length) return undefined;
  const occupies =
    segment.length - header + ((tcpFlags & flags.syn) !== 0 ? 1 : 0) + ((tcpFlags & flags.fin) !== 0 ? 1 : 0);
  const view = new DataView(segment.buffer, segment.byteOffset);
  const acknowledges = (tcpFlags & flags.ack) !== 0;
  const [sequence, acknowledgement] = acknowledges
    ? [view.getUint32(8), 0]
    : [0, (view.getUint32(4) + occupies) % 2 ** 32];
  const message = joined(
    be16(word(segment, 2)),
    be16(word(segment, 0)),
    be32(sequence),
    be32(acknowledgement),
    Uint8Array.of(0x50, acknowledges ? flags.rst : flags.rst | flags.ack),
    new Uint8Array(6),
  );
  const addresses = joined(addressBytes(packet.dst), addressBytes(packet.src));
  const pseudo = joined(addresses, be32(message.length), be32(protocols.tcp));
  message.set(be16(0xffff - onesSum(joined(pseudo, message))), 16);
  return packet.family === 4 ? over4(packet, addresses, message) : over6(packet, addresses, message);
}

function over4({ dscp }: Packet, addresses: Uint8Array, message: Uint8Array): Uint8Array {
  const header = joined(
    Uint8Array.of(0x45, dscp << 2),
    be16(20 + message.length),
    Uint8Array.of(0, 0, 0x40, 0, ourTtl, protocols.tcp, 0, 0),
    addresses,
  );
  header.set(be16(0xffff - onesSum(header)), 10);
  return joined(header, message);
}

function over6({ dscp }: Packet, addresses: Uint8Array, message: Uint8Array): Uint8Array {
  const first = joined(be16(0x6000 | (dscp << 6)), be16(0));
  return joined(first, be16(message.length), Uint8Array.of(protocols.tcp, ourTtl), addresses, message);
}
