/** Clauses about what a router must not learn from packets, and how many answers it gives: several packets each. */
import { behind, macs, own } from '../../support/line.js';
import { sleep } from '../../support/netns.js';
import { addressBytes, checksum, ethernet, ipv4, ipv6, macBytes, udp } from '../../support/packet.js';
import { data, far4, far6, four, frame4, frame6, six } from '../crafted.js';
import { type Bed, type RouterKind, routers, titles } from './bed.js';
import { forwarded, icmpSum, packetOf, told } from './came.js';

export interface StateClause {
  readonly cites: string;
  readonly says: string;
  /** What is wrong, a line each. */
  readonly holds: (bed: Bed) => Promise<readonly string[]>;
}

type Ends = Bed['routers'][RouterKind]['ends'];
type Check = (ends: Ends, kind: RouterKind) => Promise<string | undefined>;

/** The same of several routers. */
const each =
  (check: Check, kinds: readonly RouterKind[] = routers): StateClause['holds'] =>
  async ({ routers: all }) => {
    const said = await Promise.all(kinds.map((kind) => check(all[kind].ends, kind)));
    return said.flatMap((wrong, i) => (wrong === undefined ? [] : [`${titles[kinds[i]!]}: ${wrong}`]));
  };

const linkLocal = { client: 'fe80::ff:fe00:c', server: 'fe80::ff:fe00:5' } as const;
const stranger = '02:00:00:00:00:77';

/** An ICMPv6 message with its checksum (and another one, if it is to be wrong), from a station of a link. */
function icmp6(
  head: { src: string; dst: string; hopLimit?: number; spoilt?: number },
  link: { to: string; from: string },
  message: Buffer,
): Buffer {
  const ip = ipv6({ hopLimit: 255, ...head, nextHeader: 58 }, message);
  ip.writeUInt16BE((icmpSum(ip) + (head.spoilt ?? 0)) & 0xffff, 42);
  return ethernet(link.to, link.from, 0x86dd, ip);
}

/** Where a packet from the client to behind the server goes, once it is right; undefined: where it should. */
async function goesToServer(ends: Ends, frame: Buffer): Promise<string | undefined> {
  const wires = ['client', 'server', 'provider'] as const;
  for (const wire of wires) await ends[wire].capture();
  await ends.client.raw(frame);
  const packet = packetOf(frame);
  const id = packet.subarray(packet.length - 20);
  for (const end = performance.now() + 1000; ; await sleep(20)) {
    const seen = await Promise.all(
      wires.map(async (wire) => (await ends[wire].captured()).filter((one) => one.includes(id))),
    );
    const came = {
      client: seen[0]!.filter((one) => !one.equals(frame)),
      server: seen[1]!,
      provider: seen[2]!,
    };
    const wrong = forwarded()(frame, came);
    if (wrong === undefined || performance.now() > end) return wrong;
  }
}

/** The packet goes on as before, after the others have had time to do harm. */
async function still(ends: Ends, frames: readonly Buffer[], from: 'client' | 'server', packet: Buffer) {
  for (const frame of frames) await ends[from].raw(frame);
  await sleep(150);
  return goesToServer(ends, packet);
}

/* --- redirects --------------------------------------------------------------------------------------------------- */

/** From the way that the packet takes: "by 10.0.2.3 it is shorter", about one of the router's own. */
function redirect4(): Buffer {
  const about = ipv4(
    { src: '10.0.2.1', dst: far4.dst },
    udp({ src: '10.0.2.1', dst: far4.dst }, 1, 2, data(8)),
  );
  const message = Buffer.concat([Buffer.from([5, 1, 0, 0]), addressBytes('10.0.2.3'), about.subarray(0, 28)]);
  message.writeUInt16BE(checksum(message), 2);
  return ethernet(
    macs.r1,
    macs.s0,
    0x0800,
    ipv4({ src: own.server.v4, dst: '10.0.2.1', protocol: 1 }, message),
  );
}

function redirect6(): Buffer {
  const fixed = Buffer.concat([
    Buffer.from([137, 0, 0, 0, 0, 0, 0, 0]),
    addressBytes('fe80::77'),
    addressBytes(far6.dst),
    Buffer.from([2, 1]),
    macBytes(stranger),
  ]);
  return icmp6({ src: linkLocal.server, dst: '2001:db8:2::1' }, { to: macs.r1, from: macs.s0 }, fixed);
}

