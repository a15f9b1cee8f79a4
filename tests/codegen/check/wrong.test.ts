/**
 * Wrong policies: each gives its diagnostic with its place, and nothing else. Rows of one table, and one file, since all of them
 * share a compiler that has read TypeScript's library.
 */
import test from 'ava';
import { diagnosticsOf, front, summary, withWan } from '../policy.js';

/** `text` starts on line 2. `expected`: place and code of every diagnostic, then a part of the first message. */
const wrong = test.macro({
  async exec(t, text: string, expected: readonly string[], message: string) {
    t.timeout(300_000);
    const result = await front(text);
    const diagnostics = diagnosticsOf(result);
    t.deepEqual(diagnostics.map(summary), [...expected], diagnostics.map((one) => one.message).join('\n'));
    t.true(diagnostics[0]?.message.includes(message), diagnostics[0]?.message);
    t.is(result.ok, !expected.some((one) => !one.endsWith('warning')));
  },
  title: (name) => name ?? '',
});

const list = (rules: string) => withWan(`in: acl('guest-in', {}, [\n${rules}\n])`);
const outList = (rules: string) => withWan(`out: acl('guest-out', {}, [\n${rules}\n])`);
const pbrList = (rules: string) => withWan(`pbr: pbr('path', [\n${rules}\n])`);
const ports = (text: string) => `export default router('r', { interfaces: {\n${text}\n} })`;
const wan = `wan: { port: 'eth0', address: ['192.0.2.1/24', '2001:db8::1/64'] }`;
const routes = (text: string) =>
  `export default router('r', { interfaces: { ${wan} }, routes: {\n${text}\n} })`;

// Syntax and types
test('a syntax error', wrong, `export default router('r', {\n`, ['4:1 NM1001'], "'}' expected");
test('no router', wrong, 'export const x = 1', ['1:1 NM1007'], 'no router');
test('an unknown key of an interface', wrong, withWan('mtuu: 1500'), ['3:1 NM4017'], "no setting 'mtuu'");
test(
  'parts of a match that are something else',
  wrong,
  list("allow({ from: '10.0.0.0/8' }),\ndeny({ service: 'ssh' }),\ndeny({ when: nets('10.0.0.0/8') })"),
  ['4:9 NM3014', '5:8 NM3014', '6:8 NM3014'],
  "'from' is '10.0.0.0/8'",
);
test('an unknown key of a rule', wrong, list('deny({ form: nets("10.0.0.0/8") })'), ['4:8 NM3014'], "'form'");
test(
  'an unknown interface',
  wrong,
  `export default router('r', { interfaces: { ${wan} }, engine: { workers: [{ rings: {\nlan: [0] } }] } })`,
  ['3:1 NM4013'],
  "no port 'lan'",
);
test(
  'an unknown interface of who must reach the router',
  wrong,
  `export default router('r', { interfaces: { ${wan} }, mustReach: { ssh: {\nin: 'lan' } } })`,
  ['3:1 NM4013'],
  "no interface 'lan'",
);
test('an unknown name', wrong, list('deny({ from: nobody })'), ['4:14 NM1002'], "Cannot find name 'nobody'");
test(
  'process is not known',
  wrong,
  `const x = process.env.HOME\n${withWan('')}`,
  ['2:11 NM1002'],
  "'process'",
);
test(
  'an unknown module',
  wrong,
  `import { x } from './nowhere.js'\n${withWan('')}`,
  ['2:19 NM1004'],
  'nowhere',
);
test(
  'a module of Node',
  wrong,
  `import { readFileSync } from 'node:fs'\nreadFileSync('/etc/passwd')\n${withWan('')}`,
  ['2:30 NM1005'],
  "'node:fs'",
);
test(
  'a module of Node without its prefix',
  wrong,
  `import fs from 'fs'\nfs.x\n${withWan('')}`,
  ['2:16 NM1005'],
  "'fs'",
);

