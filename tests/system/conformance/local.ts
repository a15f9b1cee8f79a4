/** The router as a host: what RFC 1812 §4.3, RFC 1122 §3.2.2, RFC 8200 §4 and RFC 4443 ask of who gets a packet for itself. */
import { own } from '../../support/line.js';
import { checksum, echo, ipv4, ipv6, tcpSyn, udp } from '../../support/packet.js';
import { type Crafted, data, frame4, frame6, options } from '../crafted.js';
import { echoed, icmpSum, nothing, told } from './came.js';
import { type Clause, clause, wrongLength } from './clause.js';

/** Whatever the kernel makes of it is right: it is compared byte by byte. */
const asTheKernel = () => undefined;

const router4 = { near: '10.0.1.1', far: '10.0.2.1' } as const;
const router6 = { near: '2001:db8:1::1', far: '2001:db8:2::1' } as const;
/** Of c0, made of its MAC: RFC 4291, appendix A. */
const linkLocal = 'fe80::ff:fe00:c';
/** Behind the client; the kernel limits some errors to one a second for each of them. */
const from4 = (last: number) => `10.1.4.${last}`;

const groupMac = '33:33:00:00:00:01';
const extension = { destination: 60, routing: 43, fragment: 44, hopByHop: 0 } as const;

function sized(name: string, dst: string, bytes: number): Crafted {
  const ends = { src: dst.includes(':') ? own.client.v6 : own.client.v4, dst };
  return dst.includes(':')
    ? { name, frame: frame6(ipv6({ ...ends, nextHeader: 58 }, echo(ends, data(bytes)))) }
    : { name, frame: frame4(ipv4({ ...ends, protocol: 1 }, echo(ends, data(bytes)))) };
}

/** An ICMP message of a type, its checksum right unless it is `spoilt`. */
function message(type: number, dst: string, fields: { spoilt?: true; mac?: string } = {}): Crafted {
  const four = !dst.includes(':');
  const ends = { src: four ? own.client.v4 : own.client.v6, dst };
  const icmp = Buffer.concat([Buffer.from([type, 0, 0, 0, 0, 7, 0, 1]), data(40)]);
  const ip = four ? ipv4({ ...ends, protocol: 1 }, icmp) : ipv6({ ...ends, nextHeader: 58 }, icmp);
  const at = four ? 22 : 42;
  ip.writeUInt16BE((four ? checksum(ip.subarray(20)) : icmpSum(ip)) ^ (fields.spoilt ? 0x100 : 0), at);
  const name = `ICMP${four ? '' : 'v6'} type ${type} to ${dst}${fields.spoilt ? ', its checksum wrong' : ''}`;
  return { name, frame: (four ? frame4 : frame6)(ip, fields.mac) };
}

function datagram4(dst: string, last: number, protocol = 17): Crafted {
  const ends = { src: from4(last), dst };
  const payload = protocol === 17 ? udp(ends, 4000, 5000, data(40)) : data(40);
  return { name: `protocol ${protocol} to ${dst}`, frame: frame4(ipv4({ ...ends, protocol }, payload)) };
}

function datagram6(dst: string, nextHeader = 17, src: string = own.client.v6): Crafted {
  const ends = { src, dst };
  const payload = nextHeader === 17 ? udp(ends, 4000, 5000, data(40)) : data(40);
  return {
    name: `next header ${nextHeader} from ${src} to ${dst}`,
    frame: frame6(ipv6({ ...ends, nextHeader }, payload)),
  };
}

function segment(dst: string): Crafted {
  const four = !dst.includes(':');
  const ends = { src: four ? own.client.v4 : own.client.v6, dst };
  const syn = tcpSyn(ends, 4000, 9);
  const ip = four ? ipv4({ ...ends, protocol: 6 }, syn) : ipv6({ ...ends, nextHeader: 6 }, syn);
  return { name: `TCP to ${dst}`, frame: (four ? frame4 : frame6)(ip) };
}

/** An echo request behind an extension header of eight bytes, whose first is to be "next header". */
function behindHeader(
  name: string,
  kind: number,
  rest: readonly number[],
  dst: string = router6.near,
): Crafted {
  const ends = { src: own.client.v6, dst };
  const payload = Buffer.concat([options([58, ...rest]), echo(ends, data(40))]);
  return { name, frame: frame6(ipv6({ ...ends, nextHeader: kind }, payload)) };
}

/** An option that nobody knows, of the action that the two highest bits of its type say: RFC 8200 §4.2. */
const unknownOption = (type: number) => [0, type, 4, 0, 0, 0, 0] as const;

/** An echo request cut up, the last piece first; the whole is what is answered. */
function inPieces4(dst: string): Crafted {
  const ends = { src: own.client.v4, dst };
  const whole = echo(ends, data(1000));
  const piece = (fragment: number, from: number, to?: number) =>
    frame4(ipv4({ ...ends, protocol: 1, id: 0x4711, fragment }, whole.subarray(from, to)));
  return {
    name: `IPv4 echo request in two pieces to ${dst}`,
    frame: frame4(ipv4({ ...ends, protocol: 1 }, whole)),
    pieces: [piece(504 / 8, 504), piece(0x2000, 0, 504)],
  };
}

