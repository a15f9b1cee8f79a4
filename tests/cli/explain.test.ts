/** `netmill explain` as a command: captures, and what it says of input that is wrong. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { capture, echo, ethernet, ipv4, ipv6, tcpSyn, udp } from '../support/packet.js';
import { netmill } from './netmill.js';

const directory = mkdtempSync(join(tmpdir(), 'netmill-explain-'));
test.after.always(() => rmSync(directory, { recursive: true, force: true }));

const policy = join(directory, 'edge.ts');
writeFileSync(
  policy,
  `import { acl, allow, deny, nets, nexthop, pbr, router, set, tcp, udp } from 'netmill'
const list = acl('from-lan', { default: 'deny' }, [
  deny({ from: set('blocked') }),
  allow({ service: tcp(443) }),
  allow({ service: udp() }),
])
const scrub = pbr('scrub', [nexthop('10.9.0.2', { service: udp(53) })])
const leaves = acl('to-dmz', { default: 'deny' }, [allow({ service: tcp(80) })])
export default router('edge', { interfaces: {
  wan: { port: 'xdp:eth0', address: ['10.9.0.1/24'], fallback: 'drop' },
  lan: { port: 'xdp:eth1', fallback: 'drop', vlans: {
    office: { id: 100, in: list, pbr: scrub },
    dmz: { id: 200, address: ['203.0.113.1/24'], out: leaves },
  } },
} })
`,
);

const macs = ['02:00:00:00:00:01', '02:00:00:00:00:02'] as const;
const ends = { src: '10.20.0.10', dst: '203.0.113.10' };
const office = [{ tpid: 0x8100, vid: 100 }];
const frame4 = (protocol: number, payload: Buffer, tags = office) =>
  ethernet(...macs, 0x0800, ipv4({ ...ends, protocol }, payload), tags);
const six = { src: '2001:db8::1', dst: '2001:db8::2' };

const frames = [
  frame4(6, tcpSyn(ends, 1234, 443)),
  frame4(17, udp(ends, 1234, 53, Buffer.alloc(20))),
  frame4(1, echo(ends, Buffer.alloc(20))),
  ethernet(...macs, 0x86dd, ipv6(six, udp(six, 1, 2, Buffer.alloc(4))), office),
  frame4(6, tcpSyn(ends, 1234, 443), [{ tpid: 0x8100, vid: 300 }]),
  ethernet('ff:ff:ff:ff:ff:ff', macs[1], 0x0806, Buffer.alloc(46), office),
];
const file = join(directory, 'lan.pcap');
writeFileSync(file, capture(frames));

test('every frame of a capture, a line each, with the line of the policy that decides', async (t) => {
  const ran = await netmill(['explain', policy, '--pcap', file, '--in', 'lan']);
  t.is(ran.code, 0, ran.err);
  const by = `from-mac ${macs[1]} to-mac ${macs[0]}`;
  t.deepEqual(ran.out.trimEnd().split('\n'), [
    `1  lan.office  tcp 10.20.0.10:1234 > 203.0.113.10:443 syn ${by} len 40  routed  edge.ts:4  allow({ service: tcp(443) })`,
    `2  lan.office  udp 10.20.0.10:1234 > 203.0.113.10:53 ${by} len 48  via 10.9.0.2  edge.ts:7  const scrub = pbr('scrub', [nexthop('10.9.0.2', { service: udp(53) })])`,
    `3  lan.office  icmp 10.20.0.10 > 203.0.113.10 echo-request ${by} len 48  denied  edge.ts:2  default of "from-lan"`,
    `4  lan.office  udp [2001:db8::1]:1 > [2001:db8::2]:2 ${by} len 52  routed  edge.ts:5  allow({ service: udp() })`,
    '5  no interface of lan has its tags',
    '6  EtherType 0x0806: to the host',
  ]);
});

test('captures tell more with -v, take other contents of sets, and say where they were cut', async (t) => {
  const cut = join(directory, 'cut.pcap');
  const bytes = capture(frames.slice(0, 1));
  bytes.writeUInt32LE(1500, 24 + 12);
  writeFileSync(cut, bytes);
  const ran = await netmill([
    'explain',
    policy,
    '--pcap',
    cut,
    '--in',
    'lan',
    '-v',
    '--set',
    'blocked=10.20.0.0/16',
  ]);
  t.is(ran.code, 0, ran.err);
  t.regex(ran.out, /^1 +in lan\.office tcp .* \(captured in part\)\n/);
  t.regex(ran.out, /✔ edge\.ts:3 .*\nfate: denied\n/);
});

test('which interface it leaves by is not known, so what `out` ACLs would say is said as such', async (t) => {
  const packet = 'tcp 10.20.0.10:1 > 203.0.113.10:443 syn';
  const open = await netmill(['explain', policy, `in lan.office ${packet}`]);
  t.regex(open.out, /ACL out "to-dmz": if it leaves by lan\.dmz: deny\n(.*\n)*?fate: routed\n/);
  const known = await netmill(['explain', policy, `in lan.office out lan.dmz ${packet}`]);
  t.regex(known.out, /ACL out "to-dmz": leaving by lan\.dmz: deny\n(.*\n)*?fate: denied\n/);
});

const refused = test.macro(async (t, code: number, expected: RegExp, ...argv: readonly string[]) => {
  const ran = await netmill(['explain', policy, ...argv]);
  t.is(ran.code, code, ran.out);
  t.is(ran.out, '');
  t.regex(ran.err, expected);
  t.regex(ran.err, /\n +fix: /);
});

test('a capture from no port', refused, 64, /\(wan, lan\), got 'eth7'/, '--pcap', file, '--in', 'eth7');
test('a capture that is not there', refused, 66, /none\.pcap does not exist/, '--pcap', 'none.pcap');
test('a capture that is none', refused, 64, /edge\.ts: expected a pcap file, got one that/, '--pcap', policy);
test('a packet and a capture', refused, 64, /give a packet, or --pcap FILE/, 'tcp', '--pcap', file);
test(
  'a set that the policy does not have',
  refused,
  64,
  /expected a set that changes at run time \(blocked\), got 'nope'/,
  'in wan tcp 1.1.1.1:1 > 2.2.2.2:2 from-set nope',
);
