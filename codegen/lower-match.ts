/** What a rule tests, for packets of one family. */
import { formatPrefix } from '../dsl/address.js';
import { formatGateways } from '../dsl/gateways.js';
import type {
  Family,
  Match,
  NetSet,
  Origin,
  PortRange,
  Rule,
  RuntimeSet,
  Service,
  ServiceMatch,
} from '../dsl/model.js';
import { mergePorts, mergeRanges, outermost, prefixRange } from './addresses.js';
import { protocols } from './evaluate/parse.js';
import { every, headerExpr, headerText } from './header.js';
import type {
  AddressSet,
  Condition,
  IcmpTest,
  IrPredicate,
  IrSet,
  PortPair,
  PortTest,
  ServiceSet,
} from './ir.js';
import { hash, type Namer, shorten, snake, words } from './names.js';
import { memberSets, setKey, simplify, specialise, withins } from './optimise/predicate.js';
import type { BoolExpr, PredicateExpr } from './predicate/expr.js';
import { gatewaysOf } from './ways.js';

type PortMatch = Extract<ServiceMatch, { readonly l4: 'tcp' | 'udp' }>;

export interface MatchContext {
  readonly predicates: ReadonlyMap<string, PredicateExpr>;
  readonly predicateNames: Namer;
  /** Local number by text. */
  readonly gateways: ReadonlyMap<string, number>;
  readonly setNames: Readonly<Record<Family, Namer>>;
  readonly serviceNames: Namer;
  /** Sets that change at run time, by name. */
  readonly runtimeSets: ReadonlyMap<string, IrSet>;
  /** Equal sets are one object: by their contents. */
  readonly memo: Map<string, AddressSet | ServiceSet | IrPredicate>;
}

/** Undefined: no packet of this family can match. */
export function lowerMatch(rule: Rule, family: Family, context: MatchContext): Condition | undefined {
  const { match, action } = rule;
  const from = match.from && addressSet(match.from, family, context);
  const to = match.to && addressSet(match.to, family, context);
  const service = match.service && serviceSet(match.service, family, context);
  if (from === null || to === null || service === null) return undefined;
  const tested = conditionSource(match, rule.origin, context.predicates);
  const when = tested && predicate(tested, family, context);
  if (when?.expr.kind === 'constant' && !when.expr.value) return undefined;
  const condition = {
    ...(from && { from }),
    ...(to && { to }),
    ...(service && { service }),
    ...(when && when.expr.kind !== 'constant' && { when }),
  };
  if (action.kind !== 'nexthop') return condition;
  const gateways = gatewaysOf(rule, family);
  if (gateways.length === 0) return undefined;
  return { ...condition, gateway: context.gateways.get(formatGateways(gateways))! };
}

/** What is tested besides addresses and services: headers, sets that change at run time, and a predicate, as one condition. */
export function conditionSource(
  { header, fromSet, toSet, when }: Match,
  origin: Origin,
  predicates: MatchContext['predicates'],
): PredicateExpr | undefined {
  const found = when && predicates.get(when.name);
  if (when && found === undefined) throw new Error(`predicate ${when.name} was not compiled`);
  const own = [
    ...(header ? [{ text: headerText(header), expr: headerExpr(header) }] : []),
    ...(fromSet ? [{ text: `source in ${setText(fromSet)}`, expr: memberExpr('src', fromSet) }] : []),
    ...(toSet ? [{ text: `destination in ${setText(toSet)}`, expr: memberExpr('dst', toSet) }] : []),
  ];
  if (own.length === 0) return found;
  const source = own.map((one) => one.text).join(', ');
  const expr = every(own.map((one) => one.expr));
  if (found === undefined) return { name: source, expr, source, origin };
  return {
    name: `${source} ${found.name}`,
    expr: every([expr, found.expr]),
    source: `${source}, and\n${found.source}`,
    origin: found.origin,
  };
}

function setText({ name, families }: RuntimeSet): string {
  return `set ${name}${families.length === 1 ? ` (IPv${families[0]})` : ''}`;
}

