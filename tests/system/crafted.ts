/**
 * Packets with a name each, for the comparison of netmill with the kernel: what a router meets, and what it
 * should never meet. They all enter from the client; see support/line.ts for the addresses.
 */
import { behind, macs, own } from '../support/line.js';
import {
  echo,
  ethernet,
  type Ipv4Fields,
  type Ipv6Fields,
  ipv4,
  ipv6,
  seeded,
  tcpSyn,
  udp,
} from '../support/packet.js';

export interface Crafted {
  readonly name: string;
  readonly frame: Buffer;
  /** What is sent in its place: the packet of `frame`, cut up. */
  readonly pieces?: readonly Buffer[];
}

export const far4 = { src: own.client.v4, dst: '10.9.0.1' };
export const far6 = { src: own.client.v6, dst: '2001:db8:9::1' };
export const data = (length: number) => Buffer.from(Array.from({ length }, (_, i) => (i * 7) & 255));
export const frame4 = (packet: Buffer, dst: string = macs.r0) => ethernet(dst, macs.c0, 0x0800, packet);
export const frame6 = (packet: Buffer, dst: string = macs.r0) => ethernet(dst, macs.c0, 0x86dd, packet);

export function four(name: string, fields: Partial<Ipv4Fields> = {}, size = 40): Crafted {
  const ends = { src: fields.src ?? far4.src, dst: fields.dst ?? far4.dst };
  return {
    name: `IPv4 ${name}`,
    frame: frame4(ipv4({ ...ends, ...fields }, udp(ends, 4000, 5000, data(size)))),
  };
}

export function six(name: string, fields: Partial<Ipv6Fields> = {}, size = 40): Crafted {
  const ends = { src: fields.src ?? far6.src, dst: fields.dst ?? far6.dst };
  return {
    name: `IPv6 ${name}`,
    frame: frame6(ipv6({ ...ends, ...fields }, udp(ends, 4000, 5000, data(size)))),
  };
}

/** IPv6 with extension headers in front of UDP. */
function extended(name: string, nextHeader: number, header: Buffer): Crafted {
  const payload = Buffer.concat([header, udp(far6, 4000, 5000, data(40))]);
  return { name: `IPv6 ${name}`, frame: frame6(ipv6({ ...far6, nextHeader }, payload)) };
}

export const options = (bytes: readonly number[]) => Buffer.from(bytes);

const plain: readonly Crafted[] = [
  four('UDP'),
  four('UDP of the smallest size', {}, 0),
  four('UDP with an odd number of bytes', {}, 33),
  four('UDP of 1500 bytes', {}, 1472),
  four('UDP with a DSCP and ECN', { tos: 0xb9 }),
  four('with DF', { fragment: 0x4000 }),
  four('with the reserved flag', { fragment: 0x8000 }),
  four('first fragment', { fragment: 0x2000 }),
  four('middle fragment', { fragment: 0x2010 }),
  four('last fragment', { fragment: 0x0010 }),
  four('ID 0', { id: 0 }),
  { name: 'IPv4 TCP SYN', frame: frame4(ipv4({ ...far4, protocol: 6 }, tcpSyn(far4, 4000, 80))) },
  { name: 'IPv4 echo request', frame: frame4(ipv4({ ...far4, protocol: 1 }, echo(far4, data(56)))) },
  four('of an unknown protocol', { protocol: 253 }),
  six('UDP'),
  six('UDP of the smallest size', {}, 0),
  six('UDP of 1500 bytes', {}, 1452),
  six('with traffic class and flow label', { trafficClass: 0xb9, flowLabel: 0xabcde }),
  { name: 'IPv6 TCP SYN', frame: frame6(ipv6({ ...far6, nextHeader: 6 }, tcpSyn(far6, 4000, 80))) },
  { name: 'IPv6 echo request', frame: frame6(ipv6({ ...far6, nextHeader: 58 }, echo(far6, data(56)))) },
  six('of an unknown next header', { nextHeader: 253 }),
  six('with no next header', { nextHeader: 59 }),
];

const lifetimes: readonly Crafted[] = [
  ...[0, 1, 2, 255].map((ttl) => four(`TTL ${ttl}`, { ttl })),
  ...[0, 1, 2, 255].map((hopLimit) => six(`hop limit ${hopLimit}`, { hopLimit })),
];

