/** What the standards let come out of a router for one packet from the client: each expectation says what is wrong, or nothing. */
import { macs } from '../../support/line.js';
import { addressBytes, checksum, macBytes } from '../../support/packet.js';

export type Wire = 'client' | 'server' | 'provider';
/** Frames by the wire on which they came, as support/compare.ts leaves them. */
export type Came = Readonly<Record<Wire, readonly Buffer[]>>;
export type Expectation = (sent: Buffer, came: Came) => string | undefined;

const ends = {
  client: { peer: macs.c0, router: macs.r0, v4: '10.0.1.1', v6: '2001:db8:1::1' },
  server: { peer: macs.s0, router: macs.r1, v4: '10.0.2.1' },
  provider: { peer: macs.p0, router: macs.r2, v4: '10.0.3.1' },
} as const;
const wires = ['client', 'server', 'provider'] as const;
const headers = { ethernet: 14, ipv4: 20, ipv6: 40, icmp: 8 } as const;

const hex = (bytes: Buffer) => bytes.toString('hex');
const isFour = (ip: Buffer) => ip[0]! >> 4 === 4;
const headerBytes = (ip: Buffer) => (isFour(ip) ? (ip[0]! & 15) * 4 : headers.ipv6);

/** The IP packet of a frame, behind its tags and without padding. */
export function packetOf(frame: Buffer): Buffer {
  let at = headers.ethernet;
  while ([0x8100, 0x88a8].includes(frame.readUInt16BE(at - 2))) at += 4;
  const ip = frame.subarray(at);
  return ip.subarray(0, isFour(ip) ? ip.readUInt16BE(2) : headers.ipv6 + ip.readUInt16BE(4));
}

/** The only frame that came, if it came on that wire. */
function only(came: Came, wire: Wire): Buffer | string {
  const all = wires.flatMap((one) => came[one].map((frame) => `${one} ${hex(frame)}`));
  if (all.length === 1 && came[wire].length === 1) return came[wire][0]!;
  return `expected one frame on ${wire}, got ${all.join(', ') || 'none'}`;
}

/** Silence on all wires. */
export const nothing: Expectation = (_, came) => {
  const all = wires.flatMap((one) => came[one].map((frame) => `${one} ${hex(frame)}`));
  return all.length === 0 ? undefined : `expected nothing, got ${all.join(', ')}`;
};

/** Its time to live lowered, its checksum right, all else as it was: RFC 1812 §5.3.1, RFC 8200 §3. */
function onward(ip: Buffer): Buffer {
  const copy = Buffer.from(ip);
  const at = isFour(copy) ? 8 : 7;
  copy[at] = copy[at]! - 1;
  if (isFour(copy)) {
    copy.writeUInt16BE(0, 10);
    copy.writeUInt16BE(checksum(copy.subarray(0, headerBytes(copy))), 10);
  }
  return copy;
}

function linkHeader(wire: Wire, ip: Buffer): Buffer {
  const type = Buffer.from(isFour(ip) ? [8, 0] : [0x86, 0xdd]);
  return Buffer.concat([macBytes(ends[wire].peer), macBytes(ends[wire].router), type]);
}

/** One frame, with the packet as it was sent but for what routers change. */
export function forwarded(to: Wire = 'server'): Expectation {
  return (sent, came) => {
    const frame = only(came, to);
    if (typeof frame === 'string') return frame;
    const ip = onward(packetOf(sent));
    const expected = Buffer.concat([linkHeader(to, ip), ip]);
    return frame.equals(expected) ? undefined : `expected ${hex(expected)}, got ${hex(frame)}`;
  };
}

/** In as many pieces as the MTU needs, none larger, that make the packet again: RFC 791 §3.2. */
export function inPieces(to: Wire, mtu: number): Expectation {
  return (sent, came) => {
    const whole = onward(packetOf(sent));
    const first = (whole.readUInt16BE(6) & 0x1fff) * 8;
    const body = whole.subarray(headerBytes(whole));
    const made = Buffer.alloc(body.length);
    const most = Math.floor((mtu - headerBytes(whole)) / 8) * 8;
    if (came[to].length !== Math.ceil(body.length / most))
      return `expected ${Math.ceil(body.length / most)} pieces, got ${came[to].length}`;
    for (const frame of came[to]) {
      const ip = packetOf(frame);
      const data = ip.subarray(headerBytes(ip));
      const at = (ip.readUInt16BE(6) & 0x1fff) * 8 - first;
      const more = (ip.readUInt16BE(6) & 0x2000) !== 0;
      const last = at + data.length === body.length;
      if (ip.length > mtu || checksum(ip.subarray(0, headerBytes(ip))) !== 0) return `a piece is ${hex(ip)}`;
      if (more !== (!last || (whole.readUInt16BE(6) & 0x2000) !== 0)) return 'more fragments is wrong';
      const same = [1, 4, 5, 8, 9, 12, 13, 14, 15, 16, 17, 18, 19].every((i) => ip[i] === whole[i]);
      if (!same || (!last && data.length % 8 !== 0))
        return `a header is ${hex(ip)}, expected of ${hex(whole)}`;
      data.copy(made, at);
    }
    return made.equals(body) ? undefined : `the pieces make ${hex(made)}`;
  };
}

