/** Frames as no honest station sends them. */
import { isTag, onesSum, word } from '../evaluate/parse.js';
import type { IrPort } from '../ir.js';
import { tagsOf } from '../tags.js';
import type { Random } from './random.js';

type Damage = (random: Random, bytes: Uint8Array, port: IrPort) => Uint8Array;

const damages: readonly Damage[] = [
  cutAnywhere,
  cutInHeaders,
  flipHeaderByte,
  flipAnyByte,
  wrongLength,
  wrongChecksum,
  otherEtherType,
  otherTags,
  oneTagMore,
  oneTagLess,
  noise,
];

export function spoil(random: Random, bytes: Uint8Array, port: IrPort): Uint8Array {
  return random.pick(damages)(random, bytes, port);
}

function network(bytes: Uint8Array): number {
  let at = 14;
  while (at + 2 <= bytes.length && isTag(word(bytes, at - 2))) at += 4;
  return at;
}

function cutAnywhere(random: Random, bytes: Uint8Array): Uint8Array {
  return bytes.subarray(0, 1 + random.below(random.once(2) ? 22 : bytes.length));
}

/** The IP packet's length is made to agree half of the time, so that what is behind it is too short. */
function cutInHeaders(random: Random, bytes: Uint8Array): Uint8Array {
  const at = network(bytes);
  const cut = bytes.slice(0, at + random.below(Math.min(90, bytes.length - at + 1)));
  return random.once(2) ? cut : withLength(cut, cut.length - at);
}

function withLength(bytes: Uint8Array, length: number): Uint8Array {
  const at = network(bytes);
  const ip = bytes.subarray(at);
  if (ip.length < 20 || (ip[0]! >> 4 === 6 && ip.length < 40)) return bytes;
  if (ip[0]! >> 4 === 6) {
    set16(ip, 4, Math.max(0, length - 40));
    return bytes;
  }
  set16(ip, 2, length);
  return withChecksum(bytes);
}

/** So that only what was changed is wrong. */
function withChecksum(bytes: Uint8Array): Uint8Array {
  const ip = bytes.subarray(network(bytes));
  const header = ip.subarray(0, (ip[0]! & 15) * 4);
  if (header.length < 20) return bytes;
  set16(header, 10, 0);
  set16(header, 10, 0xffff - onesSum(header));
  return bytes;
}

function set16(bytes: Uint8Array, at: number, value: number): void {
  bytes.set([(value >> 8) & 255, value & 255], at);
}

function flipHeaderByte(random: Random, bytes: Uint8Array): Uint8Array {
  const changed = bytes.slice();
  const at = network(bytes);
  const place = at + random.below(Math.min(64, bytes.length - at));
  if (place < changed.length) changed[place] = random.below(256);
  return random.once(3) ? changed : withChecksum(changed);
}

function flipAnyByte(random: Random, bytes: Uint8Array): Uint8Array {
  const changed = bytes.slice();
  const place = random.below(changed.length);
  changed[place] = changed[place]! ^ (1 << random.below(8));
  return changed;
}

function wrongLength(random: Random, bytes: Uint8Array): Uint8Array {
  const right = bytes.length - network(bytes);
  return withLength(bytes.slice(), random.pick([right + 1, right - 1, right - 8, 20, 19, 40, 65535, 0]));
}

function wrongChecksum(random: Random, bytes: Uint8Array): Uint8Array {
  const changed = bytes.slice();
  const at = network(bytes) + 10;
  if (at + 2 <= changed.length) set16(changed, at, random.pick([0, 0xffff, word(changed, at) + 1]));
  return changed;
}

function otherEtherType(random: Random, bytes: Uint8Array): Uint8Array {
  const changed = bytes.slice();
  set16(
    changed,
    network(bytes) - 2,
    random.pick([0x0806, 0x88cc, 0x0800, 0x86dd, 0x9100, 0x0600, 46, 0x88e5]),
  );
  return changed;
}

/** The tags of another interface of the port, or of none. */
function otherTags(random: Random, bytes: Uint8Array, port: IrPort): Uint8Array {
  const known = tagsOf(random.pick(port.interfaces).encapsulation);
  const tags = random.once(2)
    ? known
    : known.map((tag) => ({
        tpid: random.once(3) ? random.pick([0x8100, 0x88a8, 0x9100]) : tag.tpid,
        vid: random.once(2) ? (tag.vid + random.pick([-1, 1])) & 0xfff : tag.vid,
      }));
  const words = tags.flatMap((tag) => [tag.tpid >> 8, tag.tpid & 255, tag.vid >> 8, tag.vid & 255]);
  return Uint8Array.from([...bytes.subarray(0, 12), ...words, ...bytes.subarray(network(bytes) - 2)]);
}

function oneTagMore(random: Random, bytes: Uint8Array): Uint8Array {
  const tag = [random.pick([0x81, 0x88]), 0, 0, random.pick([0, 1, 100])];
  if (tag[0] === 0x88) tag[1] = 0xa8;
  const whole = [...bytes.subarray(0, 12), ...tag, ...bytes.subarray(12)];
  return Uint8Array.from(random.once(4) ? whole.slice(0, 14 + random.below(4)) : whole);
}

function oneTagLess(_: Random, bytes: Uint8Array): Uint8Array {
  return isTag(word(bytes, 12)) ? Uint8Array.from([...bytes.subarray(0, 12), ...bytes.subarray(16)]) : bytes;
}

function noise(random: Random, bytes: Uint8Array): Uint8Array {
  const kept = bytes.subarray(0, random.once(2) ? 14 : network(bytes));
  return Uint8Array.from([...kept, ...Array.from({ length: random.below(120) }, () => random.below(256))]);
}
