/** The tests of a predicate, one by one: a branch is a test that holds, or one that does not. */
import { formatPrefix } from '../../dsl/address.js';
import { protocols } from '../evaluate/parse.js';
import { evaluate, type PredicatePacket } from '../predicate/evaluate.js';
import type { BoolExpr, NumberExpr } from '../predicate/expr.js';
import { and, not } from '../predicate/logic.js';
import { unreachable } from '../unreachable.js';

export interface Branch {
  /** `2 true`: the number of the test in its predicate, and what it says. */
  readonly key: string;
  /** What holds of a packet that takes this branch. */
  readonly condition: BoolExpr;
  /** `p.len < 40 is true` */
  readonly text: string;
}

interface Test {
  readonly of: BoolExpr;
  /** Holds where the test is asked at all; undefined: always. */
  readonly asked: BoolExpr | undefined;
}

/** In the order of asking; constants decide nothing and are left out. */
export function branchesOf(expr: BoolExpr): readonly Branch[] {
  return testsOf(expr, undefined).flatMap(({ of, asked }, number) =>
    [true, false].map((outcome) => {
      const own = outcome ? of : not(of);
      return {
        key: `${number} ${outcome}`,
        condition: asked ? and(asked, own) : own,
        text: `${testText(of)} is ${outcome}`,
      };
    }),
  );
}

export function branchesTaken(branches: readonly Branch[], packet: PredicatePacket): readonly Branch[] {
  return branches.filter((one) => evaluate(one.condition, packet));
}

function testsOf(expr: BoolExpr, asked: BoolExpr | undefined): readonly Test[] {
  const where = (condition: BoolExpr) => (asked ? and(asked, condition) : condition);
  switch (expr.kind) {
    case 'constant':
      return [];
    case 'not':
      return testsOf(expr.of, asked);
    case 'and':
      return [...testsOf(expr.left, asked), ...testsOf(expr.right, where(expr.left))];
    case 'or':
      return [...testsOf(expr.left, asked), ...testsOf(expr.right, where(not(expr.left)))];
    default:
      return [{ of: expr, asked }];
  }
}

const operators = { '==': '===', '!=': '!==', '<': '<', '<=': '<=', '>': '>', '>=': '>=' } as const;
const mostPrefixes = 3;

/** As the operator may have written it. */
function testText(expr: BoolExpr): string {
  switch (expr.kind) {
    case 'compare': {
      const l4 = protocolName(expr);
      return l4 ?? `${numberText(expr.left)} ${operators[expr.op]} ${numberText(expr.right)}`;
    }
    case 'tcpFlag':
      return `p.flags.${expr.flag}`;
    case 'fragment':
      return 'p.fragment';
    case 'within': {
      const names = expr.prefixes.map(formatPrefix);
      const more = names.length - mostPrefixes;
      return `p.${expr.field}.within(${names.slice(0, mostPrefixes).join(', ')}${more > 0 ? `, ${more} more` : ''})`;
    }
    case 'member':
      return `p.${expr.field}.within(set '${expr.set}')`;
    // Rules test these, predicates do not.
    case 'laterFragment':
    case 'transport':
    case 'mac':
    case 'constant':
    case 'not':
    case 'and':
    case 'or':
      throw new Error(`${expr.kind} is no test`);
    default:
      return unreachable(expr);
  }
}

/** `p.l4 === 'tcp'` is compiled to its number. */
function protocolName({ op, left, right }: Extract<BoolExpr, { kind: 'compare' }>): string | undefined {
  if (left.kind !== 'field' || left.field !== 'proto' || right.kind !== 'number') return undefined;
  const name = right.value === protocols.tcp ? 'tcp' : right.value === protocols.udp ? 'udp' : undefined;
  return name && (op === '==' || op === '!=') ? `p.l4 ${operators[op]} '${name}'` : undefined;
}

function numberText(expr: NumberExpr): string {
  if (expr.kind === 'number') return String(expr.value);
  if (expr.kind === 'field') return `p.${expr.field}`;
  return `(${numberText(expr.left)} ${expr.op} ${numberText(expr.right)})`;
}
