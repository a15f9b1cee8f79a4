/** netmap-rt's ACL lines, as they are read and as they are refused. */
import test from 'ava';
import { formatAddress, formatPrefix } from '../../../dsl/address.js';
import {
  type AclEntry,
  type AclFields,
  parseFields,
  parseNetmapRtAcl,
  unnamedFields,
} from '../../../dsl/formats/netmap-rt-acl.js';

const preset = parseFields('netmap-rt') as AclFields;
const withSourcePorts = parseFields(
  'source;source port;destination;destination port;protocol;action',
) as AclFields;

/** `wan vlan 5 10.0.0.0/8 > any 17 0-19 deny log # why` */
function told(entry: AclEntry): string {
  if (entry.kind !== 'rule') return entry.kind === 'blank' ? '' : `# ${entry.text}`;
  const range = (ports: { from: number; to: number }) => `${ports.from}-${ports.to}`;
  const { action } = entry;
  return [
    entry.interface && `on ${entry.interface.value}`,
    entry.vlan && `vlan ${entry.vlan.value}`,
    entry.source && `from ${formatPrefix(entry.source.value)}`,
    entry.destination && `to ${formatPrefix(entry.destination.value)}`,
    entry.protocol && `proto ${entry.protocol.value}`,
    entry.sourcePort && `sport ${range(entry.sourcePort.value)}`,
    entry.destinationPort && `dport ${range(entry.destinationPort.value)}`,
    action.kind === 'nexthop' ? `via ${formatAddress(action.gateway)}` : action.kind,
    entry.log && 'log',
    entry.comment !== undefined && `# ${entry.comment}`,
  ]
    .filter(Boolean)
    .join(' ');
}

const reads = test.macro({
  exec(t, line: string, expected: string, fields: AclFields = preset) {
    const { entries, problems } = parseNetmapRtAcl('acl.conf', line, fields);
    t.deepEqual(problems, []);
    t.deepEqual(entries.map(told), [expected]);
  },
  title: (given = '', line) => `reads ${line} ${given}`.trim(),
});

test(reads, ';;;;udp;0-19;drop log', 'proto 17 dport 0-19 deny log');
test('without named fields', reads, ';;;;udp;0-19;drop log', 'proto 17 dport 0-19 deny log', unnamedFields);
test(reads, 'any;any;any;any;any;any;pass', 'allow', unnamedFields);
test(
  reads,
  'ix0;101;10.0.0.0/8;2.2.2.2;tcp;80;deny',
  'on ix0 vlan 101 from 10.0.0.0/8 to 2.2.2.2/32 proto 6 dport 80-80 deny',
);
test(
  reads,
  ' ; ;2001:db8::/32; ; 6 ; 80 - 81 ; allow log',
  'from 2001:db8::/32 proto 6 dport 80-81 allow log',
);
test(reads, ';;;;icmp;;deny # no ping', 'proto 1 deny # no ping');
test(reads, ';;;;47;any;deny#gre', 'proto 47 deny # gre');
test(reads, ';;;;ospf;;allow', 'proto 89 allow');
test(reads, ';;10.0.0.0/8;;;;nexthop 192.0.2.1 log', 'from 10.0.0.0/8 via 192.0.2.1 log');
test(reads, ';;;;;;nexthop  2001:db8::1', 'via 2001:db8::1');
test(reads, '  # whole; line ', '# whole; line');
test(
  reads,
  '10.0.0.0/8;53;;1024-65535;udp;pass',
  'from 10.0.0.0/8 proto 17 sport 53-53 dport 1024-65535 allow',
  withSourcePorts,
);

test('lines keep their numbers, blank lines stay, both line ends are read', (t) => {
  const { entries } = parseNetmapRtAcl('acl.conf', '# a\r\n\r\n;;;;;;drop\n', preset);
  t.deepEqual(
    entries.map((one) => [one.line, one.kind]),
    [
      [1, 'comment'],
      [2, 'blank'],
      [3, 'rule'],
    ],
  );
});

/** @param expected `column code message` of each problem */
const refuses = test.macro({
  exec(t, line: string, expected: readonly string[], fields: AclFields = preset) {
    const { entries, problems } = parseNetmapRtAcl('acl.conf', line, fields);
    t.deepEqual(
      problems.map((one) => `${one.origin.column} ${one.code} ${one.message}`),
      expected,
    );
    t.deepEqual(entries, []);
    for (const one of problems) t.truthy(one.expected && one.got && one.fix);
  },
  title: (_, line) => `refuses ${line}`,
});

test(
  refuses,
  ';;10.0.0.0/8;;udp;;drop',
  ['3 NM6004 what field 3 of an ACL line is, the description of netmap-rt does not say'],
  unnamedFields,
);
test(refuses, ';;;udp;0-19;drop', ['17 NM6001 this line has 6 fields']);
test(refuses, 'drop', ['5 NM6001 this line has 1 field']);
test(refuses, ';;;;;;reject', ["7 NM6001 'reject' is not an action"]);
test(refuses, ';;;;;;', ["7 NM6001 '' is not an action"]);
test(refuses, ';;;;;;drop quick', ["7 NM6001 'drop quick' is not an action"]);
test(refuses, ';;;;;;nexthop', ["7 NM6001 'nexthop' is not an action"]);
test(refuses, ';;;;;;nexthop 10.0.0.300', ["15 NM6001 '10.0.0.300' is not an IPv4 address"]);
test(refuses, ';;10.0.0.1/8;;;;drop', ["3 NM6004 '10.0.0.1/8' has bits set beyond its length"]);
test(refuses, ';;10.0.0.0/33;;;;drop', ["3 NM6001 '/33' is not a prefix length from /0 to /32"]);
test(refuses, ';;!10.0.0.0/8;;;;drop', ["3 NM6001 '!10.0.0.0/8' is not an address or a prefix"]);
test(refuses, ';4095;;;;;drop', ["2 NM6001 '4095' is not a VLAN id"]);
test(refuses, ';;;;tpc;;drop', ["5 NM6001 'tpc' is not an IP protocol"]);
test(refuses, ';;;;256;;drop', ["5 NM6001 '256' is not an IP protocol"]);
test(refuses, ';;;;;53;drop', ['6 NM6004 this line has a port and no protocol that has ports']);
test(refuses, ';;;;icmp;8;drop', ['10 NM6004 this line has a port and no protocol that has ports']);
test(refuses, ';;;;udp;65536;drop', ["9 NM6001 '65536' is not a port"]);
test(refuses, ';;;;udp;19-0;drop', ["9 NM6001 the range '19-0' ends before it begins"]);
test(refuses, ';;;;udp;53,67;drop', ["9 NM6001 '53,67' is not a port"]);
test(refuses, ';;10.0.0.0/8;2001:db8::/32;;;drop', [
  '14 NM6003 source and destination are of different families',
]);
test(refuses, ';;2001:db8::/32;;;;nexthop 10.0.0.1', ['3 NM6003 an IPv4 gateway cannot take IPv6 packets']);
test(refuses, ';5000;1.2.3;;x;;drop', [
  "2 NM6001 '5000' is not a VLAN id",
  "7 NM6001 '1.2.3' is not an IPv4 address",
  "14 NM6001 'x' is not an IP protocol",
]);

const badFields = test.macro({
  exec: (t, text: string, expected: string) => t.is(parseFields(text), expected),
  title: (_, text) => `no fields: ${text}`,
});
test(badFields, 'source;sink;action', "'sink' is not the name of a field");
test(badFields, 'source;source;action', "'source' is named twice");
test(badFields, 'source;destination', "'action' is missing: no line could be a rule");
