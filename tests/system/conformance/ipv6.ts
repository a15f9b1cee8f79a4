/** IPv6: what RFC 8200, RFC 4291 and RFC 4443 ask of forwarding. */
import { behind, own } from '../../support/line.js';
import { echo, ipv6, udp } from '../../support/packet.js';
import { type Crafted, data, far6, frame6, icmp6, options, six } from '../crafted.js';
import { type Came, echoed, forwarded, nothing, told } from './came.js';
import { type Clause, clause, lifeFirst, named } from './clause.js';

/** Of c0 and r0, made of their MACs: RFC 4291, appendix A. */
const linkLocal = { client: 'fe80::ff:fe00:c', router: 'fe80::ff:fe00:100' } as const;
const hopLimitExceeded = told({ type: 3, code: 0 });

function echo6(name: string, dst: string, hopLimit = 64): Crafted {
  const ends = { src: own.client.v6, dst };
  const request = ipv6({ ...ends, hopLimit, nextHeader: 58 }, echo(ends, data(56)));
  return { name: `IPv6 echo request ${name}`, frame: frame6(request) };
}

function laterFragment(name: string, fields: { dst?: string; hopLimit?: number }, size: number): Crafted {
  const payload = Buffer.concat([Buffer.from([17, 0, 0, 9, 0, 0, 0, 9]), data(size)]);
  return {
    name: `IPv6 ${name}, a later fragment`,
    frame: frame6(ipv6({ ...far6, ...fields, nextHeader: 44 }, payload)),
  };
}

function hopByHop(name: string, type: number): Crafted {
  const header = options([17, 0, type, 4, 0, 0, 0, 0]);
  const payload = Buffer.concat([header, udp(far6, 4000, 5000, data(40))]);
  return {
    name: `IPv6 with a hop-by-hop option that is ${name}`,
    frame: frame6(ipv6({ ...far6, nextHeader: 0 }, payload)),
  };
}

const passedOver = {
  faceless: {
    // The server does look into them, and may tell.
    meets: (sent: Buffer, came: Came) =>
      came.server.length > 0 ? forwarded()(sent, { ...came, client: [] }) : 'it is not forwarded',
    why: 'hop-by-hop options are not looked into, which RFC 8200 §4 leaves to who forwards',
  },
};

const about = (type: number, name: string) => icmp6(`hop limit 1, ICMPv6 ${name}`, type, { hopLimit: 1 });

const headers: readonly Clause[] = [
  clause(
    'RFC 8200 §3',
    'a packet whose version or length is wrong is dropped in silence',
    nothing,
    named('IPv6 version 4 in an IPv6 frame', 'IPv6 payload length above the frame'),
  ),
  clause(
    'RFC 8200 §3',
    'what is behind the payload is not forwarded',
    forwarded(),
    named('IPv6 payload length below the frame', 'IPv6 payload length 0'),
  ),
  clause(
    'RFC 8200 §6, §7; RFC 6437 §3',
    'traffic class and flow label go on as they are',
    forwarded(),
    named('IPv6 with traffic class and flow label'),
  ),
  clause(
    'RFC 8200 §3',
    'a packet whose hop limit ends here goes no further, and its source is told (RFC 4443 §3.3)',
    hopLimitExceeded,
    named('IPv6 hop limit 0', 'IPv6 hop limit 1'),
  ),
  clause(
    'RFC 8200 §3',
    'the hop limit of a packet that is forwarded goes down by one',
    forwarded(),
    named('IPv6 hop limit 2', 'IPv6 hop limit 255'),
  ),
  clause('RFC 8200 §3', 'the hop limit of packets for the router itself does not matter', echoed(), [
    echo6('to the router with hop limit 1', '2001:db8:1::1', 1),
    echo6('to the router with hop limit 0', '2001:db8:1::1', 0),
  ]),
  clause(
    'RFC 8200 §4',
    'extension headers but hop-by-hop options are looked at by nobody on the way (RFC 7045 §2.1)',
    forwarded(),
    named(
      'IPv6 destination options',
      'IPv6 fragment header',
      'IPv6 routing header type 2',
      'IPv6 of an unknown next header',
      'IPv6 with no next header',
    ),
  ),
  clause(
    'RFC 8200 §4.3',
    'hop-by-hop options that ask nothing of this router go on as they are',
    forwarded(),
    named('IPv6 hop-by-hop padding'),
  ),
  clause(
    'RFC 8200 §4.2, §4.3',
    'what a hop-by-hop option that nobody knows asks for is done: nothing',
    forwarded(),
    [hopByHop('skipped', 0x1e)],
  ),
  clause(
    'RFC 8200 §4.2, §4.3',
    'that the packet is dropped',
    nothing,
    [hopByHop('to be dropped', 0x5e)],
    passedOver,
  ),
  clause(
    'RFC 8200 §4.2, §4.3',
    'that its source is told',
    told({ type: 4, code: 2, field: 42 }),
    [hopByHop('to be told of', 0x9e), hopByHop('to be told of, but for groups', 0xde)],
    passedOver,
  ),
  clause(
    'RFC 8200 §4.1',
    'what a packet carries does not matter to forwarding',
    forwarded(),
    named(
      'IPv6 UDP',
      'IPv6 UDP of the smallest size',
      'IPv6 UDP of 1500 bytes',
      'IPv6 TCP SYN',
      'IPv6 echo request',
    ),
  ),
];

