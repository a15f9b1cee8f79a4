/** Rules, networks and services of a draft as TypeScript. */
import { formatAddress, formatPrefix } from '../../dsl/address.js';
import { dscpNumbers, flagBits } from '../../dsl/header.js';
import { icmpTypes } from '../../dsl/icmp.js';
import type { Family, FlagTest, PortRange, Prefix, ServiceMatch } from '../../dsl/model.js';
import { protocolNumbers } from '../../dsl/protocols.js';
import { unreachable } from '../unreachable.js';
import {
  array,
  type Code,
  call,
  chain,
  type Item,
  list,
  object,
  property,
  quote,
  type Statement,
} from './code.js';
import type {
  DraftAction,
  DraftList,
  DraftNets,
  DraftObject,
  DraftRule,
  DraftService,
  Waivers,
} from './draft.js';

export function writeObject(one: DraftObject): Statement {
  const code = one.kind === 'nets' ? writeNets(one) : one.kind === 'set' ? writeSet(one) : writeService(one);
  return { above: one.comments, before: `export const ${one.name} = `, code };
}

type DraftSet = Extract<DraftObject, { kind: 'set' }>;

function writeSet({ set, family, prefixes }: DraftSet): Code {
  const file = prefixes.length === 0 ? [] : [property('file', quote(`./${setFile(set)}`))];
  return call('set', quote(set), object(list([property('family', String(family)), ...file])));
}

function setFile(set: string): string {
  return `${set}.txt`;
}

/** What sets hold at first, by the names of their files. */
export function setFiles(
  objects: readonly DraftObject[],
): readonly { readonly name: string; readonly text: string }[] {
  return objects
    .filter((one): one is DraftSet => one.kind === 'set' && one.prefixes.length > 0)
    .map(({ set, prefixes }) => ({
      name: setFile(set),
      text: prefixes.map((one) => `${formatPrefix(one)}\n`).join(''),
    }));
}

/** Comments go above the rule or fragment that they stand before; those at the end stand alone. */
export function writeEntries(entries: DraftList['parts'], waivers: Waivers): readonly Item[] {
  const items: Item[] = [];
  let above: string[] = [];
  for (const entry of entries) {
    if (entry.kind === 'comment') {
      if (entry.text !== '' || above.at(-1) !== '') above.push(entry.text);
      continue;
    }
    if (entry.kind === 'fragment') items.push({ code: entry.name, above });
    else
      items.push({
        code: writeRule(entry, waivers),
        above,
        mark: entry,
        ...(entry.comment !== undefined && { after: entry.comment }),
      });
    above = [];
  }
  while (above.at(-1) === '') above.pop();
  return above.length > 0 ? [...items, { code: '', above }] : items;
}

function writeRule(rule: DraftRule, waivers: Waivers): Code {
  const { action, from, to, service, id, why, counter, expires, log } = rule;
  const match = [
    ...(from ? [property('from', writeNets(from))] : []),
    ...(to ? [property('to', writeNets(to))] : []),
    ...(service ? [property('service', writeService(service))] : []),
    ...(rule.header ? writeHeader(rule.header) : []),
  ];
  const waiver = waivers.get(rule);
  const options = writeReject(action);
  const tested = match.length > 0 ? [object(list(match))] : options.length > 0 ? ['{}'] : [];
  const head = call(action.kind, ...writeGateways(action), ...tested, ...options);
  return chain(head, [
    ...(id === undefined ? [] : [`id(${quote(id)})`]),
    ...(log ? ['log()'] : []),
    ...(rule.marks === undefined ? [] : [`dscp(${writeDscp(rule.marks)})`]),
    ...(counter === undefined ? [] : [`count(${quote(counter)})`]),
    ...(why === undefined ? [] : [`why(${quote(why)})`]),
    ...(rule.owner === undefined ? [] : [`owner(${quote(rule.owner)})`]),
    ...(expires === undefined ? [] : [`expires(${quote(expires)})`]),
    ...(waiver === undefined ? [] : [writeWaiver(waiver)]),
  ]);
}

function writeWaiver({ code, reason }: { readonly code: string; readonly reason: string }): string {
  return code === 'NM3001' ? `allowShadow(${quote(reason)})` : `waive(${quote(code)}, ${quote(reason)})`;
}

/** What is usual is left out. */
function writeReject(action: DraftAction): readonly Code[] {
  if (action.kind !== 'reject') return [];
  const said = [
    ...(action.icmp === 'admin-prohibited' ? [] : [property('icmp', quote(action.icmp))]),
    ...(action.tcp === 'reset' ? [] : [property('tcp', quote(action.tcp))]),
  ];
  return said.length === 0 ? [] : [object(list(said))];
}

