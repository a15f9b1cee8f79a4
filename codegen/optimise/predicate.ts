/**
 * Simplifies a predicate without changing its truth: constants are folded, comparisons that the range of a field
 * decides are decided (gcc would warn of them), double negations go.
 */
import { formatPrefix } from '../../dsl/address.js';
import type { Family, Prefix } from '../../dsl/model.js';
import { arithmetic } from '../predicate/evaluate.js';
import type { BoolExpr, Compare, NumberExpr } from '../predicate/expr.js';
import { unreachable } from '../unreachable.js';
import { type Interval, interval, mayBeEqual, same } from './values.js';

const truth = (value: boolean): BoolExpr => ({ kind: 'constant', value });

export function simplify(expr: BoolExpr): BoolExpr {
  switch (expr.kind) {
    case 'constant':
    case 'tcpFlag':
    case 'fragment':
    case 'laterFragment':
    case 'transport':
    case 'mac':
      return expr;
    case 'within':
      return expr.prefixes.length === 0 ? truth(false) : expr;
    case 'member':
      return expr.families.length === 0 ? truth(false) : expr;
    case 'not':
      return negate(simplify(expr.of));
    case 'and':
    case 'or':
      return junction(expr.kind, simplify(expr.left), simplify(expr.right));
    case 'compare':
      return comparison(expr.op, simplifyNumber(expr.left), simplifyNumber(expr.right));
    default:
      return unreachable(expr);
  }
}

/** What is left of it for packets of one family. */
export function specialise(expr: BoolExpr, family: Family): BoolExpr {
  switch (expr.kind) {
    case 'constant':
    case 'tcpFlag':
    case 'fragment':
    case 'laterFragment':
    case 'transport':
    case 'mac':
      return expr;
    case 'within': {
      const prefixes = expr.prefixes.filter((prefix) => prefix.family === family);
      return prefixes.some((prefix) => prefix.length === 0) ? truth(true) : { ...expr, prefixes };
    }
    case 'member':
      return expr.families.includes(family) ? { ...expr, families: [family] } : truth(false);
    case 'not':
      return { kind: 'not', of: specialise(expr.of, family) };
    case 'and':
    case 'or':
      return { kind: expr.kind, left: specialise(expr.left, family), right: specialise(expr.right, family) };
    case 'compare':
      return {
        ...expr,
        left: specialiseNumber(expr.left, family),
        right: specialiseNumber(expr.right, family),
      };
    default:
      return unreachable(expr);
  }
}

function specialiseNumber(expr: NumberExpr, family: Family): NumberExpr {
  if (expr.kind === 'field' && expr.field === 'family') return { kind: 'number', value: family };
  if (expr.kind !== 'arithmetic') return expr;
  return {
    ...expr,
    left: specialiseNumber(expr.left, family),
    right: specialiseNumber(expr.right, family),
  };
}

/** The sets of networks that it tests. */
export function withins(expr: BoolExpr): readonly (readonly Prefix[])[] {
  switch (expr.kind) {
    case 'within':
      return [expr.prefixes];
    case 'not':
      return withins(expr.of);
    case 'and':
    case 'or':
      return [...withins(expr.left), ...withins(expr.right)];
    default:
      return [];
  }
}

/** The sets that change at run time that it tests, by name. */
export function memberSets(expr: BoolExpr): readonly string[] {
  switch (expr.kind) {
    case 'member':
      return [expr.set];
    case 'not':
      return memberSets(expr.of);
    case 'and':
    case 'or':
      return [...memberSets(expr.left), ...memberSets(expr.right)];
    default:
      return [];
  }
}

export function setKey(prefixes: readonly Prefix[]): string {
  return prefixes.map(formatPrefix).join(' ');
}

function negate(of: BoolExpr): BoolExpr {
  if (of.kind === 'constant') return truth(!of.value);
  return of.kind === 'not' ? of.of : { kind: 'not', of };
}

function junction(kind: 'and' | 'or', left: BoolExpr, right: BoolExpr): BoolExpr {
  const absorbing = kind === 'or';
  for (const [one, other] of [
    [left, right],
    [right, left],
  ] as const)
    if (one.kind === 'constant') return one.value === absorbing ? one : other;
  return { kind, left, right };
}

function comparison(op: Compare, left: NumberExpr, right: NumberExpr): BoolExpr {
  if (same(left, right)) return truth(op === '==' || op === '<=' || op === '>=');
  if (op === '==' && !mayBeEqual(left, right)) return truth(false);
  if (op === '!=' && !mayBeEqual(left, right)) return truth(true);
  const decided = decide(op, interval(left), interval(right));
  return decided === undefined ? { kind: 'compare', op, left, right } : truth(decided);
}

/** What the ranges of both sides say, if they say it for all values. */
function decide(op: Compare, left: Interval, right: Interval): boolean | undefined {
  switch (op) {
    case '<':
      return left.most < right.least ? true : left.least >= right.most ? false : undefined;
    case '<=':
      return left.most <= right.least ? true : left.least > right.most ? false : undefined;
    case '>':
      return decide('<', right, left);
    case '>=':
      return decide('<=', right, left);
    case '==':
      if (left.most < right.least || right.most < left.least) return false;
      return left.least === left.most && right.least === right.most ? true : undefined;
    case '!=': {
      const equal = decide('==', left, right);
      return equal === undefined ? undefined : !equal;
    }
    default:
      return unreachable(op);
  }
}

function simplifyNumber(expr: NumberExpr): NumberExpr {
  if (expr.kind !== 'arithmetic') return expr;
  const left = simplifyNumber(expr.left);
  const right = simplifyNumber(expr.right);
  if (left.kind === 'number' && right.kind === 'number')
    return { kind: 'number', value: arithmetic(expr.op, left.value, right.value) };
  return { kind: 'arithmetic', op: expr.op, left, right };
}
