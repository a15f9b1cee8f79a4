/**
 * ACL files of netmap-rt: one rule a line, fields between semicolons, `any` or blank for what is not tested, `#` before
 * comments. Its public description shows one line, `;;;;udp;0-19;drop log`, and names no fields: the protocol, the
 * port after it and the action can be told from it, what the four before are cannot. So a line that uses one of them is
 * refused until the fields are named.
 */
import { formatPrefix, network, parseAddress, parseInterfaceAddress, whyNotAddress } from '../address.js';
import type { Address, PortRange, Prefix, Problem } from '../model.js';
import { show } from '../problems.js';
import { type ProtocolName, protocolNumbers } from '../protocols.js';

export const aclFieldNames = [
  'interface',
  'vlan',
  'source',
  'destination',
  'protocol',
  'source port',
  'destination port',
  'action',
] as const;
export type AclField = (typeof aclFieldNames)[number];

/** What a line has, in order. Undefined: nobody knows what stands there. */
export type AclFields = readonly (AclField | undefined)[];

/** As it is read when nobody names the fields. */
export const unnamedFields: AclFields = [
  undefined,
  undefined,
  undefined,
  undefined,
  'protocol',
  'destination port',
  'action',
];

/** `--fields netmap-rt`: the order that the one published line suggests. */
export const presetFields = 'interface;vlan;source;destination;protocol;destination port;action [log]';

/** A value and its 1-based column. */
export interface Placed<T> {
  readonly value: T;
  readonly column: number;
}

/** Absent: not tested. */
export interface NetmapRtRule {
  readonly kind: 'rule';
  /** 1-based. */
  readonly line: number;
  /** The line without its comment. */
  readonly text: string;
  readonly interface?: Placed<string>;
  readonly vlan?: Placed<number>;
  readonly source?: Placed<Prefix>;
  readonly destination?: Placed<Prefix>;
  /** IP protocol number. */
  readonly protocol?: Placed<number>;
  /** Only with protocol 6 or 17. */
  readonly sourcePort?: Placed<PortRange>;
  readonly destinationPort?: Placed<PortRange>;
  readonly action:
    | { readonly kind: 'allow' | 'deny' }
    | { readonly kind: 'nexthop'; readonly gateway: Address };
  readonly log: boolean;
  /** What follows on the line after `#`. */
  readonly comment?: string;
}

export type AclEntry =
  | NetmapRtRule
  | { readonly kind: 'comment'; readonly line: number; readonly text: string }
  | { readonly kind: 'blank'; readonly line: number };

export interface AclFile {
  /** Lines in order; those with problems are missing. */
  readonly entries: readonly AclEntry[];
  readonly problems: readonly Problem[];
}

/** Field names of `--fields`. @returns what was wrong, as a sentence, where the text is none */
export function parseFields(text: string): AclFields | string {
  const names = (text === 'netmap-rt' ? presetFields : text).split(';').map((name) => name.trim());
  const fields = names.map((name) => (name === 'action [log]' ? 'action' : name));
  const strange = fields.find((name) => !(aclFieldNames as readonly string[]).includes(name));
  if (strange !== undefined) return `${show(strange)} is not the name of a field`;
  const twice = fields.find((name, i) => fields.indexOf(name) !== i);
  if (twice !== undefined) return `${show(twice)} is named twice`;
  return fields.includes('action') ? (fields as AclField[]) : "'action' is missing: no line could be a rule";
}

export function parseNetmapRtAcl(file: string, text: string, fields: AclFields = unnamedFields): AclFile {
  const entries: AclEntry[] = [];
  const problems: Problem[] = [];
  const lines = text.split(/\r?\n/);
  if (lines.at(-1) === '') lines.pop();
  for (const [i, whole] of lines.entries()) {
    const read = parseLine(whole, { file, line: i + 1, fields });
    if ('kind' in read) entries.push(read);
    else problems.push(...read);
  }
  return { entries, problems };
}

interface Place {
  readonly file: string;
  readonly line: number;
  readonly fields: AclFields;
}