const addresses: readonly Clause[] = [
  clause('RFC 7608 §2', 'of several routes the one with the longest prefix counts', forwarded('provider'), [
    six('to 2001:db8:9:200::9', { dst: '2001:db8:9:200::9' }),
    six('to 2001:db8:9:207:ffff::9', { dst: '2001:db8:9:207:ffff::9' }),
  ]),
  clause('RFC 7608 §2', 'and no other', forwarded(), [
    six('to 2001:db8:9:1ff::9', { dst: '2001:db8:9:1ff::9' }),
    six('to 2001:db8:9:208::9', { dst: '2001:db8:9:208::9' }),
  ]),
  clause('RFC 4291 §2.5.2', 'what comes from nowhere is never forwarded', nothing, named('IPv6 from ::')),
  clause(
    'RFC 4291 §2.5.3',
    'what comes from or goes to loopback is dropped in silence',
    nothing,
    named('IPv6 from ::1', 'IPv6 to ::1'),
  ),
  {
    ...clause(
      'RFC 4291 §2.5.6',
      'what goes to a link-local address stays on its link',
      nothing,
      named('IPv6 to fe80::5'),
    ),
    late: true,
  },
  clause('RFC 4291 §2.7', 'a group is no source, and groups of no scope are no destination', nothing, [
    ...named('IPv6 from ff02::5'),
    six('to ff00::5', { dst: 'ff00::5' }),
    six('to ff01::5', { dst: 'ff01::5' }),
  ]),
  clause('RFC 4291 §2.7', 'groups that nobody has joined are not forwarded, and nobody is told', nothing, [
    six('to ff0e::5', { dst: 'ff0e::5' }),
    six('to ff02::5', { dst: 'ff02::5' }),
  ]),
  clause(
    'RFC 2464 §7',
    'what came in a frame to many, or was meant for another station, is not forwarded',
    nothing,
    named('IPv6 in a multicast frame', 'IPv6 to another station'),
  ),
];

