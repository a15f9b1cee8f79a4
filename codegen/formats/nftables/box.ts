/**
 * What an nftables rule tests, as a box: of every field the values that it takes. Boxes meet in boxes, so a rule of a chain that is
 * jumped to is the box of its jump and its own.
 */
import type { Family, FlagTest, PortRange, Prefix } from '../../../dsl/model.js';
import type { AddressRange } from '../../addresses.js';
import { NotHere } from './values.js';

/** A set that changes at run time, as a rule names it. */
export interface RunTimeSet {
  readonly constant: string;
  readonly family: Family;
}

/** Inclusive ranges, sorted and disjoint. Absent fields take everything. */
export interface Box {
  readonly families: readonly Family[];
  /** Devices where it is asked. */
  readonly devices?: (device: string) => boolean;
  readonly src?: readonly AddressRange[];
  readonly dst?: readonly AddressRange[];
  /** Instead of ranges: nobody knows what they hold. */
  readonly srcSet?: RunTimeSet;
  readonly dstSet?: RunTimeSet;
  readonly protocols?: readonly PortRange[];
  /** Only with protocols of which each has ports. */
  readonly sports?: readonly PortRange[];
  readonly dports?: readonly PortRange[];
  readonly icmpTypes?: readonly PortRange[];
  readonly icmpCodes?: readonly PortRange[];
  readonly dscp?: readonly PortRange[];
  readonly ttl?: readonly PortRange[];
  readonly length?: readonly PortRange[];
  readonly flags?: FlagTest;
}

type NumberField = Exclude<keyof Box, 'families' | 'devices' | 'src' | 'dst' | 'srcSet' | 'dstSet' | 'flags'>;
export type Part = Partial<Box>;

interface Range<T> {
  readonly from: T;
  readonly to: T;
}

/** Undefined: no packet is in both. @throws NotHere */
export function meet(box: Box, part: Part): Box | undefined {
  const families = part.families ? box.families.filter((one) => part.families!.includes(one)) : box.families;
  const devices = both(box.devices, part.devices, (a, b) => (device) => a(device) && b(device));
  const numbers: Partial<Record<NumberField, readonly PortRange[]>> = {};
  for (const field of numberFields) {
    const ranges = both(box[field], part[field], common);
    if (ranges) numbers[field] = ranges;
  }
  const src = both(box.src, part.src, common);
  const dst = both(box.dst, part.dst, common);
  const srcSet = both(box.srcSet, part.srcSet, oneSet);
  const dstSet = both(box.dstSet, part.dstSet, oneSet);
  if ((src && srcSet) || (dst && dstSet)) throw new NotHere('networks beside a set that changes at run time');
  const flags = both(box.flags, part.flags, (a, b) => ({ mask: a.mask | b.mask, value: a.value | b.value }));
  const clash =
    box.flags && part.flags && (box.flags.value ^ part.flags.value) & box.flags.mask & part.flags.mask;
  const empty = [...Object.values(numbers), src, dst].some((ranges) => ranges?.length === 0);
  if (families.length === 0 || empty || clash) return undefined;
  return {
    families,
    ...numbers,
    ...(devices && { devices }),
    ...(src && { src }),
    ...(dst && { dst }),
    ...(srcSet && { srcSet }),
    ...(dstSet && { dstSet }),
    ...(flags && { flags }),
  };
}

function oneSet(a: RunTimeSet, b: RunTimeSet): RunTimeSet {
  if (a.constant !== b.constant) throw new NotHere('two sets that change at run time for one address');
  return a;
}

const numberFields: readonly NumberField[] = [
  'protocols',
  'sports',
  'dports',
  'icmpTypes',
  'icmpCodes',
  'dscp',
  'ttl',
  'length',
];

function both<T>(a: T | undefined, b: T | undefined, join: (a: T, b: T) => T): T | undefined {
  return a === undefined ? b : b === undefined ? a : join(a, b);
}

function common<T extends number | bigint>(
  a: readonly Range<T>[],
  b: readonly Range<T>[],
): readonly Range<T>[] {
  return a.flatMap((one) =>
    b
      .map((other) => ({
        from: one.from > other.from ? one.from : other.from,
        to: one.to < other.to ? one.to : other.to,
      }))
      .filter(({ from, to }) => from <= to),
  );
}

/** What is left of 0 to `most`. */
export function complement(ranges: readonly PortRange[], most: number): readonly PortRange[] {
  const left = outside(
    ranges.map(({ from, to }) => ({ from: BigInt(from), to: BigInt(to) })),
    BigInt(most),
  );
  return left.map(({ from, to }) => ({ from: Number(from), to: Number(to) }));
}

/** @param ranges sorted and disjoint */
export function outside(ranges: readonly AddressRange[], most: bigint): readonly AddressRange[] {
  const edges = [-1n, ...ranges.flatMap(({ from, to }) => [from, to]), most + 1n];
  const left: AddressRange[] = [];
  for (let i = 0; i < edges.length; i += 2)
    if (edges[i]! + 1n <= edges[i + 1]! - 1n) left.push({ from: edges[i]! + 1n, to: edges[i + 1]! - 1n });
  return left;
}

/** The fewest prefixes. */
export function prefixesOf(
  { from, to }: AddressRange,
  width: number,
): readonly { bits: bigint; length: number }[] {
  const found: { bits: bigint; length: number }[] = [];
  let at = from;
  while (at <= to) {
    let host = 0n;
    while (host < width && (at & ((1n << (host + 1n)) - 1n)) === 0n && at + (1n << (host + 1n)) - 1n <= to)
      host++;
    found.push({ bits: at, length: width - Number(host) });
    at += 1n << host;
  }
  return found;
}

export function prefixesIn(ranges: readonly AddressRange[], family: Family): readonly Prefix[] {
  return ranges.flatMap((range) =>
    prefixesOf(range, family === 4 ? 32 : 128).map((one) => ({ family, ...one })),
  );
}
