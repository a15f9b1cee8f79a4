/** What a predicate costs at most for one packet, counted in steps of the naive reading. */
import { unreachable } from '../unreachable.js';
import type { BoolExpr, NumberExpr } from './expr.js';

export const largestCost = 1024;

export function costOf(expr: BoolExpr): number {
  switch (expr.kind) {
    case 'constant':
    case 'tcpFlag':
    case 'fragment':
    case 'laterFragment':
    case 'transport':
    case 'mac':
      return 1;
    case 'not':
      return costOf(expr.of);
    case 'and':
    case 'or':
      return 1 + costOf(expr.left) + costOf(expr.right);
    case 'compare':
      return 1 + costOfNumber(expr.left) + costOfNumber(expr.right);
    case 'within':
      return 1 + expr.prefixes.length;
    // The steps of a search by halves in the most that a set may hold.
    case 'member':
      return 24;
    default:
      return unreachable(expr);
  }
}

function costOfNumber(expr: NumberExpr): number {
  return expr.kind === 'arithmetic' ? 1 + costOfNumber(expr.left) + costOfNumber(expr.right) : 1;
}
