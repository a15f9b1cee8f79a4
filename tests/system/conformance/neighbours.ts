/** Who answers for an address on a link: RFC 826 and RFC 4861. A station asks that the client's kernel knows nothing of. */
import type { Ends } from '../../support/compare.js';
import { macs } from '../../support/line.js';
import { sleep } from '../../support/netns.js';
import { addressBytes, ethernet, ipv6, macBytes } from '../../support/packet.js';
import { icmpSum } from './came.js';

const station = { mac: '02:00:00:00:00:77', v4: '10.0.1.77', v6: '2001:db8:1::77' } as const;
const router = { mac: macs.r0, v4: '10.0.1.1', v6: '2001:db8:1::1' } as const;
const groups = { all: '33:33:00:00:00:01', asked: 'ff02::1:ff00:1', askedMac: '33:33:ff:00:00:01' } as const;
const advertisement = 136;

/** What the router said to the station, and to all nodes, as hex without padding; once it is right, or after a second. */
export async function answersOf(
  ends: Ends,
  frame: Buffer,
  meets: Question['meets'],
): Promise<readonly string[]> {
  await ends.client.capture();
  await ends.client.raw(frame);
  for (const end = performance.now() + 1000; ; ) {
    await sleep(25);
    const all = (await ends.client.captured()).filter(concerns);
    const answers = all.map((one) => one.toString('hex', 0, sizeOf(one))).sort();
    if (meets(answers) === undefined || performance.now() > end) return answers;
  }
}

function concerns(frame: Buffer): boolean {
  if (frame.subarray(0, 6).equals(macBytes(station.mac))) return true;
  const isAdvertisement =
    frame.readUInt16BE(12) === 0x86dd && frame[20] === 58 && frame[54] === advertisement;
  return isAdvertisement && frame.subarray(0, 6).equals(macBytes(groups.all));
}

function sizeOf(frame: Buffer): number {
  return frame.readUInt16BE(12) === 0x0806 ? 42 : 54 + frame.readUInt16BE(18);
}

interface Question {
  readonly name: string;
  readonly frame: Buffer;
  /** What is wrong with the answers. */
  readonly meets: (answers: readonly string[]) => string | undefined;
  /** The standard leaves open how: answers need not be the kernel's. */
  readonly free?: true;
}

export interface NeighbourClause {
  readonly cites: string;
  readonly says: string;
  readonly cases: readonly Question[];
}

const silence: Question['meets'] = (answers) =>
  answers.length === 0 ? undefined : `expected no answer, got ${answers}`;

/** One answer, which is one of these. */
const says = (...expected: readonly Buffer[]): Question['meets'] => {
  const texts = expected.map((one) => one.toString('hex'));
  return (answers) =>
    answers.length === 1 && texts.includes(answers[0]!)
      ? undefined
      : `expected ${texts.join(' or ')}, got ${answers.join(', ') || 'nothing'}`;
};

/* --- ARP ---------------------------------------------------------------------------------------------------- */

interface ArpFields {
  readonly operation?: number;
  readonly sender?: string;
  readonly target?: string;
  readonly to?: string;
  readonly fixed?: readonly number[];
}

function arp({ operation = 1, sender = station.v4, target = router.v4, to, fixed }: ArpFields): Buffer {
  const body = Buffer.concat([
    Buffer.from(fixed ?? [0, 1, 8, 0, 6, 4]),
    Buffer.from([0, operation]),
    macBytes(station.mac),
    addressBytes(sender),
    Buffer.alloc(6),
    addressBytes(target),
  ]);
  return ethernet(to ?? 'ff:ff:ff:ff:ff:ff', station.mac, 0x0806, body);
}

function arpReply(to: string): Buffer {
  const [theirs, ours] = [macBytes(station.mac), macBytes(router.mac)];
  const fixed = Buffer.from([8, 6, 0, 1, 8, 0, 6, 4, 0, 2]);
  return Buffer.concat([theirs, ours, fixed, ours, addressBytes(router.v4), theirs, addressBytes(to)]);
}

const arpClauses: readonly NeighbourClause[] = [
  {
    cites: 'RFC 826',
    says: 'the router answers for its address, whoever asks',
    cases: [
      { name: 'a request', frame: arp({}), meets: says(arpReply(station.v4)) },
      {
        name: 'a request to the router alone',
        frame: arp({ to: router.mac }),
        meets: says(arpReply(station.v4)),
      },
      { name: 'a probe (RFC 5227)', frame: arp({ sender: '0.0.0.0' }), meets: says(arpReply('0.0.0.0')) },
    ],
  },
  {
    cites: 'RFC 1027',
    says: 'the router answers for nobody else: there is no proxy',
    cases: ['10.0.1.99', '10.0.2.2', '10.9.0.1', '172.31.0.1'].map((target) => ({
      name: `a request for ${target}`,
      frame: arp({ target }),
      meets: silence,
    })),
  },
  {
    cites: 'RFC 826',
    says: 'replies, and messages of other links and lengths, are not answered',
    cases: [
      { name: 'a reply', frame: arp({ operation: 2 }), meets: silence },
      { name: 'another hardware', frame: arp({ fixed: [0, 15, 8, 0, 6, 4] }), meets: silence },
      { name: 'another protocol', frame: arp({ fixed: [0, 1, 0x86, 0xdd, 6, 4] }), meets: silence },
      { name: 'longer MACs', frame: arp({ fixed: [0, 1, 8, 0, 8, 4] }), meets: silence },
      { name: 'longer addresses', frame: arp({ fixed: [0, 1, 8, 0, 6, 16] }), meets: silence },
    ],
  },
];

