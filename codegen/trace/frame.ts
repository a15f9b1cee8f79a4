/** A frame that is the packet of a line of text: the opposite of parsing. */

import { transportStates } from '../analysis/bits.js';
import type { PacketPoint } from '../analysis/packet.js';
import { usualMacs } from '../analysis/packet.js';
import { protocols } from '../evaluate/parse.js';
import type { IrInterface } from '../ir.js';
import { buildFrame } from '../selftest/build-frame.js';
import { tagsOf } from '../tags.js';

/** Longest that the program behind a trace takes: MILL_SELFTEST_FRAME. */
const longest = 1700;
const fragmentHeader = 8;

/** @param mac of the interface, six bytes: where the frame goes, unless the packet says otherwise */
export function frameOf(
  iface: IrInterface,
  point: PacketPoint,
  mac: Uint8Array,
): Uint8Array | { readonly expected: string; readonly got: string } {
  const { family, fields } = point;
  if (transportStates[fields.state] === 'hidden')
    return { expected: 'a packet with its whole transport header', got: 'one that is cut short' };
  const isFragment = fields.fragment === 1;
  const isLater = fields.later === 1;
  const header = (family === 4 ? 20 : 40) + (family === 6 && isFragment ? fragmentHeader : 0);
  const payload = fields.len - header - (isLater ? 0 : transportBytes(family, fields.proto));
  if (payload < 0)
    return { expected: `a length of at least ${fields.len - payload} bytes`, got: String(fields.len) };
  const tags = tagsOf(iface.encapsulation);
  const frame = buildFrame({
    to: fields.toMac === usualMacs.to ? mac : bytesOf(fields.toMac),
    from: bytesOf(fields.fromMac),
    tags: tags.map((tag, i) => ({ ...tag, priority: i === 0 ? fields.pcp : 0 })),
    src: { family, bits: point.src },
    dst: { family, bits: point.dst },
    ttl: fields.ttl,
    dscp: fields.dscp,
    protocol: fields.proto,
    sport: fields.sport,
    dport: fields.dport,
    tcpFlags: fields.flags,
    icmpType: fields.icmpType,
    icmpCode: fields.icmpCode,
    payload,
    ...(isFragment && { fragment: isLater ? { offset: 185, more: false } : { offset: 0, more: true } }),
    fragmentFirst: false,
    dontFragment: false,
    headerSum: 0,
    options: 0,
    extensions: [],
    padding: 0,
  });
  if (frame.length <= longest) return frame;
  return {
    expected: `a length of at most ${longest - (frame.length - fields.len)} bytes`,
    got: String(fields.len),
  };
}

function transportBytes(family: 4 | 6, protocol: number): number {
  if (protocol === protocols.tcp) return 20;
  const eight: readonly number[] = [protocols.udp, family === 4 ? protocols.icmp : protocols.icmpv6];
  return eight.includes(protocol) ? 8 : 0;
}

function bytesOf(mac: number): Uint8Array {
  return Uint8Array.from({ length: 6 }, (_, i) => Math.floor(mac / 2 ** (8 * (5 - i))) % 256);
}
