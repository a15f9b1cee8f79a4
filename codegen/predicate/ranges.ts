/**
 * Ranges of numbers. Arithmetic is compiled only where its ranges prove that TypeScript (doubles, and signed 32-bit
 * integers in bit operations) and C (unsigned 32-bit integers) give the same.
 */
import type { Arithmetic, NumberExpr, NumberField } from './expr.js';

export interface Ranged {
  readonly expr: NumberExpr;
  readonly min: number;
  readonly max: number;
}

export const largest = 2 ** 32 - 1;
const largestSigned = 2 ** 31 - 1;

/** What the header checks before any predicate leave possible. RFC 791 §3.1, RFC 8200 §3. */
export const fieldRanges: Readonly<Record<NumberField, readonly [number, number]>> = {
  len: [20, 40 + 65535],
  ttl: [0, 255],
  dscp: [0, 63],
  proto: [0, 255],
  family: [4, 6],
  sport: [0, 65535],
  dport: [0, 65535],
  icmpType: [0, 255],
  icmpCode: [0, 255],
  vlan: [0, 4094],
  pcp: [0, 7],
};

export function rangedField(field: NumberField): Ranged {
  const [min, max] = fieldRanges[field];
  return { expr: { kind: 'field', field }, min, max };
}

export function rangedNumber(value: number): Ranged {
  return { expr: { kind: 'number', value }, min: value, max: value };
}

/** The combined range, or why TypeScript and C could differ. */
export function combine(op: Arithmetic, left: Ranged, right: Ranged): Ranged | string {
  const range = rangeOf(op, left, right);
  if (typeof range === 'string') return range;
  const [min, max] = range;
  if (min < 0) return `'${op}' can give ${min}, and there are no negative numbers in the forwarder`;
  if (max > largest) return `'${op}' can give ${max}, more than 32 bits hold`;
  return { expr: { kind: 'arithmetic', op, left: left.expr, right: right.expr }, min, max };
}

function rangeOf(op: Arithmetic, left: Ranged, right: Ranged): readonly [number, number] | string {
  switch (op) {
    case '+':
      return [left.min + right.min, left.max + right.max];
    case '-':
      return [left.min - right.max, left.max - right.min];
    case '*':
      return [left.min * right.min, left.max * right.max];
    case '%':
      return right.min > 0 ? [0, Math.min(left.max, right.max - 1)] : "the right side of '%' can be 0";
    case '&': {
      const most = Math.min(left.max, right.max);
      return most <= largestSigned ? [0, most] : signed(op);
    }
    case '|':
    case '^':
      if (left.max > largestSigned || right.max > largestSigned) return signed(op);
      return [0, allOnes(Math.max(left.max, right.max))];
  }
}

function signed(op: Arithmetic): string {
  return `'${op}' of numbers above ${largestSigned} is negative in TypeScript`;
}

/** The smallest 2^n - 1 that is not below `value`. */
function allOnes(value: number): number {
  return 2 ** Math.ceil(Math.log2(value + 1)) - 1;
}
