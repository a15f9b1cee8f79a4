/** Which values a number of a predicate may have: by its range, and bit by bit. gcc would find some of it, and warn. */
import type { Arithmetic, NumberExpr, NumberField } from '../predicate/expr.js';

export interface Interval {
  readonly least: number;
  readonly most: number;
}

const word: Interval = { least: 0, most: 0xffffffff };

const fieldRange: Readonly<Record<NumberField, Interval>> = {
  len: { least: 20, most: 65575 },
  ttl: { least: 0, most: 255 },
  dscp: { least: 0, most: 63 },
  proto: { least: 0, most: 255 },
  family: { least: 4, most: 6 },
  sport: { least: 0, most: 65535 },
  dport: { least: 0, most: 65535 },
  icmpType: { least: 0, most: 255 },
  icmpCode: { least: 0, most: 255 },
  vlan: { least: 0, most: 4095 },
  pcp: { least: 0, most: 7 },
};

export function interval(expr: NumberExpr): Interval {
  if (expr.kind === 'number') return { least: expr.value, most: expr.value };
  if (expr.kind === 'field') return fieldRange[expr.field];
  const left = interval(expr.left);
  const right = interval(expr.right);
  switch (expr.op) {
    case '+':
      if (left.most + right.most > word.most) return word;
      return { least: left.least + right.least, most: left.most + right.most };
    case '*':
      if (left.most * right.most > word.most) return word;
      return { least: left.least * right.least, most: left.most * right.most };
    case '%':
      return right.least > 0 ? { least: 0, most: Math.min(left.most, right.most - 1) } : word;
    case '-':
      return word;
    default: {
      const { zero, one } = bits(expr);
      const most = expr.op === '&' ? Math.min(left.most, right.most) : word.most;
      return { least: one, most: Math.min(most, ~zero >>> 0) };
    }
  }
}

/** Bits that are 0, and bits that are 1, in every value. */
interface Bits {
  readonly zero: number;
  readonly one: number;
}

function bits(expr: NumberExpr): Bits {
  if (expr.kind === 'number') return { zero: ~expr.value >>> 0, one: expr.value };
  if (expr.kind === 'field' || !isBitwise(expr.op)) return { zero: above(interval(expr).most), one: 0 };
  const left = bits(expr.left);
  const right = bits(expr.right);
  if (expr.op === '&') return { zero: (left.zero | right.zero) >>> 0, one: (left.one & right.one) >>> 0 };
  if (expr.op === '|') return { zero: (left.zero & right.zero) >>> 0, one: (left.one | right.one) >>> 0 };
  return {
    zero: ((left.zero & right.zero) | (left.one & right.one)) >>> 0,
    one: ((left.zero & right.one) | (left.one & right.zero)) >>> 0,
  };
}

function isBitwise(op: Arithmetic): boolean {
  return op === '&' || op === '|' || op === '^';
}

/** The bits above the highest one of a number. */
function above(most: number): number {
  return most === 0 ? word.most : (word.most - (2 ** (32 - Math.clz32(most)) - 1)) >>> 0;
}

/** False: some bit is 0 on one side and 1 on the other. */
export function mayBeEqual(left: NumberExpr, right: NumberExpr): boolean {
  const [a, b] = [bits(left), bits(right)];
  return ((a.zero & b.one) | (a.one & b.zero)) === 0;
}

/** The same, but for the order of operands where it does not matter. */
export function same(left: NumberExpr, right: NumberExpr): boolean {
  return key(left) === key(right);
}

function key(expr: NumberExpr): string {
  if (expr.kind !== 'arithmetic') return JSON.stringify(expr);
  const operands = [key(expr.left), key(expr.right)];
  if (expr.op !== '-' && expr.op !== '%') operands.sort();
  return `(${operands.join(expr.op)})`;
}
