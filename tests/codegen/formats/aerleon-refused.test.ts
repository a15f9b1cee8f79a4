/** What policies of Aerleon say and netmill cannot: told with file, line and column, and nothing of it is left out. */
import test from 'ava';
import type { AerleonOptions } from '../../../codegen/formats/aerleon/filters.js';
import { readAerleon } from '../../../codegen/formats/aerleon/read.js';

const definitions = `networks:
  INNER: { values: [{ address: 10.0.0.0/8 }] }
  DMZ: { values: [{ address: 20.1.2.0/24 }] }
  SIX: { values: [{ address: 2001:db8::/32 }] }
services:
  DNS: [{ port: 53, protocol: udp }]
  WEB: [{ port: 80, protocol: tcp }]
`;

const usual: AerleonOptions = {
  name: 'r',
  interfaces: ['wan'],
  vlans: new Map(),
  definitions: [{ file: 'defs.yaml', text: definitions }],
  include: () => undefined,
  attached: [],
  neighbourDiscovery: 'explicit',
  today: '2026-01-01',
};

/** @param expected `LINE:COLUMN CODE MESSAGE`, the beginning of each */
const refuses = test.macro(
  (t, text: string, expected: string | readonly string[], options: Partial<AerleonOptions> = {}) => {
    const read = readAerleon([{ file: 'edge.yaml', text }], { ...usual, ...options });
    t.false(read.ok);
    const problems = read.ok ? [] : read.problems;
    const wanted = typeof expected === 'string' ? [expected] : expected;
    t.deepEqual(
      problems.map(({ origin, code, message }, i) =>
        `${origin.line}:${origin.column} ${code} ${message}`.slice(0, wanted[i]?.length),
      ),
      wanted,
    );
  },
);

/** The fields of the one term begin in line 7, column 9. */
const filter = (fields: string, target = 'juniper: edge mixed') =>
  `filters:
  - header:
      targets:
        ${target}
    terms:
      - name: t
${fields.replace(/^/gm, '        ')}
`;

