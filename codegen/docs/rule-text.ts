/** A rule in words, whatever it matches and does: what is not known here is shown by its name and value. */
import { formatAddress, formatPrefix } from '../../dsl/address.js';
import type { HeaderMatch, Match, NetSet, Predicate, Rule, Service } from '../../dsl/model.js';
import { builtinOrigin } from '../../dsl/origin.js';
import { headerText } from '../header.js';
import { serviceTexts } from '../plan/settings-changes.js';
import type { Span } from './page.js';

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
      word === 'header'
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

export function predicateId(name: string): string {
  return `predicate-${idText(name)}`;
}

/** Of letters, digits and dashes; distinct texts stay distinct. */
export function idText(text: string): string {
  return text.replace(/[^A-Za-z0-9-]/g, (letter) => `_${letter.codePointAt(0)!.toString(16)}`);
}

function netSpans({ name, prefixes }: NetSet): readonly Span[] {
  if (name !== undefined) return [{ code: name, to: 'networks' }];
  const more = prefixes.length - mostPrefixes;
  const texts = prefixes.slice(0, mostPrefixes).map(formatPrefix);
  return [{ code: texts.join(', ') }, ...(more > 0 ? [` and ${more} more`] : [])];
}

function serviceSpans(service: Service): readonly Span[] {
  if (service.name !== undefined) return [{ code: service.name, to: 'services' }];
  return [{ code: serviceTexts(service).join(', ') }];
}

/** Shown in columns of their own. */
const shownElsewhere: ReadonlySet<string> = new Set(['kind', 'action', 'match', 'why', 'origin']);

/** Everything else that is said of a rule: `logged 10/s`, `id web`. */
export function otherTexts(rule: Rule): readonly string[] {
  const action = Object.entries(rule.action).filter(([key]) => key !== 'kind' && key !== 'gateways');
  const more = Object.entries(rule).filter(([key, value]) => !shownElsewhere.has(key) && value !== undefined);
  return [...action, ...more].map(([key, value]) => otherText(key, value));
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
