/** IPv4: what RFC 1812 and those that changed it ask of forwarding. */
import { own } from '../../support/line.js';
import { echo, ipv4, udp } from '../../support/packet.js';
import { type Crafted, data, far4, four, frame4, icmp4, options } from '../crafted.js';
import { echoed, forwarded, inPieces, nothing, told } from './came.js';
import { type Clause, clause, lifeFirst, named, wrongLength } from './clause.js';

/** Whatever the kernel makes of it is right: it is compared byte by byte. */
const asTheKernel = () => undefined;

const ttlExpired = told({ type: 11, code: 0 });
const from = (last: number) => `10.1.3.${last}`;

function echo4(name: string, dst: string, fields: { ttl?: number; src?: string } = {}): Crafted {
  const both = { src: fields.src ?? own.client.v4, dst };
  const request = ipv4({ ...both, ...fields, protocol: 1 }, echo(both, data(56)));
  return { name: `IPv4 echo request ${name}`, frame: frame4(request) };
}

function to(dst: string, last: number, ttl = 64): Crafted {
  const ends = { src: from(last), dst };
  return { name: `IPv4 to ${dst}`, frame: frame4(ipv4({ ...ends, ttl }, udp(ends, 4000, 5000, data(40)))) };
}

const about = (type: number, name: string, last: number) =>
  icmp4(`TTL 1, ICMP ${name}`, type, { ttl: 1, src: from(last) });

const headers: readonly Clause[] = [
  clause(
    'RFC 1812 §5.2.2 (1)–(5)',
    'a packet whose version, length, header length or checksum is wrong is dropped in silence',
    nothing,
    named(
      'IPv4 cut in the header',
      'IPv4 version 5',
      'IPv4 version 6 in an IPv4 frame',
      'IPv4 header of 4 words',
      'IPv4 header longer than the packet',
      'IPv4 total length below the header',
      'IPv4 total length above the frame',
      'IPv4 wrong header checksum',
    ),
  ),
  clause(
    'RFC 1812 §5.2.2 (4)',
    'what the link layer added behind the packet is not forwarded',
    forwarded(),
    named('IPv4 total length below the frame: padding is not forwarded', 'IPv4 UDP of the smallest size'),
  ),
  clause(
    'RFC 1812 §4.2.2.3, §4.2.2.4, §5.3.2',
    'reserved bits, type of service, identification and fragment fields go on as they are',
    forwarded(),
    named(
      'IPv4 with the reserved flag',
      'IPv4 UDP with a DSCP and ECN',
      'IPv4 ID 0',
      'IPv4 with DF',
      'IPv4 first fragment',
      'IPv4 middle fragment',
      'IPv4 last fragment',
    ),
  ),
  clause(
    'RFC 1812 §5.2.1.2',
    'what a packet carries does not matter to forwarding',
    forwarded(),
    named(
      'IPv4 UDP',
      'IPv4 UDP with an odd number of bytes',
      'IPv4 UDP of 1500 bytes',
      'IPv4 TCP SYN',
      'IPv4 echo request',
      'IPv4 of an unknown protocol',
    ),
  ),
];

const lifetimes: readonly Clause[] = [
  clause(
    'RFC 1812 §5.3.1, §5.2.7.3',
    'a packet whose time to live ends here goes no further, and its source is told',
    ttlExpired,
    named('IPv4 TTL 0', 'IPv4 TTL 1'),
  ),
  clause(
    'RFC 1812 §5.3.1',
    'the time to live of a packet that is forwarded goes down by one',
    forwarded(),
    named('IPv4 TTL 2', 'IPv4 TTL 255'),
  ),
  clause('RFC 1812 §4.2.2.9', 'the time to live of packets for the router itself does not matter', echoed(), [
    echo4('to the router with TTL 1', '10.0.1.1', { ttl: 1 }),
    echo4('to the router with TTL 0', '10.0.1.1', { ttl: 0 }),
  ]),
];