test(
  'everything of a file is told',
  refuses,
  `filters:
  - header:
      targets: { juniper: edge mixed }
    terms:
      - name: one
        protocol-except: tcp
        action: accept
      - name: two
        policer: slow
        action: accept
      - name: three
        action: deny
        port-mirror: true
`,
  [
    "6:9 NM6003 'protocol-except' of a term has no counterpart",
    "9:9 NM6003 'policer' of a term has no counterpart",
    "13:9 NM6003 'port-mirror' of a term has no counterpart",
  ],
);
test(
  'a field of a header',
  refuses,
  filter('action: deny').replace('targets', 'apply-groups: x\n      targets'),
  "3:7 NM6003 'apply-groups' of a header has no counterpart",
);
test(
  'a field that nobody knows',
  refuses,
  filter('sauce-port: DNS\naction: deny'),
  "7:9 NM6003 'sauce-port'",
);
test(
  'text of another router',
  refuses,
  filter('verbatim:\n  juniper: x'),
  "7:9 NM6003 't' is text of another",
);
test(
  'a network that is not there',
  refuses,
  filter('source-address: INNER GONE\naction: deny'),
  "7:31 NM6002 no definition has the network 'GONE'",
);
test(
  'a service that is not there',
  refuses,
  filter('protocol: tcp\nsource-port: GONE\naction: deny'),
  "8:22 NM6002 no definition has the service 'GONE'",
);
test('ports without a protocol', refuses, filter('port: DNS\naction: deny'), '7:9 NM6001 ports need');
test(
  'ports of GRE',
  refuses,
  filter('protocol: gre tcp\nport: DNS\naction: deny'),
  '8:9 NM6003 ports of protocol 47',
);
test(
  'a service of another protocol',
  refuses,
  filter('protocol: udp\nport: WEB\naction: deny'),
  "8:15 NM6001 'WEB' has no port of udp",
);
test(
  'a protocol that nobody knows',
  refuses,
  filter('protocol: tpc\naction: deny'),
  "7:19 NM6002 'tpc' is not a",
);
test('an action that nobody knows', refuses, filter('action: drop'), "7:17 NM6001 'drop' is not an action");
test('no action', refuses, filter('protocol: tcp'), "6:15 NM6001 't' has no action");
test(
  'ICMP beside others',
  refuses,
  filter('protocol: tcp icmp\naction: deny'),
  "6:15 NM6004 't' has icmp beside other protocols",
);
test(
  'a type of the other ICMP',
  refuses,
  filter('protocol: icmp\nicmp-type: neighbor-solicit\naction: deny'),
  "8:20 NM6002 'neighbor-solicit' is not a type of icmp",
);
test(
  'a code of several types',
  refuses,
  filter('protocol: icmp\nicmp-type: redirect unreachable\nicmp-code: 1\naction: deny'),
  "9:9 NM6001 'icmp-code' needs one 'icmp-type'",
);
test(
  'answers of no protocol',
  refuses,
  filter('option: established\naction: accept'),
  "7:17 NM6003 option 'established' of other protocols than tcp",
);
test(
  'answers of UDP at ports that are named',
  refuses,
  filter('protocol: udp\noption: established\ndestination-port: DNS\naction: accept'),
  "8:17 NM6004 whether 'established' adds high ports",
);
test(
  'fragments with ports',
  refuses,
  filter('protocol: udp\noption: is-fragment\nport: DNS\naction: accept'),
  "8:17 NM6003 't' asks ports or types of fragments",
);
test(
  'sampling',
  refuses,
  filter('option: sample\naction: accept'),
  "7:17 NM6003 option 'sample' has no counterpart",
);
test(
  'a reset of what is no TCP',
  refuses,
  filter('protocol: udp\naction: reject-with-tcp-rst'),
  "6:15 NM6003 't' answers other protocols than tcp with a reset",
);
test(
  'next that counts',
  refuses,
  filter('counter: c\naction: next'),
  "6:15 NM6003 't' counts, logs or marks",
);
test(
  'a length that may be either',
  refuses,
  filter('packet-length: 500\naction: deny'),
  "7:24 NM6004 whether 'packet-length' means 500 alone, or up to it",
);
test('a TTL of both families', refuses, filter('ttl: 5\naction: deny'), "7:9 NM6004 'ttl' is of IPv4");
test(
  'marks on what is dropped',
  refuses,
  filter('dscp-set: ef\naction: deny'),
  "6:15 NM6003 't' marks packets",
);
test(
  'logs that go elsewhere',
  refuses,
  filter('logging: remote\naction: deny'),
  "7:18 NM6003 logging 'remote'",
);
test(
  'a gateway of one family for both',
  refuses,
  filter('next-ip: 192.0.2.9\naction: accept'),
  "7:18 NM6003 'next-ip' is 192.0.2.9",
);
test(
  'a day that is none',
  refuses,
  filter('expiration: soon\naction: deny'),
  "7:21 NM6001 'soon' is not a day",
);
test(
  'addresses of one end and of either',
  refuses,
  filter('address: DMZ\nsource-address: SIX\naction: deny'),
  "6:15 NM6003 't' has 'address' beside",
);
test(
  'a target that keeps connections',
  refuses,
  filter('action: deny', 'nftables: mixed INPUT'),
  "4:9 NM6003 'nftables' is no filter of single packets",
);
test(
  'a target that keeps them when nothing is said',
  refuses,
  filter('action: deny', 'speedway: INPUT DROP'),
  "4:9 NM6003 'speedway' lets answers of connections in",
);
test(
  'an option of a target',
  refuses,
  filter('action: deny', 'juniper: edge bridge'),
  "4:23 NM6003 target 'juniper' has the option 'bridge'",
);
test(
  'several targets',
  refuses,
  filter('action: deny', 'juniper: edge\n        cisco: edge'),
  '2:5 NM6004 for which of its targets the policy is to be read, is not said',
);
test(
  'a target that is not there',
  refuses,
  filter('action: deny'),
  "2:5 NM6004 no filter has the target 'cisco'",
  {
    target: 'cisco',
  },
);
test(
  'an end that nobody says',
  refuses,
  filter('protocol: tcp\naction: accept', 'openconfig: inet'),
  '2:5 NM6004 what becomes of packets that no term',
);
test('no interface', refuses, filter('action: deny'), '1:1 NM6003 no interface is named', { interfaces: [] });
test('a filter on no interface', refuses, filter('action: deny'), "1:1 NM6002 there is no interface 'dmz'", {
  attached: [{ filter: 'edge', device: 'dmz', side: 'in' }],
});
test('no such filter', refuses, filter('action: deny'), "1:1 NM6002 there is no filter 'other'", {
  attached: [{ filter: 'other', device: 'wan', side: 'in' }],
});
test(
  'filters that judge the same packets',
  refuses,
  `${filter('action: deny')}${filter('action: deny').replace('filters:\n', '')}`,
  "8:5 NM6003 filters 'edge' and 'edge' judge the same packets",
);
test(
  'an include that is not there',
  refuses,
  filter('action: deny').replace('terms:', 'terms:\n      - include: gone.yaml'),
  "6:18 NM6002 the included file 'gone.yaml' is not here",
);
test(
  'files that include each other',
  refuses,
  'filters: [{ include: edge.yaml }]',
  '1:35 NM6001 files include each other',
  {
    include: (file) => ({ file, text: 'filters_include_only: [{ include: edge.yaml }]' }),
  },
);