/** Back out of where it came in, to a station that the traffic tool plays. */
const redirectsSent: Check = async (ends) => {
  const station = '2001:db8:1::3';
  await ends.client.answer(station);
  await ends.client.capture();
  const ends6 = { src: own.client.v6, dst: station };
  for (let i = 0; i < 3; i++) {
    await ends.client.raw(frame6(ipv6(ends6, udp(ends6, 4000, 5000 + i, data(20)))));
    await sleep(50);
  }
  const back = (frame: Buffer) =>
    frame[20] === 17 && frame[21] === 63 && frame.includes(addressBytes(station), 38);
  const came = await ends.client.captured((all) => all.filter(back).length === 3);
  await sleep(100);
  const all = await ends.client.captured();
  const redirects = all.filter(
    (frame) => frame.readUInt16BE(12) === 0x86dd && frame[20] === 58 && frame[54] === 137,
  );
  if (came.filter(back).length !== 3) return `${came.filter(back).length} of 3 packets came back`;
  return redirects.length === 0 ? undefined : `${redirects.length} redirects`;
};

/* --- routers and neighbours ------------------------------------------------------------------------------------------ */

/** Of a router that would be everybody's default, with a prefix of its link. */
function routerAdvertisement(): Buffer {
  const prefix = Buffer.concat([
    Buffer.from([3, 4, 64, 0xc0, 0, 0, 0xff, 0xff, 0, 0, 0xff, 0xff, 0, 0, 0, 0]),
    addressBytes('2001:db8:ffff::'),
  ]);
  const message = Buffer.concat([
    Buffer.from([134, 0, 0, 0, 64, 0, 0x07, 0x08, 0, 0, 0, 0, 0, 0, 0, 0]),
    Buffer.from([1, 1]),
    macBytes(macs.c0),
    prefix,
  ]);
  return icmp6(
    { src: linkLocal.client, dst: 'ff02::1' },
    { to: '33:33:00:00:00:01', from: macs.c0 },
    message,
  );
}

interface Advertised {
  readonly mac?: string;
  readonly flags?: number;
  readonly code?: number;
  readonly hopLimit?: number;
  readonly spoilt?: number;
  readonly cut?: number;
  readonly dst?: string;
  readonly option?: Buffer;
}

/** "I am the server, and this is my MAC." */
function advertisement(fields: Advertised = {}): Buffer {
  const { mac = stranger, flags = 0x20, code = 0, dst = '2001:db8:2::1' } = fields;
  const option = fields.option ?? Buffer.concat([Buffer.from([2, 1]), macBytes(mac)]);
  const message = Buffer.concat([
    Buffer.from([136, code, 0, 0, flags, 0, 0, 0]),
    addressBytes(own.server.v6),
    option,
  ]).subarray(0, fields.cut ?? 1000);
  const to = dst.startsWith('ff') ? '33:33:00:00:00:01' : macs.r1;
  const head = { src: own.server.v6, dst, hopLimit: fields.hopLimit ?? 255, spoilt: fields.spoilt ?? 0 };
  return icmp6(head, { to, from: macs.s0 }, message);
}

const wrongAdvertisements: readonly Buffer[] = [
  advertisement({ hopLimit: 254 }),
  advertisement({ code: 1 }),
  advertisement({ spoilt: 1 }),
  advertisement({ cut: 20 }),
  advertisement({ dst: 'ff02::1', flags: 0x60 }),
  advertisement({ option: Buffer.from([2, 0, 2, 0, 0, 0, 0, 0x77]) }),
  advertisement({ option: Buffer.from([2, 2, 2, 0, 0, 0, 0, 0x77]) }),
];

/** What is in order is believed, so that the test of what is not means something; and the other way round again. */
const believed: Check = async (ends) => {
  const probe = six('to the server', { dst: own.server.v6 }).frame;
  const to = async (mac: string) => {
    await ends.server.raw(advertisement({ mac }));
    for (const end = performance.now() + 1500; ; ) {
      await ends.server.capture();
      await ends.client.raw(probe);
      await sleep(50);
      const came = (await ends.server.captured()).filter((one) => one.includes(packetOf(probe).subarray(8)));
      if (came.some((one) => one.subarray(0, 6).equals(macBytes(mac)))) return true;
      if (performance.now() > end) return false;
      if (mac === macs.s0) await ends.server.raw(advertisement({ mac }));
    }
  };
  const moved = await to(stranger);
  const back = await to(macs.s0);
  return moved && back
    ? undefined
    : `a right one is ${moved ? '' : 'not '}followed, ${back ? 'and' : 'not'} back`;
};

