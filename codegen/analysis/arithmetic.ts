/**
 * Numbers that depend on the packet, bit by bit: each bit is the set of packets for which it is 1, the least
 * significant first. Sums, products and remainders as by hand; exact for every packet. The word has 32 bits, as that of
 * the forwarder (codegen/predicate/ranges.ts proves that nothing overflows it).
 */
import type { Arithmetic, Compare, NumberExpr } from '../predicate/expr.js';
import { unreachable } from '../unreachable.js';
import { levelsOf, oneBit } from './bits.js';
import { all, type Diagram, type Diagrams, none } from './diagram.js';

type Bits = readonly Diagram[];

const wordBits = 32;

/** Packets for which the comparison holds. */
export function compared(
  diagrams: Diagrams,
  op: Compare,
  left: NumberExpr,
  right: NumberExpr,
  family: number,
): Diagram {
  const a = numberBits(diagrams, left, family);
  const b = numberBits(diagrams, right, family);
  switch (op) {
    case '==':
      return equal(diagrams, a, b);
    case '!=':
      return diagrams.not(equal(diagrams, a, b));
    case '<':
      return less(diagrams, a, b);
    case '>':
      return less(diagrams, b, a);
    case '<=':
      return diagrams.not(less(diagrams, b, a));
    case '>=':
      return diagrams.not(less(diagrams, a, b));
    default:
      return unreachable(op);
  }
}

function numberBits(diagrams: Diagrams, expr: NumberExpr, family: number): Bits {
  if (expr.kind === 'number') return constant(expr.value);
  if (expr.kind === 'field')
    return expr.field === 'family'
      ? constant(family)
      : [...levelsOf(expr.field)].reverse().map((level) => oneBit(diagrams, level));
  const left = numberBits(diagrams, expr.left, family);
  const right = numberBits(diagrams, expr.right, family);
  return calculated(diagrams, expr.op, left, right);
}

function constant(value: number): Bits {
  const bits = value === 0 ? 0 : Math.floor(Math.log2(value)) + 1;
  return Array.from({ length: bits }, (_, i) => (Math.floor(value / 2 ** i) % 2 === 1 ? all : none));
}

function calculated(diagrams: Diagrams, op: Arithmetic, left: Bits, right: Bits): Bits {
  const bitwise = (of: (a: Diagram, b: Diagram) => Diagram) =>
    Array.from({ length: Math.max(left.length, right.length) }, (_, i) =>
      of(left[i] ?? none, right[i] ?? none),
    );
  switch (op) {
    case '+':
      return sum(diagrams, left, right);
    case '-':
      return difference(diagrams, left, right).bits;
    case '*':
      return product(diagrams, left, right);
    case '%':
      return remainder(diagrams, left, right);
    case '&':
      return bitwise((a, b) => diagrams.and(a, b));
    case '|':
      return bitwise((a, b) => diagrams.or(a, b));
    case '^':
      return bitwise((a, b) => diagrams.xor(a, b));
    default:
      return unreachable(op);
  }
}

function sum(diagrams: Diagrams, left: Bits, right: Bits): Bits {
  let carry: Diagram = none;
  const width = Math.min(wordBits, Math.max(left.length, right.length) + 1);
  return Array.from({ length: width }, (_, i) => {
    const [a, b] = [left[i] ?? none, right[i] ?? none];
    const half = diagrams.xor(a, b);
    const digit = diagrams.xor(half, carry);
    carry = diagrams.or(diagrams.and(a, b), diagrams.and(half, carry));
    return digit;
  });
}

/** `borrow`: where the result would be negative; its bits mean nothing there. */
function difference(
  diagrams: Diagrams,
  left: Bits,
  right: Bits,
): { readonly bits: Bits; readonly borrow: Diagram } {
  let borrow: Diagram = none;
  const bits = Array.from({ length: Math.max(left.length, right.length) }, (_, i) => {
    const [a, b] = [left[i] ?? none, right[i] ?? none];
    const half = diagrams.xor(a, b);
    const digit = diagrams.xor(half, borrow);
    borrow = diagrams.choose(half, b, borrow);
    return digit;
  });
  return { bits, borrow };
}

function product(diagrams: Diagrams, left: Bits, right: Bits): Bits {
  return right.reduce<Bits>((total, bit, i) => {
    const shifted = [...Array.from({ length: i }, () => none), ...left.map((one) => diagrams.and(one, bit))];
    return sum(diagrams, total, shifted.slice(0, wordBits));
  }, []);
}

/** Long division; what a division by 0 gives means nothing. */
function remainder(diagrams: Diagrams, left: Bits, right: Bits): Bits {
  let rest: Bits = [];
  for (let i = left.length - 1; i >= 0; i--) {
    const brought = [left[i]!, ...rest];
    const { bits, borrow } = difference(diagrams, brought, right);
    rest = brought.map((one, at) => diagrams.choose(borrow, one, bits[at]!)).slice(0, right.length);
  }
  return rest;
}

function equal(diagrams: Diagrams, a: Bits, b: Bits): Diagram {
  let same: Diagram = all;
  for (let i = Math.max(a.length, b.length) - 1; i >= 0; i--)
    same = diagrams.minus(same, diagrams.xor(a[i] ?? none, b[i] ?? none));
  return same;
}

function less(diagrams: Diagrams, a: Bits, b: Bits): Diagram {
  return difference(diagrams, a, b).borrow;
}
