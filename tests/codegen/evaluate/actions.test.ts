/** What rules do besides letting pass and dropping: the oracle's own test, on packets written by hand. */
import test from 'ava';
import { type Circumstances, evaluateFrame, usual } from '../../../codegen/evaluate/evaluate.js';
import type { Outcome } from '../../../codegen/evaluate/outcome.js';
import { parseIpv4 } from '../../../codegen/evaluate/parse.js';
import type { Path, Paths } from '../../../codegen/evaluate/paths.js';
import type { Ir } from '../../../codegen/ir.js';
import { lower } from '../../../codegen/lower.js';
import { buildFrame, type FramePlan, usualFrom } from '../../../codegen/selftest/build-frame.js';
import { bucketOf } from '../../../codegen/treatment.js';
import { parseAddress, parseInterfaceAddress } from '../../../dsl/address.js';
import type { Prefix } from '../../../dsl/model.js';
import { accepted, front } from '../policy.js';

const policy = `
const inside = nets('10.1.0.0/16', '2001:db8:1::/48')
const both = acl('both', { default: 'allow' }, [deny({ to: inside, service: tcp(23) }).log()])
export default router('r', { interfaces: {
  wan: { port: 'pipe:wan', fallback: 'drop', in: both },
  lan: { port: 'pipe:lan', fallback: 'drop', out: acl('to-lan', { default: 'deny' }, [
    allow({ to: inside, service: tcp(80) }),
    deny({ service: tcp(25) }).log(),
  ]) },
  dmz: { port: 'pipe:dmz', fallback: 'drop', out: both },
  ids: { port: 'pipe:ids', fallback: 'drop', in: acl('answers', { default: 'allow' }, [
    reject({ to: nets('10.2.1.0/24', '2001:db8:2:1::/64') }),
    reject({ to: nets('10.2.2.0/24', '2001:db8:2:2::/64') }, { icmp: 'port-unreachable', tcp: 'icmp' }),
    reject({ to: nets('224.0.0.9', '10.1.255.255') }),
    allow({ to: nets('10.2.3.0/24') }).police('8 Mbit/s', { burst: '15 kB' }).mirror('dmz').dscp('af21'),
    allow({ to: nets('10.2.4.0/24') }).police('1000 packets/s', { burst: '4 packets' }).sample(100),
    nexthop('10.9.0.1', { to: nets('10.2.5.0/24') }).dscp('ef').mirror('dmz', { oneIn: 50 }),
    allow({ to: nets('2001:db8:2:6::/64') }).dscp(63),
    nexthop(['10.9.0.1', '10.9.0.2'], { to: nets('10.2.17.0/24') }).or('10.9.0.3').orDrop(),
    nexthop(['10.9.0.1', '10.9.0.2'], { to: nets('10.2.18.0/24') }).or('10.9.0.3'),
  ]), pbr: pbr('marked', [
    nexthop('10.9.0.1', { to: nets('10.2.6.0/24') }).dscp('cs1'),
    nexthop('10.9.0.1', { to: nets('10.2.18.0/25') }).orDrop(),
  ]) },
} })`;

const prefix = (text: string): Prefix => parseInterfaceAddress(text)!;
const via = (iface: number): Path => ({ kind: 'forward', iface, mac: Uint8Array.of(2, 0, 0, 0, 9, iface) });
const face = (n: number) => ({
  mac: Uint8Array.of(2, 0, 0, 0, 0, n),
  mtu: 200,
  up: true,
  host: true,
  speaksFrom: { 4: parseAddress('10.1.1.1')!, 6: parseAddress('2001:db8:1::1')! },
});

