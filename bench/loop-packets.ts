/** Packets of the benchmarks in memory: of 64 bytes with the FCS that memory does not have, drawn from prefixes and from rules. */
import { ethernet, ipv4, ipv6, udp } from '../tests/support/packet.js';
import type { Filter } from './classbench.js';

/** Where they go to: the MAC address of the port that they come by. */
export const station = '02:00:00:00:01:00';

export type Random = () => number;
export const below = (random: Random, n: number) => Math.floor(random() * n);
const dotted = (bits: number) => [24, 16, 8, 0].map((shift) => (bits >>> shift) & 255).join('.');

const bits4 = (address: string) => address.split('.').reduce((sum, octet) => sum * 256 + Number(octet), 0);

/** Any address of the prefix that is one host's; those that no host has are drawn from others. */
function host4(random: Random, prefix: string): string {
  const [address, length] = prefix.split('/') as [string, string];
  const size = 2 ** (32 - Number(length));
  const bits = Math.floor(bits4(address) / size) * size + below(random, size);
  return ofHosts(bits) ? dotted(bits) : host4(random, '16.0.0.0/4');
}

function ofHosts(bits: number): boolean {
  const first = Math.floor(bits / 2 ** 24);
  return first >= 11 && first < 224 && first !== 127;
}

/** One of them, of which every address is a host's. */
export function drawFrom(random: Random, prefixes: readonly string[]): string {
  const found = prefixes[below(random, prefixes.length)]!;
  return found.includes(':') || ofHosts(bits4(found.split('/')[0]!)) ? found : drawFrom(random, prefixes);
}

export function frame4(
  random: Random,
  from: string,
  to: string,
  tags: Parameters<typeof ethernet>[4] = [],
): Buffer {
  const ends = { src: host4(random, from), dst: host4(random, to) };
  const data = Buffer.alloc(18 - tags.length * 4);
  return ethernet(station, '02:00:00:00:00:0c', 0x0800, ipv4(ends, udp(ends, 4096, 8192, data)), tags);
}

function host6(random: Random, prefix: string): string {
  const head = prefix.split('/')[0]!.replace(/::$/, '');
  const words = head.split(':').length;
  return words >= 8 ? head : `${head}::${(1 + below(random, 65535)).toString(16)}`;
}

export function frame6(random: Random, from: string, to: string): Buffer {
  const ends = { src: host6(random, from), dst: host6(random, to) };
  return ethernet(station, '02:00:00:00:00:0c', 0x86dd, ipv6(ends, udp(ends, 4096, 8192, Buffer.alloc(0))));
}

/** Uniform over rules, and inside each. */
export function frameOf(random: Random, { from, to, ports, proto }: Filter): Buffer {
  const ends = { src: host4(random, from), dst: host4(random, to) };
  const port = ports.from + below(random, ports.to - ports.from + 1);
  const segment = udp(ends, 4096, port, Buffer.alloc(18));
  return ethernet(
    station,
    '02:00:00:00:00:0c',
    0x0800,
    ipv4({ ...ends, protocol: proto ?? 17 }, proto === 6 ? tcpLike(segment) : segment),
  );
}

/** Twenty bytes of header are there, and the ports. */
function tcpLike(segment: Buffer): Buffer {
  const header = Buffer.alloc(26);
  segment.copy(header, 0, 0, 4);
  header[12] = 5 << 4;
  return header;
}
