/** What a rule tests of headers, as a condition like that of a predicate: all later stages know those. */
import { flagBits, formatMac } from '../dsl/header.js';
import type { FlagName, FlagTest, FragmentPart, HeaderMatch, MacTest, PortRange } from '../dsl/model.js';
import type { BoolExpr, NumberField } from './predicate/expr.js';

const truth = (value: boolean): BoolExpr => ({ kind: 'constant', value });
const not = (of: BoolExpr): BoolExpr => ({ kind: 'not', of });

/** All of them; of none, true. */
export function every(parts: readonly BoolExpr[]): BoolExpr {
  return parts.length === 0 ? truth(true) : parts.reduce((left, right) => ({ kind: 'and', left, right }));
}

function some(parts: readonly BoolExpr[]): BoolExpr {
  return parts.length === 0 ? truth(false) : parts.reduce((left, right) => ({ kind: 'or', left, right }));
}

export function headerExpr(match: HeaderMatch): BoolExpr {
  const { dscp, ttl, length, fragment, flags, fromMac, toMac, pcp } = match;
  return every([
    ...(dscp ? [numbers('dscp', dscp)] : []),
    ...(ttl ? [numbers('ttl', ttl)] : []),
    ...(length ? [numbers('len', length)] : []),
    ...(fragment ? [fragmentExpr(fragment)] : []),
    ...(flags ? [flagsExpr(flags)] : []),
    ...(fromMac ? [some(fromMac.map((one) => ({ kind: 'mac', field: 'fromMac', ...one })))] : []),
    ...(toMac ? [some(toMac.map((one) => ({ kind: 'mac', field: 'toMac', ...one })))] : []),
    ...(pcp ? [numbers('pcp', pcp)] : []),
  ]);
}

function numbers(name: NumberField, ranges: readonly PortRange[]): BoolExpr {
  const field = { kind: 'field', field: name } as const;
  const compare = (op: '==' | '>=' | '<=', value: number): BoolExpr => ({
    kind: 'compare',
    op,
    left: field,
    right: { kind: 'number', value },
  });
  return some(
    ranges.map(({ from, to }) =>
      from === to ? compare('==', from) : every([compare('>=', from), compare('<=', to)]),
    ),
  );
}

function fragmentExpr(part: FragmentPart): BoolExpr {
  const any: BoolExpr = { kind: 'fragment' };
  const later: BoolExpr = { kind: 'laterFragment' };
  return { any, none: not(any), first: every([any, not(later)]), later }[part];
}

/** A TCP header that was read: what is absent has no flags, not flags that are 0. */
function flagsExpr(tests: readonly FlagTest[]): BoolExpr {
  const tcp: BoolExpr = {
    kind: 'compare',
    op: '==',
    left: { kind: 'field', field: 'proto' },
    right: { kind: 'number', value: 6 },
  };
  const one = ({ mask, value }: FlagTest) =>
    every(
      (Object.keys(flagBits) as FlagName[])
        .filter((flag) => mask & flagBits[flag])
        .map((flag) => (value & flagBits[flag] ? { kind: 'tcpFlag', flag } : not({ kind: 'tcpFlag', flag }))),
    );
  return every([tcp, { kind: 'transport' }, some(tests.map(one))]);
}

/** Words for people, and for names in C: `dscp 46, ttl 1-5`. */
export function headerText(match: HeaderMatch): string {
  const { fragment, flags, fromMac, toMac } = match;
  const ranges = (['dscp', 'ttl', 'length', 'pcp'] as const).flatMap((key) =>
    match[key] ? [`${key} ${match[key].map(rangeText).join(' or ')}`] : [],
  );
  return [
    ...ranges,
    ...(fragment ? [fragmentTexts[fragment]] : []),
    ...(flags ? [`flags ${flags.map(flagsText).join(' or ')}`] : []),
    ...(fromMac ? [`from-mac ${fromMac.map(macText).join(' or ')}`] : []),
    ...(toMac ? [`to-mac ${toMac.map(macText).join(' or ')}`] : []),
  ].join(', ');
}

const fragmentTexts: Readonly<Record<FragmentPart, string>> = {
  any: 'a fragment',
  none: 'no fragment',
  first: 'a first fragment',
  later: 'a later fragment',
};

function rangeText({ from, to }: PortRange): string {
  return from === to ? `${from}` : `${from}-${to}`;
}

function flagsText({ mask, value }: FlagTest): string {
  const names = (Object.keys(flagBits) as FlagName[]).filter((flag) => mask & flagBits[flag]);
  return names.map((flag) => (value & flagBits[flag] ? flag : `!${flag}`)).join(' ');
}

function macText({ value, mask }: MacTest): string {
  return mask === 2 ** 48 - 1 ? formatMac(value) : `${formatMac(value)}/${formatMac(mask)}`;
}
