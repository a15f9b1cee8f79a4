/**
 * Packets by hand, for tests that need one exact frame. Every field can be set, also to what no sane host would
 * send; lengths and checksums are right unless given.
 */

export interface Tag {
  readonly tpid: number;
  readonly vid: number;
}

export interface Ipv4Fields {
  readonly src: string;
  readonly dst: string;
  readonly protocol?: number;
  readonly ttl?: number;
  readonly tos?: number;
  readonly id?: number;
  /** Flags and fragment offset, 16 bits as on the wire. */
  readonly fragment?: number;
  readonly options?: Buffer;
  readonly version?: number;
  readonly headerWords?: number;
  readonly totalLength?: number;
  readonly checksum?: number;
}

export interface Ipv6Fields {
  readonly src: string;
  readonly dst: string;
  readonly nextHeader?: number;
  readonly hopLimit?: number;
  readonly trafficClass?: number;
  readonly flowLabel?: number;
  readonly version?: number;
  readonly payloadLength?: number;
}

export function macBytes(text: string): Buffer {
  return Buffer.from(text.replaceAll(':', ''), 'hex');
}

export function addressBytes(text: string): Buffer {
  if (!text.includes(':')) return Buffer.from(text.split('.').map(Number));
  const [head, tail] = text.split('::');
  const words = (part: string | undefined) =>
    part ? part.split(':').map((word) => Number.parseInt(word, 16)) : [];
  const [before, after] = [words(head), words(tail)];
  const out = Buffer.alloc(16);
  before.forEach((word, i) => {
    out.writeUInt16BE(word, i * 2);
  });
  after.forEach((word, i) => {
    out.writeUInt16BE(word, 16 - (after.length - i) * 2);
  });
  return out;
}

/** RFC 1071. */
export function checksum(...parts: readonly Buffer[]): number {
  const bytes = Buffer.concat(parts);
  let sum = 0;
  for (let i = 0; i < bytes.length; i += 2) sum += (bytes[i]! << 8) | (bytes[i + 1] ?? 0);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  return ~sum & 0xffff;
}

export function ethernet(
  dst: string,
  src: string,
  type: number,
  payload: Buffer,
  tags: readonly Tag[] = [],
): Buffer {
  const head = Buffer.alloc(12 + tags.length * 4 + 2);
  macBytes(dst).copy(head, 0);
  macBytes(src).copy(head, 6);
  tags.forEach((tag, i) => {
    head.writeUInt16BE(tag.tpid, 12 + i * 4);
    head.writeUInt16BE(tag.vid, 14 + i * 4);
  });
  head.writeUInt16BE(type, head.length - 2);
  const frame = Buffer.concat([head, payload]);
  return frame.length < 60 ? Buffer.concat([frame, Buffer.alloc(60 - frame.length)]) : frame;
}

export function ipv4(fields: Ipv4Fields, payload: Buffer): Buffer {
  const options = fields.options ?? Buffer.alloc(0);
  const head = Buffer.alloc(20 + options.length);
  head[0] = ((fields.version ?? 4) << 4) | (fields.headerWords ?? head.length / 4);
  head[1] = fields.tos ?? 0;
  head.writeUInt16BE(fields.totalLength ?? head.length + payload.length, 2);
  head.writeUInt16BE(fields.id ?? 0x1234, 4);
  head.writeUInt16BE(fields.fragment ?? 0, 6);
  head[8] = fields.ttl ?? 64;
  head[9] = fields.protocol ?? 17;
  addressBytes(fields.src).copy(head, 12);
  addressBytes(fields.dst).copy(head, 16);
  options.copy(head, 20);
  head.writeUInt16BE(fields.checksum ?? checksum(head), 10);
  return Buffer.concat([head, payload]);
}

export function ipv6(fields: Ipv6Fields, payload: Buffer): Buffer {
  const head = Buffer.alloc(40);
  const first = ((fields.version ?? 6) << 28) | ((fields.trafficClass ?? 0) << 20) | (fields.flowLabel ?? 0);
  head.writeUInt32BE(first >>> 0, 0);
  head.writeUInt16BE(fields.payloadLength ?? payload.length, 4);
  head[6] = fields.nextHeader ?? 17;
  head[7] = fields.hopLimit ?? 64;
  addressBytes(fields.src).copy(head, 8);
  addressBytes(fields.dst).copy(head, 24);
  return Buffer.concat([head, payload]);
}

function pseudo(src: string, dst: string, protocol: number, length: number): Buffer {
  const tail = Buffer.alloc(8);
  tail.writeUInt32BE(length, 0);
  tail.writeUInt32BE(protocol, 4);
  return Buffer.concat([addressBytes(src), addressBytes(dst), tail]);
}

interface Ends {
  readonly src: string;
  readonly dst: string;
}

export function udp(ends: Ends, sport: number, dport: number, data: Buffer): Buffer {
  const segment = Buffer.concat([Buffer.alloc(8), data]);
  segment.writeUInt16BE(sport, 0);
  segment.writeUInt16BE(dport, 2);
  segment.writeUInt16BE(segment.length, 4);
  segment.writeUInt16BE(checksum(pseudo(ends.src, ends.dst, 17, segment.length), segment) || 0xffff, 6);
  return segment;
}

export function tcpSyn(ends: Ends, sport: number, dport: number, flags = 0x02): Buffer {
  const segment = Buffer.alloc(20);
  segment.writeUInt16BE(sport, 0);
  segment.writeUInt16BE(dport, 2);
  segment[12] = 5 << 4;
  segment[13] = flags;
  segment.writeUInt16BE(65535, 14);
  segment.writeUInt16BE(checksum(pseudo(ends.src, ends.dst, 6, 20), segment), 16);
  return segment;
}

/** Echo request. */
export function echo(ends: Ends, data: Buffer): Buffer {
  const six = ends.src.includes(':');
  const message = Buffer.concat([Buffer.from([six ? 128 : 8, 0, 0, 0, 0x77, 0x77, 0, 1]), data]);
  const head = six ? [pseudo(ends.src, ends.dst, 58, message.length)] : [];
  message.writeUInt16BE(checksum(...head, message), 2);
  return message;
}

/** A file of the frames, as tcpdump -w writes it: classic pcap. */
export function capture(frames: readonly Uint8Array[], { little = true } = {}): Buffer {
  const words = (...all: number[]) => {
    const bytes = Buffer.alloc(4 * all.length);
    for (const [i, one] of all.entries())
      little ? bytes.writeUInt32LE(one, 4 * i) : bytes.writeUInt32BE(one, 4 * i);
    return bytes;
  };
  const head = words(0xa1b2c3d4, little ? 0x00040002 : 0x00020004, 0, 0, 65535, 1);
  return Buffer.concat([head, ...frames.flatMap((one) => [words(1, 2, one.length, one.length), one])]);
}

/** A repeatable stream of numbers in [0, 1): mulberry32. */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let z = state;
    z = Math.imul(z ^ (z >>> 15), z | 1);
    z ^= z + Math.imul(z ^ (z >>> 7), z | 61);
    return ((z ^ (z >>> 14)) >>> 0) / 4294967296;
  };
}