/** wan 0, lan 1, dmz 2 */
const paths: Paths = {
  faces: [face(0), face(1), face(2), face(3)],
  routes: [
    { prefix: prefix('0.0.0.0/0'), path: via(0) },
    { prefix: prefix('10.1.0.0/16'), path: via(1) },
    { prefix: prefix('10.1.2.0/24'), path: { kind: 'glean', iface: 1 } },
    { prefix: prefix('10.1.1.1/32'), path: { kind: 'local' } },
    { prefix: prefix('10.1.255.255/32'), path: { kind: 'broadcast' } },
    { prefix: prefix('2001:db8:2::/48'), path: via(2) },
    { prefix: prefix('10.2.0.0/16'), path: via(2) },
  ],
  gateways: [via(0), via(0)],
};

let ir: Ir;
test.before(async (t) => {
  t.timeout(60_000);
  ir = lower(accepted(await front(policy)));
});

const plain: FramePlan = {
  to: face(0).mac,
  from: usualFrom,
  tags: [],
  src: parseAddress('198.51.100.7')!,
  dst: parseAddress('10.1.9.9')!,
  ttl: 64,
  dscp: 0,
  protocol: 6,
  sport: 3000,
  dport: 80,
  tcpFlags: 2,
  icmpType: 0,
  icmpCode: 0,
  payload: 10,
  fragmentFirst: false,
  dontFragment: false,
  headerSum: 0,
  options: 0,
  extensions: [],
  padding: 0,
};

function run(change: Partial<FramePlan>, now: Circumstances = usual): Outcome {
  return evaluateFrame(ir, ir.ports[0]!, buildFrame({ ...plain, ...change }), paths, now);
}

/** `forward lan both in:0 to-lan out:1`: what became of it, then the rules that took it, with their events. */
function said({ fate, rules, logs }: Outcome): string {
  const where =
    fate.verdict === 'drop'
      ? fate.reason
      : fate.verdict === 'punt'
        ? fate.class
        : ir.interfaces[fate.verdict === 'forward' ? fate.iface : fate.path.iface!]!.name;
  const took = rules.map((local) => {
    const { list, direction, position } = ir.rules[local]!;
    return ` ${list} ${direction}:${position}${logs.includes(local) ? ' logged' : ''}`;
  });
  return `${fate.verdict} ${where}${took.join('')}`;
}

const to = (text: string) => ({ dst: parseAddress(text)! });
const rows: Readonly<Record<string, readonly [change: Partial<FramePlan>, said: string]>> = {
  'an out ACL lets pass': [{}, 'forward lan both in:0 to-lan out:1'],
  'an out ACL denies': [{ dport: 25 }, 'drop acl-out both in:0 to-lan out:2 logged'],
  'its default': [{ dport: 81 }, 'drop acl-out both in:0 to-lan out:0'],
  'one list on both sides counts twice': [to('10.2.0.9'), 'forward dmz both in:0 both out:0'],
  'what is for the router leaves by nothing': [{ ...to('10.1.1.1'), dport: 81 }, 'punt local both in:0'],
  'before the neighbour is asked': [{ ...to('10.1.2.9'), dport: 81 }, 'drop acl-out both in:0 to-lan out:0'],
  'before the size is looked at': [{ dport: 81, payload: 300 }, 'drop acl-out both in:0 to-lan out:0'],
  'before the TTL is looked at': [{ dport: 81, ttl: 1 }, 'drop acl-out both in:0 to-lan out:0'],
  'an expired TTL is the kernel’s to answer': [{ ttl: 1 }, 'punt ttl both in:0 to-lan out:1'],
  'options of what it judged are not the kernel’s to forward': [
    { options: 1 },
    'forward lan both in:0 to-lan out:1',
  ],
  'options of what nobody judged are': [{ ...to('9.9.9.9'), options: 1 }, 'punt exception both in:0'],
};

for (const [title, [change, expected]] of Object.entries(rows))
  test(title, (t) => {
    t.is(said(run(change)), expected);
  });

const plainly6 = { src: parseAddress('2001:db8:7::1')!, ...to('2001:db8:2:1::9') };