/* --- Neighbour Discovery -------------------------------------------------------------------------------------- */

interface SolicitFields {
  readonly src?: string;
  readonly dst?: string;
  readonly target?: string;
  readonly hopLimit?: number;
  readonly code?: number;
  readonly options?: Buffer;
  readonly cut?: number;
  readonly sum?: number;
}

const sourceOption = Buffer.concat([Buffer.from([1, 1]), macBytes(station.mac)]);
const targetOption = Buffer.concat([Buffer.from([2, 1]), macBytes(router.mac)]);
const none = Buffer.alloc(0);

function solicitation(fields: SolicitFields): Buffer {
  const { src = station.v6, dst = groups.asked, target = router.v6, hopLimit = 255 } = fields;
  const fixed = Buffer.concat([Buffer.from([135, fields.code ?? 0, 0, 0, 0, 0, 0, 0]), addressBytes(target)]);
  const whole = Buffer.concat([fixed, fields.options ?? sourceOption]);
  const ip = ipv6({ src, dst, hopLimit, nextHeader: 58 }, whole.subarray(0, fields.cut ?? whole.length));
  ip.writeUInt16BE(fields.sum ?? icmpSum(ip), 42);
  return ethernet(dst.startsWith('ff') ? groups.askedMac : router.mac, station.mac, 0x86dd, ip);
}

/** As router, solicited unless to all. Who asks it alone knows its MAC, which need not be told then, nor override: RFC 4861 §7.2.4. */
function advertised(solicited: boolean, option = targetOption): Buffer {
  const flags = 0x80 | (solicited ? 0x40 : 0) | (option.length > 0 ? 0x20 : 0);
  const fixed = Buffer.from([advertisement, 0, 0, 0, flags, 0, 0, 0]);
  const dst = solicited ? station.v6 : 'ff02::1';
  const message = Buffer.concat([fixed, addressBytes(router.v6), option]);
  const ip = ipv6({ src: router.v6, dst, hopLimit: 255, nextHeader: 58 }, message);
  ip.writeUInt16BE(icmpSum(ip), 42);
  return ethernet(solicited ? station.mac : groups.all, router.mac, 0x86dd, ip);
}

const discovery: readonly NeighbourClause[] = [
  {
    cites: 'RFC 4861 §7.2.4',
    says: 'the router answers solicitations for its address',
    cases: [
      { name: 'to its group', frame: solicitation({}), meets: says(advertised(true)) },
      ...[sourceOption, none].map((options, i) => ({
        name: `to itself, ${i === 0 ? 'with' : 'without'} its own address`,
        frame: solicitation({ dst: router.v6, options }),
        meets: says(advertised(true), advertised(true, none)),
        free: true as const,
      })),
      {
        name: 'with an option that nobody knows',
        frame: solicitation({
          options: Buffer.concat([sourceOption, Buffer.from([200, 1, 0, 0, 0, 0, 0, 0])]),
        }),
        meets: says(advertised(true)),
      },
    ],
  },
  {
    cites: 'RFC 4862 §5.4.3',
    says: 'who would take an address of the router hears of it, with all others',
    cases: [
      { name: 'from ::', frame: solicitation({ src: '::', options: none }), meets: says(advertised(false)) },
    ],
  },
  {
    cites: 'RFC 4861 §7.1.1',
    says: 'a solicitation that is not in order is dropped in silence',
    cases: [
      { name: 'hop limit 254', frame: solicitation({ hopLimit: 254 }), meets: silence },
      { name: 'code 1', frame: solicitation({ code: 1 }), meets: silence },
      { name: 'a wrong checksum', frame: solicitation({ sum: 0x1234 }), meets: silence },
      { name: 'less than 24 bytes', frame: solicitation({ cut: 20 }), meets: silence },
      { name: 'a group as its target', frame: solicitation({ target: 'ff02::1' }), meets: silence },
      {
        name: 'an option of length 0',
        frame: solicitation({ options: Buffer.from([1, 0, 0, 0, 0, 0, 0, 0]) }),
        meets: silence,
      },
      { name: 'from :: with the link-layer address', frame: solicitation({ src: '::' }), meets: silence },
      {
        name: 'from :: to the router alone',
        frame: solicitation({ src: '::', dst: router.v6, options: none }),
        meets: silence,
      },
    ],
  },
  {
    cites: 'RFC 4861 §7.2.3, §7.2.8',
    says: 'the router answers for nobody else: there is no proxy',
    cases: ['2001:db8:1::99', '2001:db8:2::2', '2001:db8:9::1'].map((target) => ({
      name: `a solicitation for ${target}`,
      frame: solicitation({ target }),
      meets: silence,
    })),
  },
];

export const neighbourClauses: readonly NeighbourClause[] = [...arpClauses, ...discovery];