export interface Told {
  readonly type: number;
  readonly code: number;
  /** MTU, or pointer, as it stands behind the checksum. */
  readonly field?: number;
  /** Who tells, where it is not the interface's address of the packet's scope. */
  readonly source?: string;
  /** Where the message leaves: towards the packet's source. */
  readonly to?: Wire;
}

/** The sum over the pseudo-header, too: RFC 8200 §8.1. */
export function icmpSum(ip: Buffer): number {
  const message = ip.subarray(headerBytes(ip));
  if (isFour(ip)) return checksum(message);
  const length = Buffer.alloc(8);
  length.writeUInt32BE(message.length, 0);
  length.writeUInt32BE(58, 4);
  return checksum(ip.subarray(8, 40), length, message);
}

/** One ICMP message on that wire, in order as a packet, from `source` to whoever sent; else what is wrong. */
function message(sent: Buffer, came: Came, source: Buffer, to: Wire = 'client'): Buffer | string {
  const frame = only(came, to);
  if (typeof frame === 'string') return frame;
  const ip = packetOf(frame);
  const from = packetOf(sent);
  const four = isFour(from);
  const sender = four ? from.subarray(12, 16) : from.subarray(8, 24);
  if (!frame.subarray(0, 14).equals(linkHeader(to, from))) return `its link header is ${hex(frame)}`;
  const right = four
    ? ip[9] === 1 && ip.subarray(12, 16).equals(source) && ip.subarray(16, 20).equals(sender)
    : ip[6] === 58 && ip.subarray(8, 24).equals(source) && ip.subarray(24, 40).equals(sender);
  if (!right || isFour(ip) !== four) return `it is no ICMP message from ${hex(source)}: ${hex(ip)}`;
  if (ip[four ? 8 : 7]! < 2) return 'it does not live long enough';
  if (icmpSum(ip) !== 0 || (four && checksum(ip.subarray(0, headerBytes(ip))) !== 0))
    return `its checksum is wrong: ${hex(ip)}`;
  return ip;
}

/**
 * The source alone is told, from the address of the interface where the message leaves (RFC 1812 §4.3.2.4) or, in IPv6, the packet
 * came in (RFC 4443 §2.2), with as much of the packet, as it came, as fits in 576 or 1,280 bytes (RFC 1812 §4.3.2.3, RFC 4443 §2.4 (c)).
 */
export function told({ type, code, field = 0, source, to = 'client' }: Told): Expectation {
  return (sent, came) => {
    const about = packetOf(sent);
    const four = isFour(about);
    const ip = message(sent, came, addressBytes(source ?? (four ? ends[to].v4 : ends.client.v6)), to);
    if (typeof ip === 'string') return ip;
    const icmp = ip.subarray(headerBytes(ip));
    const got = [icmp[0], icmp[1], icmp.readUInt32BE(4)].join(' ');
    if (got !== `${type} ${code} ${field}`) return `expected ${type} ${code} ${field}, got ${got}`;
    const room = (four ? 576 : 1280) - headerBytes(ip) - headers.icmp;
    const quoted = about.subarray(0, Math.min(room, about.length));
    if (!icmp.subarray(headers.icmp).equals(quoted)) return `it quotes ${hex(icmp.subarray(8))}`;
    // RFC 1812 §4.3.2.5: the type of service of the packet, at a precedence of 6 or 7.
    if (four && (ip[1]! < 0xc0 || (ip[1]! & 0x1e) !== (about[1]! & 0x1e))) return `its TOS is ${ip[1]}`;
    return undefined;
  };
}

/** Behind an extension header of eight bytes, if there is one. */
function messageBytes(ip: Buffer): Buffer {
  const message = ip.subarray(headerBytes(ip));
  return isFour(ip) || ip[6] === 58 ? message : message.subarray(8);
}

/** An echo reply from the address that was asked (or another), with the same data: RFC 1812 §4.3.3.6, RFC 4443 §4.2. */
export function echoed(source?: string): Expectation {
  return (sent, came) => {
    const asked = packetOf(sent);
    const four = isFour(asked);
    const address = four ? asked.subarray(16, 20) : asked.subarray(24, 40);
    const ip = message(sent, came, source === undefined ? address : addressBytes(source));
    if (typeof ip === 'string') return ip;
    const [icmp, request] = [ip, asked].map(messageBytes) as [Buffer, Buffer];
    if (icmp[0] !== (four ? 0 : 129) || icmp[1] !== 0) return `it is of type ${icmp[0]}`;
    return icmp.subarray(4).equals(request.subarray(4)) ? undefined : `its data is ${hex(icmp)}`;
  };
}
