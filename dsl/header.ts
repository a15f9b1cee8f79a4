/** What a rule tests of the headers besides addresses and services: DSCP, TTL, length, fragments, TCP flags, MACs, priority. */
import type { FlagName, FlagTest, FragmentPart, HeaderMatch, MacTest, Origin, PortRange } from './model.js';
import { inside } from './origin.js';
import { note, noteEmpty, show } from './problems.js';

/** RFC 2474 (cs), RFC 2597 (af), RFC 3246 (ef), RFC 5865 (voice-admit), RFC 8622 (le). */
export const dscpNumbers = {
  default: 0,
  le: 1,
  cs0: 0,
  cs1: 8,
  cs2: 16,
  cs3: 24,
  cs4: 32,
  cs5: 40,
  cs6: 48,
  cs7: 56,
  af11: 10,
  af12: 12,
  af13: 14,
  af21: 18,
  af22: 20,
  af23: 22,
  af31: 26,
  af32: 28,
  af33: 30,
  af41: 34,
  af42: 36,
  af43: 38,
  'voice-admit': 44,
  ef: 46,
} as const;

export type DscpSpec = keyof typeof dscpNumbers | number;

/** A number, or the first and the last of several. */
export type NumberSpec = number | readonly [first: number, last: number];

/** `'established'`: ACK or RST is set. `'!ack'`: ACK is not. */
export type FlagSpec = FlagName | `!${FlagName}` | 'established';

/** `'02:00:00:00:00:01'`; with a length, its first bits: `'00:1b:21:00:00:00/24'`. */
export type MacSpec = 'broadcast' | 'group' | `${string}:${string}:${string}:${string}:${string}:${string}`;

export interface HeaderSpec {
  /** DSCP by name or number; of several, one. */
  readonly dscp?: DscpSpec | readonly DscpSpec[];
  /** TTL or hop limit: `1`, or `[1, 5]`. */
  readonly ttl?: NumberSpec;
  /** Bytes of the IP packet, as its header says: `1500`, or `[0, 100]`. */
  readonly length?: NumberSpec;
  /** `'any'` part of a packet, the `'first'` or a `'later'` one, or `'none'`: whole packets. */
  readonly fragment?: FragmentPart;
  /** TCP packets with these flags; of several, all: `['syn', '!ack']`. */
  readonly flags?: FlagSpec | readonly FlagSpec[];
  /** Source address of the frame; of several, one. */
  readonly fromMac?: MacSpec | readonly MacSpec[];
  /** Destination address of the frame: the port's own, or a group's. */
  readonly toMac?: MacSpec | readonly MacSpec[];
  /** Priority of the outermost tag (IEEE 802.1Q), 0 when there is none: 0 to 7; of several, one. */
  readonly pcp?: number | readonly number[];
}

export const headerKeys: readonly string[] = [
  'dscp',
  'ttl',
  'length',
  'fragment',
  'flags',
  'fromMac',
  'toMac',
  'pcp',
] satisfies (keyof HeaderSpec)[];

/** By their bits in the header: RFC 9293 §3.1, RFC 3168. */
export const flagBits: Readonly<Record<FlagName, number>> = {
  fin: 1,
  syn: 2,
  rst: 4,
  psh: 8,
  ack: 16,
  urg: 32,
  ece: 64,
  cwr: 128,
};

/** Undefined: nothing of it is tested. */
export function readHeader(spec: HeaderSpec, origin: Origin): HeaderMatch | undefined {
  const at = (key: keyof HeaderSpec) => inside(origin, key);
  const given = <T>(key: keyof HeaderSpec, read: (value: unknown, place: Origin) => T | undefined) => {
    const value = spec[key] === undefined ? undefined : read(spec[key], at(key));
    return value === undefined ? {} : { [key]: value };
  };
  const match: HeaderMatch = {
    ...given('dscp', (value, place) => each(value, place, readDscp)),
    ...given('ttl', (value, place) => readRange(value, 255, place)),
    ...given('length', (value, place) => readRange(value, 65575, place)),
    ...given('fragment', readFragment),
    ...given('flags', readFlags),
    ...given('fromMac', (value, place) => each(value, place, readMac)),
    ...given('toMac', (value, place) => each(value, place, readMac)),
    ...given('pcp', (value, place) => each(value, place, (one, where) => readNumber(one, 7, where))),
  };
  return Object.keys(match).length === 0 ? undefined : Object.freeze(match);
}

/** One, or several of which one must hold. */
function each<T>(
  value: unknown,
  origin: Origin,
  read: (value: unknown, place: Origin) => T | undefined,
): readonly T[] {
  if (!Array.isArray(value)) return Object.freeze([read(value, origin)].flatMap((one) => one ?? []));
  if (value.length === 0) noteEmpty(origin, 'this list of values is empty, so this rule could match nothing');
  return Object.freeze(value.flatMap((one: unknown, i) => read(one, inside(origin, i)) ?? []));
}