// Networks, ports, dates
test(
  'an octet above 255',
  wrong,
  `nets('10.0.300.0')\n${withWan('')}`,
  ['2:6 NM1003'],
  `'10.0.300.0' is not an IPv4 address`,
);
test(
  'an octet above 255 in a prefix',
  wrong,
  `nets('10.0.300.0/24')\n${withWan('')}`,
  ['2:6 NM1003'],
  `'10.0.300.0' is not an IPv4 address`,
);
test(
  'a prefix of /33',
  wrong,
  `nets('10.0.0.0/33')\n${withWan('')}`,
  ['2:6 NM1003'],
  `'/33' is not a prefix length`,
);
test(
  'several wrong prefixes at once',
  wrong,
  `nets('10.0.0.0/8',\n'10.0.0.0/33',\n'2001:db8::/129')\n${withWan('')}`,
  ['3:1 NM1003', '4:1 NM3002'],
  "'/33'",
);
test(
  'a wrong IPv6 address',
  wrong,
  `nets('2001:db8:::/32')\n${withWan('')}`,
  ['2:6 NM3002'],
  `'2001:db8:::' is not an IPv6 address`,
);
test(
  'a wrong computed prefix',
  wrong,
  `const x: string = ['10.0.0', '300/24'].join('.')\nnets(x)\n${withWan('')}`,
  ['3:6 NM3002'],
  `'10.0.0.300' is not an IPv4 address`,
);
test('host bits', wrong, `nets('10.0.0.1/8')\n${withWan('')}`, ['2:6 NM3016'], 'bits set beyond');
test(
  'hosts without their names',
  wrong,
  `hosts(['10.0.0.1'])\n${withWan('')}`,
  ['2:1 NM3002', '2:7 NM1002'],
  'hosts() takes addresses with their names',
);
test(
  'a host without its name',
  wrong,
  `hosts('10.0.0.1')\n${withWan('')}`,
  ['2:1 NM3002', '2:7 NM1002'],
  'hosts() takes addresses with their names',
);
test(
  'a wrong host',
  wrong,
  `hosts({ a: '10.0.0.1',\nb: '10.0.0.256' })\n${withWan('')}`,
  ['3:4 NM1003'],
  `'10.0.0.256'`,
);
test('no networks', wrong, `nets()\n${withWan('')}`, ['2:1 NM3015'], 'empty');
test('port 70000', wrong, `tcp(80, 70000)\n${withWan('')}`, ['2:9 NM3003'], '70000 is not a port');
test('a reversed range', wrong, `udp('20-10')\n${withWan('')}`, ['2:5 NM3003'], 'ends before it begins');
test(
  'an ICMP type that is none',
  wrong,
  `icmp('ping' as 'echo-request')\n${withWan('')}`,
  ['2:6 NM3013'],
  "'ping'",
);
test(
  'a port by a name of the other protocol',
  wrong,
  `udp('smtp' as 'ntp')\n${withWan('')}`,
  ['2:5 NM3003'],
  "'smtp' is not a port of udp",
);
test(
  'source ports that are none',
  wrong,
  `tcp({ from: [] })\n${withWan('')}`,
  ['2:5 NM3003'],
  'source ports',
);
test('a DSCP', wrong, list("deny({ dscp: ['ef', 64] })"), ['4:21 NM3028'], '64 is not a DSCP');
test('a TTL', wrong, list('deny({ ttl: [5, 1] })'), ['4:13 NM3028'], 'is not a number or a range');
test('an Ethernet address', wrong, list("deny({ fromMac: '02:00:00:00:00:0g' })"), ['4:17 NM3028'], '0g');
test(
  'an Ethernet prefix with host bits',
  wrong,
  list("deny({ toMac: '02:00:00:00:00:01/24' })"),
  ['4:15 NM3016'],
  'bits set beyond',
);
test(
  'flags that exclude each other',
  wrong,
  list("deny({ flags: ['ack', '!ack'] })"),
  ['4:15 NM3028'],
  'ack',
);
test('flags of a datagram', wrong, list("deny({ service: udp(), flags: 'syn' })"), ['4:1 NM3018'], '');
test('an IP protocol', wrong, `proto(6, 256)\n${withWan('')}`, ['2:10 NM3027'], '256 is not an IP protocol');
test(
  'an ICMP type beyond 255',
  wrong,
  `icmp({ family: 4, type: 300 })\n${withWan('')}`,
  ['2:25 NM3013'],
  '300 is not an ICMP type',
);
test('a date that is none', wrong, list("deny().expires('2027-02-30')"), ['4:8 NM3011'], 'not a date');
test('a date that is past', wrong, list("deny().expires('2025-12-31')"), ['4:1 NM3012'], '2025-12-31');
test(
  'a date that is past, with those who answer for the rule',
  wrong,
  list("deny().owner('noc').ticket('NET-88').expires('2025-12-31')"),
  ['4:1 NM3012'],
  'after 2025-12-31 (owner noc, ticket NET-88)',
);
test(
  'a date that is past, waived for too short a time',
  wrong,
  list("deny().expires('2025-12-31').waive('NM3012', 'the new line is late', '2025-12-31')"),
  ['4:1 NM3026 warning', '4:1 NM3012'],
  'the waiver of NM3012 ended',
);
test(
  'a date that is past, and a rule that never matches, are told together',
  wrong,
  list("deny({ service: tcp() }).expires('2025-12-31'),\nallow({ service: tcp(22) })"),
  ['4:1 NM3012', '5:1 NM3001'],
  'after 2025-12-31',
);
test('an owner of two lines', wrong, list("deny().owner('a\\nb')"), ['4:8 NM3010'], 'an owner');
test('a log rate', wrong, list("deny().log({ rate: '0/s' })"), ['4:8 NM3005'], "'0/s'");
test(
  'a name',
  wrong,
  `predicate('tiny syn', (p) => p.len < 40)\n${withWan('')}`,
  ['2:11 NM3010'],
  "'tiny syn'",
);