const headers: readonly Crafted[] = [
  four('version 5', { version: 5 }),
  four('version 6 in an IPv4 frame', { version: 6 }),
  four('header of 4 words', { headerWords: 4 }),
  four('header longer than the packet', { headerWords: 15, totalLength: 48 }),
  four('total length below the header', { totalLength: 19 }),
  four('total length above the frame', { totalLength: 1000 }),
  four('total length below the frame: padding is not forwarded', { totalLength: 40 }),
  four('wrong header checksum', { checksum: 0x1234 }),
  four('header checksum 0xffff', { checksum: 0xffff }),
  six('version 4 in an IPv6 frame', { version: 4 }),
  six('payload length above the frame', { payloadLength: 1000 }),
  six('payload length below the frame', { payloadLength: 20 }),
  six('payload length 0', { payloadLength: 0 }),
  { name: 'IPv4 cut in the header', frame: ethernet(macs.r0, macs.c0, 0x0800, data(10)) },
  four('no-operation options', { options: options([1, 1, 1, 0]) }),
  four('record route', { options: options([7, 7, 4, 0, 0, 0, 0, 0]) }),
  four('timestamp option that is full', { options: options([68, 8, 9, 0, 0, 0, 0, 0]) }),
  four('router alert for somebody else', { options: options([148, 4, 0, 0]) }),
  four('loose source route', { options: options([131, 7, 4, 10, 9, 0, 9, 0]) }),
  four('option with a length beyond the header', { options: options([7, 40, 4, 0]) }),
  four('option of length 0', { options: options([7, 0, 0, 0]) }),
  extended('destination options', 60, options([17, 0, 1, 4, 0, 0, 0, 0])),
  extended('fragment header', 44, options([17, 0, 0, 1, 0, 0, 0, 9])),
  extended('routing header type 2', 43, options([17, 0, 2, 0, 0, 0, 0, 0])),
  extended('hop-by-hop padding', 0, options([17, 0, 1, 4, 0, 0, 0, 0])),
];

const addresses: readonly Crafted[] = [
  ...[
    '127.0.0.1',
    '0.0.0.0',
    '224.0.0.1',
    '255.255.255.255',
    '240.0.0.1',
    '10.0.1.1',
    '10.0.2.1',
    '10.0.1.255',
  ].map((src) => four(`from ${src}`, { src })),
  ...['127.0.0.1', '0.0.0.0', '240.0.0.1', '172.31.0.1', '192.0.2.5'].map((dst) =>
    four(`to ${dst}`, { dst }),
  ),
  ...['10.7.1.1', '10.7.2.1', '10.7.3.1', '169.254.7.7', '10.0.2.255', '10.0.2.0', '255.255.255.255'].map(
    (dst, i) => four(`to ${dst}, which the table forbids`, { dst, src: `10.1.2.${i + 1}` }),
  ),
  ...['::1', '::', 'ff02::5', 'fe80::5', '2001:db8:1::1', '::ffff:a00:102'].map((src) =>
    six(`from ${src}`, { src }),
  ),
  ...[
    '::1',
    '::',
    'fe80::5',
    '2001:db8:7:1::1',
    '2001:db8:7:2::1',
    '2001:db8:7:3::1',
    '2001:db8:ffff::1',
  ].map((dst) => six(`to ${dst}`, { dst })),
  four('back out of the interface it came by', { dst: '10.0.1.2', src: '10.0.1.9' }),
];

const links: readonly Crafted[] = [
  {
    name: 'IPv4 to another station',
    frame: frame4(ipv4(far4, udp(far4, 1, 2, data(20))), '02:00:00:00:77:77'),
  },
  {
    name: 'IPv6 to another station',
    frame: frame6(ipv6(far6, udp(far6, 1, 2, data(20))), '02:00:00:00:77:77'),
  },
  {
    name: 'IPv4 in a broadcast frame',
    frame: frame4(ipv4(far4, udp(far4, 1, 2, data(20))), 'ff:ff:ff:ff:ff:ff'),
  },
  {
    name: 'IPv6 in a multicast frame',
    frame: frame6(ipv6(far6, udp(far6, 1, 2, data(20))), '33:33:00:00:00:01'),
  },
  { name: 'an unknown ethertype', frame: ethernet(macs.r0, macs.c0, 0x9000, data(46)) },
  { name: 'an 802.3 length', frame: ethernet(macs.r0, macs.c0, 0x0026, data(46)) },
  { name: 'IPv4 behind a tag that nobody has', frame: tagged([0x8100, 77]) },
  { name: 'IPv4 behind a service tag that nobody has', frame: tagged([0x88a8, 78]) },
  { name: 'IPv4 behind a priority tag', frame: tagged([0x8100, 0xe000]) },
  { name: 'IPv4 behind a service tag for a priority', frame: tagged([0x88a8, 0x2000]) },
  { name: 'IPv4 behind two priority tags', frame: tagged([0x88a8, 0], [0x8100, 0]) },
  { name: 'IPv4 behind a priority tag and a tag that nobody has', frame: tagged([0x8100, 0], [0x8100, 77]) },
  { name: 'IPv6 behind a priority tag', frame: tagged6([0x8100, 0xe000]) },
  { name: 'a priority tag around nothing', frame: ethernet(macs.r0, macs.c0, 0x8100, data(0)) },
];

type TagWords = readonly [tpid: number, vid: number];

function tagsOf(tags: readonly TagWords[]) {
  return tags.map(([tpid, vid]) => ({ tpid, vid }));
}

function tagged(...tags: readonly TagWords[]): Buffer {
  return ethernet(macs.r0, macs.c0, 0x0800, ipv4(far4, udp(far4, 1, 2, data(20))), tagsOf(tags));
}