function parseLine(whole: string, place: Place): AclEntry | readonly Problem[] {
  const { line, fields } = place;
  const hash = whole.indexOf('#');
  const text = hash < 0 ? whole : whole.slice(0, hash);
  const comment = hash < 0 ? '' : whole.slice(hash + 1).trim();
  if (text.trim() === '')
    return hash < 0 ? { kind: 'blank', line } : { kind: 'comment', line, text: comment };
  const values = split(text);
  const problems: Problem[] = [];
  const say: Say = (code, column, message, more) => {
    const origin = { file: place.file, line, column };
    problems.push({ code, message, origin, fix: 'correct the line.', ...more });
    return undefined;
  };
  if (values.length !== fields.length) sayCount(values.length, text.trimEnd().length + 1, fields, say);
  const tests = problems.length > 0 ? undefined : readTests(values, fields, say);
  const action = tests && readAction(values[fields.indexOf('action')]!, say);
  if (tests && action) checkFamilies(tests, action.action, say);
  if (!tests || !action || problems.length > 0)
    return problems.sort((a, b) => a.origin.column - b.origin.column);
  const rule = { kind: 'rule', line, text: text.trim(), ...tests, ...action } as const;
  return comment === '' ? rule : { ...rule, comment };
}

/** The texts between semicolons, trimmed, each with the column where it begins. */
function split(text: string): readonly Placed<string>[] {
  let column = 1;
  return text.split(';').map((part) => {
    const at = column + (part.length - part.trimStart().length);
    column += part.length + 1;
    return { value: part.trim(), column: at };
  });
}

/** Notes a mistake of the line. */
type Say = (
  code: string,
  column: number,
  message: string,
  more: Pick<Problem, 'expected' | 'got' | 'fix'>,
) => undefined;

function sayCount(count: number, column: number, fields: AclFields, say: Say): void {
  say('NM6001', column, `this line has ${count} field${count === 1 ? '' : 's'}`, {
    expected: `${fields.length} fields: ${fields.map((name) => name ?? '(unnamed)').join(';')}`,
    got: String(count),
    fix: 'correct the line, or name the fields as they are: --fields.',
  });
}

type Tests = Omit<NetmapRtRule, 'kind' | 'line' | 'text' | 'action' | 'log' | 'comment'>;

function readTests(values: readonly Placed<string>[], fields: AclFields, say: Say): Tests {
  sayUnnamed(values, fields, say);
  const field = <T>(name: AclField, read: (at: Placed<string>, say: Say) => T | undefined) => {
    const at = values[fields.indexOf(name)];
    if (at === undefined || isAny(at.value)) return undefined;
    const value = read(at, say);
    return value === undefined ? undefined : { value, column: at.column };
  };
  const protocol = field('protocol', readProtocol);
  const tests: { readonly [K in keyof Tests]: Tests[K] | undefined } = {
    interface: field('interface', ({ value }) => value),
    vlan: field('vlan', readVlan),
    source: field('source', readPrefix),
    destination: field('destination', readPrefix),
    protocol,
    sourcePort: field('source port', (at) => readPorts(at, protocol?.value, say)),
    destinationPort: field('destination port', (at) => readPorts(at, protocol?.value, say)),
  };
  return Object.fromEntries(Object.entries(tests).filter(([, value]) => value !== undefined));
}

/** Where nobody knows what a field is, it must say nothing. */
function sayUnnamed(values: readonly Placed<string>[], fields: AclFields, say: Say): void {
  for (const [i, { value, column }] of values.entries())
    if (fields[i] === undefined && !isAny(value))
      say(
        'NM6004',
        column,
        `what field ${i + 1} of an ACL line is, the description of netmap-rt does not say`,
        {
          expected: "nothing, or 'any', as long as the fields are not named",
          got: show(value),
          fix: `name the fields: --fields netmap-rt stands for '${presetFields}'.`,
        },
      );
}

function readVlan({ value, column }: Placed<string>, say: Say): number | undefined {
  const id = /^\d{1,4}$/.test(value) ? Number(value) : 0;
  if (id >= 1 && id <= 4094) return id;
  return say('NM6001', column, `${show(value)} is not a VLAN id`, {
    expected: "a whole number from 1 to 4094, or 'any'",
    got: show(value),
  });
}

