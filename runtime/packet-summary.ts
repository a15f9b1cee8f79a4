/** One line for one packet, from the first bytes of its frame: `tcp 9.9.9.9:1234 > 203.0.113.10:443 S len 60`. */

const protocols: Readonly<Record<number, string>> = {
  1: 'icmp',
  2: 'igmp',
  6: 'tcp',
  17: 'udp',
  47: 'gre',
  50: 'esp',
  51: 'ah',
  58: 'icmp6',
  89: 'ospf',
  103: 'pim',
  112: 'vrrp',
  132: 'sctp',
};

const tcpFlags: readonly (readonly [number, string])[] = [
  [0x02, 'S'],
  [0x01, 'F'],
  [0x04, 'R'],
  [0x08, 'P'],
  [0x20, 'U'],
  [0x40, 'E'],
  [0x80, 'W'],
  [0x10, '.'],
];

/** IPv6 extension headers that are walked: RFC 8200 §4, RFC 4302 (AH is not walked: its payload is what counts). */
const extensions: ReadonlySet<number> = new Set([0, 43, 60]);
const FRAGMENT = 44;

interface Network {
  readonly source: string;
  readonly destination: string;
  readonly protocol: number;
  readonly payload: Buffer;
  /** Bytes of the IP packet, as its header says. */
  readonly length: number;
  /** Not the first fragment: no ports. */
  readonly laterFragment: boolean;
}

/**
 * @param frame the captured bytes; may end anywhere
 * @param l3 offset of the IP header in `frame`
 * @param frameLength bytes that the whole frame had
 */
export function summarise(frame: Buffer, l3: number, frameLength: number): string {
  const packet = frame.subarray(l3);
  const version = packet.length > 0 ? packet[0]! >> 4 : 0;
  const network = version === 4 ? readV4(packet) : version === 6 ? readV6(packet) : undefined;
  if (network === undefined) return `frame of ${frameLength} bytes`;
  const { source, destination, protocol, payload, length, laterFragment } = network;
  const name = protocols[protocol] ?? `proto ${protocol}`;
  if (laterFragment) return `${name} ${source} > ${destination} fragment len ${length}`;
  const ported = (protocol === 6 || protocol === 17 || protocol === 132) && payload.length >= 4;
  if (ported) {
    const from = endpoint(source, payload.readUInt16BE(0));
    const to = endpoint(destination, payload.readUInt16BE(2));
    const flags = protocol === 6 && payload.length >= 14 ? ` ${flagsOf(payload[13]!)}` : '';
    return `${name} ${from} > ${to}${flags} len ${length}`;
  }
  const icmp = (protocol === 1 || protocol === 58) && payload.length >= 2;
  const detail = icmp ? ` type ${payload[0]} code ${payload[1]}` : '';
  return `${name} ${source} > ${destination}${detail} len ${length}`;
}

function readV4(packet: Buffer): Network | undefined {
  if (packet.length < 20) return undefined;
  return {
    source: v4(packet, 12),
    destination: v4(packet, 16),
    protocol: packet[9]!,
    payload: packet.subarray((packet[0]! & 15) * 4),
    length: packet.readUInt16BE(2),
    laterFragment: (packet.readUInt16BE(6) & 0x1fff) !== 0,
  };
}

function readV6(packet: Buffer): Network | undefined {
  if (packet.length < 40) return undefined;
  let protocol = packet[6]!;
  let at = 40;
  let laterFragment = false;
  while (at + 8 <= packet.length && (extensions.has(protocol) || protocol === FRAGMENT)) {
    const fragment = protocol === FRAGMENT;
    if (fragment && packet.readUInt16BE(at + 2) >> 3 !== 0) laterFragment = true;
    const size = fragment ? 8 : (packet[at + 1]! + 1) * 8;
    protocol = packet[at]!;
    at += size;
    if (laterFragment) break;
  }
  return {
    source: v6(packet, 8),
    destination: v6(packet, 24),
    protocol,
    payload: packet.subarray(at),
    length: 40 + packet.readUInt16BE(4),
    laterFragment,
  };
}

function endpoint(address: string, port: number): string {
  return address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
}

function flagsOf(bits: number): string {
  const set = tcpFlags.filter(([bit]) => (bits & bit) !== 0).map(([, letter]) => letter);
  return set.length > 0 ? set.join('') : 'none';
}

function v4(packet: Buffer, at: number): string {
  return packet.subarray(at, at + 4).join('.');
}

/** RFC 5952: the longest run of zero groups, of two or more, is written `::`. */
function v6(packet: Buffer, at: number): string {
  const groups = Array.from({ length: 8 }, (_, i) => packet.readUInt16BE(at + 2 * i));
  let best = { start: 0, length: 1 };
  for (let i = 0; i < 8; i++) {
    let end = i;
    while (end < 8 && groups[end] === 0) end++;
    if (end - i > best.length) best = { start: i, length: end - i };
  }
  const hex = groups.map((group) => group.toString(16));
  if (best.length < 2) return hex.join(':');
  return `${hex.slice(0, best.start).join(':')}::${hex.slice(best.start + best.length).join(':')}`;
}
