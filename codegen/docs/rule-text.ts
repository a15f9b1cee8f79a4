/** A rule in words, whatever it matches and does: what is not known here is shown by its name and value. */
import { formatAddress, formatPrefix } from '../../dsl/address.js';
import { icmpTypes } from '../../dsl/icmp.js';
import type { HeaderMatch, Match, NetSet, Predicate, Rule, RuntimeSet, Service } from '../../dsl/model.js';
import { builtinOrigin } from '../../dsl/origin.js';
import { protocolNumbers } from '../../dsl/protocols.js';
import { headerText } from '../header.js';
import { serviceTexts } from '../plan/settings-changes.js';
import { treatmentWords } from '../treatment.js';
import type { Span } from './blocks.js';
import { netId, predicateId, serviceId, setId } from './ids.js';

export interface Part {
  /** `from`, `to`, `service`, `when`, … */
  readonly word: string;
  readonly spans: readonly Span[];
}

const mostPrefixes = 4;

export function matchTexts(match: Match): readonly Part[] {
  return Object.entries(match)
    .filter(([, value]) => value !== undefined)
    .map(([word, value]) =>
      word === 'fromSet' || word === 'toSet'
        ? { word: word === 'fromSet' ? 'from' : 'to', spans: setSpans(value as RuntimeSet) }
        : word === 'header'
          ? { word: 'with', spans: [{ code: headerText(value as HeaderMatch) }] }
          : { word, spans: spansOf(value) },
    );
}

function spansOf(value: unknown): readonly Span[] {
  const { kind } = (value ?? {}) as { readonly kind?: unknown };
  if (kind === 'nets') return netSpans(value as NetSet);
  if (kind === 'service') return serviceSpans(value as Service);
  if (kind === 'predicate') {
    const { name, origin } = value as Predicate;
    return [{ code: name, ...(origin.file !== builtinOrigin.file && { to: predicateId(name) }) }];
  }
  return [{ code: plainText(value) }];
}

/** By its name, since what it holds is not the policy's. */
function setSpans({ name, families }: RuntimeSet): readonly Span[] {
  const part = families.length === 1 ? ` (IPv${families[0]})` : '';
  return ['the set ', { code: name, to: setId(name) }, part];
}

function netSpans({ name, prefixes }: NetSet): readonly Span[] {
  if (name !== undefined) return [{ code: name, to: netId(name) }];
  const more = prefixes.length - mostPrefixes;
  const texts = prefixes.slice(0, mostPrefixes).map(formatPrefix);
  return [{ code: texts.join(', ') }, ...(more > 0 ? [` and ${more} more`] : [])];
}

function serviceSpans(service: Service): readonly Span[] {
  if (service.name !== undefined) return [{ code: service.name, to: serviceId(service.name) }];
  return [{ code: serviceWords(service).join(', ') }];
}

/** Protocols and ICMP messages by name; no ports are all of them. */
export function serviceWords(service: Service): readonly string[] {
  return service.alternatives.flatMap((one) => {
    if (one.l4 === 'icmp' && one.types.length > 0) return icmpWords(one.types);
    if (one.l4 === 'ip')
      return one.protocols.map(
        (number) =>
          Object.entries(protocolNumbers).find(([, known]) => known === number)?.[0] ?? `protocol ${number}`,
      );
    return serviceTexts({ ...service, alternatives: [one] }).map((text) => text.replace(/ 0-65535\b/, ''));
  });
}

type IcmpType = Extract<Service['alternatives'][number], { readonly l4: 'icmp' }>['types'][number];

function icmpWords(types: readonly IcmpType[]): readonly string[] {
  const same = (a: IcmpType, b: IcmpType) => a.family === b.family && a.type === b.type && a.code === b.code;
  const known: readonly (readonly [string, readonly IcmpType[]])[] = Object.entries(icmpTypes);
  const whole = known.filter(([, meant]) => meant.every((one) => types.some((other) => same(one, other))));
  const left = types.filter((one) => !whole.some(([, meant]) => meant.some((other) => same(one, other))));
  const parts = left.map((one) => {
    const name = known.find(([, meant]) => meant.some((other) => same(one, other)))?.[0];
    const code = one.code === undefined ? '' : ` code ${one.code}`;
    return `IPv${one.family} ${name ?? `type ${one.type}${code}`}`;
  });
  return [...whole.map(([name]) => name), ...parts].map((text) => `icmp ${text}`);
}

/** Shown in columns of their own. */
const shownElsewhere: ReadonlySet<string> = new Set([
  'kind',
  'action',
  'match',
  'why',
  'origin',
  'treatment',
]);

/** Everything else that is said of a rule: `logged 10/s`, `id web`. */
export function otherTexts(rule: Rule): readonly string[] {
  const more = Object.entries(rule).filter(([key, value]) => !shownElsewhere.has(key) && value !== undefined);
  return [...treatmentWords(rule), ...more.map(([key, value]) => otherText(key, value))];
}

function otherText(key: string, value: unknown): string {
  switch (key) {
    case 'log':
      return `logged, at most ${(value as { perSecond: number }).perSecond}/s`;
    case 'counter':
      return `counted as ${value}`;
    case 'waivers':
      return (value as readonly { code: string; reason: string; until?: string }[])
        .map((one) => `${one.code} waived${one.until ? ` until ${one.until}` : ''}: ${one.reason}`)
        .join('; ');
    default:
      return `${key} ${plainText(value)}`;
  }
}

function plainText(value: unknown): string {
  if (Array.isArray(value)) return value.map(plainText).join(', ');
  if (typeof value !== 'object' || value === null) return String(value);
  const { family, bits, length, origin: _, ...rest } = value as Record<string, unknown>;
  if (typeof bits === 'bigint' && (family === 4 || family === 6))
    return typeof length === 'number'
      ? formatPrefix({ family, bits, length })
      : formatAddress({ family, bits });
  return Object.entries(rest)
    .map(([key, one]) => `${key} ${plainText(one)}`)
    .join(', ');
}