// Rules and lists
test(
  'a rule after a catch-all',
  wrong,
  list('deny(),\nallow({ service: tcp(80) })'),
  ['5:1 NM3001'],
  'policy.ts:4 catches it first',
);
test(
  'a rule inside another',
  wrong,
  list("deny({ from: nets('10.0.0.0/8') }),\nallow({ from: nets('10.1.0.0/16'), service: tcp(22) })"),
  ['5:1 NM3001'],
  'never matches',
);
test(
  'a rule that two others cover',
  wrong,
  list(
    "deny({ service: tcp('0-79') }),\nallow({ service: udp() }),\nallow({ service: service(tcp(22), udp(53)) })",
  ),
  ['6:1 NM3001'],
  'never matches',
);
test(
  'the same id twice',
  wrong,
  list("deny({ service: tcp(1) }).id('x'),\ndeny({ service: tcp(2) }).id('x')"),
  ['5:1 NM3006'],
  "id 'x'",
);
test(
  'an id of our own',
  wrong,
  list("deny({ service: tcp(1) }).id('builtin:nd')"),
  ['4:1 NM3010'],
  "netmill's own",
);
test(
  'mixed families in a rule',
  wrong,
  list("deny({ from: nets('10.0.0.0/8'), to: nets('2001:db8::/32') })"),
  ['4:1 NM3004'],
  'mixes IPv4 and IPv6',
);
test(
  'mixed families in a nexthop rule',
  wrong,
  list("nexthop('192.0.2.9', { from: nets('10.0.0.0/8', '2001:db8::/32') })"),
  ['4:1 NM3004'],
  'its gateway is IPv4',
);
test(
  'mixed families with an ICMP type',
  wrong,
  list("deny({ from: nets('10.0.0.0/8'), service: icmp('neighbour-solicitation') })"),
  ['4:1 NM3004'],
  'mixes',
);
const gateways: readonly (readonly [rule: string, expected: string, message: string])[] = [
  ["nexthop(['192.0.2.9', '192.0.2.9'])", '4:23 NM3017', '192.0.2.9 is given twice'],
  ["nexthop({ '192.0.2.9': 0 })", '4:24 NM3017', '0 is not a weight'],
  ["nexthop({ '192.0.2.9': 1.5 })", '4:24 NM3017', '1.5 is not a weight'],
  ['nexthop({})', '4:9 NM3002', 'needs a gateway'],
  ["nexthop('192.0.2.9').or('192.0.2.9')", '4:25 NM3017', '192.0.2.9 is given twice'],
  ["nexthop('192.0.2.9').or('2001:db8::9')", '4:25 NM3004', 'none before it is of IPv6'],
  ["nexthop('192.0.2.9').orDrop().or('192.0.2.10')", '4:31 NM3017', '.orDrop() comes last'],
  ["nexthop('192.0.2.9').or('169.254.7.7')", '4:1 NM3017', '169.254.7.7 is link-local'],
];
for (const [rule, expected, message] of gateways)
  test(`gateways that cannot be: ${rule}`, wrong, list(rule), [expected], message);
const reaches = (gateway: string, more = '') =>
  `export default router('r', { interfaces: { wan: { port: 'pipe:a', fallback: 'drop', address: ['192.0.2.1/24', '2001:db8::1/64'], pbr: pbr('p', [\n${gateway}\n]) } }${more} })`;
