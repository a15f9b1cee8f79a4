/** Builders of conditions. */
import type { BoolExpr } from './expr.js';

export function and(left: BoolExpr, right: BoolExpr): BoolExpr {
  return { kind: 'and', left, right };
}

export function or(left: BoolExpr, right: BoolExpr): BoolExpr {
  return { kind: 'or', left, right };
}

export function not(of: BoolExpr): BoolExpr {
  return of.kind === 'not' ? of.of : { kind: 'not', of };
}
