/** A compiled forwarder asked about single packets: it must say what the policy's model says of them. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { pointOf } from '../../../codegen/analysis/packet.js';
import { packetText } from '../../../codegen/analysis/packet-text.js';
import { compile } from '../../../codegen/compile.js';
import { usual } from '../../../codegen/evaluate/evaluate.js';
import { parseFrame, parseIpv4, parseIpv6 } from '../../../codegen/evaluate/parse.js';
import { linkOf, see } from '../../../codegen/evaluate/rules.js';
import { readPacket } from '../../../codegen/explain/read-packet.js';
import type { Ir } from '../../../codegen/ir.js';
import { lower } from '../../../codegen/lower.js';
import { policyFile, policyFromJson } from '../../../codegen/policy-json.js';
import { makeWorld } from '../../../codegen/selftest/world.js';
import { frameOf } from '../../../codegen/trace/frame.js';
import { type Traced, traceFrame } from '../../../codegen/trace/trace.js';
import { patient, withFiles } from '../policy.js';

const policy = `import { acl, allow, deny, nets, nexthop, pbr, router, tcp, udp } from 'netmill'
const wan = acl('from-wan', { default: 'deny' }, [
  deny({ from: nets('203.0.113.0/24') }).why('spoofed'),
  allow({ service: tcp(80, 443) }),
  allow({ service: udp() }),
])
const way = pbr('way', [nexthop('198.51.100.1', { service: udp(53) })])
export default router('r', { interfaces: {
  wan: { port: 'pipe:a', fallback: 'drop', address: ['198.51.100.2/30'], in: wan, pbr: way },
  lan: { port: 'pipe:b', fallback: 'drop', vlans: { office: { id: 100, address: ['10.0.0.1/24'] } } },
} })
`;

/** What is not said of a packet. */
const mac = Uint8Array.of(2, 0, 0, 0, 0, 2);

function read(text: string) {
  const found = readPacket(text);
  if ('expected' in found) throw new Error(`${text}: ${found.expected}`);
  return found;
}

const isBuilt = test.macro((t, ir: () => Ir, text: string) => {
  const { packet, interface: name } = read(text);
  const iface = ir().interfaces.find((one) => one.name === name)!;
  const bytes = frameOf(iface, packet, mac);
  if ('expected' in bytes) throw new Error(`expected ${bytes.expected}, got ${bytes.got}`);
  const frame = parseFrame(bytes, 2)!;
  const payload = bytes.subarray(frame.network);
  const parsed = packet.family === 4 ? parseIpv4(payload) : parseIpv6(payload);
  if (typeof parsed === 'string') throw new Error(parsed);
  t.is(`in ${name} ${packetText(pointOf(see(parsed, linkOf(frame))))}`, text);
});

let ir: Ir;
let trace: (text: string) => Promise<Traced>;
test.before(async (t) => {
  t.timeout(120_000);
  const remove = await new Promise<() => void>((ready, refuse) => {
    withFiles({ 'r.ts': policy }, async (directory) => {
      const built = await compile(join(directory, 'r.ts'), { outDir: directory, limits: patient });
      if (!built.ok) throw new Error(JSON.stringify(built.diagnostics));
      ir = lower(policyFromJson(readFileSync(join(directory, policyFile), 'utf8')));
      const world = makeWorld(ir);
      trace = (text) => {
        const { packet, interface: name } = read(text);
        const iface = ir.interfaces.find((one) => one.name === name)!;
        const bytes = frameOf(iface, packet, world.faces[iface.local]!.mac);
        if ('expected' in bytes) throw new Error(bytes.expected);
        return traceFrame(ir, built.files.forwarder, world, iface, bytes, usual);
      };
      await new Promise<void>((done) => ready(done));
    }).catch(refuse);
  });
  t.context = remove;
});
test.after.always((t) => (t.context as (() => void) | undefined)?.());

for (const text of [
  'in wan tcp 9.9.9.9:1234 > 10.0.0.7:443 syn',
  'in wan tcp [2001:db8::1]:1234 > [2001:db8::2]:443 syn ack ttl 7 dscp 46',
  'in lan.office udp 10.0.0.5:1 > 9.9.9.9:53 len 1400',
  'in wan icmp 9.9.9.9 > 10.0.0.7 echo-request',
  'in wan proto 47 9.9.9.9 > 10.0.0.7 len 33',
  'in wan udp 9.9.9.9:1 > 10.0.0.7:53 first-fragment',
  'in wan udp 9.9.9.9 > 10.0.0.7 later-fragment',
  'in wan udp 2001:db8::1 > 2001:db8::2 later-fragment',
])
  test(`the frame of '${text}' is that packet`, isBuilt, () => ir, text);

const rulesOf = ({ rules }: Traced) => rules.map((one) => `${one.list} ${one.action} ${one.place}`);

test('a packet that an ACL takes', async (t) => {
  const traced = await trace('in wan tcp 9.9.9.9:1234 > 10.0.0.7:443 syn');
  t.deepEqual(rulesOf(traced), ['from-wan allow r.ts:4']);
});

test('a packet that an ACL denies, and one that its default denies', async (t) => {
  const spoofed = await trace('in wan tcp 203.0.113.9:1234 > 10.0.0.7:443 syn');
  t.deepEqual(rulesOf(spoofed), ['from-wan deny r.ts:3']);
  t.is(spoofed.fate, 'dropped: acl');
  t.deepEqual(rulesOf(await trace('in wan tcp 9.9.9.9:1 > 10.0.0.7:22 syn')), ['from-wan deny r.ts:2']);
});

test('a packet that PBR diverts: first the ACL, then the list', async (t) => {
  const traced = await trace('in wan udp 9.9.9.9:1234 > 9.8.7.6:53');
  t.deepEqual(rulesOf(traced), ['from-wan allow r.ts:5', 'way nexthop r.ts:7']);
  // The world of the self-test has the gateway behind the second interface.
  t.regex(traced.fate, /^sent by lan\.office to 02:bb:/);
});

test('a packet for the router itself', async (t) => {
  t.is((await trace('in wan udp 9.9.9.9:1234 > 198.51.100.2:5000')).fate, 'to host of wan (local)');
});

test('what cannot be made is told', (t) => {
  const frame = (text: string) => frameOf(ir.interfaces[0]!, read(text).packet, mac);
  t.like(frame('in wan tcp 9.9.9.9 > 10.0.0.7 cut-short'), { got: 'one that is cut short' });
  t.like(frame('in wan tcp 9.9.9.9:1 > 10.0.0.7:1 len 30'), { expected: 'a length of at least 40 bytes' });
  t.like(frame('in wan tcp 9.9.9.9:1 > 10.0.0.7:1 len 9000'), { expected: 'a length of at most 1686 bytes' });
});
