/** A set as the engine maps it: struct mill_set_image of runtime/shm/set.h, which a test compares. */
import type { Family } from '../../dsl/model.js';
import type { SetContents } from './contents.js';
import { type AddressRanges, increment, Joiner, wordsOf } from './ranges.js';

const magic = 0x54455353;
/** MILL_ABI_VERSION */
export const imageAbi = 19;
const headerBytes = 128;
const unit = 64;
const roots = 65537;
const nameSize = 32;

/** Beside the forwarder: what a set holds at first. */
export function initialSetFile(name: string): string {
  return `${name}.set`;
}

export interface ImageHead {
  readonly name: string;
  readonly bytes: number;
  /** Milliseconds since the epoch. */
  readonly changed: number;
}

/** @param changed milliseconds since the epoch */
export function setImage(name: string, contents: SetContents, changed: number): Buffer {
  const parts = ([4, 6] as const).map((family) => boundsOf(contents[family]));
  let at = headerBytes / unit;
  const place = (bytes: number) => {
    const here = at;
    at += Math.ceil(bytes / unit);
    return here;
  };
  const rootAt = parts.map(() => place(4 * roots));
  const boundAt = parts.map(({ bounds }) => place(bounds.byteLength));
  const image = Buffer.alloc(at * unit);
  for (const [i, { root, bounds }] of parts.entries()) {
    image.set(new Uint8Array(root.buffer), rootAt[i]! * unit);
    image.set(new Uint8Array(bounds.buffer, 0, bounds.byteLength), boundAt[i]! * unit);
  }
  image.writeUInt32LE(magic, 0);
  image.writeUInt32LE(imageAbi, 4);
  image.write(name, 8, nameSize - 1, 'latin1');
  image.writeBigUInt64LE(BigInt(image.length), 40);
  image.writeBigUInt64LE(BigInt(changed), 48);
  const numbers = [parts[0]!.count, parts[1]!.count, ...rootAt, ...boundAt];
  for (const [i, value] of numbers.entries()) image.writeUInt32LE(value, 56 + 4 * i);
  return image;
}

interface Bounds {
  readonly count: number;
  readonly root: Uint32Array;
  /** IPv4: the last 16 bits; IPv6: two words of 64 bits each, the high one first, little-endian. */
  readonly bounds: Uint16Array | Uint32Array;
}

/** Where ranges begin, and where they are over; the last address of all has nothing behind it. */
function boundsOf(ranges: AddressRanges): Bounds {
  const { family, first, last } = ranges;
  const words = wordsOf(family);
  const root = new Uint32Array(roots);
  const bounds = family === 4 ? new Uint16Array(2 * ranges.count) : new Uint32Array(8 * ranges.count);
  let count = 0;
  const put = (address: Uint32Array, at: number) => {
    root[(address[at]! >>> 16) + 1]!++;
    if (family === 4) bounds[count++] = address[at]! & 0xffff;
    else for (const [k, from] of [1, 0, 3, 2].entries()) bounds[4 * count + k] = address[at + from]!;
    if (family === 6) count++;
  };
  const end = new Uint32Array(words);
  for (let i = 0; i < ranges.count; i++) {
    put(first, i * words);
    for (let k = 0; k < words; k++) end[k] = last[i * words + k]!;
    if (increment(end)) put(end, 0);
  }
  for (let i = 1; i < roots; i++) root[i]! += root[i - 1]!;
  return { count, root, bounds: bounds.slice(0, family === 4 ? count : 4 * count) };
}

/** @throws Error when it is none of this version */
export function imageHead(image: Buffer): ImageHead {
  const found = image.length < headerBytes ? [] : [image.readUInt32LE(0), image.readUInt32LE(4)];
  if (found[0] !== magic || found[1] !== imageAbi || Number(image.readBigUInt64LE(40)) !== image.length)
    throw new Error(`expected a set of version ${imageAbi}, got ${found.join(' ')} in ${image.length} bytes`);
  const name = image.toString('latin1', 8, 8 + nameSize);
  return {
    name: name.slice(0, name.indexOf('\0')),
    bytes: image.length,
    changed: Number(image.readBigUInt64LE(48)),
  };
}

/** @throws Error when it is none of this version */
export function contentsOfImage(image: Buffer): SetContents {
  imageHead(image);
  const numbers = Array.from({ length: 6 }, (_, i) => image.readUInt32LE(56 + 4 * i));
  const [n4, n6, root4, , bound4, bound6] = numbers as [number, number, number, number, number, number];
  return { 4: ranges4(image, n4, root4 * unit, bound4 * unit), 6: ranges6(image, n6, bound6 * unit) };
}

function ranges4(image: Buffer, count: number, rootAt: number, boundAt: number): AddressRanges {
  let block = 0;
  return rangesOf(4, count, (i, address) => {
    while (image.readUInt32LE(rootAt + 4 * (block + 1)) <= i) block++;
    address[0] = block * 65536 + image.readUInt16LE(boundAt + 2 * i);
  });
}

function ranges6(image: Buffer, count: number, boundAt: number): AddressRanges {
  return rangesOf(6, count, (i, address) => {
    for (const [k, from] of [1, 0, 3, 2].entries())
      address[k] = image.readUInt32LE(boundAt + 16 * i + 4 * from);
  });
}

function rangesOf(
  family: Family,
  count: number,
  bound: (i: number, address: Uint32Array) => void,
): AddressRanges {
  const words = wordsOf(family);
  const joiner = new Joiner(family, Math.ceil(count / 2));
  const first = new Uint32Array(words);
  const last = new Uint32Array(words);
  for (let i = 0; i < count; i += 2) {
    bound(i, first);
    if (i + 1 < count) bound(i + 1, last);
    else last.fill(0);
    before(last);
    joiner.add(first, 0, last, 0);
  }
  return joiner.ranges();
}

/** The address before it; before the first, the last one. */
function before(address: Uint32Array): void {
  for (let k = address.length - 1; k >= 0; k--) {
    address[k] = address[k]! - 1;
    if (address[k] !== 0xffffffff) return;
  }
}