const addresses: readonly Clause[] = [
  clause(
    'RFC 1812 §5.3.7',
    'what comes from loopback, multicast, broadcast or no address is dropped in silence',
    nothing,
    named('IPv4 from 127.0.0.1', 'IPv4 from 0.0.0.0', 'IPv4 from 224.0.0.1', 'IPv4 from 255.255.255.255'),
  ),
  clause(
    'RFC 1812 §5.3.7',
    'what goes to loopback or no address is dropped in silence',
    nothing,
    named('IPv4 to 127.0.0.1', 'IPv4 to 0.0.0.0'),
  ),
  clause(
    'RFC 1812 §5.3.8',
    'nobody else sends from an address of the router',
    nothing,
    named('IPv4 from 10.0.1.1', 'IPv4 from 10.0.2.1'),
  ),
  clause(
    'RFC 1812 §5.3.5.1',
    'a packet to the limited broadcast address stays on its link',
    nothing,
    named('IPv4 to 255.255.255.255, which the table forbids'),
  ),
  clause(
    'RFC 1812 §5.2.4.3 (2)',
    'of several routes the one with the longest prefix counts',
    forwarded('provider'),
    [to('10.9.200.9', 3), to('10.9.207.255', 4)],
  ),
  clause('RFC 1812 §5.2.4.3 (2)', 'and no other', forwarded(), [to('10.9.199.255', 5), to('10.9.208.0', 6)]),
  clause(
    'RFC 2644 §2',
    'a directed broadcast is not sent to its network',
    nothing,
    named('IPv4 to 10.0.2.255, which the table forbids'),
  ),
  clause(
    'RFC 1812 §5.2.4.3',
    'groups that nobody has joined are not forwarded, and nobody is told',
    nothing,
    [to('224.0.0.251', 1), to('239.1.2.3', 2)],
  ),
  clause(
    'RFC 1812 §5.3.4',
    'what came in a link-layer broadcast, or was meant for another station, is not forwarded',
    nothing,
    named('IPv4 in a broadcast frame', 'IPv4 to another station'),
  ),
  clause(
    'RFC 1812 §5.2.7.2',
    'what leaves where it came in is forwarded, and no redirect is sent',
    forwarded('client'),
    named('IPv4 back out of the interface it came by'),
  ),
];

const unreachable: readonly Clause[] = [
  clause(
    'RFC 1812 §5.2.7.1',
    'without a route the source is told that the network cannot be reached',
    told({ type: 3, code: 0 }),
    [to('172.31.0.1', 11), to('192.0.2.5', 12)],
  ),
  clause(
    'RFC 1812 §5.2.7.1',
    'a route that says so tells that the host cannot be reached',
    told({ type: 3, code: 1 }),
    named('IPv4 to 10.7.2.1, which the table forbids'),
  ),
  clause(
    'RFC 1812 §5.2.7.1',
    'a route that says so tells that communication is prohibited',
    told({ type: 3, code: 13 }),
    named('IPv4 to 10.7.3.1, which the table forbids'),
  ),
  clause(
    'RFC 1812 §5.2.7.1',
    'what has no way is told so whatever its time to live',
    told({ type: 3, code: 0 }),
    [{ name: 'IPv4 to 172.31.0.1 with TTL 1', frame: to('172.31.0.1', 13, 1).frame }],
    lifeFirst(ttlExpired),
  ),
  clause(
    'RFC 1812 §5.2.7.1',
    'a blackhole is silent',
    nothing,
    named('IPv4 to 10.7.1.1, which the table forbids'),
  ),
];

