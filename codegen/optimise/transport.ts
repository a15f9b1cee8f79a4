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
  return boolReads(predicate.expr, family);
}

function boolReads(expr: BoolExpr, family: Family): boolean {
  switch (expr.kind) {
    case 'constant':
    case 'within':
    case 'member':
    case 'mac':
      return false;
    case 'not':
      return boolReads(expr.of, family);
    case 'and':
    case 'or':
      return boolReads(expr.left, family) || boolReads(expr.right, family);
    case 'compare':
      return numberReads(expr.left, family) || numberReads(expr.right, family);
    case 'tcpFlag':
    case 'transport':
      return true;
    case 'fragment':
    case 'laterFragment':
      return family === 6;
    default:
      return unreachable(expr);
  }
}

function numberReads(expr: NumberExpr, family: Family): boolean {
  if (expr.kind === 'arithmetic') return numberReads(expr.left, family) || numberReads(expr.right, family);
  if (expr.kind === 'number') return false;
  switch (expr.field) {
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
