/**
 * A term's fields as what they test and do. Every field of Aerleon's reference is read or refused by name: a test that was
 * skipped would widen the term. Meanings: Aerleon's YAML reference and generator reference.
 */
import { flagBits } from '../../../dsl/header.js';
import type { Family, FlagTest, HeaderMatch, PortRange } from '../../../dsl/model.js';
import { show } from '../../../dsl/problems.js';
import type { DraftAction } from '../draft.js';
import { portRangeOf } from './definitions.js';
import { type RawField, type RawTerm, refuse, type Word } from './raw.js';
import { dscpOf, protocolOf } from './words.js';

export interface Meaning {
  readonly action?: Extract<DraftAction, { kind: 'allow' | 'deny' | 'reject' }> | { readonly kind: 'next' };
  /** Source, destination, or either of them. */
  readonly source: Selection;
  readonly destination: Selection;
  readonly either: Selection;
  readonly sports?: RawField;
  readonly dports?: RawField;
  readonly ports?: RawField;
  /** By number; absent: any. */
  readonly protocols?: readonly number[];
  readonly icmpTypes?: RawField;
  readonly icmpCodes?: RawField;
  readonly family?: Family;
  readonly header: Pick<HeaderMatch, 'dscp' | 'ttl' | 'length' | 'fragment'>;
  /** Whose meaning depends on the protocol. */
  readonly options: readonly Word[];
  /** Fields of IPv4, of IPv6 alone. */
  readonly ttl?: RawField;
  readonly hopLimit?: RawField;
  readonly log: boolean;
  readonly counter?: string;
  readonly owner?: string;
  readonly expires?: Word;
  readonly marks?: number;
  readonly nextIp?: RawField;
}

export interface Selection {
  readonly words: readonly Word[];
  readonly excluded: readonly Word[];
}

const actions: Readonly<Record<string, Meaning['action']>> = {
  accept: { kind: 'allow' },
  deny: { kind: 'deny' },
  next: { kind: 'next' },
  reject: { kind: 'reject', icmp: 'admin-prohibited', tcp: 'icmp' },
  'reject-with-tcp-rst': { kind: 'reject', icmp: 'admin-prohibited', tcp: 'reset' },
};

/** Whether a field logs: words of several platforms. */
const logs: Readonly<Record<string, boolean>> = {
  true: true,
  True: true,
  syslog: true,
  local: true,
  disable: false,
};

/** Read elsewhere, or about the term alone. */
const aside = ['comment', 'platform', 'platform-exclude', 'verbatim'];

/** @throws Refused */
export function meaningOf(term: RawTerm): Meaning {
  const field = (key: string) => {
    const found = term.fields.filter((one) => one.key.text === key);
    return merged(found);
  };
  const selection = (key: string, exclude: string): Selection => ({
    words: wordsIn(field(key)),
    excluded: wordsIn(field(exclude)),
  });
  for (const { key } of term.fields) if (!known.includes(key.text)) unknownField(key);
  const optional = <K extends string, T>(name: K, key: string, read: (field: RawField) => T) => {
    const found = field(key);
    return (found ? { [name]: read(found) } : {}) as { readonly [P in K]?: T };
  };
  const same = (found: RawField) => found;
  return {
    ...optional('action', 'action', actionOf),
    source: selection('source-address', 'source-exclude'),
    destination: selection('destination-address', 'destination-exclude'),
    either: selection('address', 'address-exclude'),
    ...optional('sports', 'source-port', same),
    ...optional('dports', 'destination-port', same),
    ...optional('ports', 'port', same),
    ...optional('protocols', 'protocol', (one) => wordsIn(one).map(protocolOf)),
    ...optional('icmpTypes', 'icmp-type', same),
    ...optional('icmpCodes', 'icmp-code', same),
    ...optional('family', 'restrict-address-family', familyOf),
    header: headerOf(field),
    options: wordsIn(field('option')),
    ...optional('ttl', 'ttl', same),
    ...optional('hopLimit', 'hop-limit', same),
    log: wordsIn(field('logging')).some(logOf),
    ...optional('counter', 'counter', (one) => onlyWord(one).text),
    ...optional('owner', 'owner', (one) => onlyWord(one).text),
    ...optional('expires', 'expiration', onlyWord),
    ...optional('marks', 'dscp-set', (one) => dscpOf(onlyWord(one)).from),
    ...optional('nextIp', 'next-ip', same),
  };
}

const known: readonly string[] = [
  ...aside,
  'action',
  'source-address',
  'source-exclude',
  'destination-address',
  'destination-exclude',
  'address',
  'address-exclude',
  'source-port',
  'destination-port',
  'port',
  'protocol',
  'icmp-type',
  'icmp-code',
  'restrict-address-family',
  'dscp-match',
  'precedence',
  'packet-length',
  'option',
  'ttl',
  'hop-limit',
  'logging',
  'counter',
  'owner',
  'expiration',
  'dscp-set',
  'next-ip',
];