/* --- how many errors ---------------------------------------------------------------------------------------------------- */

const perSecond = 1000;

/** Many packets whose time is over: how many of them are told. */
const limited =
  (packet: Buffer, type: number, at: number): Check =>
  async (ends) => {
    const began = performance.now();
    await ends.client.capture();
    const { sent } = await ends.client.blast(packet, { ms: 300 });
    await sleep(200);
    const seconds = (performance.now() - began) / 1000;
    const errors = (await ends.client.captured()).filter(
      (frame) => frame[at] === type && frame.readUInt16BE(12) === packet.readUInt16BE(12),
    );
    const most = perSecond * seconds + 100;
    if (sent < 2 * most) return `only ${sent} packets were sent`;
    return errors.length > 0 && errors.length <= most ? undefined : `${errors.length} errors in ${seconds} s`;
  };

/** A limit is no end: RFC 4443 §2.4 (f), token bucket. */
const tellsAgain: Check = async (ends) => {
  await sleep(300);
  await ends.client.capture();
  const { frame } = six('hop limit 1, once more', { hopLimit: 1 });
  await ends.client.raw(frame);
  const all = await ends.client.captured((some) => some.some((one) => one[54] === 3));
  const client = all.filter((one) => one[54] === 3);
  return told({ type: 3, code: 0 })(frame, { client, server: [], provider: [] });
};

const expired4 = four('TTL 1', { ttl: 1 }).frame;
const expired6 = six('hop limit 1', { hopLimit: 1 }).frame;
const plain4 = frame4(ipv4(far4, udp(far4, 4100, 5000, data(40))));
const plain6 = frame6(ipv6({ ...far6, dst: behind.server.v6 }, udp(far6, 4100, 5000, data(40))));
const netmills = ['faced', 'faceless'] as const;

export const stateClauses: readonly StateClause[] = [
  {
    cites: 'RFC 1812 §5.2.7.2',
    says: 'a router does not go by redirects',
    holds: each((ends) => still(ends, [redirect4()], 'server', plain4)),
  },
  {
    cites: 'RFC 4861 §8.2',
    says: 'a router does not go by redirects',
    holds: each((ends) => still(ends, [redirect6()], 'server', plain6)),
  },
  {
    cites: 'RFC 4861 §8.2',
    says: 'what leaves where it came in is forwarded, and no redirect is sent (it is a SHOULD)',
    holds: each(redirectsSent, netmills),
  },
  {
    cites: 'RFC 4861 §6.3',
    says: 'advertisements of other routers give a router no way',
    holds: async (bed) => {
      for (const kind of routers) await bed.routers[kind].ends.client.raw(routerAdvertisement());
      await sleep(150);
      const { frame } = six('to nowhere, after an advertisement', { dst: '2001:db8:ffff::1' });
      const noRoute = told({ type: 1, code: 0 });
      const out = await bed.outcomes([frame], (all) => routers.every((kind) => !noRoute(frame, all[kind])));
      return routers.flatMap((kind) => noRoute(frame, out[kind]) ?? []);
    },
  },
  {
    cites: 'RFC 4861 §7.1.2',
    says: 'an advertisement that is not in order changes nothing of what is known of a neighbour',
    holds: each((ends) => still(ends, wrongAdvertisements, 'server', plain6)),
  },
  {
    cites: 'RFC 4861 §7.2.5',
    says: 'one that is in order, and overrides, is gone by at once',
    holds: each(believed),
  },
  {
    cites: 'RFC 1812 §4.3.2.8',
    says: 'ICMP errors are limited',
    holds: each(limited(expired4, 11, 34), netmills),
  },
  {
    cites: 'RFC 4443 §2.4 (f)',
    says: 'ICMPv6 errors are limited',
    holds: each(limited(expired6, 3, 54), netmills),
  },
  {
    cites: 'RFC 4443 §2.4 (f)',
    says: 'and told again when the flood is over',
    holds: each(tellsAgain, ['faceless']),
  },
];
