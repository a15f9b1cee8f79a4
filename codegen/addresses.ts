/** Sets of addresses as sorted, disjoint ranges and as the fewest prefixes. */
import type { Family, PortRange, Prefix } from '../dsl/model.js';

export interface AddressRange {
  readonly from: bigint;
  readonly to: bigint;
}

export interface PlainPrefix {
  readonly bits: bigint;
  readonly length: number;
}

export function prefixRange(prefix: Prefix | PlainPrefix, width: number): AddressRange {
  const size = 1n << BigInt(width - prefix.length);
  return { from: prefix.bits, to: prefix.bits + size - 1n };
}

export function mergeRanges(ranges: readonly AddressRange[]): readonly AddressRange[] {
  const sorted = [...ranges].sort((a, b) => (a.from < b.from ? -1 : a.from > b.from ? 1 : 0));
  const merged: AddressRange[] = [];
  for (const range of sorted) {
    const last = merged.at(-1);
    if (last === undefined || range.from > last.to + 1n) merged.push(range);
    else if (range.to > last.to) merged[merged.length - 1] = { from: last.from, to: range.to };
  }
  return merged;
}

/** The prefixes of one family, as written, without those inside another. */
export function outermost(prefixes: readonly Prefix[], family: Family): readonly PlainPrefix[] {
  const width = family === 4 ? 32 : 128;
  const sorted = prefixes
    .filter((prefix) => prefix.family === family)
    .sort((a, b) => (a.bits < b.bits ? -1 : a.bits > b.bits ? 1 : a.length - b.length));
  const kept: PlainPrefix[] = [];
  for (const { bits, length } of sorted) {
    const last = kept.at(-1);
    if (last === undefined || bits > prefixRange(last, width).to) kept.push({ bits, length });
  }
  return kept;
}

export function mergePorts(ranges: readonly PortRange[]): readonly PortRange[] {
  const merged: PortRange[] = [];
  for (const range of [...ranges].sort((a, b) => a.from - b.from)) {
    const last = merged.at(-1);
    if (last !== undefined && range.from <= last.to + 1)
      merged[merged.length - 1] = { from: last.from, to: Math.max(last.to, range.to) };
    else merged.push(range);
  }
  return merged;
}
