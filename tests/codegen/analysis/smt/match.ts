/** What rules match, as formulas: from the operator's terms, not from what lowering makes of them. */
import type { Ir, IrRule } from '../../../../codegen/ir.js';
import type { BoolExpr, NumberExpr, NumberField } from '../../../../codegen/predicate/expr.js';
import type { Family, HeaderMatch, Match, NetSet, PortRange, Rule, Service } from '../../../../dsl/model.js';
import {
  and,
  between,
  bits,
  constant,
  type Field,
  flagBit,
  icmpOf,
  is,
  memberName,
  not,
  number,
  or,
  within,
} from './packet.js';

/** Rules with other matches or actions are none of this oracle's: they are left out of the lists that it looks at. */
export function isKnown({ match, action }: Rule): boolean {
  const matches = ['from', 'to', 'fromSet', 'toSet', 'service', 'header', 'when'];
  const headers = ['dscp', 'ttl', 'length', 'fragment', 'flags', 'fromMac', 'toMac', 'pcp'];
  return (
    Object.keys(match).every((key) => matches.includes(key)) &&
    Object.keys(match.header ?? {}).every((key) => headers.includes(key)) &&
    ['allow', 'deny', 'reject', 'nexthop'].includes(action.kind) &&
    (match.service?.alternatives ?? []).every(({ l4 }) => ['tcp', 'udp', 'icmp', 'ip'].includes(l4))
  );
}

export const portsIn = (name: Field, ranges: readonly PortRange[]) =>
  or(...ranges.map((one) => between(name, one.from, one.to)));

export function isEveryPort(ranges: readonly PortRange[]): boolean {
  const has = (port: number) => ranges.some((one) => port >= one.from && port <= one.to);
  return has(0) && ranges.every(({ to }) => to === 65535 || has(to + 1));
}

export function serviceFormula({ alternatives }: Service, family: Family): string {
  return or(
    ...(['tcp', 'udp'] as const).flatMap((name) => {
      const parts = alternatives.flatMap((one) => (one.l4 === name ? [one] : []));
      const proto = is('proto', name === 'tcp' ? 6 : 17);
      // Every port is meant: they need not be there.
      if (isEveryPort(parts.flatMap((one) => (one.sports ? [] : one.dports)))) return [proto];
      return parts.map(({ dports, sports }) =>
        and(proto, is('state', 0), portsIn('dport', dports), sports ? portsIn('sport', sports) : 'true'),
      );
    }),
    ...alternatives.flatMap((one) => {
      if (one.l4 === 'ip') return one.protocols.map((protocol) => is('proto', protocol));
      if (one.l4 !== 'icmp') return [];
      const proto = is('proto', icmpOf(family));
      if (one.types.length === 0) return [proto];
      return one.types
        .filter((type) => type.family === family)
        .map(({ type, code }) =>
          and(
            proto,
            is('state', 0),
            is('icmpType', type),
            code === undefined ? 'true' : is('icmpCode', code),
          ),
        );
    }),
  );
}

const arithmetic = {
  '+': 'bvadd',
  '-': 'bvsub',
  '*': 'bvmul',
  '%': 'bvurem',
  '&': 'bvand',
  '|': 'bvor',
  '^': 'bvxor',
} as const;
export const comparison = {
  '<': 'bvult',
  '<=': 'bvule',
  '>': 'bvugt',
  '>=': 'bvuge',
  '==': '=',
  '!=': 'distinct',
} as const;

export function masked(
  name: Field,
  { mask, value }: { readonly mask: number; readonly value: number },
): string {
  return `(= (bvand ${name} ${constant(name, mask)}) ${constant(name, value)})`;
}

export function headerFormula({
  dscp,
  ttl,
  length,
  fragment,
  flags,
  fromMac,
  toMac,
  pcp,
}: HeaderMatch): string {
  const among = (name: Field, ranges: readonly PortRange[] | undefined) =>
    ranges ? portsIn(name, ranges) : 'true';
  const some = (name: Field, tests: HeaderMatch['flags']) =>
    tests ? or(...tests.map((one) => masked(name, one))) : 'true';
  const parts = {
    any: is('fragment', 1),
    none: is('fragment', 0),
    first: and(is('fragment', 1), is('later', 0)),
    later: is('later', 1),
  };
  return and(
    among('dscp', dscp),
    among('ttl', ttl),
    among('len', length),
    among('pcp', pcp),
    fragment ? parts[fragment] : 'true',
    flags ? and(is('proto', 6), is('state', 0), some('flags', flags)) : 'true',
    some('fromMac', fromMac),
    some('toMac', toMac),
  );
}

export function fieldFormula(field: NumberField, family: Family): string {
  return field === 'family' ? number(family) : `((_ zero_extend ${32 - bits[field]}) ${field})`;
}

export function numberFormula(expr: NumberExpr, family: Family): string {
  if (expr.kind === 'number') return number(expr.value);
  if (expr.kind === 'field') return fieldFormula(expr.field, family);
  return `(${arithmetic[expr.op]} ${numberFormula(expr.left, family)} ${numberFormula(expr.right, family)})`;
}

export function predicateFormula(expr: BoolExpr, family: Family): string {
  switch (expr.kind) {
    case 'constant':
      return String(expr.value);
    case 'not':
      return not(predicateFormula(expr.of, family));
    case 'and':
    case 'or':
      return `(${expr.kind} ${predicateFormula(expr.left, family)} ${predicateFormula(expr.right, family)})`;
    case 'compare':
      return `(${comparison[expr.op]} ${numberFormula(expr.left, family)} ${numberFormula(expr.right, family)})`;
    case 'tcpFlag':
      return `(= ((_ extract ${flagBit[expr.flag]} ${flagBit[expr.flag]}) flags) #b1)`;
    case 'fragment':
      return is('fragment', 1);
    case 'laterFragment':
      return is('later', 1);
    case 'transport':
      return is('state', 0);
    case 'mac':
      return masked(expr.field, expr);
    case 'within':
      return within(expr.field, expr.prefixes, family);
    case 'member':
      return expr.families.includes(family) ? memberName(expr.set, expr.field) : 'false';
  }
}

export function matchFormula(
  ir: Ir,
  { from, to, fromSet, toSet, service, header, when }: Match,
  family: Family,
): string {
  const nets = (side: 'src' | 'dst', set: NetSet | undefined) =>
    set ? within(side, set.prefixes, family) : 'true';
  return and(
    nets('src', from),
    nets('dst', to),
    fromSet
      ? predicateFormula(
          { kind: 'member', field: 'src', set: fromSet.name, families: fromSet.families },
          family,
        )
      : 'true',
    toSet
      ? predicateFormula({ kind: 'member', field: 'dst', set: toSet.name, families: toSet.families }, family)
      : 'true',
    service ? serviceFormula(service, family) : 'true',
    header ? headerFormula(header) : 'true',
    when ? predicateFormula(ir.predicates.get(when.name)!.expr, family) : 'true',
  );
}

export function ruleFormula(ir: Ir, { match, action }: IrRule, family: Family): string {
  const hasGateway =
    action.kind !== 'nexthop' || action.gateways.some((gateway) => gateway.family === family);
  return hasGateway ? matchFormula(ir, match, family) : 'false';
}