function inPieces6(dst: string): Crafted {
  const ends = { src: own.client.v6, dst };
  const whole = echo(ends, data(1000));
  const piece = (offset: number, more: 0 | 1, bytes: Buffer) => {
    const head = Buffer.from([58, 0, 0, 0, 0, 0, 0x47, 0x11]);
    head.writeUInt16BE(offset | more, 2);
    return frame6(ipv6({ ...ends, nextHeader: extension.fragment }, Buffer.concat([head, bytes])));
  };
  return {
    name: `IPv6 echo request in two pieces to ${dst}`,
    frame: frame6(ipv6({ ...ends, nextHeader: 58 }, whole)),
    pieces: [piece(504, 0, whole.subarray(504)), piece(0, 1, whole.subarray(0, 504))],
  };
}

/** The second half of a datagram, whose first never comes. */
const halves: readonly Crafted[] = [
  {
    name: 'the second half of a UDP datagram, IPv4',
    frame: frame4(
      ipv4({ src: from4(21), dst: router4.near, protocol: 17, id: 0x4712, fragment: 8 }, data(40)),
    ),
  },
  {
    name: 'the second half of a UDP datagram, IPv6',
    frame: frame6(
      ipv6(
        { src: own.client.v6, dst: router6.near, nextHeader: extension.fragment },
        Buffer.concat([Buffer.from([17, 0, 0, 64, 0, 0, 0x47, 0x12]), data(40)]),
      ),
    ),
  },
];

/** An echo request with IPv4 options. */
function optioned(name: string, last: number, bytes: readonly number[]): Crafted {
  const ends = { src: from4(last), dst: router4.near };
  return {
    name: `an echo request with ${name}`,
    frame: frame4(ipv4({ ...ends, protocol: 1, options: options(bytes) }, echo(ends, data(40)))),
  };
}

const notPutTogether = {
  faceless: { meets: nothing, why: 'fragments for the router itself are not put together' },
};

const four: readonly Clause[] = [
  clause(
    'RFC 1812 §4.2.2.8',
    'fragments for the router itself are put together',
    echoed(),
    [inPieces4(router4.near)],
    notPutTogether,
  ),
  clause('RFC 1122 §3.3.2', 'nobody is told of a later fragment whose first does not come', nothing, [
    halves[0]!,
  ]),
  clause('RFC 7126 §4.3, §4.4', 'source routes to the router itself are dropped, too', nothing, [
    optioned('a loose source route', 31, [131, 7, 4, 10, 9, 0, 1, 0]),
    optioned('a strict source route', 32, [137, 7, 4, 10, 9, 0, 1, 0]),
    optioned('a source route that is at its end', 33, [131, 7, 8, 10, 9, 0, 1, 0]),
  ]),
  clause(
    'RFC 1812 §4.3.3.5',
    'the source of malformed options is told where they are wrong, by who is asked, too',
    told({ type: 12, code: 0, field: 20 << 24 }),
    [
      optioned('an option with a length beyond the header', 34, [7, 40, 4, 0]),
      optioned('an option of length 0', 35, [7, 0, 0, 0]),
    ],
    {
      faceless: {
        meets: told({ type: 12, code: 0, field: 21 << 24 }),
        why: wrongLength,
      },
    },
  ),
  clause(
    'RFC 1812 §4.3.3.6',
    'echo requests are answered as large as the link carries them, with all their data',
    echoed(),
    [sized('an echo request of 1,500 bytes', router4.near, 1472), sized('one without data', router4.near, 0)],
  ),
  clause('RFC 1812 §4.3.3.6', 'echo requests to many may be left without an answer, and are', nothing, [
    message(8, '10.0.1.255'),
    message(8, '224.0.0.1', { mac: '01:00:5e:00:00:01' }),
  ]),
  clause('RFC 1812 §4.3.2.1', 'ICMP messages of unknown types are dropped in silence', nothing, [
    message(42, router4.near),
    message(255, router4.near),
  ]),
  clause('RFC 792', 'ICMP messages whose checksum is wrong are dropped in silence', nothing, [
    message(8, router4.near, { spoilt: true }),
  ]),
  clause('RFC 6918 §2', 'information and address mask requests are not answered', nothing, [
    message(15, router4.near),
    message(17, router4.near),
  ]),
  clause(
    'RFC 1812 §5.2.7.1, RFC 1122 §3.2.2.1',
    'who asks the router for a port or protocol that it has not is told, from the address that was asked',
    told({ type: 3, code: 3 }),
    [datagram4(router4.near, 1)],
  ),
  clause(
    'RFC 1812 §5.2.7.1, RFC 1122 §3.2.2.1',
    'the same of its other addresses',
    told({ type: 3, code: 3, source: router4.far }),
    [datagram4(router4.far, 2)],
  ),
  clause('RFC 1812 §5.2.7.1, RFC 1122 §3.2.2.1', 'and of protocols', told({ type: 3, code: 2 }), [
    datagram4(router4.near, 3, 253),
  ]),
  clause(
    'RFC 9293 §3.5.2',
    'a connection to a port where nobody listens is reset',
    asTheKernel,
    [segment(router4.near), segment(router6.near)],
    {
      faceless: {
        meets: (sent, came) =>
          told(sent.readUInt16BE(12) === 0x0800 ? { type: 3, code: 3 } : { type: 1, code: 4 })(sent, came),
        why: 'there is no TCP: the port is said to be unreachable',
      },
    },
  ),
];

