/** Explanations against the sets of the analysis; packets as text, there and back; captures. */
import test from 'ava';
import { contains, examplePacket, type PacketPoint, pointOf } from '../../../codegen/analysis/packet.js';
import { packetText } from '../../../codegen/analysis/packet-text.js';
import { type Judged, makePipeline } from '../../../codegen/analysis/pipeline.js';
import { makeRegions } from '../../../codegen/analysis/regions.js';
import { makeSpace } from '../../../codegen/analysis/space.js';
import { explain } from '../../../codegen/explain/explain.js';
import { received } from '../../../codegen/explain/frames.js';
import { readPcap } from '../../../codegen/explain/pcap.js';
import { readPacket } from '../../../codegen/explain/read-packet.js';
import type { PredicateExpr } from '../../../codegen/predicate/expr.js';
import { makeFrames } from '../../../codegen/selftest/packets.js';
import { randomOf } from '../../../codegen/selftest/random.js';
import { makeWorld } from '../../../codegen/selftest/world.js';
import { capture } from '../../support/packet.js';
import { randomIr, randomPredicates } from '../analysis/random.js';

let predicates: readonly PredicateExpr[];

test.before(async () => {
  predicates = await randomPredicates();
});

test('what is explained is what the sets say, with the rule that decides', (t) => {
  let explained = 0;
  for (const seed of [1, 2, 3, 6]) {
    const ir = randomIr(seed, predicates);
    const pipes = { 4: makePipeline(ir, makeSpace(4)), 6: makePipeline(ir, makeSpace(6)) };
    const judged = new Map<string, readonly Judged[]>();
    for (const { port, bytes } of makeFrames(ir, makeWorld(ir), { frames: 250, seed })) {
      const got = received(ir.ports[port]!, bytes, ir.contents);
      if (got.kind === 'other') continue;
      const { iface, seen } = got;
      const point = pointOf(seen);
      const pipe = pipes[point.family];
      const key = `${iface.name} ${point.family}`;
      if (!judged.has(key))
        judged.set(key, pipe.judge(iface, pipe.arriving(iface), { spend: () => undefined }));
      const [found] = judged.get(key)!.filter((one) => contains(pipe.space, [one.block], point));
      const { fate, steps } = explain(ir, iface, seen);
      t.is(fate, found!.fate.kind === 'diverted' ? `via ${found!.fate.gateway}` : found!.fate.kind);
      const decider = found!.pbr ?? found!.acl;
      const asked = steps.filter((step) => step.stage === 'acl' || step.stage === 'pbr').at(-1);
      const last = asked?.tried.at(-1);
      if (decider && decider !== 'hidden' && fate !== 'martian' && !(asked?.stage === 'pbr' && !found!.pbr)) {
        t.is(last?.not, undefined);
        t.is(asked!.tried.filter((one) => one.not === undefined).length, 1);
      }
      explained++;
    }
  }
  t.true(explained > 300, `${explained}`);
});

test('a packet as text is the same packet when it is read again', (t) => {
  let read = 0;
  for (const seed of [1, 2, 3, 4, 5, 6, 7, 8])
    for (const family of [4, 6] as const) {
      const space = makeSpace(family);
      const { of } = makeRegions(space);
      for (const rule of randomIr(seed, predicates).rules.slice(0, 60))
        for (const block of of(rule).slice(0, 3)) {
          const packet = examplePacket(space, block);
          const again = readPacket(`in wan ${packetText(packet)}`);
          if ('expected' in again)
            return t.fail(`${packetText(packet)}: expected ${again.expected}, got ${again.got}`);
          t.is(again.interface, 'wan');
          t.deepEqual(withVlan(again.packet, packet.fields.vlan), packet, packetText(packet));
          read++;
        }
    }
  return t.true(read > 80, `${read}`);
});

/** The tag is the interface's, so it is not in the text. */
function withVlan(packet: PacketPoint, vlan: number): PacketPoint {
  return { ...packet, fields: { ...packet.fields, vlan } };
}

const wrong = test.macro((t, text: string, expected: string, got: string) => {
  const read = readPacket(text);
  t.like(read, { got });
  t.true('expected' in read && read.expected.includes(expected), JSON.stringify(read, bigints));
});

test('no packet', wrong, '', 'PROTOCOL', 'the end of the line');
test('a protocol that is none', wrong, 'tpc 1.2.3.4:1 > 1.2.3.4:2', 'tcp, udp, icmp', "'tpc'");
test('no arrow', wrong, 'tcp 1.2.3.4:1 1.2.3.4:2', "'>'", "'1.2.3.4:2'");
test('an address that is none', wrong, 'tcp 1.2.3.400:1 > 1.2.3.4:2', 'an address', "'1.2.3.400:1'");
test('a port that is none', wrong, 'tcp 1.2.3.4:65536 > 1.2.3.4:2', '0 to 65535', "'65536'");
test('two families', wrong, 'udp 1.2.3.4:1 > [::1]:2', 'one family', 'IPv4 and IPv6');
test('a flag of UDP', wrong, 'udp 1.2.3.4:1 > 1.2.3.4:2 syn', 'TCP flags', "'syn'");
test('ports of a protocol that has none', wrong, 'proto 89 1.2.3.4:1 > 1.2.3.4', 'without ports', "':1'");
test('a number too large', wrong, 'icmp 1.2.3.4 > 1.2.3.4 ttl 256', '0 to 255', "'256'");
test('a word of prototypes', wrong, 'icmp 1.2.3.4 > 1.2.3.4 constructor', 'TCP flags', "'constructor'");

function bigints(_: string, value: unknown): unknown {
  return typeof value === 'bigint' ? String(value) : value;
}

for (const little of [true, false])
  test(`a capture, ${little ? 'least' : 'most'} significant byte first`, (t) => {
    const frames = [Uint8Array.of(1, 2, 3), new Uint8Array(0), Uint8Array.of(9)];
    const read = readPcap(capture(frames, { little }));
    t.deepEqual(
      read.map((one) => [...one.bytes]),
      frames.map((one) => [...one]),
    );
    t.deepEqual(
      read.map((one) => one.length),
      [3, 0, 1],
    );
  });

test('a capture that is cut or changed anywhere is read or refused, never more', (t) => {
  const random = randomOf(7);
  const whole = capture([new Uint8Array(40), new Uint8Array(60)]);
  t.throws(() => readPcap(whole.subarray(0, 30)), { message: /frame 1 ends within its header/ });
  t.throws(() => readPcap(whole.subarray(0, 70)), { message: /frame 1 says that it has 40 bytes/ });
  t.throws(() => readPcap(Buffer.alloc(24)), { message: /begins with 0x00000000/ });
  for (let i = 0; i < 3000; i++) {
    const bytes = Buffer.from(whole.subarray(0, random.below(whole.length + 1)));
    if (bytes.length > 0) bytes[random.below(bytes.length)] = random.below(256);
    try {
      const total = readPcap(bytes).reduce((sum, one) => sum + 16 + one.bytes.length, 24);
      t.is(total, bytes.length);
    } catch (error) {
      t.regex((error as Error).message, /^(expected|frame)/);
    }
  }
});
