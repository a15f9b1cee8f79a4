/** Frames written by hand, with what the standards and the policy say of them: the oracle's own test. */
import test from 'ava';
import { evaluateFrame, usual } from '../../../codegen/evaluate/evaluate.js';
import type { Outcome } from '../../../codegen/evaluate/outcome.js';
import { type Path, type Paths, route } from '../../../codegen/evaluate/paths.js';
import type { Ir } from '../../../codegen/ir.js';
import { lower } from '../../../codegen/lower.js';
import { parseAddress, parseInterfaceAddress } from '../../../dsl/address.js';
import type { Prefix } from '../../../dsl/model.js';
import { accepted, front } from '../policy.js';

const policy = `
const inside = nets('10.1.0.0/16', '2001:db8:1::/48')
const small = predicate('small', (p) => p.l4 === 'tcp' && p.len < 60 && p.vlan === 7)
const fromWan = acl('from-wan', { default: 'deny', neighbourDiscovery: 'explicit' }, [
  deny({ from: inside }).log(),
  allow({ to: inside, service: service(tcp(80, '8000-8099'), icmp('echo-request', 'too-big')) }),
  allow({ service: udp() }),
  nexthop(['10.9.0.1', '2001:db8:9::1'], { service: tcp(25) }),
  allow({ when: small }),
  allow({ from: nets('fe80::/10'), service: icmp('neighbour-solicitation', 'neighbour-advertisement') }),
])
const way = pbr('way', [nexthop('10.9.0.2', { from: nets('10.1.2.0/24') })])
export default router('r', { interfaces: {
  wan: { port: 'pipe:wan', fallback: 'drop', in: fromWan },
  lan: { port: 'pipe:lan', fallback: 'drop', host: 'none', pbr: way, vlans: { office: { id: 7, in: fromWan } } },
  metro: { port: 'pipe:metro', qinq: { outer: 30, inner: { a: { id: 5 } } } },
  strict: { port: 'pipe:strict', fallback: 'drop', urpf: 'strict' },
  loose: { port: 'pipe:loose', fallback: 'drop', urpf: 'loose' },
} })`;

const prefix = (text: string): Prefix => parseInterfaceAddress(text)!;
const via = (iface: number): Path => ({ kind: 'forward', iface, mac: Uint8Array.of(2, 0, 0, 0, 9, iface) });
const speaksFrom = { 4: parseAddress('10.1.1.1')!, 6: parseAddress('2001:db8:1::1')! };
const face = (n: number, host = true) => ({
  mac: Uint8Array.of(2, 0, 0, 0, 0, n),
  mtu: 100,
  up: true,
  host,
  speaksFrom,
});

/** wan 0, lan 1, lan.office 2, metro.a 3, strict 4, loose 5 */
const paths: Paths = {
  faces: [face(0), face(1, false), face(2), face(3), face(4), face(5)],
  routes: [
    { prefix: prefix('0.0.0.0/0'), path: via(0) },
    { prefix: prefix('10.1.0.0/16'), path: via(3) },
    { prefix: prefix('10.1.1.0/24'), path: { kind: 'glean', iface: 1 } },
    { prefix: prefix('10.1.1.1/32'), path: { kind: 'local' } },
    { prefix: prefix('10.1.3.0/24'), path: { kind: 'blackhole' } },
    { prefix: prefix('10.1.4.0/24'), path: { kind: 'kernel' } },
    { prefix: prefix('10.1.5.0/24'), path: { kind: 'unreachable' } },
    { prefix: prefix('10.4.0.0/16'), path: via(4) },
    { prefix: prefix('2001:db8:1::/48'), path: via(2) },
    { prefix: prefix('2001:db8:4::/48'), path: via(4) },
  ],
  gateways: [via(1), { kind: 'resolve', iface: 1, neighbour: parseAddress('2001:db8:9::1')! }, undefined],
};

let ir: Ir;
test.before(async (t) => {
  t.timeout(60_000);
  ir = lower(accepted(await front(policy)));
  t.deepEqual(
    ir.gateways.map((one) => one.local),
    [0, 1, 2],
  );
});

const bytes = (hex: string) => Uint8Array.from(Buffer.from(hex.replaceAll(' ', ''), 'hex'));