function onIds(change: Partial<FramePlan>, now: Circumstances = usual) {
  const bytes = buildFrame({ ...plain, to: face(3).mac, ...change });
  return { bytes, outcome: evaluateFrame(ir, ir.ports[3]!, bytes, paths, now) };
}

function answerOf(change: Partial<FramePlan>, now?: Circumstances): { tells?: string; resets?: string } {
  const { fate } = onIds(change, now).outcome;
  if (fate.verdict !== 'drop' || fate.reason !== 'acl') throw new Error(fate.verdict);
  const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex');
  return { ...(fate.tells && { tells: hex(fate.tells) }), ...(fate.resets && { resets: hex(fate.resets) }) };
}

test('a SYN with ten bytes is reset in the destination’s name, all of it acknowledged', (t) => {
  // RFC 9293 §3.10.7.1: sequence number 0, acknowledgement 0xfffffff0 + 11, RST and ACK.
  t.deepEqual(answerOf(to('10.2.1.9')), {
    resets: '45000028000040004006058b0a020109c633640700500bb800000000fffffffb501400006e870000',
  });
});

test('an acknowledged segment is reset at its acknowledgement', (t) => {
  const { resets } = answerOf({ ...to('10.2.1.9'), tcpFlags: 0x10, dscp: 46 });
  t.is(resets?.slice(2, 4), 'b8', 'with its DSCP');
  t.is(resets?.slice(48, 68), '1234abcd' + '00000000' + '5004');
});

test('by IPv6 likewise', (t) => {
  const { resets, tells } = answerOf({ ...plainly6, tcpFlags: 3 });
  t.is(tells, undefined);
  t.is(resets?.slice(0, 16), '6000000000140640');
  t.is(resets?.slice(80, 108), '00500bb8' + '00000000' + 'fffffffc' + '5014');
});

test('other protocols hear that it is prohibited', (t) => {
  t.is(answerOf({ ...to('10.2.1.9'), protocol: 17 }).tells?.slice(40, 44), '030d');
  t.is(answerOf({ ...plainly6, protocol: 17 }).tells?.slice(80, 84), '0101');
});

test('or that the port is unreachable, TCP too, where the rule says so', (t) => {
  t.is(answerOf(to('10.2.2.9')).tells?.slice(40, 44), '0303');
  t.is(answerOf({ ...plainly6, ...to('2001:db8:2:2::9') }).tells?.slice(80, 84), '0104');
});

const silent: Readonly<Record<string, Partial<FramePlan>>> = {
  'a reset': { ...to('10.2.1.9'), tcpFlags: 4 },
  'a first fragment of TCP': { ...to('10.2.1.9'), fragment: { offset: 0, more: true } },
  'a later fragment': { ...to('10.2.1.9'), protocol: 17, fragment: { offset: 3, more: false } },
  'a header that is longer than its packet': { ...to('10.2.1.9'), dataOffset: 15 },
  'an ICMP error': { ...to('10.2.1.9'), protocol: 1, icmpType: 3 },
  'a multicast destination': to('224.0.0.9'),
  'a broadcast of a network of ours': to('10.1.255.255'),
  'a frame to many': { ...to('10.2.1.9'), to: new Uint8Array(6).fill(255) },
  'a source that is nobody': { ...to('10.2.1.9'), src: parseAddress('240.0.0.1')! },
};

for (const [title, change] of Object.entries(silent))
  test(`nobody is told about ${title}`, (t) => {
    t.deepEqual(answerOf(change), {});
  });

test('what conforms goes on, marked and copied', (t) => {
  const { bytes, outcome } = onIds({ ...to('10.2.3.9'), dscp: 1, headerSum: 0x00ff });
  t.deepEqual(
    outcome.policed.map((one) => one.conforms),
    [true],
  );
  t.deepEqual(outcome.copies, [{ port: 2, oneIn: 1, lost: false }]);
  if (outcome.fate.verdict !== 'forward') return t.fail(outcome.fate.verdict);
  t.is(outcome.fate.frame[15], 18 << 2);
  t.is(bytes[15], 1 << 2, 'rules and copies see it as it came in');
  return t.not(parseIpv4(outcome.fate.frame.subarray(14)), 'ip-checksum');
});

