/** What rules do besides letting pass and dropping: the oracle's own test, on packets written by hand. */
import test from 'ava';
import { type Circumstances, evaluateFrame, usual } from '../../../codegen/evaluate/evaluate.js';
import type { Outcome } from '../../../codegen/evaluate/outcome.js';
import type { Path, Paths } from '../../../codegen/evaluate/paths.js';
import type { Ir } from '../../../codegen/ir.js';
import { lower } from '../../../codegen/lower.js';
import { buildFrame, type FramePlan, usualFrom } from '../../../codegen/selftest/build-frame.js';
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
  faces: [face(0), face(1), face(2)],
  routes: [
    { prefix: prefix('0.0.0.0/0'), path: via(0) },
    { prefix: prefix('10.1.0.0/16'), path: via(1) },
    { prefix: prefix('10.1.2.0/24'), path: { kind: 'glean', iface: 1 } },
    { prefix: prefix('10.1.1.1/32'), path: { kind: 'local' } },
    { prefix: prefix('10.2.0.0/16'), path: via(2) },
  ],
  gateways: [],
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
  'an expired TTL is the kernel’s to answer': [{ ttl: 1 }, 'punt exception both in:0 to-lan out:1'],
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

test('with rules switched off nothing judges', (t) => {
  t.is(said(run({ dport: 25 }, { ...usual, aclEnabled: false })), 'forward lan');
});

test('a list on both sides has counters of its own on each', (t) => {
  const ids = ir.rules.filter((rule) => rule.list === 'both').map((rule) => rule.id);
  t.is(ids.length, 6);
  t.is(new Set(ids).size, 6);
});