/** port: number on which `frame` comes in. */
function run(port: number, frame: string, now = usual): Outcome {
  return evaluateFrame(ir, ir.ports[port]!, bytes(frame), paths, now);
}

/** `forward metro.a`, `drop acl`, `punt local`; then the rules as positions in their lists. */
function said({ fate, rules }: Outcome): string {
  const where =
    fate.verdict === 'drop'
      ? fate.reason
      : fate.verdict === 'punt'
        ? fate.class
        : ir.interfaces[fate.verdict === 'forward' ? fate.iface : fate.path.iface!]!.name;
  const took = rules.map((local) => ` ${ir.rules[local]!.list}:${ir.rules[local]!.position}`).join('');
  return `${fate.verdict} ${where}${took}`;
}

// Parts of frames: station and source, then tags.
const wan = '020000000000 020000000c01';
const lan = '020000000001 020000000c01';
const strict = '020000000004 020000000c01';
const loose = '020000000005 020000000c01';
const office = '020000000002 020000000c01 8100 e007';
const metro = '020000000003 020000000c01 88a8 001e 8100 0005';

interface V4 {
  readonly protocol?: string;
  readonly ttl?: string;
  readonly flags?: string;
  readonly options?: string;
  readonly body: string;
}

function v4(
  src: string,
  dst: string,
  { protocol = '06', ttl = '40', flags = '0000', options = '', body }: V4,
): string {
  const bytesOf = (text: string) => text.replaceAll(' ', '').length / 2;
  const words = 5 + bytesOf(options) / 4;
  const total = hex(words * 4 + bytesOf(body), 4);
  const address = (text: string) =>
    text
      .split('.')
      .map((part) => hex(Number(part), 2))
      .join('');
  const before = `4${words.toString(16)}00 ${total} 0001 ${flags} ${ttl}${protocol}`;
  const after = `${address(src)} ${address(dst)} ${options}`;
  return `0800 ${before} ${checksum(before + after)} ${after} ${body}`;
}

const hex = (value: number, digits: number) => value.toString(16).padStart(digits, '0');

/** The words added up, what overflows added again, and all bits turned over. RFC 791 §3.1. */
function checksum(header: string): string {
  const words = header
    .replaceAll(' ', '')
    .match(/..../g)!
    .map((word) => Number.parseInt(word, 16));
  let sum = words.reduce((a, b) => a + b, 0);
  while (sum > 0xffff) sum = (sum % 0x10000) + Math.floor(sum / 0x10000);
  return hex(0xffff - sum, 4);
}

function v6(src: string, dst: string, next: string, body: string, ttl = '40'): string {
  const address = (text: string) => parseAddress(text)!.bits.toString(16).padStart(32, '0');
  return `86dd 60000000 ${hex(body.replaceAll(' ', '').length / 2, 4)} ${next}${ttl} ${address(src)} ${address(dst)} ${body}`;
}

const tcp = (port: number, flags = '02') =>
  `0bb8 ${hex(port, 4)} 00000000 00000000 50${flags} 0000 0000 0000`;
const udp = (port: number) => `0bb8 ${hex(port, 4)} 0008 0000`;
const out = '198.51.100.7';
const web = v4(out, '10.1.9.9', { body: tcp(80) });