function wrong(origin: Origin, value: unknown, what: string, expected: string): undefined {
  note('NM3028', origin, `${show(value)} is not ${what}`, { expected, got: show(value) });
  return undefined;
}

function isWhole(value: unknown, most: number): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= most;
}

function readNumber(value: unknown, most: number, origin: Origin): PortRange | undefined {
  if (isWhole(value, most)) return { from: value, to: value };
  return wrong(origin, value, 'a number that is possible here', `a whole number from 0 to ${most}`);
}

function readDscp(value: unknown, origin: Origin): PortRange | undefined {
  const named: unknown =
    typeof value === 'string' && Object.hasOwn(dscpNumbers, value)
      ? dscpNumbers[value as keyof typeof dscpNumbers]
      : value;
  if (isWhole(named, 63)) return { from: named, to: named };
  return wrong(origin, value, 'a DSCP', `0 to 63, or ${Object.keys(dscpNumbers).join(', ')}`);
}

function readRange(value: unknown, most: number, origin: Origin): readonly PortRange[] | undefined {
  const [from, to]: readonly unknown[] = Array.isArray(value) && value.length === 2 ? value : [value, value];
  if (isWhole(from, most) && isWhole(to, most) && from <= to) return [{ from, to }];
  return wrong(
    origin,
    value,
    'a number or a range',
    `a whole number from 0 to ${most}, or the first and the last of several: [1, 5]`,
  );
}

const parts: readonly FragmentPart[] = ['any', 'none', 'first', 'later'];

function readFragment(value: unknown, origin: Origin): FragmentPart | undefined {
  const found = parts.find((one) => one === value);
  return found ?? wrong(origin, value, 'a kind of fragment', parts.map(show).join(', '));
}

/** Every combination of what the words leave open. */
function readFlags(value: unknown, origin: Origin): readonly FlagTest[] | undefined {
  const words: readonly unknown[] = Array.isArray(value) ? value : [value];
  const tests = words.map((word, i) => readFlag(word, Array.isArray(value) ? inside(origin, i) : origin));
  if (tests.length === 0) noteEmpty(origin, 'no flag is named');
  const all = tests.reduce<readonly FlagTest[]>(
    (before, some) =>
      before.flatMap((one) =>
        (some ?? []).flatMap((two) =>
          ((one.value ^ two.value) & one.mask & two.mask) === 0
            ? [{ mask: one.mask | two.mask, value: one.value | two.value }]
            : [],
        ),
      ),
    [{ mask: 0, value: 0 }],
  );
  if (all.length === 0 && tests.every((one) => one !== undefined))
    return wrong(origin, value, 'a combination of flags that a packet can have', "such as ['syn', '!ack']");
  return Object.freeze(all);
}

function readFlag(word: unknown, origin: Origin): readonly FlagTest[] | undefined {
  if (word === 'established') return [flagTest('ack', true), flagTest('rst', true)];
  const [, not, name] = (typeof word === 'string' && /^(!?)(\w+)$/.exec(word)) || [];
  if (name !== undefined && Object.hasOwn(flagBits, name)) return [flagTest(name as FlagName, not === '')];
  return wrong(
    origin,
    word,
    'a TCP flag',
    `${Object.keys(flagBits).join(', ')}, one of them with '!' before it, or 'established'`,
  );
}

function flagTest(flag: FlagName, set: boolean): FlagTest {
  return { mask: flagBits[flag], value: set ? flagBits[flag] : 0 };
}

const everyBit = 2 ** 48 - 1;
const groupBit = 2 ** 40;

function readMac(value: unknown, origin: Origin): MacTest | undefined {
  if (value === 'broadcast') return { value: everyBit, mask: everyBit };
  if (value === 'group') return { value: groupBit, mask: groupBit };
  const found =
    typeof value === 'string' ? /^((?:[\da-f]{2}:){5}[\da-f]{2})(?:\/(\d{1,2}))?$/i.exec(value) : null;
  const length = Number(found?.[2] ?? 48);
  if (found === null || length > 48)
    return wrong(
      origin,
      value,
      'an Ethernet address',
      "'02:00:00:00:00:01', with or without a length up to /48, 'broadcast' or 'group'",
    );
  const bits = Number.parseInt(found[1]!.replaceAll(':', ''), 16);
  const mask = everyBit - (2 ** (48 - length) - 1);
  if (bits % 2 ** (48 - length) === 0) return { value: bits, mask };
  note('NM3016', origin, `${show(value)} has bits set beyond its length`, { got: show(value) });
  return undefined;
}

/** `02:00:00:00:00:01` */
export function formatMac(bits: number): string {
  return (bits.toString(16).padStart(12, '0').match(/../g) ?? []).join(':');
}