test(
  'a gateway of a rule that is the router itself',
  wrong,
  reaches("nexthop('192.0.2.9').or('192.0.2.1')"),
  ['3:1 NM3017'],
  '192.0.2.1 is the router itself',
);
test(
  'one gateway of several that is on no network of the policy, and behind no route of it',
  wrong,
  reaches(
    "nexthop(['192.0.2.9', '198.51.100.1', '203.0.113.9'])",
    ", routes: { '203.0.113.0/24': '192.0.2.7' }",
  ),
  ['3:1 NM4011 warning'],
  '198.51.100.1 is on no network',
);
test('no gateway', wrong, list('nexthop([])'), ['4:9 NM3002'], 'needs a gateway');
test(
  'an allow in a PBR list',
  wrong,
  pbrList("allow({ service: tcp(80) }),\nnexthop('192.0.2.9')"),
  ['4:1 NM3007', '4:1 NM3001'].slice(0, 1),
  'not nexthop()',
);
test(
  'a nexthop in what judges what leaves',
  wrong,
  outList("nexthop('192.0.2.9')"),
  ['4:1 NM3040'],
  'judges what leaves',
);
const treated: readonly (readonly [rule: string, expected: string, message: string])[] = [
  ["allow().police('10 Mb/s' as never)", '4:9 NM3043', "'10 Mb/s' is not a rate"],
  ["allow().police('1 kbit/s')", '4:9 NM3043', 'not a rate'],
  ["allow().police('1 Mbit/s', { burst: '900 B' })", '4:9 NM3043', 'not a burst'],
  ["allow().police('100 packets/s', { burst: '3 kB' })", '4:9 NM3043', 'not a burst'],
  ["deny().police('1 Mbit/s')", '4:8 NM3042', 'cannot have .police()'],
  ["reject().dscp('ef')", '4:10 NM3042', 'cannot have .dscp()'],
  ['allow().dscp(64)', '4:9 NM3043', 'not a DSCP'],
  ['allow().sample(0)', '4:9 NM3043', 'of which one is logged'],
  ["allow().mirror('nowhere')", '4:1 NM3041', "no port 'nowhere'"],
  ["allow().mirror('wan')", '4:1 NM3041', "copies to its port 'wan'"],
  ["reject({}, { icmp: 'no-route' as never })", '4:20 NM4014', "'no-route'"],
];
for (const [rule, expected, message] of treated)
  test(`a treatment that cannot be: ${rule}`, wrong, list(rule), [expected], message);
test(
  'a limit in a PBR list',
  wrong,
  pbrList("nexthop('192.0.2.9').police('1 Mbit/s')"),
  ['4:1 NM3042'],
  'has a rule with .police()',
);
test(
  'two lists of a name',
  wrong,
  ports(
    "wan: { port: 'eth0', fallback: 'drop', in: acl('x', {}, []) },\nlan: { port: 'eth1', fallback: 'drop', in: acl('x', {}, []) }",
  ),
  ['4:44 NM3008'],
  "'x'",
);
test(
  'something else in a list',
  wrong,
  list("deny({ service: tcp(1) }),\n'deny' as never"),
  ['5:1 NM3009'],
  'is not a rule',
);
test(
  'two predicates of a name',
  wrong,
  `const a = predicate('p', (p) => p.len < 40)\nconst b = predicate('p', (p) => p.len < 50)\n${list('deny({ when: a }),\ndeny({ when: b })')}`,
  ['3:11 NM2111'],
  "'p'",
);

// Predicates
test(
  'a predicate that cannot be compiled',
  wrong,
  `let limit = 19\nlimit++\nconst p = predicate('p', p => p.l4 === 'udp' && p.dport <= limit)\n${list('deny({ when: p })')}`,
  ['4:60 NM2104'],
  "'limit' can change",
);