function tagged6(...tags: readonly TagWords[]): Buffer {
  return ethernet(macs.r0, macs.c0, 0x86dd, ipv6(far6, udp(far6, 1, 2, data(20))), tagsOf(tags));
}

/** What does not fit on a way of 1,280 bytes to `dst`. */
export function largeTo(dst: { readonly v4: string; readonly v6: string }): readonly Crafted[] {
  const [to4, to6] = [{ dst: dst.v4 }, { dst: dst.v6 }];
  return [
    four('of exactly the MTU', to4, 1252),
    four('one byte too large', to4, 1253),
    four('too large, with DF', { ...to4, fragment: 0x4000 }, 1300),
    four('too large, without DF', to4, 1400),
    four('too large, a fragment already', { ...to4, fragment: 0x2000 }, 1400),
    four('too large, with options', { ...to4, options: options([1, 1, 1, 0]) }, 1400),
    four(
      'too large, with DF, a type of service and an odd length',
      { ...to4, fragment: 0x4000, tos: 0xb9 },
      1301,
    ),
    four('too large, with DF, the first fragment', { ...to4, fragment: 0x6000 }, 1400),
    four('too large, with DF, a later fragment', { ...to4, fragment: 0x4010 }, 1400),
    four('too large, with DF, from nobody', { ...to4, fragment: 0x4000, src: '240.0.0.1' }, 1400),
    icmp4('too large, with DF, an echo request', 8, { ...to4, fragment: 0x4000 }, 1400),
    icmp4('too large, with DF, an ICMP error', 11, { ...to4, fragment: 0x4000 }, 1400),
    six('of exactly the MTU', to6, 1232),
    six('too large', to6, 1400),
    six('too large, with a traffic class, of an odd length', { ...to6, trafficClass: 0xb9 }, 1301),
    icmp6('too large, an echo request', 128, to6, 1400),
    icmp6('too large, an ICMP error', 3, to6, 1400),
  ];
}

export const large = largeTo(behind.server);

/** An ICMP message without a checksum: nobody on the way looks at it. */
export function icmp4(name: string, type: number, fields: Partial<Ipv4Fields> = {}, size = 40): Crafted {
  const message = Buffer.concat([Buffer.from([type, 0, 0, 0, 0, 0, 0, 0]), data(size)]);
  return { name: `IPv4 ${name}`, frame: frame4(ipv4({ ...far4, protocol: 1, ...fields }, message)) };
}

export function icmp6(name: string, type: number, fields: Partial<Ipv6Fields> = {}, size = 40): Crafted {
  const message = Buffer.concat([Buffer.from([type, 0, 0, 0, 0, 0, 0, 0]), data(size)]);
  return { name: `IPv6 ${name}`, frame: frame6(ipv6({ ...far6, nextHeader: 58, ...fields }, message)) };
}

export const crafted: readonly Crafted[] = [...plain, ...lifetimes, ...headers, ...addresses, ...links];

/**
 * Routes that the crafted packets ask for; the same for both routers. 10.1.0.0/16 are sources behind the client:
 * the kernel limits some ICMP errors to one a second for each of them, by settings that no namespace has its own of.
 */
export const craftedRoutes: readonly string[] = [
  'route add 10.1.0.0/16 via 10.0.1.2',
  'route add blackhole 10.7.1.0/24',
  'route add unreachable 10.7.2.0/24',
  'route add prohibit 10.7.3.0/24',
  'route add blackhole 2001:db8:7:1::/64',
  'route add unreachable 2001:db8:7:2::/64',
  'route add prohibit 2001:db8:7:3::/64',
];

/** Ordinary packets with one or two bytes of their headers changed, and the IPv4 checksum mostly made good. */
export function mutated(count: number, seed: number): readonly Crafted[] {
  const random = seeded(seed);
  const pick = <T>(list: readonly T[]) => list[Math.floor(random() * list.length)]!;
  return Array.from({ length: count }, (_, i) => {
    const frame = Buffer.from(pick([...plain, ...headers]).frame);
    if (frame.readUInt16BE(12) === 0x0800) Buffer.from([10, 1, 16 + (i >> 8), i & 255]).copy(frame, 26);
    const changes = 1 + Math.floor(random() * 2);
    for (let n = 0; n < changes; n++) frame[14 + Math.floor(random() * 44)] = Math.floor(random() * 256);
    if (frame.readUInt16BE(12) === 0x0800 && random() < 0.9) repairChecksum(frame);
    return { name: `mutation ${i} of seed ${seed}`, frame };
  });
}

export function repairChecksum(frame: Buffer): void {
  const header = (frame[14]! & 15) * 4;
  if (header < 20 || 14 + header > frame.length) return;
  frame.writeUInt16BE(0, 24);
  let sum = 0;
  for (let at = 14; at < 14 + header; at += 2) sum += frame.readUInt16BE(at);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
  frame.writeUInt16BE(~sum & 0xffff, 24);
}