const six: readonly Clause[] = [
  clause(
    'RFC 8200 §4.5',
    'fragments for the router itself are put together',
    echoed(),
    [inPieces6(router6.near)],
    notPutTogether,
  ),
  clause('RFC 4443 §3.1', 'nobody is told of a later fragment whose first does not come', nothing, [
    halves[1]!,
  ]),
  clause('RFC 4443 §4.2', 'echo requests are answered with all their data', echoed(), [
    sized('an ICMPv6 echo request of 1,500 bytes', router6.near, 1452),
    sized('one of ICMPv6 without data', router6.near, 0),
  ]),
  clause(
    'RFC 4443 §4.2',
    'who asks a group or an anycast address is answered from an address of the interface',
    echoed(router6.near),
    [
      message(128, 'ff02::1', { mac: groupMac }),
      message(128, 'ff02::2', { mac: '33:33:00:00:00:02' }),
      message(128, 'ff02::1:ff00:1', { mac: '33:33:ff:00:00:01' }),
    ],
  ),
  clause(
    'RFC 4291 §2.6.1',
    'the router answers for the subnet-router anycast addresses of its networks',
    echoed(router6.near),
    [message(128, '2001:db8:1::')],
  ),
  clause('RFC 4443 §2.4 (b)', 'messages of unknown types that ask are dropped in silence', nothing, [
    message(160, router6.near),
    message(255, router6.near),
  ]),
  clause('RFC 4443 §2.4 (a), (e.1)', 'nobody is told about errors of unknown types', nothing, [
    message(99, router6.near),
    message(127, router6.near),
  ]),
  clause('RFC 4443 §2.3', 'ICMPv6 messages whose checksum is wrong are dropped in silence', nothing, [
    message(128, router6.near, { spoilt: true }),
  ]),
  clause(
    'RFC 4443 §3.1, §2.2 (a)',
    'who asks the router for a port that it has not is told, from the address that was asked',
    told({ type: 1, code: 4 }),
    [datagram6(router6.near)],
  ),
  clause(
    'RFC 4443 §3.1, §2.2 (a)',
    'the same of its other addresses',
    told({ type: 1, code: 4, source: router6.far }),
    [datagram6(router6.far)],
  ),
  clause(
    'RFC 4443 §3.4, RFC 8200 §4',
    'who asks the router for a protocol that it has not is told where it stands',
    told({ type: 4, code: 1, field: 6 }),
    [datagram6(router6.near, 253)],
  ),
  clause(
    'RFC 4443 §3.1, §3.4',
    'who has an address of its link alone is told so, too',
    (sent, came) => told(sent[20] === 17 ? { type: 1, code: 4 } : { type: 4, code: 1, field: 6 })(sent, came),
    [datagram6(router6.near, 17, linkLocal), datagram6(router6.near, 253, linkLocal)],
  ),
  clause('RFC 8200 §4.7', 'nothing comes of a packet without a next header', nothing, [
    datagram6(router6.near, 59),
  ]),
  clause('RFC 8200 §4.2', 'options that nobody knows are skipped where their type says so', echoed(), [
    behindHeader('an unknown option, 00', extension.destination, unknownOption(0x1e)),
  ]),
  clause('RFC 8200 §4.2', 'or the packet is dropped in silence where it says that', nothing, [
    behindHeader('an unknown option, 01', extension.destination, unknownOption(0x5e)),
  ]),
  clause(
    'RFC 8200 §4.2',
    'or its source is told where the option is',
    told({ type: 4, code: 2, field: 42 }),
    [
      behindHeader('an unknown option, 10', extension.destination, unknownOption(0x9e)),
      behindHeader('an unknown option, 11', extension.destination, unknownOption(0xde)),
    ],
  ),
  clause('RFC 8200 §4.4', 'a routing header that is done with is passed over', echoed(), [
    behindHeader('a routing header without segments left', extension.routing, [0, 253, 0, 0, 0, 0, 0]),
  ]),
  clause(
    'RFC 8200 §4.4, RFC 5095 §3',
    'the source of a routing header that nobody knows, or of type 0, is told',
    told({ type: 4, code: 0, field: 42 }),
    [
      behindHeader('a routing header of type 253', extension.routing, [0, 253, 1, 0, 0, 0, 0]),
      behindHeader('a routing header of type 0', extension.routing, [0, 0, 1, 0, 0, 0, 0]),
    ],
  ),
];

export const localClauses: readonly Clause[] = [...four, ...six];