const rows: Readonly<Record<string, readonly [port: number, frame: string, said: string]>> = {
  // Ethernet and tags
  'a frame of 13 bytes': [0, '020000000000020000000c0108', 'drop truncated-frame'],
  'a frame to another station': [0, `020000000099 020000000c01 ${web}`, 'drop other-mac'],
  'an unknown ethertype': [0, `${wan} 88cc 0207`, 'punt local'],
  ARP: [0, `${wan} 0806 0001`, 'punt arp'],
  'broadcast ARP': [0, 'ffffffffffff 020000000c01 0806 0001', 'punt arp'],
  'a tag where none is carried': [0, `${wan} 8100 0001 ${web}`, 'drop unknown-vlan'],
  'an unknown VLAN': [1, `020000000002 020000000c01 8100 0008 ${web}`, 'drop unknown-vlan'],
  'priority bits are not part of the id': [1, `${office} ${web}`, 'forward metro.a from-wan:2'],
  'a second tag is unknown': [1, `${office} 8100 0001 ${web}`, 'drop unknown-vlan'],
  'a priority tag where no tag is carried': [0, `${wan} 8100 e000 ${web}`, 'forward metro.a from-wan:2'],
  'a priority tag on a trunk is the untagged interface': [
    1,
    `${lan} 8100 e000 ${v4(out, '9.9.9.9', { body: udp(53) })}`,
    'forward wan',
  ],
  'a priority tag under a VLAN': [1, `${office} 8100 0000 ${web}`, 'forward metro.a from-wan:2'],
  'a priority tag over a VLAN': [
    1,
    `020000000002 020000000c01 88a8 0000 8100 0007 ${web}`,
    'forward metro.a from-wan:2',
  ],
  'priority tags between two tags': [
    2,
    `020000000003 020000000c01 88a8 001e 8100 2000 8100 0005 88a8 0000 ${v4(out, '9.9.9.9', { body: udp(53) })}`,
    'forward wan',
  ],
  'three priority tags and a VLAN': [
    1,
    `020000000002 020000000c01 8100 0000 8100 0000 8100 0000 8100 0007 ${web}`,
    'forward metro.a from-wan:2',
  ],
  'a fifth tag is not read': [
    1,
    `020000000001 020000000c01 8100 0000 8100 0000 8100 0000 8100 0000 8100 0007 ${web}`,
    'drop unknown-vlan',
  ],
  'priority-tagged ARP': [0, `${wan} 8100 c000 0806 0001`, 'punt arp'],
  'a frame that ends in a tag': [0, `${wan} 8100 00`, 'drop truncated-frame'],
  'a frame that ends in its second tag': [1, `${office} 8100 0005 08`, 'drop truncated-frame'],
  'a frame that ends behind its tag': [1, `${office} 0800`, 'drop ip-header'],
  'two tags': [2, `${metro} ${v4(out, '9.9.9.9', { body: udp(53) })}`, 'forward wan'],
  'two tags in the other order': [
    2,
    `020000000003 020000000c01 8100 0005 88a8 001e ${web}`,
    'drop unknown-vlan',
  ],
  'an IP packet in a broadcast frame is not forwarded': [
    0,
    `ffffffffffff 020000000c01 ${web}`,
    'drop other-mac from-wan:2',
  ],
  // IPv4 header
  'version 5': [0, `${wan} ${web.replace('4500', '5500')}`, 'drop ip-header'],
  'a header of four words': [0, `${wan} ${web.replace('4500', '4400')}`, 'drop ip-header'],
  'longer than the frame': [0, `${wan} ${web.slice(0, -2)}`, 'drop ip-header'],
  'a wrong checksum': [0, `${wan} ${web.replace('0001', '0002')}`, 'drop ip-checksum'],
  'padding behind it': [0, `${wan} ${web} 000000000000`, 'forward metro.a from-wan:2'],
  'a source of 127/8': [0, `${wan} ${v4('127.0.0.1', '10.1.9.9', { body: tcp(80) })}`, 'drop martian-source'],
  "the router's own source": [
    2,
    `${metro} ${v4('10.1.1.1', '9.9.9.9', { body: udp(53), protocol: '11' })}`,
    'drop martian-source',
  ],
  "the router's own source, to many": [
    2,
    `${metro} ${v4('10.1.1.1', '224.0.0.9', { body: udp(53), protocol: '11' })}`,
    'punt local',
  ],
  'a multicast source': [
    0,
    `${wan} ${v4('224.0.0.5', '10.1.9.9', { body: tcp(80) })}`,
    'drop martian-source',
  ],
  'a destination of 127/8': [
    0,
    `${wan} ${v4(out, '127.0.0.1', { body: udp(9), protocol: '11' })}`,
    'drop martian-destination',
  ],
  'multicast goes to the host': [
    0,
    `${wan} ${v4(out, '224.0.0.9', { body: udp(520), protocol: '11' })}`,
    'punt ospf from-wan:3',
  ],
  'OSPF is refused by the ACL': [
    0,
    `${wan} ${v4(out, '224.0.0.5', { body: '0000', protocol: '59' })}`,
    'drop acl from-wan:0',
  ],
  'OSPF where no ACL is': [
    2,
    `${metro} ${v4(out, '224.0.0.5', { body: '0000', protocol: '59' })}`,
    'punt ospf',
  ],
  // ways back to sources
  ...Object.fromEntries(
    (
      [
        ['10.4.0.9', 'forward wan', 'forward wan'],
        ['10.1.0.9', 'drop urpf', 'forward wan'],
        ['10.1.4.9', 'drop urpf', 'forward wan'], // the kernel's
        ['10.1.3.9', 'drop urpf', 'drop urpf'], // a blackhole
        ['10.1.5.9', 'drop urpf', 'drop urpf'],
        ['10.1.1.1', 'drop martian-source', 'drop martian-source'],
        ['8.8.8.8', 'drop urpf', 'forward wan'], // the default route's
      ] as const
    ).flatMap(([src, ...fates]) =>
      fates.map((fate, i) => [
        `from ${src}, ${['strict', 'loose'][i]}`,
        [
          3 + i,
          `${[strict, loose][i]} ${v4(src, '9.9.9.9', { protocol: '11', body: udp(53) })}`,
          fate,
        ] as const,
      ]),
    ),
  ),
  'strict, IPv6': [
    3,
    `${strict} ${v6('2001:db8:4::9', '2001:db8:1::9', '11', udp(9))}`,
    'forward lan.office',
  ],
  'from elsewhere, strict, IPv6': [
    3,
    `${strict} ${v6('2001:db8:1::9', '2001:db8:4::9', '11', udp(9))}`,
    'drop urpf',
  ],
  'without a way back, loose, IPv6': [
    4,
    `${loose} ${v6('2001:db8:5::9', '2001:db8:4::9', '11', udp(9))}`,
    'drop urpf',
  ],
  'strict, to a group': [
    3,
    `${strict} ${v4('10.1.0.9', '224.0.0.5', { protocol: '59', body: '0000' })}`,
    'drop urpf',
  ],
  'strict, who has no address yet': [
    3,
    `${strict} ${v4('0.0.0.0', '255.255.255.255', { protocol: '11', body: udp(67) })}`,
    'punt local',
  ],
  'strict, from a link-local address': [
    3,
    `${strict} ${v6('fe80::9', 'ff02::1', '3a', '8700 0000')}`,
    'punt nd',
  ],
  'strict, from ::': [3, `${strict} ${v6('::', 'ff02::1', '3a', '8700 0000')}`, 'punt nd'],
  'strict, ARP': [3, `${strict} 0806 0001`, 'punt arp'],
  // rules
  'the first rule that matches': [
    0,
    `${wan} ${v4('10.1.0.7', '10.1.9.9', { body: tcp(80) })}`,
    'drop acl from-wan:1',
  ],
  'the last port of a range': [
    0,
    `${wan} ${v4(out, '10.1.9.9', { body: tcp(8099) })}`,
    'forward metro.a from-wan:2',
  ],
  'a port beside it': [0, `${wan} ${v4(out, '10.1.9.9', { body: tcp(8100) })}`, 'drop acl from-wan:0'],
  'an ICMP type': [
    0,
    `${wan} ${v4(out, '10.1.9.9', { protocol: '01', body: '0800 0000' })}`,
    'forward metro.a from-wan:2',
  ],
  'too-big is a type and a code': [
    0,
    `${wan} ${v4(out, '10.1.9.9', { protocol: '01', body: '0304 0000' })}`,
    'forward metro.a from-wan:2',
  ],
  'another code': [
    0,
    `${wan} ${v4(out, '10.1.9.9', { protocol: '01', body: '0303 0000' })}`,
    'drop acl from-wan:0',
  ],
  'ICMPv6 in IPv4 is no ICMP': [
    0,
    `${wan} ${v4(out, '10.1.9.9', { protocol: '3a', body: '8000 0000' })}`,
    'drop acl from-wan:0',
  ],
  'half a TCP header': [0, `${wan} ${v4(out, '10.1.9.9', { body: tcp(80).slice(0, 23) })}`, 'drop l4-header'],
  'a later fragment has no ports': [
    0,
    `${wan} ${v4(out, '10.1.9.9', { flags: '0001', body: tcp(80) })}`,
    'drop acl from-wan:0',
  ],
  'but it may be of a whole protocol': [
    0,
    `${wan} ${v4(out, '10.1.9.9', { flags: '0001', protocol: '11', body: udp(80) })}`,
    'forward metro.a from-wan:3',
  ],
  'a predicate sees the VLAN': [
    1,
    `${office} ${v4(out, '10.1.9.9', { body: tcp(7) })}`,
    'forward metro.a from-wan:5',
  ],
  'and that there is none': [0, `${wan} ${v4(out, '10.1.9.9', { body: tcp(7) })}`, 'drop acl from-wan:0'],
  // the way
  'a gateway of the ACL': [0, `${wan} ${v4(out, '10.1.9.9', { body: tcp(25) })}`, 'forward lan from-wan:4'],
  'not for the router itself': [
    0,
    `${wan} ${v4(out, '10.1.1.1', { body: tcp(25) })}`,
    'punt local from-wan:4',
  ],
  'a gateway whose neighbour is not known': [
    0,
    `${wan} ${v6('2001:db8:7::1', '2001:db8:1::9', '06', tcp(25))}`,
    'defer lan from-wan:4',
  ],
  'a gateway that cannot be reached': [
    1,
    `${lan} ${v4('10.1.2.3', '10.1.9.9', { body: tcp(1) })}`,
    'forward metro.a way:1',
  ],
  'a host on a connected network': [
    0,
    `${wan} ${v4(out, '10.1.1.9', { body: tcp(80) })}`,
    'defer lan from-wan:2',
  ],
  'a blackhole': [0, `${wan} ${v4(out, '10.1.3.9', { body: tcp(80) })}`, 'drop blackhole from-wan:2'],
  'by the kernel': [0, `${wan} ${v4(out, '10.1.4.9', { body: tcp(80) })}`, 'punt exception from-wan:2'],
  'unreachable, and the kernel says so': [
    0,
    `${wan} ${v4(out, '10.1.5.9', { body: tcp(80) })}`,
    'punt exception from-wan:2',
  ],
  'unreachable, where the engine stands for the router': [
    1,
    `${lan} ${v4(out, '10.1.5.9', { body: tcp(80) })}`,
    'punt exception',
  ],
  'no IPv6 route': [2, `${metro} ${v6('2001:db8:7::1', '2001:db8:2::9', '11', udp(9))}`, 'punt exception'],
  'TTL 1': [0, `${wan} ${v4(out, '10.1.9.9', { ttl: '01', body: tcp(80) })}`, 'punt ttl from-wan:2'],
  'TTL 2': [0, `${wan} ${v4(out, '10.1.9.9', { ttl: '02', body: tcp(80) })}`, 'forward metro.a from-wan:2'],
  options: [
    0,
    `${wan} ${v4(out, '10.1.9.9', { options: '01010101', body: tcp(80) })}`,
    'punt exception from-wan:2',
  ],
  'options on a diverted packet': [
    0,
    `${wan} ${v4(out, '10.1.9.9', { options: '01010101', body: tcp(25) })}`,
    'forward lan from-wan:4',
  ],
  '100 bytes, as the MTU': [
    0,
    `${wan} ${v4(out, '10.1.9.9', { body: tcp(80) + '00'.repeat(60) })}`,
    'forward metro.a from-wan:2',
  ],
  '101 bytes': [
    0,
    `${wan} ${v4(out, '10.1.9.9', { body: tcp(80) + '00'.repeat(61) })}`,
    'fragment metro.a from-wan:2',
  ],
  '101 bytes that may not be cut up': [
    0,
    `${wan} ${v4(out, '10.1.9.9', { flags: '4000', body: tcp(80) + '00'.repeat(61) })}`,
    'punt exception from-wan:2',
  ],
  '101 bytes, diverted, that may not be cut up': [
    0,
    `${wan} ${v4(out, '10.1.9.9', { flags: '4000', body: tcp(25) + '00'.repeat(61) })}`,
    'drop too-big from-wan:4',
  ],
  // IPv6
  IPv6: [0, `${wan} ${v6('2001:db8:7::1', '2001:db8:1::9', '06', tcp(80))}`, 'forward lan.office from-wan:2'],
  'behind destination options': [
    0,
    `${wan} ${v6('2001:db8:7::1', '2001:db8:1::9', '3c', `0600 010400000000 ${tcp(80)}`)}`,
    'forward lan.office from-wan:2',
  ],
  'behind hop-by-hop options': [
    0,
    `${wan} ${v6('2001:db8:7::1', '2001:db8:1::9', '00', `0600 010400000000 ${tcp(80)}`)}`,
    'punt exception from-wan:2',
  ],
  'behind headers that end too late': [
    0,
    `${wan} ${v6('2001:db8:7::1', '2001:db8:1::9', '3c', `0609 010400000000 ${tcp(80)}`)}`,
    'drop l4-header',
  ],
  'behind nine headers': [
    0,
    `${wan} ${v6('2001:db8:7::1', '2001:db8:1::9', '3c', `${'3c00010400000000'.repeat(8)} 1100010400000000 ${udp(9)}`)}`,
    'drop l4-header',
  ],
  'a first fragment': [
    0,
    `${wan} ${v6('2001:db8:7::1', '2001:db8:1::9', '2c', `0600 0001 00000007 ${tcp(80)}`)}`,
    'forward lan.office from-wan:2',
  ],
  'a later fragment': [
    0,
    `${wan} ${v6('2001:db8:7::1', '2001:db8:1::9', '2c', `0600 0009 00000007 ${tcp(80)}`)}`,
    'drop acl from-wan:0',
  ],
  'a link-local source': [
    0,
    `${wan} ${v6('fe80::1', '2001:db8:1::9', '06', tcp(80))}`,
    'punt exception from-wan:2',
  ],
  'a link-local source, diverted': [
    0,
    `${wan} ${v6('fe80::1', '2001:db8:1::9', '06', tcp(25))}`,
    'drop link-local from-wan:4',
  ],
  'a link-local destination': [
    0,
    `${wan} ${v6('2001:db8:7::1', 'fe80::2', '11', udp(9))}`,
    'punt local from-wan:3',
  ],
  'Neighbour Discovery': [
    2,
    `${metro} ${v6('fe80::1', 'ff02::1:ff00:9', '3a', '8700 0000 00000000')}`,
    'punt nd',
  ],
  BGP: [2, `${metro} ${v6('fe80::1', 'fe80::2', '06', tcp(179))}`, 'punt bgp'],
  RIPng: [2, `${metro} ${v6('fe80::1', 'ff02::9', '11', udp(521))}`, 'punt ospf'],
  BFD: [2, `${metro} ${v6('fe80::1', 'fe80::2', '11', udp(3784))}`, 'punt bgp'],
  'a mapped source': [
    0,
    `${wan} ${v6('::ffff:10.0.0.1', '2001:db8:1::9', '06', tcp(80))}`,
    'forward lan.office from-wan:2',
  ],
  'multicast that stays in a node': [
    0,
    `${wan} ${v6('2001:db8:7::1', 'ff01::1', '06', tcp(80))}`,
    'drop martian-destination',
  ],
};