/** Why some cannot be said here; others are not known at all. */
const reasons: Readonly<Record<string, string>> = {
  'protocol-except': 'name the protocols that are meant',
  'dscp-except': "name those that are meant: 'dscp-match'",
  'source-prefix': 'name the networks: the lists are on the other router',
  'destination-prefix': 'name the networks: the lists are on the other router',
  'source-prefix-except': 'name the networks: the lists are on the other router',
  'destination-prefix-except': 'name the networks: the lists are on the other router',
  'source-fqdn': 'name the addresses: what a name resolves to changes by itself',
  'destination-fqdn': 'name the addresses: what a name resolves to changes by itself',
  'source-interface': 'write a filter for each interface, and attach it there: --attach',
  'destination-interface': 'write a filter for each interface, and attach it there: --attach',
  policer: "delete it, and write .police('10 Mbit/s') behind the rule: the rate is on the other router",
  'port-mirror': "delete it, and write .mirror('port') behind the rule: the port is on the other router",
  'log-limit': "delete it, and write .log({ rate: '10/s' }) behind the rule",
  timeout: 'delete it: ACLs know no connections',
  'fragment-offset': "write 'option: is-fragment' for all fragments but the first",
};

function unknownField({ text, origin }: Word): never {
  return refuse('NM6003', origin, `${show(text)} of a term has no counterpart`, {
    expected: known.join(', '),
    got: show(text),
    fix: Object.hasOwn(reasons, text)
      ? `${reasons[text]!}.`
      : 'say it otherwise, or delete it from what is to be imported.',
  });
}

/** A field that is given several times has all its words, as in Capirca. */
function merged(fields: readonly RawField[]): RawField | undefined {
  const [first] = fields;
  if (first === undefined) return undefined;
  return { ...first, words: fields.flatMap(wordsIn) };
}

function wordsIn(field: RawField | undefined): readonly Word[] {
  if (field === undefined) return [];
  if (field.nested) refuse('NM6001', field.key.origin, `'${field.key.text}' is a word, or a list of words`);
  if (field.words.length === 0) refuse('NM6001', field.key.origin, `'${field.key.text}' says nothing`);
  return field.words;
}

export function onlyWord(field: RawField): Word {
  const [first, second] = wordsIn(field);
  if (second) refuse('NM6001', second.origin, `'${field.key.text}' is one word`);
  return first!;
}

function actionOf(field: RawField): NonNullable<Meaning['action']> {
  const { text, origin } = onlyWord(field);
  if (Object.hasOwn(actions, text)) return actions[text]!;
  return refuse('NM6001', origin, `${show(text)} is not an action`, {
    expected: Object.keys(actions).join(', '),
    got: show(text),
  });
}

function familyOf(field: RawField): Family {
  const { text, origin } = onlyWord(field);
  if (text === 'inet' || text === 'inet6') return text === 'inet' ? 4 : 6;
  return refuse('NM6001', origin, `${show(text)} is not a family`, {
    expected: 'inet or inet6',
    got: show(text),
  });
}

function logOf({ text, origin }: Word): boolean {
  if (Object.hasOwn(logs, text)) return logs[text]!;
  return refuse('NM6003', origin, `logging ${show(text)} has no counterpart`, {
    expected: Object.keys(logs).join(', '),
    got: show(text),
  });
}

function headerOf(field: (key: string) => RawField | undefined): Meaning['header'] {
  const [match, precedence, length] = ['dscp-match', 'precedence', 'packet-length'].map(field);
  if (match && precedence)
    refuse('NM6003', precedence.key.origin, "'precedence' beside 'dscp-match' has no counterpart");
  const classes = (one: Word): PortRange => {
    const { from, to } = portRangeOf(one, 7, 'a precedence');
    return { from: from * 8, to: to * 8 + 7 };
  };
  const dscp = match ? wordsIn(match).map(dscpOf) : precedence && wordsIn(precedence).map(classes);
  return { ...(dscp && { dscp }), ...(length && { length: [rangeOf(length, 65_535)] }) };
}

/** @throws Refused where it is not said which end a number alone is */
export function rangeOf(field: RawField, most: number): PortRange {
  const word = onlyWord(field);
  const range = portRangeOf(word, most, 'a range');
  if (word.text.includes('-')) return range;
  return refuse(
    'NM6004',
    word.origin,
    `whether '${field.key.text}' means ${word.text} alone, or up to it, platforms do not agree`,
    {
      expected: `${word.text}-${word.text}, or 0-${word.text}`,
      got: show(word.text),
      fix: 'write it as a range.',
    },
  );
}

/** Flags that an option asks of TCP; undefined: it is no such option. */
export function flagsOf(option: string): readonly FlagTest[] | undefined {
  if (option === 'tcp-established' || option === 'established')
    return [
      { mask: flagBits.ack, value: flagBits.ack },
      { mask: flagBits.rst, value: flagBits.rst },
    ];
  if (option === 'tcp-initial' || option === 'initial')
    return [{ mask: flagBits.syn | flagBits.ack, value: flagBits.syn }];
  const single = (['ack', 'fin', 'psh', 'rst', 'syn', 'urg'] as const).find((one) => one === option);
  return single && [{ mask: flagBits[single], value: flagBits[single] }];
}
