/** Packets at random for the comparison of routers: every field may be anything that a router could be sent. */
import fc from 'fast-check';
import { echo, ipv4, ipv6, tcpSyn, udp } from '../../support/packet.js';
import { data, frame4, frame6, repairChecksum } from '../crafted.js';

const sizes = fc.constantFrom(0, 1, 8, 33, 500, 1180, 1252, 1253, 1400, 1452);
const lives = fc.constantFrom(0, 1, 2, 3, 64, 64, 64, 64, 128, 255);

/** Behind the client; the kernel limits some errors to one a second for each of them. */
const source4 = fc.oneof(
  { weight: 12, arbitrary: fc.nat(0xffff).map((n) => `10.1.${n >> 8}.${n & 255}`) },
  { weight: 1, arbitrary: fc.constantFrom('10.0.1.1', '127.0.0.1', '224.0.0.9', '0.0.0.0') },
);
const destination4 = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom('10.9.0.1', '10.8.0.1', '10.9.77.1') },
  { weight: 1, arbitrary: fc.constantFrom('172.31.0.1', '10.7.1.1', '10.7.2.1', '10.0.2.255', '239.1.2.3') },
  { weight: 1, arbitrary: fc.constantFrom('255.255.255.255', '0.0.0.0', '127.0.0.1', '10.1.2.3') },
);
const source6 = fc.oneof(
  { weight: 12, arbitrary: fc.constant('2001:db8:1::2') },
  { weight: 1, arbitrary: fc.constantFrom('2001:db8:9::9', '::1', '::', 'ff02::5', 'ff0e::5') },
);
const destination6 = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom('2001:db8:9::1', '2001:db8:8::1', '2001:db8:9:7::1') },
  { weight: 1, arbitrary: fc.constantFrom('2001:db8:ffff::1', '2001:db8:7:1::1', '2001:db8:7:2::1') },
  { weight: 1, arbitrary: fc.constantFrom('ff0e::5', 'ff02::5', 'ff01::5', '::1', '::') },
);

interface Body {
  readonly protocol: number;
  readonly icmpType: number;
  readonly size: number;
}

const body = fc.record<Body>({
  protocol: fc.constantFrom(17, 17, 6, 1, 1, 58, 58, 253, 47, 89),
  icmpType: fc.constantFrom(0, 3, 4, 5, 8, 11, 12, 1, 2, 128, 129, 13, 42),
  size: sizes,
});

function bytesOf({ protocol, icmpType, size }: Body, ends: { src: string; dst: string }): Buffer {
  if (protocol === 17) return udp(ends, 4000, 5000, data(size));
  if (protocol === 6) return tcpSyn(ends, 4000, 80);
  const message = echo(ends, data(size));
  message[0] = icmpType;
  return message;
}

/** Of a header, one byte, and whether the checksum is made good. */
interface Damage {
  readonly at: number;
  readonly value: number;
  readonly repaired: number;
}

const damage = fc.option(
  fc.record<Damage>({ at: fc.nat(59), value: fc.nat(255), repaired: fc.integer({ min: 0, max: 9 }) }),
  { freq: 3, nil: undefined },
);

const options = fc.constantFrom(0, 0, 0, 0, 0, 0, 0, 1, 2);

const frame4At = (words: fc.Arbitrary<number>) =>
  fc
    .record({
      ends: fc.record({ src: source4, dst: destination4 }),
      body,
      ttl: lives,
      tos: fc.nat(255),
      id: fc.nat(0xffff),
      fragment: fc.constantFrom(0, 0, 0, 0x4000, 0x4000, 0x2000, 0x2010, 0x0010, 0x8000),
      words,
      damage,
    })
    .map(({ ends, body, words, damage, ...fields }) => {
      const head = { ...ends, ...fields, protocol: body.protocol, options: Buffer.alloc(4 * words, 1) };
      const frame = frame4(ipv4(head, bytesOf(body, ends)));
      if (damage === undefined) return frame;
      frame[14 + (damage.at % 40)] = damage.value;
      if (damage.repaired > 0) repairChecksum(frame);
      return frame;
    });

/** Destination options, routing, fragment and authentication headers in any order. */
const extensions = fc.array(fc.constantFrom(60, 43, 44, 51), { maxLength: 3 });

function extended(kinds: readonly number[], protocol: number, payload: Buffer): Buffer {
  const heads = kinds.map((kind, i) => {
    const next = kinds[i + 1] ?? protocol;
    if (kind === 44) return Buffer.from([next, 0, 0, 1, 0, 0, 0, 9]);
    if (kind === 51) return Buffer.from([next, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    return Buffer.from(kind === 43 ? [next, 0, 2, 0, 0, 0, 0, 0] : [next, 0, 1, 4, 0, 0, 0, 0]);
  });
  return Buffer.concat([...heads, payload]);
}

const frame6At = (damage: fc.Arbitrary<Damage | undefined>) =>
  fc
    .record({
      ends: fc.record({ src: source6, dst: destination6 }),
      body,
      hopLimit: lives,
      trafficClass: fc.nat(255),
      flowLabel: fc.nat(0xfffff),
      extensions,
      damage,
    })
    .map(({ ends, body, extensions: kinds, damage, ...fields }) => {
      const payload = extended(kinds, body.protocol, bytesOf(body, ends));
      const frame = frame6(ipv6({ ...ends, ...fields, nextHeader: kinds[0] ?? body.protocol }, payload));
      if (damage) frame[14 + damage.at] = damage.value;
      return frame;
    });

/** Without a way, and at the end of its life: the one reason may be told, or the other (see lifeFirst in clause.ts). */
function hasTwoReasons(frame: Buffer): boolean {
  const four = frame.readUInt16BE(12) === 0x0800;
  const ways = four ? ['0a09', '0a08', '0a01'] : ['20010db80009', '20010db80008'];
  const to = frame.toString('hex', four ? 30 : 38, four ? 32 : 44);
  return frame[four ? 22 : 21]! <= 1 && !ways.includes(to);
}

const batch = (one: fc.Arbitrary<Buffer>) =>
  fc.array(
    one.filter((frame) => frame.length <= 1514),
    { minLength: 12, maxLength: 16 },
  );

/** Anything, for netmill beside the kernel. As many as one outcome is asked for. */
export const drawnFrames = batch(fc.oneof(frame4At(options), frame6At(damage)));

/** Without what docs/conformance.md says of the engine alone: options, damaged headers of IPv6, two reasons for one error. */
export const drawnWithoutOptions = batch(
  fc
    .oneof(frame4At(fc.constant(0)), frame6At(fc.constant(undefined)))
    .filter((frame) => !hasTwoReasons(frame) && !hasOptions(frame)),
);

function hasOptions(frame: Buffer): boolean {
  return frame.readUInt16BE(12) === 0x0800 && (frame[14]! & 15) !== 5;
}