for (const [title, [port, frame, wanted]] of Object.entries(rows))
  test(title, (t) => {
    t.is(said(run(port, frame)), wanted);
  });

test('what leaves has a new link header, one TTL less, a right checksum and no padding', (t) => {
  const { fate } = run(0, `${wan} ${v4(out, '10.1.9.9', { ttl: '09', body: tcp(80) })} 000000000000`);
  t.is(fate.verdict, 'forward');
  if (fate.verdict !== 'forward') return;
  const wanted = `020000000903 020000000003 88a8001e 81000005 ${v4(out, '10.1.9.9', { ttl: '08', body: tcp(80) })}`;
  t.deepEqual(fate.frame, bytes(wanted));
});

test('IPv6 leaves with one hop less', (t) => {
  const { fate } = run(0, `${wan} ${v6('2001:db8:7::1', '2001:db8:1::9', '06', tcp(80), 'ff')}`);
  t.is(fate.verdict, 'forward');
  if (fate.verdict !== 'forward') return;
  const wanted = `020000000902 020000000002 81000007 ${v6('2001:db8:7::1', '2001:db8:1::9', '06', tcp(80), 'fe')}`;
  t.deepEqual(fate.frame, bytes(wanted));
});

/** What the source is told, as hex. */
function told(frame: string, port = 0): string | undefined {
  const { fate } = run(port, frame);
  return fate.verdict === 'drop' && fate.tells ? Buffer.from(fate.tells).toString('hex') : undefined;
}