/** The fields of the one term begin in line 3, column 3. */
const refusesText = test.macro((t, fields: string, expected: string) => {
  const text = `header { target:: juniper edge mixed }\nterm t {\n  ${fields}\n}\n`;
  const include = () => ({ file: 'i.inc', text: 'source-address:: INNER' });
  const read = readAerleon([{ file: 'edge.pol', text }], { ...usual, include });
  const [one] = read.ok ? [] : read.problems;
  t.is(one && `${one.origin.line}:${one.origin.column} ${one.code} ${one.message}`, expected);
});
test(
  'a key that is none, behind a comment',
  refusesText,
  'comment:: "ours" Source-Address:: INNER\n  action:: accept',
  "3:20 NM6001 'Source-Address::' is no value of 'comment'",
);
test(
  'a comment without quotes',
  refusesText,
  'comment:: source-address INNER\n  action:: accept',
  "3:13 NM6001 'source-address' is no value of 'comment'",
);
test(
  'a key that is none, behind platforms',
  refusesText,
  'platform:: juniper\n  source-address: INNER\n  action:: accept',
  "4:3 NM6001 'source-address:' is no value of 'platform'",
);
test(
  'fields that are included',
  refusesText,
  'action:: accept\n  #include fields.inc',
  "4:12 NM6001 'fields.inc' stands where a key is expected",
);
test('what is no YAML', refuses, 'filters: {', '1:11 NM6001 this is no YAML');
test(
  'a key twice',
  refuses,
  filter('action: deny\naction: accept'),
  '8:9 NM6001 this is no YAML: Map keys must be',
);
test('no filters', refuses, 'networks: {}', "1:1 NM6001 this file has no list 'filters'");
test(
  'a table where words are expected',
  refuses,
  filter('source-address: {a: b}\naction: deny'),
  "7:9 NM6001 'source-address' is a word",
);
test(
  'YAML that grows without an end',
  refuses,
  `x: &a0 [x]\n${Array.from({ length: 9 }, (_, i) => `x${i}: &a${i + 1} [${`*a${i},`.repeat(9)}]\n`).join('')}`,
  '2:38 NM6001 this is nested too deep, or repeated too often',
);

const defined = (...texts: readonly string[]): Partial<AerleonOptions> => ({
  definitions: texts.map((text, i) => ({ file: `d${i}.yaml`, text })),
});
const named = filter('source-address: A\naction: deny');
test(
  'names that are made of each other',
  refuses,
  named,
  '1:43 NM6001 A, B, A are made of each other',
  defined('networks: {A: {values: [B]}, B: {values: [A]}}'),
);
test(
  'a name that is defined twice',
  refuses,
  named,
  "1:12 NM6004 'A' is defined before, in d0.yaml:1",
  defined(...Array(2).fill('networks: {A: {values: [{address: 10.0.0.0/8}]}}')),
);
test(
  'a name of hosts alone',
  refuses,
  named,
  "1:12 NM6003 'A' has no address",
  defined('networks: {A: {values: [{fqdn: example.net}]}}'),
);
test(
  'an address that is none',
  refuses,
  named,
  "1:35 NM6001 '10.0.0.0/33' is not an address",
  defined('networks: {A: {values: [{address: 10.0.0.0/33}]}}'),
);
test(
  'a port that is octal to some',
  refuses,
  filter('protocol: tcp\nport: A\naction: deny'),
  "1:23 NM6001 '010' is not a port",
  defined('services: {A: [{port: 010, protocol: tcp}]}'),
);
test(
  'a value without a kind',
  refuses,
  named,
  ['1:25 NM6001 this is no value'],
  defined('networks: {A: {values: [{adress: 10.0.0.0/8}]}}'),
);