// Interfaces, ports, routes
test(
  'a VLAN twice',
  wrong,
  ports("lan: { port: 'eth0', vlans: {\na: { id: 5 },\nb: { id: 5 } } }"),
  ['5:10 NM4003'],
  'VLAN 5',
);
test(
  'an inner VLAN twice',
  wrong,
  ports("lan: { port: 'eth0', qinq: { outer: 3, inner: {\na: { id: 5 },\nb: { id: 5 } } } }"),
  ['5:10 NM4003'],
  'VLAN 5 in 0x88a8 VLAN 3',
);
test('VLAN 4095', wrong, ports("lan: { port: 'eth0', vlans: { a: { id: 4095 } } }"), ['3:40 NM4004'], '4095');
test(
  'a tag protocol that is none',
  wrong,
  ports("lan: { port: 'eth0', qinq: { outer: 3, tpid: 0x9100 as 0x8100, inner: {} } }"),
  ['3:46 NM4005'],
  '37120',
);
test(
  'a port twice',
  wrong,
  ports("a: { port: 'eth0' },\nb: { port: 'xdp:eth0' }"),
  ['4:12 NM4002'],
  "of one device: 'eth0' and 'xdp:eth0'",
);
test(
  'two rings of a device as two ports, and its host rings',
  wrong,
  ports("a: { port: 'netmap:ix0-0' },\nb: { port: 'netmap:ix0-1/R' },\nc: { port: 'netmap:ix0^' }"),
  ['4:12 NM4002', '5:12 NM4002'],
  "ports 'a' and 'b' are of one device: 'netmap:ix0-0' and 'netmap:ix0-1/R'",
);
test(
  'a device by two back ends',
  wrong,
  ports("a: { port: 'xdp:ix0' },\nb: { port: 'netmap:ix0' },\nc: { port: 'netmap:ix0/r' }"),
  ['4:12 NM4002'],
  "of one device: 'xdp:ix0' and 'netmap:ix0'",
);
test(
  'a name twice',
  wrong,
  ports("lan: { port: 'eth0', vlans: { a: { id: 5 } }, qinq: { outer: 3, inner: {\na: { id: 5 } } } }"),
  ['4:1 NM4001'],
  "'lan.a'",
);
test(
  'a name that is too long',
  wrong,
  ports("lan: { port: 'eth0', vlans: {\nabcdefghijklmnopqrstuvwxyz_abcdefg: { id: 5 } } }"),
  ['4:1 NM3010'],
  'too long',
);
test('a port that nobody can open', wrong, ports("a: { port: 'serial:0' }"), ['3:12 NM4007'], "'serial:'");
test('a tap without a name', wrong, ports("a: { port: 'tap:' }"), ['3:12 NM4007'], "'tap:' is not");
test(
  'a device with a slash',
  wrong,
  ports("a: { port: 'xdp:a/b' }"),
  ['3:12 NM4007'],
  'not a port specification',
);
test('an MTU below 68', wrong, withWan('mtu: 67'), ['3:6 NM4006'], '67');
test(
  'an MTU below what IPv6 needs',
  wrong,
  withWan("mtu: 1279, address: ['192.0.2.1/24', '2001:db8::1/64']"),
  ['3:6 NM4006'],
  'an MTU of 1279',
);
test('an MTU above what a buffer holds', wrong, withWan('mtu: 16001'), ['3:6 NM4006'], '16001');
test(
  'an interface address without a length',
  wrong,
  withWan("address: ['192.0.2.1']"),
  ['3:11 NM4008'],
  'is not',
);
test(
  'an interface address that is a network',
  wrong,
  withWan("address: ['192.0.2.0/24']"),
  ['3:11 NM4008'],
  'is the network',
);
test(
  'an interface address of wrong octets',
  wrong,
  withWan("address: ['192.0.256.1/24']"),
  ['3:11 NM4008'],
  "'192.0.256.1' is not an IPv4 address",
);
for (const [what, address, expected] of [
  ["a network's broadcast address", '192.0.2.255/24', 'is the broadcast address of 192.0.2.0/24'],
  ['the address of a group', '224.0.0.5/24', 'is of a group'],
  ['the address of an IPv6 group', 'ff02::1/64', 'is of a group'],
  ['a loopback address', '127.0.0.1/8', 'is of a loopback'],
  ['the IPv6 loopback address', '::1/128', 'is of a loopback'],
  ['255.255.255.255', '255.255.255.255/32', 'is for all on a link'],
  ['0.0.0.0', '0.0.0.0/32', 'is no address at all'],
] as const)
  test(
    `${what} as that of an interface`,
    wrong,
    withWan(`address: ['${address}']`),
    ['3:11 NM4008'],
    expected,
  );