const plainHex = (text: string) => text.replaceAll(' ', '');
const long = (n: number) => '00'.repeat(n);

test('the source of a diverted packet with DF is told the MTU', (t) => {
  const about = v4(out, '10.1.9.9', { flags: '4000', body: tcp(25) + long(61) });
  const quoted = about.slice('0800'.length);
  const zeros = `0304 0000 00000064 ${quoted}`;
  const message = `0304 ${checksum(`${zeros} 00`)} 00000064 ${quoted}`;
  const answer = v4('10.1.1.1', out, { protocol: '01', body: message })
    .replace('4500', '45c0')
    .replace('0001 0000', '0000 0000');
  const plain = plainHex(answer).slice(4);
  const header = checksum(`${plain.slice(0, 20)}0000${plain.slice(24, 40)}`);
  t.is(told(`${wan} ${about}`), `${plain.slice(0, 20)}${header}${plain.slice(24)}`);
});

test('the source of a diverted IPv6 packet is told the MTU, and no more than fits into 1280 bytes', (t) => {
  const about = v6('2001:db8:7::1', '2001:db8:1::9', '06', tcp(25) + long(1400));
  const answer = told(`${wan} ${about}`)!;
  t.is(answer.length / 2, 1280);
  t.true(answer.startsWith(plainHex('60000000 04d8 3a 40 20010db8000100000000000000000001')));
  t.is(answer.slice(80, 84), '0200');
  t.is(answer.slice(88), plainHex(`00000064 ${about.slice(5)}`).slice(0, 2 * 1236));
});

