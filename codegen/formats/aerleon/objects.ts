/** Networks and services that terms name, as objects of the policy: each made once, when a rule needs it. */
import { parseInterfaceAddress } from '../../../dsl/address.js';
import type { Family, PortRange, Prefix, ServiceMatch } from '../../../dsl/model.js';
import { mergePorts, mergeRanges, outermost, prefixRange } from '../../addresses.js';
import type { DraftNets, DraftObject, DraftService } from '../draft.js';
import { constantName } from '../names.js';
import { outside, prefixesOf as prefixesOfRange } from '../nftables/box.js';
import {
  type Definitions,
  type NamedPort,
  type NamedPrefix,
  portsOfName,
  prefixesOfName,
  prefixOf,
} from './definitions.js';
import type { Selection } from './fields.js';
import { type RawField, refuse, type Word } from './raw.js';

export interface Objects {
  /** Those of the families of which it has an address. @throws Refused */
  readonly families: (selection: Selection, families: readonly Family[]) => readonly Family[];
  /** Undefined: everything. @throws Refused */
  readonly nets: (selection: Selection, families: readonly Family[]) => DraftNets | undefined;
  /** Ports of all the names, of whichever of the protocols they are: so Aerleon has it. @throws Refused */
  readonly ports: (field: RawField, protocols: readonly number[]) => readonly PortRange[];
  /** The service of this one name if that is just these alternatives. */
  readonly named: (field: RawField, alternatives: readonly ServiceMatch[]) => DraftService | undefined;
  /** In the order in which they were needed. */
  readonly made: readonly DraftObject[];
}

const widths = { 4: 32, 6: 128 } as const;
export const ported: Readonly<Record<number, 'tcp' | 'udp'>> = { 6: 'tcp', 17: 'udp' };

/** @param taken names of constants that are in use */
export function makeObjects(definitions: Definitions, taken: Set<string>): Objects {
  const made: DraftObject[] = [];
  const byKey = new Map<string, DraftObject>();
  const keep = (key: string, make: () => DraftObject): DraftObject => {
    const known = byKey.get(key);
    if (known) return known;
    const one = make();
    byKey.set(key, one);
    made.push(one);
    return one;
  };
  return {
    made,
    families: (selection, families) => familiesOf(prefixesOf(selection, families, definitions), families),
    nets: (selection, families) => {
      const { words, excluded } = selection;
      const selected = prefixesOf(selection, families, definitions);
      if (selected === undefined) return undefined;
      const mine = selected.filter(({ prefix }) => families.includes(prefix.family));
      if (excluded.length === 0 && words.every(isLiteral))
        return { kind: 'nets', prefixes: mine.map((one) => one.prefix) };
      const key = `${words.map(textOf).join(' ')} \\ ${excluded.map(textOf).join(' ')}`;
      const whole = excluded.length === 0;
      const { name } = keep(whole ? key : `${key} ${families.join()}`, () => ({
        kind: 'nets',
        name: constantName(phrase(selection), taken),
        comments: commentsOf(selection, definitions),
        ...asNets(selected),
      }));
      return { kind: 'object', name, ...(selected.length > mine.length && { family: families[0]! }) };
    },
    ports: (field, protocols) => portsOf(field, protocols, definitions),
    named: (field, alternatives) => {
      const [word, other] = field.words;
      if (!word || other || !definitions.services.has(word.text)) return undefined;
      const whole = alternativesOf(portsOfName(word, definitions));
      if (!whole || !sameAlternatives(whole, alternatives)) return undefined;
      const { comments } = definitions.services.get(word.text)!;
      const { name } = keep(`service ${word.text}`, () => ({
        kind: 'service',
        name: constantName(spoken(word.text), taken),
        comments,
        alternatives: whole,
      }));
      return { kind: 'object', name };
    },
  };
}

const textOf = (word: Word) => word.text;
const isLiteral = ({ text }: Word) => parseInterfaceAddress(text) !== undefined;

/** Of all families where nothing is taken away; undefined: everything. */
function prefixesOf(
  { words, excluded }: Selection,
  families: readonly Family[],
  definitions: Definitions,
): readonly NamedPrefix[] | undefined {
  if (words.length === 0 && excluded.length === 0) return undefined;
  const all = words.flatMap((word) => prefixesOfWord(word, words.length > 1, definitions));
  if (excluded.length === 0) return all;
  const less = excluded.flatMap((word) => prefixesOfWord(word, false, definitions));
  return without(words.length === 0 ? undefined : all, less, families);
}