test('both addresses of a /31, one of a /32, and the last one of IPv6 are hosts', async (t) => {
  const result = await front(
    withWan(
      "address: ['192.0.2.0/31', '192.0.2.3/31', '198.51.100.255/32', '2001:db8::ffff:ffff:ffff:ffff/64']",
    ),
  );
  t.true(result.ok);
});
test(
  'an address twice',
  wrong,
  ports("a: { port: 'eth0', address: ['192.0.2.1/24'] },\nb: { port: 'eth1', address: ['192.0.2.1/24'] }"),
  ['4:29 NM4018'],
  'given twice',
);
test(
  'overlapping networks',
  wrong,
  ports("a: { port: 'eth0', address: ['192.0.2.1/24'] },\nb: { port: 'eth1', address: ['192.0.2.129/25'] }"),
  ['4:29 NM4018 warning'],
  'overlaps',
);
test(
  'a port may lead to an interface with an ACL for what leaves',
  wrong,
  ports("wan: { port: 'eth0' },\nlan: { port: 'eth1', fallback: 'drop', out: acl('x', {}, []) }"),
  ['3:1 NM4009'],
  "interface 'lan' has ACL 'x' on its way out, so 'wan' must say",
);
test(
  'an ACL without fallback',
  wrong,
  ports("a: { port: 'eth0', in: acl('x', {}, []) }"),
  ['3:1 NM4009'],
  'must say how it falls back',
);
test(
  'a way back to sources without fallback',
  wrong,
  ports("a: { port: 'eth0', urpf: 'loose' }"),
  ['3:1 NM4009'],
  "has urpf: 'loose', so 'a' must say",
);
test(
  'PBR on a VLAN without fallback',
  wrong,
  ports("a: { port: 'eth0', vlans: { b: { id: 5, pbr: pbr('x', []) } } }"),
  ['3:1 NM4009'],
  "'a.b' of port 'a'",
);
test(
  'fallback to the kernel with a tap',
  wrong,
  ports("a: { port: 'eth0', host: 'tap', fallback: 'kernel' }"),
  ['3:43 NM4010'],
  'tap',
);
test(
  'fallback to the kernel with a VLAN',
  wrong,
  ports("a: { port: 'eth0', fallback: 'kernel', vlans: { b: { id: 5 } } }"),
  ['3:30 NM4010'],
  "'a.b'",
);
test(
  'fallback to the kernel of a pipe',
  wrong,
  ports("a: { port: 'pipe:x', fallback: 'kernel' }"),
  ['3:32 NM4010'],
  'no device',
);
test(
  'fallback to the kernel of a tap',
  wrong,
  ports("a: { port: 'tap:x', fallback: 'kernel' }"),
  ['3:31 NM4010'],
  'a tap port has no device',
);
test(
  'fallback to the kernel of a VALE port',
  wrong,
  ports("a: { port: 'netmap:vale0:x', fallback: 'kernel' }"),
  ['3:40 NM4010'],
  'no device',
);
test(
  'fallback drop of a netmap device',
  wrong,
  ports("a: { port: 'netmap:ix0-2', fallback: 'drop' }"),
  ['3:38 NM4020'],
  'stay shut',
);
test(
  'fallback to the kernel of a DPDK port',
  wrong,
  ports("a: { port: 'dpdk:net_tap0,iface=t0', fallback: 'kernel' }"),
  ['3:48 NM4010'],
  'a dpdk port has no device',
);
test(
  'fallback drop beside the kernel',
  wrong,
  ports("a: { port: 'dpdk:net_af_packet0,iface=eth0', fallback: 'drop' }"),
  ['3:56 NM4020'],
  'stay shut',
);
test(
  'devargs that are none',
  wrong,
  ports("a: { port: 'dpdk:' }, b: { port: 'dpdk:net_tap0,' }, c: { port: 'dpdk:net_tap1,rings=17' }"),
  ['3:12 NM4007', '3:34 NM4007', '3:65 NM4007'],
  'is not a port specification',
);
test(
  'a DPDK device twice',
  wrong,
  ports("a: { port: 'dpdk:net_tap0,iface=t0' }, b: { port: 'dpdk:vdev:net_tap0,iface=t1' }"),
  ['3:51 NM4002'],
  'are the same',
);
test(
  'busy polling of a pipe',
  wrong,
  ports("a: { port: 'pipe:x', busyPoll: true }"),
  ['3:32 NM4021'],
  'cannot be polled',
);
test(
  'interrupts of a pipe, and at workers without cores',
  wrong,
  ports("a: { port: 'pipe:x', affinity: 'leave' },\nb: { port: 'eth0', affinity: 'worker' }"),
  ['3:32 NM4023', '4:30 NM4023'],
  'no interrupts that netmill could place',
);
test(
  'interrupts by a word that is none',
  wrong,
  ports("a: { port: 'xdp:eth0', affinity: 'near' as never }"),
  ['3:34 NM4014'],
  'is not possible here',
);
test(
  'queues of a pipe, and flows without queues',
  wrong,
  ports("a: { port: 'pipe:x', queues: [1] },\nb: { port: 'eth0', flows: [{ service: udp(53) }] }"),
  ['3:30 NM4022', '4:27 NM4022'],
  'cannot leave queues to the kernel',
);
test(
  'queues that are none',
  wrong,
  ports(
    "a: { port: 'eth0', queues: [] },\nb: { port: 'eth1', queues: [1, 1] },\nc: { port: 'eth2', queues: [1, 256] }",
  ),
  ['3:28 NM4014', '4:28 NM4014', '5:32 NM4014'],
  '[] are no queues of a device',
);
test(
  'flows that no filter can say',
  wrong,
  ports(
    "a: { port: 'eth0', queues: [1], flows: [\n{ service: tcp('1-1023') },\n{ service: icmp('echo-request') },\n{ from: nets('10.0.0.0/8'), to: nets('2001:db8::/32') }] }",
  ),
  ['4:1 NM4022', '5:1 NM4022', '6:1 NM4022'],
  'ranges of ports',
);
test(
  'a flow to a queue of the kernel',
  wrong,
  ports("a: { port: 'eth0', queues: [1, 2], flows: [{ service: udp(53), queue: 3 }] }"),
  ['3:71 NM4022'],
  'does not take queue 3',
);
test(
  'more flows than there are filters for',
  wrong,
  ports(
    `a: { port: 'eth0', queues: [1], flows: [{ service: udp(${Array.from({ length: 33 }, (_, i) => i + 1).join(', ')}) }] }`,
  ),
  ['3:40 NM4015'],
  'too many filters',
);
test(
  'busy polling by a word',
  wrong,
  ports("a: { port: 'xdp:eth0', busyPoll: 'yes' as never }"),
  ['3:34 NM4014'],
  'not a yes or no',
);
test(
  'an MTU above what DPDK’s ports carry',
  wrong,
  ports("a: { port: 'dpdk:net_null0', vlans: { b: { id: 5, mtu: 3361 } } }"),
  ['3:56 NM4006'],
  'no packets of 3361 bytes',
);
test(
  'a pipe twice, of several rings',
  wrong,
  ports("a: { port: 'pipe:x' },\nb: { port: 'pipe:x/2' }"),
  ['4:12 NM4002'],
  "'pipe:x/2'",
);
test(
  'a pipe of too many rings',
  wrong,
  ports("a: { port: 'pipe:x/17' },\nb: { port: 'pipe:.x' },\nc: { port: 'pipe:y/0' }"),
  ['3:12 NM4007', '4:12 NM4007', '5:12 NM4007'],
  'not a port specification',
);
test(
  'netmap ports that the engine would refuse',
  wrong,
  ports(
    "a: { port: 'netmap:ix0-2/r' },\nb: { port: 'netmap:ix1/R' },\nc: { port: 'netmap:ix2^/t' },\nd: { port: 'netmap:ix3~1/z' }",
  ),
  ['3:12 NM4007', '4:12 NM4007', '5:12 NM4007', '6:12 NM4007'],
  'not a port specification',
);
test(
  'a netmap port that does not exist',
  wrong,
  ports("a: { port: 'netmap:ix0{' }"),
  ['3:12 NM4007'],
  'netmap:ix0',
);
test(
  'a gateway on no network',
  wrong,
  routes("'0.0.0.0/0': '198.51.100.1'"),
  ['3:14 NM4011 warning'],
  'no network',
);
test('a link-local gateway', wrong, routes("'::/0': 'fe80::1'"), ['3:1 NM4012'], 'link-local');
test(
  'a route with host bits',
  wrong,
  routes("'10.0.0.1/8': '192.0.2.9'"),
  ['3:1 NM4012'],
  'prefix of a route',
);
test(
  'a route through the other family',
  wrong,
  routes("'10.0.0.0/8': '2001:db8::9'"),
  ['3:15 NM3004'],
  'IPv6 gateway',
);
test(
  'a route twice',
  wrong,
  routes("'::/0': '2001:db8::9',\n'0::/0': '2001:db8::9'"),
  ['4:10 NM4019'],
  'two routes',
);
test(
  'a ring of two workers',
  wrong,
  `export default router('r', { interfaces: { ${wan} }, engine: { workers: [{ rings: { wan: [0] } },\n{ rings: { wan: [0] } }] } })`,
  ['3:17 NM4016'],
  'ring 0',
);
for (const [events, severity] of [
  ['adaptive', ' warning'],
  ['poll', ' warning'],
  ['busy', ''],
] as const)
  test(
    `three workers on one core, events ${events}`,
    wrong,
    `export default router('r', { interfaces: { ${wan} }, engine: { events: '${events}', workers: [{ core: 1 },\n{ core: 1 },\n{}, {},\n{ core: 2 }, { core: 1 }] } })`,
    [`3:9 NM4024${severity}`, `5:22 NM4024${severity}`],
    'on core 1',
  );