const untold: Readonly<Record<string, string>> = {
  'an ICMP error': v4(out, '10.1.9.9', { flags: '4000', protocol: '01', body: `0b00 0000 ${long(90)}` }),
  'a later fragment': v4(out, '10.1.9.9', { flags: '4001', body: long(90) }),
  'class E': v4('240.0.0.1', '10.1.9.9', { flags: '4000', body: tcp(80) + long(90) }),
  'headers that end too late': v6('2001:db8:7::1', '2001:db8:1::9', '3c', `11ff 0000 ${long(90)}`),
};

for (const [title, about] of Object.entries(untold))
  test(`nobody is told about ${title}`, (t) => {
    // The interface without a host: the router answers itself there, whatever no rule has diverted.
    t.is(said(run(1, `${lan} ${about}`)), 'drop too-big');
    t.is(told(`${lan} ${about}`, 1), undefined);
    t.is(
      told(`${lan} ${v4(out, '10.1.9.9', { flags: '4000', body: udp(9) + long(90) })}`, 1)!.length,
      2 * 146,
    );
  });

const circumstances: Readonly<
  Record<string, readonly [port: number, frame: string, change: object, said: string]>
> = {
  'ACLs switched off': [
    0,
    `${wan} ${v4('10.1.0.7', '10.1.9.9', { body: tcp(80) })}`,
    { aclEnabled: false },
    'forward metro.a',
  ],
  'rules of a PBR list switched off': [
    1,
    `${lan} ${v4('10.1.2.3', '10.1.9.9', { body: tcp(1) })}`,
    { aclEnabled: false },
    'forward metro.a',
  ],
  'a full transmit ring': [0, `${wan} ${web}`, { room: false }, 'drop tx-full from-wan:2'],
  'a full host queue': [0, `${wan} 0806 0001`, { servicesTake: false }, 'drop punt-full'],
  'no host at all': [1, `${lan} 0806 0001`, { servicesTake: false }, 'drop host-refused'],
  'a full neighbour queue': [
    0,
    `${wan} ${v4(out, '10.1.1.9', { body: tcp(80) })}`,
    { servicesTake: false },
    'drop unresolved from-wan:2',
  ],
};

for (const [title, [port, frame, change, wanted]] of Object.entries(circumstances))
  test(title, (t) => {
    t.is(said(run(port, frame, { ...usual, ...change })), wanted);
  });

test('a rule with log asks for an event, the others do not', (t) => {
  t.is(run(0, `${wan} ${v4('10.1.0.7', '10.1.9.9', { body: tcp(80) })}`).logs.length, 1);
  t.is(run(0, `${wan} ${web}`).logs.length, 0);
});

test('the longest prefix wins', (t) => {
  const to = (text: string) => route(paths, parseAddress(text)!).kind;
  t.deepEqual(['10.1.1.1', '10.1.1.2', '10.1.9.9', '11.0.0.1', '::1'].map(to), [
    'local',
    'glean',
    'forward',
    'forward',
    'none',
  ]);
});