function writeGateways(action: DraftAction): readonly Code[] {
  if (action.kind !== 'nexthop') return [];
  const texts = action.gateways.map((one) => quote(formatAddress(one)));
  return [texts.length === 1 ? texts[0]! : array(list(texts))];
}

function writeNets(nets: DraftNets): Code {
  if (nets.kind === 'object') return nets.family === undefined ? nets.name : `${nets.name}.v${nets.family}`;
  return { ...call('nets', ...nets.prefixes.map(writePrefix)), ...(nets.notes && { notes: nets.notes }) };
}

/** An address alone stands for itself. */
function writePrefix(prefix: Prefix): string {
  const isAddress = prefix.length === (prefix.family === 4 ? 32 : 128);
  return quote(isAddress ? formatAddress(prefix) : formatPrefix(prefix));
}

function writeService(service: DraftService): Code {
  if (service.kind === 'object') return service.name;
  const parts = service.alternatives.map(writeAlternative);
  return parts.length === 1 ? parts[0]! : call('service', ...parts);
}

function writeAlternative(one: ServiceMatch): Code {
  switch (one.l4) {
    case 'tcp':
    case 'udp':
      return call(one.l4, ...writePorts(one.dports), ...writeSources(one.sports));
    case 'ip':
      return call('proto', ...one.protocols.map(writeProtocol));
    case 'icmp':
      return call('icmp', ...writeIcmp(one.types));
    default:
      return unreachable(one);
  }
}

function isEvery({ from, to }: PortRange): boolean {
  return from === 0 && to === 65_535;
}

function writePorts(ranges: readonly PortRange[]): readonly string[] {
  return ranges.length === 1 && isEvery(ranges[0]!) ? [] : ranges.map(writeRange);
}

function writeRange({ from, to }: PortRange): string {
  return from === to ? String(from) : quote(`${from}-${to}`);
}

function writeSources(ranges: readonly PortRange[] | undefined): readonly Code[] {
  if (ranges === undefined) return [];
  const texts = ranges.map(writeRange);
  return [object(list([property('from', texts.length === 1 ? texts[0]! : array(list(texts)))]))];
}

function writeProtocol(number: number): string {
  const named = Object.entries(protocolNumbers).find(([, known]) => known === number);
  return named ? quote(named[0]) : String(number);
}

type IcmpType = { readonly family: Family; readonly type: number; readonly code?: number };

/** By name where a name says exactly this, of both families where both are there. */
function writeIcmp(types: readonly IcmpType[]): readonly Code[] {
  const same = (a: IcmpType, b: IcmpType) => a.family === b.family && a.type === b.type && a.code === b.code;
  const left = [...types];
  const names = Object.entries(icmpTypes).filter(([, meant]: [string, readonly IcmpType[]]) => {
    if (!meant.every((one) => left.some((other) => same(one, other)))) return false;
    for (const one of meant)
      left.splice(
        left.findIndex((other) => same(one, other)),
        1,
      );
    return true;
  });
  const numbers = left.map((one) => {
    const code = one.code === undefined ? [] : [`code: ${one.code}`];
    return object(list([`family: ${one.family}`, `type: ${one.type}`, ...code]));
  });
  return [...names.map(([name]) => quote(name)), ...numbers];
}

function writeHeader(header: NonNullable<DraftRule['header']>): readonly Code[] {
  const { dscp, ttl, length, flags, fragment } = header;
  const number = ({ from, to }: PortRange): Code =>
    from === to ? String(from) : array(list([String(from), String(to)]));
  const one = (codes: readonly Code[]): Code => (codes.length === 1 ? codes[0]! : array(list(codes)));
  return [
    ...(dscp ? [property('dscp', one(dscp.flatMap(numbersOf).map(writeDscp)))] : []),
    ...(ttl ? [property('ttl', number(ttl[0]!))] : []),
    ...(length ? [property('length', number(length[0]!))] : []),
    ...(fragment ? [property('fragment', quote(fragment))] : []),
    ...(flags
      ? [property('flags', flags.length > 1 ? quote('established') : one(writeFlags(flags[0]!)))]
      : []),
  ];
}

function numbersOf({ from, to }: PortRange): readonly number[] {
  return Array.from({ length: to - from + 1 }, (_, i) => from + i);
}

function writeDscp(number: number): string {
  const named = Object.entries(dscpNumbers).find(([, known]) => known === number);
  return named ? quote(named[0]) : String(number);
}

function writeFlags({ mask, value }: FlagTest): readonly string[] {
  const tested = Object.entries(flagBits).filter(([, bit]) => mask & bit);
  return tested.map(([name, bit]) => quote(value & bit ? name : `!${name}`));
}
