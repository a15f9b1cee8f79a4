/** Does a list read the transport header? What hides it is then refused by an ACL; a PBR list sees zeros in its place. */
import type { Family } from '../../dsl/model.js';
import type { IrPredicate, IrRule, PortTest, ServiceSet } from '../ir.js';
import type { BoolExpr, NumberExpr } from '../predicate/expr.js';
import { unreachable } from '../unreachable.js';

export function readsTransport(rules: readonly IrRule[], family: Family): boolean {
  return rules.some((rule) => {
    const condition = rule.conditions[family];
    if (condition === undefined) return false;
    return (
      (condition.service !== undefined && serviceReads(condition.service, family)) ||
      (condition.when !== undefined && predicateReads(condition.when, family))
    );
  });
}

/** IPv4 has its protocol in the fixed header; IPv6's stands behind extension headers. */
function serviceReads(service: ServiceSet, family: Family): boolean {
  return (
    family === 6 || readsPorts(service.tcp) || readsPorts(service.udp) || service.icmp?.types !== undefined
  );
}

function readsPorts(test: PortTest | undefined): boolean {
  return test?.ranges !== undefined || test?.pairs !== undefined;
}

export function predicateReads(predicate: IrPredicate, family: Family): boolean {
  return asks(predicate.expr, (part) => readsFor(part, family));
}

/** Does some rule's predicate ask for TCP flags or ICMP types, of whatever packet? Services ask for types of ICMP alone. */
export function asksFields(rules: readonly IrRule[]): boolean {
  return rules.some(({ conditions }) =>
    Object.values(conditions).some(({ when }) => when !== undefined && asks(when.expr, isField)),
  );
}

type NumberPart = Extract<NumberExpr, { kind: 'field' }>;
type Part = Exclude<BoolExpr, { kind: 'not' | 'and' | 'or' | 'compare' }> | NumberPart;

/** Is some part of the expression that asks for something of a packet such a one? */
function asks(expr: BoolExpr, wanted: (part: Part) => boolean): boolean {
  switch (expr.kind) {
    case 'not':
      return asks(expr.of, wanted);
    case 'and':
    case 'or':
      return asks(expr.left, wanted) || asks(expr.right, wanted);
    case 'compare':
      return numberAsks(expr.left, wanted) || numberAsks(expr.right, wanted);
    default:
      return wanted(expr);
  }
}

function numberAsks(expr: NumberExpr, wanted: (part: Part) => boolean): boolean {
  if (expr.kind === 'arithmetic') return numberAsks(expr.left, wanted) || numberAsks(expr.right, wanted);
  return expr.kind === 'field' && wanted(expr);
}

function readsFor(part: Part, family: Family): boolean {
  switch (part.kind) {
    case 'constant':
    case 'within':
    case 'member':
    case 'mac':
      return false;
    case 'tcpFlag':
    case 'transport':
      return true;
    case 'fragment':
    case 'laterFragment':
      return family === 6;
    case 'field':
      return fieldReads(part.field, family);
    default:
      return unreachable(part);
  }
}

function fieldReads(field: NumberPart['field'], family: Family): boolean {
  switch (field) {
    case 'sport':
    case 'dport':
    case 'icmpType':
    case 'icmpCode':
      return true;
    case 'proto':
      return family === 6;
    default:
      return false;
  }
}

const isField = (part: Part) =>
  part.kind === 'tcpFlag' ||
  (part.kind === 'field' && (part.field === 'icmpType' || part.field === 'icmpCode'));
