/** What a set holds: ranges of both families. */
import type { Address, Family, Prefix } from '../../dsl/model.js';
import { PrefixCollector } from './collect.js';
import { type AddressRanges, emptyRanges, holdsAddress, wordsOfBits } from './ranges.js';

export type SetContents = Readonly<Record<Family, AddressRanges>>;

/** By name. A set that is not there holds nothing. */
export type Contents = ReadonlyMap<string, SetContents>;

/** More than so many prefixes are refused. */
export const mostPrefixes = 4_000_000;

export const noContents: SetContents = Object.freeze({ 4: emptyRanges(4), 6: emptyRanges(6) });

export function isIn(contents: Contents, set: string, address: Address): boolean {
  const found = contents.get(set);
  return found !== undefined && holdsAddress(found[address.family], address);
}

export function contentsOf(prefixes: readonly Prefix[]): SetContents {
  const collectors = { 4: new PrefixCollector(4), 6: new PrefixCollector(6) };
  for (const { family, bits, length } of prefixes) collectors[family].add(wordsOfBits(family, bits), length);
  return { 4: collectors[4].ranges(), 6: collectors[6].ranges() };
}