function familiesOf(
  prefixes: readonly NamedPrefix[] | undefined,
  families: readonly Family[],
): readonly Family[] {
  return families.filter((one) => prefixes?.some(({ prefix }) => prefix.family === one) ?? true);
}

/** @param several say from which name each comes */
function prefixesOfWord(word: Word, several: boolean, definitions: Definitions): readonly NamedPrefix[] {
  if (isLiteral(word)) return [{ prefix: prefixOf(word) }];
  return prefixesOfName(word, definitions).map(({ prefix, note }) => {
    const said = [...(several ? [word.text] : []), ...(note === undefined ? [] : [note])].join(': ');
    return { prefix, ...(said !== '' && { note: said }) };
  });
}

function asNets(prefixes: readonly NamedPrefix[]): {
  readonly prefixes: readonly Prefix[];
  readonly notes: readonly (string | undefined)[];
} {
  const once = prefixes.filter(
    ({ prefix }, i) =>
      prefixes.findIndex(
        ({ prefix: other }) =>
          other.family === prefix.family && other.bits === prefix.bits && other.length === prefix.length,
      ) === i,
  );
  return { prefixes: once.map((one) => one.prefix), notes: once.map((one) => one.note) };
}

/** @param from undefined: all of these families */
function without(
  from: readonly NamedPrefix[] | undefined,
  less: readonly NamedPrefix[],
  families: readonly Family[],
): readonly NamedPrefix[] {
  return families.flatMap((family) => {
    const width = widths[family];
    const most = (1n << BigInt(width)) - 1n;
    const ranges = (given: readonly NamedPrefix[]) =>
      mergeRanges(
        outermost(
          given.map((one) => one.prefix),
          family,
        ).map((one) => prefixRange(one, width)),
      );
    const kept = from === undefined ? [] : outside(ranges(from), most);
    return outside(mergeRanges([...kept, ...ranges(less)]), most).flatMap((range) =>
      prefixesOfRange(range, width).map((one) => ({ prefix: { family, ...one } })),
    );
  });
}

/** `MAIL_SERVERS` as `mail_servers`, which a constant is made of; other words keep their case. */
function spoken(token: string): string {
  return /[a-z]/.test(token) ? token : token.toLowerCase();
}

function phrase({ words, excluded }: Selection): string {
  const some = (given: readonly Word[]) =>
    given.length <= 3
      ? given.map((one) => spoken(one.text)).join('_and_')
      : `${spoken(given[0]!.text)}_and_${given.length - 1}_more`;
  const base = words.length === 0 ? 'all' : some(words);
  const text = excluded.length === 0 ? base : `${base}_except_${some(excluded)}`;
  return /^[A-Za-z]/.test(text) ? text : `nets_${text}`;
}

function commentsOf({ words, excluded }: Selection, { networks }: Definitions): readonly string[] {
  if (words.length === 1 && excluded.length === 0) return networks.get(words[0]!.text)?.comments ?? [];
  const names = words.length === 0 ? 'Everything' : words.map(textOf).join(', ');
  if (excluded.length === 0) return [];
  return [`${names} without ${excluded.map(textOf).join(', ')}`];
}

function portsOf(
  field: RawField,
  protocols: readonly number[],
  definitions: Definitions,
): readonly PortRange[] {
  const names = protocols.map((one) => ported[one]);
  const found = field.words.flatMap((word) => {
    const ports = portsOfName(word, definitions).filter((one) => names.some((name) => name === one.protocol));
    if (ports.length > 0) return ports;
    return refuse('NM6001', word.origin, `'${word.text}' has no port of ${names.join(' or ')}`, {
      fix: 'correct the protocol, or the service.',
    });
  });
  return mergePorts(found.map(({ from, to }) => ({ from, to })));
}

/** Undefined: it has ports of other protocols. */
function alternativesOf(ports: readonly NamedPort[]): readonly ServiceMatch[] | undefined {
  if (ports.some((one) => one.protocol !== 'tcp' && one.protocol !== 'udp')) return undefined;
  return (['tcp', 'udp'] as const).flatMap((l4) => {
    const dports = mergePorts(
      ports.filter((one) => one.protocol === l4).map(({ from, to }) => ({ from, to })),
    );
    return dports.length > 0 ? [{ l4, dports }] : [];
  });
}

function sameAlternatives(a: readonly ServiceMatch[], b: readonly ServiceMatch[]): boolean {
  const words = (all: readonly ServiceMatch[]) =>
    all.map((one) => JSON.stringify(one, ['l4', 'dports', 'sports', 'from', 'to'])).sort();
  return JSON.stringify(words(a)) === JSON.stringify(words(b));
}