test(
  'a lookup method',
  wrong,
  `export default router('r', { interfaces: { ${wan} }, engine: {\nlookup: 'trie' as 'flat' } })`,
  ['3:9 NM4014'],
  "'trie'",
);
test(
  'a rate of packets for the host',
  wrong,
  `export default router('r', { interfaces: { ${wan} }, engine: { punt: {\nbgp: -1 } } })`,
  ['3:6 NM4014'],
  'packets a second',
);
test(
  'FPM for anybody',
  wrong,
  `export default router('r', { interfaces: { ${wan} }, daemon: { fpm: {\nlisten: '0.0.0.0:2620' } } })`,
  ['3:9 NM4014'],
  'FPM',
);
test(
  'a pidfile beside nobody knows what',
  wrong,
  `export default router('r', { interfaces: { ${wan} }, daemon: {\npidfile: 'netmilld.pid' } })`,
  ['3:10 NM4014'],
  "'netmilld.pid' is no path that the daemon can use",
);
test(
  'a control socket whose path is too long',
  wrong,
  `export default router('r', { interfaces: { ${wan} }, daemon: { socket: {\npath: '/${'x'.repeat(104)}' } } })`,
  ['3:7 NM4014'],
  'no path that the daemon can use',
);
test(
  'too many workers',
  wrong,
  `export default router('r', { interfaces: { ${wan} }, engine: {\nworkers: 17 } })`,
  ['3:10 NM4014'],
  '17',
);
test(
  'too many interfaces',
  wrong,
  `export default router('r', { interfaces: {\na: { port: 'eth0', vlans: Object.fromEntries(Array.from({ length: 300 }, (_, i) => ['v' + i, { id: i + 1 }])) } } })`,
  ['2:30 NM4015'],
  'too many interfaces',
);

