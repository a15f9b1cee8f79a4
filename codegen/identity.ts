/**
 * Identity of rules: what counters, policers and samplers follow. An explicit `.id()` within its list, else list, match and
 * action; never a position, so that inserting a rule changes nobody else's. Equal rules get an ordinal.
 */

import { formatAddress, formatPrefix } from '../dsl/address.js';
import type {
  Acl,
  Action,
  HeaderMatch,
  Match,
  NetSet,
  Pbr,
  PortRange,
  Rule,
  RuntimeSet,
  Service,
  ServiceMatch,
} from '../dsl/model.js';
import type { Direction } from './ir.js';
import { hash } from './names.js';
import type { BoolExpr } from './predicate/expr.js';

export type PredicateMeaning = (name: string) => BoolExpr | undefined;

/** 16 hex digits for each rule of `rules`, in their order. */
export function ruleIdentities(
  list: Acl | Pbr,
  direction: Direction,
  rules: readonly Rule[],
  meaning: PredicateMeaning,
): readonly string[] {
  const seen = new Map<string, number>();
  return rules.map((rule) => {
    const key = JSON.stringify(ruleKey(list, direction, rule, meaning));
    const ordinal = seen.get(key) ?? 0;
    seen.set(key, ordinal + 1);
    return hash(`${key}#${ordinal}`, 16);
  });
}

export function defaultIdentity(list: Acl, direction: Direction): string {
  return hash(JSON.stringify([listKey(list, direction), list.name, 'default', list.default]), 16);
}

/** What judges what leaves has identities of its own. */
function listKey(list: Acl | Pbr, direction: Direction): string {
  return direction === 'out' ? direction : list.kind;
}

function ruleKey(list: Acl | Pbr, direction: Direction, rule: Rule, meaning: PredicateMeaning): unknown {
  const kind = listKey(list, direction);
  if (rule.id !== undefined) return [kind, list.name, 'id', rule.id];
  return [kind, list.name, matchKey(rule.match, meaning), actionKey(rule.action)];
}

function actionKey(action: Action): unknown {
  if (action.kind !== 'nexthop') return [action.kind];
  const words = action.gateways.map(
    (one) =>
      formatAddress(one) +
      (one.weight === 1 ? '' : `*${one.weight}`) +
      (one.choice === 0 ? '' : ` ${one.choice}`),
  );
  return [action.kind, ...words.sort(), ...(action.orDrop ? ['drop'] : [])];
}

function matchKey(match: Match, meaning: PredicateMeaning): unknown {
  return {
    from: match.from && netsKey(match.from),
    to: match.to && netsKey(match.to),
    ...(match.fromSet && { fromSet: memberKey(match.fromSet) }),
    ...(match.toSet && { toSet: memberKey(match.toSet) }),
    service: match.service && serviceKey(match.service),
    ...(match.header && { header: headerKey(match.header) }),
    when: match.when && [match.when.name, withoutOrigins(meaning(match.when.name))],
  };
}

/** By name: the order in which an operator writes its parts means nothing. */
function headerKey(header: HeaderMatch): readonly unknown[] {
  return Object.entries(header).sort(([a], [b]) => (a < b ? -1 : 1));
}

/** Whatever it holds. */
function memberKey({ name, families }: RuntimeSet): readonly unknown[] {
  return [name, ...families];
}

function netsKey(nets: NetSet): readonly string[] {
  return [...new Set(nets.prefixes.map(formatPrefix))].sort();
}

function serviceKey(service: Service): readonly string[] {
  return [...new Set(service.alternatives.flatMap(alternativeKeys))].sort();
}

function alternativeKeys(one: ServiceMatch): readonly string[] {
  const range = ({ from, to }: PortRange) => `${from}-${to}`;
  switch (one.l4) {
    case 'icmp':
      if (one.types.length === 0) return ['icmp'];
      return one.types.map((type) => `icmp${type.family}/${type.type}/${type.code ?? ''}`);
    case 'ip':
      return one.protocols.map((number) => `ip/${number}`);
    default: {
      const from = one.sports ? ` from ${one.sports.map(range).sort().join(',')}` : '';
      return one.dports.map((port) => `${one.l4}/${range(port)}${from}`);
    }
  }
}

function withoutOrigins(expr: BoolExpr | undefined): unknown {
  return expr === undefined
    ? null
    : JSON.parse(
        JSON.stringify(expr, (key, value: unknown) =>
          key === 'origin' ? undefined : typeof value === 'bigint' ? value.toString() : value,
        ),
      );
}