function memberExpr(field: 'src' | 'dst', { name, families }: RuntimeSet): BoolExpr {
  return { kind: 'member', field, set: name, families };
}

function predicate(source: PredicateExpr, family: Family, context: MatchContext): IrPredicate {
  const { name } = source;
  const expr = simplify(specialise(source.expr, family));
  const other = simplify(specialise(source.expr, family === 4 ? 6 : 4));
  const scope = isSame(expr, other) ? undefined : family;
  return memoized(context, `predicate ${name} ${scope ?? ''}`, () => {
    const word = `when_${shorten(snake(name), 40)}${scope === undefined ? '' : `_ipv${scope}`}`;
    const sets = withins(expr).map((prefixes): [string, AddressSet] => {
      const set = addressSet({ prefixes, labels: [], origin: source.origin }, family, context);
      if (!set) throw new Error(`predicate ${name}: a test of all or no addresses was not folded`);
      return [setKey(prefixes), set];
    });
    const named = context.predicateNames.name(word, name);
    return {
      name,
      ...(scope !== undefined && { family: scope }),
      function: named,
      source,
      expr,
      sets: new Map(sets),
      members: new Map(memberSets(expr).map((name) => [name, context.runtimeSets.get(name)!])),
    };
  });
}

/** Sets of addresses are of one family. */
function isSame(one: BoolExpr, other: BoolExpr): boolean {
  if (withins(one).length + withins(other).length > 0) return false;
  return JSON.stringify(one) === JSON.stringify(other);
}

/** Undefined: every address; null: none of this family. */
function addressSet(
  nets: Pick<NetSet, 'name' | 'prefixes' | 'labels' | 'origin'>,
  family: Family,
  context: MatchContext,
): AddressSet | undefined | null {
  const prefixes = outermost(nets.prefixes, family);
  if (prefixes.length === 0) return null;
  if (prefixes[0]!.length === 0) return undefined;
  const width = family === 4 ? 32 : 128;
  const key = prefixes.map((prefix) => formatPrefix({ family, ...prefix })).join(' ');
  return memoized(context, key, () => ({
    kind: 'addresses',
    family,
    name: context.setNames[family].name(netsName(nets, key), key),
    ranges: mergeRanges(prefixes.map((prefix) => prefixRange(prefix, width))),
    prefixes,
    origin: nets.origin,
  }));
}

function netsName(nets: Pick<NetSet, 'name' | 'prefixes' | 'labels'>, key: string): string {
  if (nets.name !== undefined) return shorten(snake(nets.name), 32);
  const labels = nets.labels.filter((label) => label !== undefined);
  if (labels.length > 0 && labels.length === nets.prefixes.length)
    return shorten(snake(labels.join('_')), 32);
  const word = words(key.replaceAll('::', '_0_'));
  return word.length <= 24 ? word : `nets_${hash(key, 8)}`;
}

/** Null: nothing of this family. */
function serviceSet(service: Service, family: Family, context: MatchContext): ServiceSet | null {
  const tcp = portTest(service, 'tcp');
  const udp = portTest(service, 'udp');
  const icmp = icmpTest(service, family);
  const protocols = otherProtocols(service, family);
  if (!tcp && !udp && !icmp && protocols.length === 0) return null;
  const tests = {
    ...(tcp && { tcp }),
    ...(udp && { udp }),
    ...(icmp && { icmp }),
    ...(protocols.length > 0 && { protocols }),
  };
  const scope = icmp === undefined ? '' : `_ipv${family}`;
  const key = `service${scope} ${JSON.stringify(tests)}`;
  return memoized(context, key, () => ({
    kind: 'service',
    ...(icmp && { family }),
    name: context.serviceNames.name(`${serviceName(service, tests)}${scope}`, key),
    ...tests,
    origin: service.origin,
  }));
}