const errors: readonly Clause[] = [
  clause(
    'RFC 4443 §3.1',
    'without a route the source is told',
    told({ type: 1, code: 0 }),
    named('IPv6 to 2001:db8:ffff::1', 'IPv6 to 2001:db8:7:2::1'),
  ),
  clause(
    'RFC 4443 §3.1',
    'a route that says so tells that communication is prohibited',
    told({ type: 1, code: 1 }),
    named('IPv6 to 2001:db8:7:3::1'),
  ),
  clause(
    'RFC 4443 §3.1',
    'what has no way is told so whatever its hop limit',
    told({ type: 1, code: 0 }),
    [six('to 2001:db8:ffff::1 with hop limit 1', { dst: '2001:db8:ffff::1', hopLimit: 1 })],
    lifeFirst(hopLimitExceeded),
  ),
  clause('RFC 4443 §3.1', 'a blackhole is silent', nothing, named('IPv6 to 2001:db8:7:1::1')),
  clause(
    'RFC 4443 §3.1',
    'the source of what may not leave its link is told that its address has too small a scope',
    told({ type: 1, code: 2, source: linkLocal.router }),
    [six('from a link-local address', { src: linkLocal.client })],
  ),
  clause(
    'RFC 4443 §3.3',
    'who has an address of its link alone is told, too, on its link',
    told({ type: 3, code: 0, source: linkLocal.router }),
    [six('hop limit 1, from a link-local address', { src: linkLocal.client, hopLimit: 1 })],
  ),
  clause(
    'RFC 4443 §3.1',
    'who has an address of its link alone is told that there is no route, too',
    told({ type: 1, code: 0, source: linkLocal.router }),
    [six('from a link-local address to nowhere', { src: linkLocal.client, dst: '2001:db8:ffff::1' })],
  ),
  clause(
    'RFC 4443 §3.2, RFC 8200 §5',
    'the source of what is too large is told the MTU of the next link; nothing is cut up',
    told({ type: 2, code: 0, field: 1280 }),
    named(
      'IPv6 too large',
      'IPv6 too large, with a traffic class, of an odd length',
      'IPv6 too large, an echo request',
    ),
  ),
  clause(
    'RFC 4443 §3.2',
    'the source of a later fragment is told, too',
    told({ type: 2, code: 0, field: 1280 }),
    [laterFragment('too large', { dst: behind.provider.v6 }, 1400)],
  ),
  clause('RFC 4443 §3.3', 'the source of a later fragment is told, too', hopLimitExceeded, [
    laterFragment('hop limit 1', { hopLimit: 1 }, 40),
  ]),
  clause(
    'RFC 8200 §5',
    'what just fits is forwarded whole',
    forwarded('provider'),
    named('IPv6 of exactly the MTU'),
  ),
  clause(
    'RFC 4443 §2.4 (c)',
    'an ICMPv6 error quotes as much of the packet as 1,280 bytes hold',
    hopLimitExceeded,
    [six('hop limit 1, of 1400 bytes', { hopLimit: 1 }, 1352)],
  ),
  clause(
    'RFC 4443 §2.2 (b)',
    'an ICMPv6 error comes from the interface where the packet came in, wherever it leaves',
    told({ type: 3, code: 0, to: 'server' }),
    [six('hop limit 1, from behind the server', { hopLimit: 1, src: '2001:db8:9::7' })],
  ),
  clause(
    'RFC 4443 §3.3',
    'an ICMPv6 error is sent about what ends within its transport header',
    hopLimitExceeded,
    [
      {
        name: 'IPv6 hop limit 1, half a UDP header',
        frame: frame6(ipv6({ ...far6, hopLimit: 1 }, data(4))),
      },
      {
        name: 'IPv6 hop limit 1, half a TCP header',
        frame: frame6(ipv6({ ...far6, hopLimit: 1, nextHeader: 6 }, data(10))),
      },
    ],
  ),
  clause('RFC 4443 §2.4 (e.1)', 'no ICMPv6 error is sent about an ICMPv6 error', nothing, [
    about(1, 'unreachable'),
    about(2, 'packet too big'),
    about(3, 'time exceeded'),
    about(4, 'parameter problem'),
    ...named('IPv6 too large, an ICMP error'),
  ]),
  clause('RFC 4443 §2.4 (e)', 'an ICMPv6 error is sent about other ICMPv6 messages', hopLimitExceeded, [
    about(128, 'echo request'),
    about(129, 'echo reply'),
    about(133, 'Router Solicitation'),
    about(134, 'Router Advertisement'),
    about(135, 'Neighbour Solicitation'),
    about(136, 'Neighbour Advertisement'),
  ]),
  clause(
    'RFC 4443 §2.4 (e.2)',
    'no ICMPv6 error is sent about a redirect',
    nothing,
    [about(137, 'redirect')],
    {
      kernel: { meets: hopLimitExceeded, why: 'an error is sent about a redirect, too' },
    },
  ),
  clause(
    'RFC 4443 §2.4 (e.3)–(e.6)',
    'no ICMPv6 error is sent about what goes to many, came in a frame to many, or is from nobody',
    nothing,
    [
      six('hop limit 1, to a group', { hopLimit: 1, dst: 'ff0e::5' }),
      six('hop limit 1, from ::', { hopLimit: 1, src: '::' }),
      six('hop limit 1, from a group', { hopLimit: 1, src: 'ff02::5' }),
      {
        name: 'IPv6 hop limit 1, in a multicast frame',
        frame: frame6(ipv6({ ...far6, hopLimit: 1 }, udp(far6, 1, 2, data(20))), '33:33:00:00:00:01'),
      },
    ],
  ),
  clause(
    'RFC 4443 §4.2',
    'the router answers echo requests for any of its addresses, from the one that was asked',
    echoed(),
    [echo6('to the router', '2001:db8:1::1'), echo6('to another address of the router', '2001:db8:2::1')],
  ),
];

export const ipv6Clauses: readonly Clause[] = [...headers, ...addresses, ...errors];
