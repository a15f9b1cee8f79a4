/** The bytes that leave: TTL one less, a new link header, nothing behind the IP packet. RFC 1812 §5.3.1, RFC 894. */
import type { Address, Encapsulation } from '../../dsl/model.js';
import { tagsOf } from '../tags.js';
import { etherTypes, type Frame, onesSum, type Packet, word } from './parse.js';
import type { Face } from './paths.js';

/** As received, but for the TTL, the DSCP if rules set one, and what comes behind the IP packet. */
export function lowered(frame: Frame, packet: Packet, dscp: number = packet.dscp): Uint8Array {
  const bytes = frame.bytes.slice(0, frame.network + packet.length);
  const ip = bytes.subarray(frame.network);
  if (packet.family === 6) {
    ip.set(be16((word(ip, 0) & 0xf03f) | (dscp << 6)), 0);
    ip[7]!--;
    return bytes;
  }
  const header = ip.subarray(0, (ip[0]! & 15) * 4);
  header[1] = (dscp << 2) | (header[1]! & 3);
  header[8]!--;
  header.set([0, 0], 10);
  const checksum = 0xffff - onesSum(header);
  header.set([checksum >> 8, checksum & 255], 10);
  return bytes;
}

export function linkHeader(
  to: Uint8Array,
  face: Face,
  encapsulation: Encapsulation,
  family: 4 | 6,
): Uint8Array {
  const etherType = family === 4 ? etherTypes.ipv4 : etherTypes.ipv6;
  const words = [...tagsOf(encapsulation).flatMap((tag) => [tag.tpid, tag.vid]), etherType];
  return Uint8Array.from([...to, ...face.mac, ...words.flatMap((one) => [one >> 8, one & 255])]);
}

export function joined(...parts: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    bytes.set(part, at);
    at += part.length;
  }
  return bytes;
}

export function be16(value: number): Uint8Array {
  return Uint8Array.of((value >> 8) & 255, value & 255);
}

export function be32(value: number): Uint8Array {
  return joined(be16(value >>> 16), be16(value));
}

/** Network order. */
export function addressBytes({ family, bits }: Address): Buffer {
  return Buffer.from(bits.toString(16).padStart(family === 4 ? 8 : 32, '0'), 'hex');
}