test('all mistakes are told together', async (t) => {
  const result = await front(
    ports(
      "lan: { port: 'eth0', vlans: {\na: { id: 0 },\nb: { id: 7 },\nc: { id: 7, mtu: 16001 } } },\nwan: { port: 'eth0' }",
    ),
  );
  t.deepEqual(diagnosticsOf(result).map(summary), [
    '4:10 NM4004',
    '6:10 NM4003',
    '6:18 NM4006',
    '7:14 NM4002',
  ]);
});

test('objects that nothing uses', async (t) => {
  const text = [
    "const office = nets('10.0.0.0/8')",
    'const web = service(tcp(80), udp(443)), dns = udp(53)',
    "export const others = nets('10.0.0.0/8')",
    "const rule = deny({ service: dns }).log().why('x')",
    'const told = reject()',
    withWan("in: acl('in', {}, [deny({ from: others }).log()])"),
  ].join('\n');
  const result = await front(text);
  t.true(result.ok);
  t.deepEqual(
    diagnosticsOf(result).map((one) => `${summary(one)} ${one.message}`),
    [
      "2:7 NM3025 warning 'office' is networks that nothing uses",
      "3:7 NM3025 warning 'web' is a service that nothing uses",
      "5:7 NM3025 warning 'rule' is a rule that nothing uses",
      "6:7 NM3025 warning 'told' is a rule that nothing uses",
    ],
  );
});

test('a waived rule may stand after a catch-all', async (t) => {
  const result = await front(list("deny(),\nallow({ service: tcp(80) }).allowShadow('kept for the audit')"));
  t.true(
    result.ok,
    diagnosticsOf(result)
      .map((one) => one.message)
      .join('\n'),
  );
});