const errors: readonly Clause[] = [
  clause('RFC 1812 §4.3.2.3', 'an ICMP error quotes as much of the packet as 576 bytes hold', ttlExpired, [
    four('TTL 1, of 1400 bytes', { ttl: 1, src: from(21) }, 1372),
  ]),
  clause(
    'RFC 1812 §4.3.2.4',
    'an ICMP error comes from an address of the interface that it leaves by, wherever the packet came in',
    told({ type: 11, code: 0, to: 'server' }),
    [four('TTL 1, from behind the server', { ttl: 1, src: '10.9.7.1' })],
  ),
  clause(
    'RFC 1812 §4.3.2.5',
    'an ICMP error has precedence 6 and the type of service of the packet',
    ttlExpired,
    [four('TTL 1, with a type of service', { ttl: 1, tos: 0xb9, src: from(22) })],
  ),
  clause('RFC 1812 §4.3.2.7', 'no ICMP error is sent about an ICMP error', nothing, [
    about(3, 'unreachable', 31),
    about(4, 'source quench', 32),
    about(5, 'redirect', 33),
    about(11, 'time exceeded', 34),
    about(12, 'parameter problem', 35),
  ]),
  clause('RFC 1812 §4.3.2.7', 'an ICMP error is sent about other ICMP messages', ttlExpired, [
    about(8, 'echo request', 36),
    about(0, 'echo reply', 37),
  ]),
  clause(
    'RFC 1812 §4.3.2.7',
    'an ICMP error is sent about what ends within its transport header',
    ttlExpired,
    [
      {
        name: 'IPv4 TTL 1, half a UDP header',
        frame: frame4(ipv4({ ...far4, src: from(46), ttl: 1 }, data(4))),
      },
    ],
  ),
  clause('RFC 1812 §4.3.2.7', 'no ICMP error is sent about a fragment but the first', nothing, [
    four('TTL 1, a later fragment', { ttl: 1, fragment: 0x0010, src: from(41) }),
  ]),
  clause('RFC 1812 §4.3.2.7', 'an ICMP error is sent about the first fragment', ttlExpired, [
    four('TTL 1, the first fragment', { ttl: 1, fragment: 0x2000, src: from(42) }),
  ]),
  clause(
    'RFC 1812 §4.3.2.7',
    'no ICMP error is sent about what goes to many, came in a broadcast frame, or is from nobody',
    nothing,
    [
      four('TTL 1, to a group', { ttl: 1, dst: '239.1.2.3', src: from(43) }),
      four('TTL 1, to a directed broadcast', { ttl: 1, dst: '10.0.2.255', src: from(44) }),
      four('TTL 1, from 0.0.0.0', { ttl: 1, src: '0.0.0.0' }),
      four('TTL 1, from 127.0.0.1', { ttl: 1, src: '127.0.0.1' }),
      {
        name: 'IPv4 TTL 1, in a broadcast frame',
        frame: frame4(
          ipv4({ ...far4, src: from(45), ttl: 1 }, udp({ ...far4, src: from(45) }, 1, 2, data(20))),
          'ff:ff:ff:ff:ff:ff',
        ),
      },
    ],
  ),
  clause(
    'RFC 1812 §4.3.3.6',
    'the router answers echo requests for any of its addresses, from the one that was asked',
    echoed(),
    [echo4('to the router', '10.0.1.1'), echo4('to another address of the router', '10.0.2.1')],
  ),
];

const sizes: readonly Clause[] = [
  clause(
    'RFC 1812 §4.2.2.7, RFC 791 §3.2',
    'what is too large for the next link and may be cut up is sent in pieces that fit',
    inPieces('provider', 1280),
    named('IPv4 one byte too large', 'IPv4 too large, without DF', 'IPv4 too large, a fragment already'),
  ),
  clause(
    'RFC 1191 §4',
    'the source of what is too large and may not be cut up is told the MTU of the next link',
    told({ type: 3, code: 4, field: 1280 }),
    named(
      'IPv4 too large, with DF',
      'IPv4 too large, with DF, a type of service and an odd length',
      'IPv4 too large, with DF, the first fragment',
      'IPv4 too large, with DF, an echo request',
    ),
  ),
  clause(
    'RFC 1812 §5.3.3',
    'what just fits is forwarded whole',
    forwarded('provider'),
    named('IPv4 of exactly the MTU'),
  ),
  clause(
    'RFC 1812 §4.3.2.7',
    'nobody is told about ICMP errors and later fragments that are too large',
    nothing,
    named('IPv4 too large, with DF, an ICMP error', 'IPv4 too large, with DF, a later fragment'),
  ),
];

/** RFC 7126 §4.3–4.7 advises it, and a record of the way is not this router's to write. */
const unwanted = {
  faceless: {
    meets: nothing,
    why: 'source routes, records of the way and timestamps are dropped: RFC 7126 §4',
  },
};

const ipOptions: readonly Clause[] = [
  clause('RFC 1812 §4.2.2.6', 'options that ask nothing of this router go on as they are', forwarded(), [
    ...named('IPv4 no-operation options', 'IPv4 router alert for somebody else'),
    four('an option that nobody knows', { options: options([0x5e, 4, 1, 2]), src: from(51) }),
  ]),
  clause(
    'RFC 1812 §5.3.13.5, §5.3.13.6',
    'the way and the time are recorded where a packet asks for it',
    asTheKernel,
    named('IPv4 record route', 'IPv4 timestamp option that is full'),
    unwanted,
  ),
  clause(
    'RFC 1812 §4.3.3.5',
    'the source of malformed options is told where they are wrong',
    told({ type: 12, code: 0, field: 20 << 24 }),
    named('IPv4 option with a length beyond the header', 'IPv4 option of length 0'),
    {
      faceless: {
        meets: told({ type: 12, code: 0, field: 21 << 24 }),
        why: wrongLength,
      },
    },
  ),
  clause('RFC 7126 §4.3', 'source routes are not followed', nothing, named('IPv4 loose source route')),
];

export const ipv4Clauses: readonly Clause[] = [
  ...headers,
  ...lifetimes,
  ...addresses,
  ...unreachable,
  ...errors,
  ...sizes,
  ...ipOptions,
];