function portTest(service: Service, l4: 'tcp' | 'udp'): PortTest | undefined {
  if (named(service).includes(protocols[l4])) return {};
  const parts = service.alternatives.filter((one): one is PortMatch => one.l4 === l4);
  if (parts.length === 0) return undefined;
  const ranges = mergePorts(parts.flatMap((one) => (one.sports ? [] : one.dports)));
  if (isEvery(ranges)) return {};
  const pairs = portPairs(parts);
  return { ...(ranges.length > 0 && { ranges }), ...(pairs.length > 0 && { pairs }) };
}

/** Those of equal source ports are one. */
function portPairs(parts: readonly PortMatch[]): readonly PortPair[] {
  const bySources = new Map<string, { readonly sources: readonly PortRange[]; readonly all: PortRange[] }>();
  for (const { sports, dports } of parts) {
    if (sports === undefined) continue;
    const sources = mergePorts(sports);
    const key = sources.map(portWord).join(' ');
    const known = bySources.get(key) ?? { sources, all: [] };
    known.all.push(...dports);
    bySources.set(key, known);
  }
  return [...bySources.values()].map(({ sources, all }) => {
    const ranges = mergePorts(all);
    return isEvery(ranges) ? { sources } : { sources, ranges };
  });
}

function isEvery(ranges: readonly PortRange[]): boolean {
  return ranges.length === 1 && ranges[0]!.from === 0 && ranges[0]!.to === 65535;
}

/** Protocols given by number, or by their name as a protocol. */
function named(service: Service): readonly number[] {
  return service.alternatives.flatMap((one) => (one.l4 === 'ip' ? one.protocols : []));
}

/** Without those that have parts of their own. */
function otherProtocols(service: Service, family: Family): readonly number[] {
  const own = [protocols.tcp, protocols.udp, icmpOf(family)];
  const others = named(service).filter((number) => !own.includes(number));
  return [...new Set(others)].sort((a, b) => a - b);
}

function icmpOf(family: Family): number {
  return family === 4 ? protocols.icmp : protocols.icmpv6;
}

function icmpTest(service: Service, family: Family): IcmpTest | undefined {
  const parts = service.alternatives.flatMap((one) => (one.l4 === 'icmp' ? [one.types] : []));
  if (named(service).includes(icmpOf(family)) || parts.some((types) => types.length === 0)) return {};
  const types = parts.flat().filter((one) => one.family === family);
  if (types.length === 0) return undefined;
  const plain = types.map(({ type, code }) => (code === undefined ? { type } : { type, code }));
  const seen = new Map(plain.map((one) => [`${one.type}/${'code' in one ? one.code : ''}`, one]));
  return { types: [...seen.values()].sort((a, b) => a.type - b.type) };
}

function serviceName(
  service: Service,
  tests: Pick<ServiceSet, 'tcp' | 'udp' | 'icmp' | 'protocols'>,
): string {
  if (service.name !== undefined) return shorten(snake(service.name), 32);
  const ports = (l4: string, test: PortTest | undefined) =>
    test === undefined
      ? []
      : [l4, ...(test.ranges ?? []).map(portWord), ...(test.pairs ?? []).flatMap(pairWords)];
  const types = (tests.icmp?.types ?? []).map((one) =>
    [one.type, one.code].filter((x) => x !== undefined).join('_'),
  );
  const parts = [
    ...ports('tcp', tests.tcp),
    ...ports('udp', tests.udp),
    ...(tests.icmp ? ['icmp', ...types] : []),
    ...(tests.protocols ? ['proto', ...tests.protocols.map(String)] : []),
  ];
  const word = parts.join('_');
  return word.length <= 28 ? word : `service_${hash(JSON.stringify(tests), 8)}`;
}

function pairWords({ sources, ranges }: PortPair): readonly string[] {
  return [...(ranges ?? []).map(portWord), 'from', ...sources.map(portWord)];
}

function portWord(range: PortRange): string {
  return range.from === range.to ? `${range.from}` : `${range.from}_to_${range.to}`;
}

function memoized<T extends AddressSet | ServiceSet | IrPredicate>(
  context: MatchContext,
  key: string,
  make: () => T,
): T {
  const found = context.memo.get(key);
  if (found !== undefined) return found as T;
  const made = make();
  Object.freeze(made);
  context.memo.set(key, made);
  return made;
}