function readPrefix({ value, column }: Placed<string>, say: Say): Prefix | undefined {
  const parsed = parseInterfaceAddress(value);
  if (parsed === undefined)
    return say('NM6001', column, whyNotAddress(value) ?? `${show(value)} is not an address or a prefix`, {
      expected: "an address, a prefix with its length, or 'any'",
      got: show(value),
    });
  const prefix = network(parsed);
  if (prefix.bits === parsed.bits) return prefix;
  return say('NM6004', column, `${show(value)} has bits set beyond its length`, {
    expected: `'${formatPrefix(prefix)}'`,
    got: show(value),
    fix: 'write the network, or the address alone.',
  });
}

function readProtocol({ value, column }: Placed<string>, say: Say): number | undefined {
  const known = Object.hasOwn(protocolNumbers, value) ? protocolNumbers[value as ProtocolName] : undefined;
  const number = known ?? (/^\d{1,3}$/.test(value) ? Number(value) : 256);
  if (number <= 255) return number;
  return say('NM6001', column, `${show(value)} is not an IP protocol`, {
    expected: `${Object.keys(protocolNumbers).join(', ')}, a number from 0 to 255, or 'any'`,
    got: show(value),
  });
}

function readPorts(
  { value, column }: Placed<string>,
  protocol: number | undefined,
  say: Say,
): PortRange | undefined {
  const found = /^(\d{1,5})(?:\s*-\s*(\d{1,5}))?$/.exec(value);
  const [from, to] = [Number(found?.[1]), Number(found?.[2] ?? found?.[1])];
  if (found === null || from > 65_535 || to > 65_535)
    return say('NM6001', column, `${show(value)} is not a port`, {
      expected: "a number from 0 to 65535, a range such as '0-19', or 'any'",
      got: show(value),
    });
  if (from > to)
    return say('NM6001', column, `the range ${show(value)} ends before it begins`, {
      expected: `'${to}-${from}'`,
      got: show(value),
    });
  if (protocol === protocolNumbers.tcp || protocol === protocolNumbers.udp) return { from, to };
  return say('NM6004', column, 'this line has a port and no protocol that has ports', {
    expected: 'tcp or udp as the protocol',
    got: protocol === undefined ? 'any protocol' : `protocol ${protocol}`,
    fix: 'write one line for tcp and one for udp.',
  });
}

function readAction(
  { value, column }: Placed<string>,
  say: Say,
): Pick<NetmapRtRule, 'action' | 'log'> | undefined {
  const [verb = '', ...rest] = value.split(/\s+/);
  const log = rest.at(-1) === 'log';
  const words = log ? rest.slice(0, -1) : rest;
  if (/^(deny|drop)$/.test(verb) && words.length === 0) return { action: { kind: 'deny' }, log };
  if (/^(allow|pass)$/.test(verb) && words.length === 0) return { action: { kind: 'allow' }, log };
  if (verb !== 'nexthop' || words.length !== 1)
    return say('NM6001', column, `${show(value)} is not an action`, {
      expected: 'deny, drop, allow, pass or nexthop GATEWAY, and then log or nothing',
      got: show(value),
    });
  const gateway = parseAddress(words[0]!);
  if (gateway) return { action: { kind: 'nexthop', gateway }, log };
  const at = column + value.indexOf(words[0]!, verb.length);
  return say('NM6001', at, whyNotAddress(words[0]) ?? `${show(words[0])} is not a gateway`, {
    expected: 'the address of a gateway',
    got: show(words[0]),
  });
}

/** What could take no packet is a mistake, whatever was meant. */
function checkFamilies({ source, destination }: Tests, action: NetmapRtRule['action'], say: Say): void {
  if (source && destination && source.value.family !== destination.value.family)
    say('NM6003', destination.column, 'source and destination are of different families', {
      expected: `an IPv${source.value.family} network, as the source is`,
      got: `'${formatPrefix(destination.value)}'`,
      fix: 'no packet goes from one family to the other: correct the line, or delete it.',
    });
  if (action.kind !== 'nexthop') return;
  const { family } = action.gateway;
  for (const side of [source, destination])
    if (side !== undefined && side.value.family !== family)
      say('NM6003', side.column, `an IPv${family} gateway cannot take IPv${side.value.family} packets`, {
        expected: `an IPv${family} network`,
        got: `'${formatPrefix(side.value)}'`,
        fix: 'no packet could go there: correct the line, or delete it.',
      });
}

function isAny(value: string): boolean {
  return value === '' || value === 'any';
}