test('what does not conform is dropped and counted', (t) => {
  const { outcome } = onIds(to('10.2.4.9'), { ...usual, servicesTake: false });
  t.like(outcome, { fate: { verdict: 'drop', reason: 'policed' } });
  t.deepEqual(
    outcome.policed.map((one) => one.conforms),
    [false],
  );
  t.is(outcome.samples[0]?.oneIn, 100, 'who listens hears of it all the same');
});

test('the last mark counts, and a gateway’s packets have it, too', (t) => {
  const dscp = (change: Partial<FramePlan>) => {
    const { fate } = onIds(change).outcome;
    return fate.verdict === 'forward' ? fate.frame[15]! >> 2 : fate.verdict;
  };
  t.is(dscp(to('10.2.5.9')), 46);
  t.is(dscp(to('10.2.6.9')), 8);
  t.is(dscp({ ...to('10.2.7.9'), dscp: 7 }), 7);
});

test('gateways: those of a family, those that stand in and what is dropped are one way each', (t) => {
  t.deepEqual(
    ir.gateways.map((one) => one.text),
    ['10.9.0.1', '10.9.0.1 10.9.0.2 or 10.9.0.3'],
  );
});

const noneAnswers: Circumstances = { ...usual, gatewaysAnswer: false };
const gatewayRows: readonly (readonly [to: string, answering: string, silent: string])[] = [
  ['10.2.5.9', 'forward wan answers in:8', 'forward dmz answers in:8 both out:0'],
  ['10.2.17.9', 'forward wan answers in:10', 'drop no-gateway answers in:10'],
  ['10.2.18.200', 'forward wan answers in:11', 'forward dmz answers in:11 both out:0'],
  ['10.2.18.9', 'forward wan answers in:11', 'drop no-gateway answers in:11 marked in:2'],
];
for (const [text, answering, none] of gatewayRows)
  test(`gateways that answer, and none: ${text}`, (t) => {
    t.is(said(onIds(to(text)).outcome), answering);
    t.is(said(onIds(to(text), noneAnswers).outcome), none);
    return t.false(said(onIds(to('10.1.1.1'), noneAnswers).outcome).includes('no-gateway'));
  });

test('a traffic class keeps its ECN and the flow label', (t) => {
  const { bytes, outcome } = onIds({ ...plainly6, ...to('2001:db8:2:6::9') });
  if (outcome.fate.verdict !== 'forward') return t.fail(outcome.fate.verdict);
  const hex = (from: Uint8Array) => Buffer.from(from.subarray(14, 18)).toString('hex');
  t.is(hex(bytes), '60001234');
  return t.is(hex(outcome.fate.frame), '6fc01234');
});

test('with rules switched off nothing judges', (t) => {
  t.is(said(run({ dport: 25 }, { ...usual, aclEnabled: false })), 'forward lan');
});

test('a list on both sides has counters of its own on each', (t) => {
  const ids = ir.rules.filter((rule) => rule.list === 'both').map((rule) => rule.id);
  t.is(ids.length, 6);
  t.is(new Set(ids).size, 6);
});

test('buckets as the engine counts them', (t) => {
  // The numbers of tests/engine/police_test.c.
  t.deepEqual(bucketOf({ unit: 'packets', rate: 1000, burst: 10 }), {
    cost: 64_000_000n << 20n,
    burst: 640_000_000n,
  });
  t.deepEqual(bucketOf({ unit: 'bits', rate: 8e6, burst: 15_000 }), {
    cost: 67_108_864_000n,
    burst: 960_000_000n,
  });
});
