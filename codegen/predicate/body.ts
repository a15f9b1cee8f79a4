/** Statements and conditions of a predicate. */
import { ts } from '../load/compiler.js';
import { constant, what } from './constants.js';
import { bare, type Context, needsPacket, refuse, symbolOf } from './context.js';
import type { BoolExpr, Compare, FlagField } from './expr.js';
import { and, not, or } from './logic.js';
import { compileNumber, fieldOf } from './numbers.js';
import { compileWithin } from './within.js';

const compares: Partial<Record<ts.SyntaxKind, Compare>> = {
  [ts.SyntaxKind.EqualsEqualsEqualsToken]: '==',
  [ts.SyntaxKind.ExclamationEqualsEqualsToken]: '!=',
  [ts.SyntaxKind.LessThanToken]: '<',
  [ts.SyntaxKind.LessThanEqualsToken]: '<=',
  [ts.SyntaxKind.GreaterThanToken]: '>',
  [ts.SyntaxKind.GreaterThanEqualsToken]: '>=',
};

const flagNames: readonly string[] = [
  'fin',
  'syn',
  'rst',
  'psh',
  'ack',
  'urg',
  'ece',
  'cwr',
] satisfies FlagField[];

const isProto = (value: number): BoolExpr => compareField('proto', value);
const isFamily = (value: number): BoolExpr => compareField('family', value);

/** What `p.l4` is, said with the fields that a packet has. */
const l4: Readonly<Record<string, BoolExpr>> = {
  tcp: isProto(6),
  udp: isProto(17),
  icmp: or(and(isFamily(4), isProto(1)), and(isFamily(6), isProto(58))),
};

function compareField(field: 'proto' | 'family', value: number): BoolExpr {
  return { kind: 'compare', op: '==', left: { kind: 'field', field }, right: { kind: 'number', value } };
}

export function compileBody(context: Context, body: ts.ConciseBody): BoolExpr | undefined {
  return ts.isBlock(body) ? statements(context, body, [...body.statements]) : condition(context, body);
}

/** Constants, `if (…) return …`, and a last `return`. */
function statements(context: Context, block: ts.Node, list: readonly ts.Statement[]): BoolExpr | undefined {
  const [first, ...rest] = list;
  if (first === undefined)
    return refuse(context, block, 'NM2102', 'a predicate must end with return', {
      fix: "add 'return false;'.",
    });
  if (ts.isReturnStatement(first)) {
    if (first.expression) return condition(context, first.expression);
    return refuse(context, first, 'NM2107', 'a predicate returns true or false', {
      fix: "write 'return false;'.",
    });
  }
  if (ts.isVariableStatement(first)) {
    for (const declared of first.declarationList.declarations)
      if (!(ts.getCombinedNodeFlags(declared) & ts.NodeFlags.Const) || !ts.isIdentifier(declared.name))
        refuse(context, declared, 'NM2102', 'only constants can be declared in a predicate', {
          fix: "use 'const'.",
        });
    return statements(context, block, rest);
  }
  if (ts.isIfStatement(first)) {
    const test = condition(context, first.expression);
    const then = statements(context, first.thenStatement, flat(first.thenStatement));
    const others = first.elseStatement ? [...flat(first.elseStatement), ...rest] : rest;
    const otherwise = statements(context, block, others);
    return test && then && otherwise && choose(test, then, otherwise);
  }
  return refuse(context, first, 'NM2102', `${statementName(first)} cannot be compiled into the forwarder`, {
    fix: "a predicate has constants, 'if (…) return …' and 'return'.",
  });
}

function flat(statement: ts.Statement): readonly ts.Statement[] {
  return ts.isBlock(statement) ? statement.statements : [statement];
}

function statementName(node: ts.Statement): string {
  if (ts.isIterationStatement(node, false)) return 'a loop';
  if (ts.isSwitchStatement(node)) return "'switch'";
  if (ts.isTryStatement(node)) return "'try'";
  if (ts.isExpressionStatement(node)) return what(node.expression);
  return 'this statement';
}

function choose(test: BoolExpr, then: BoolExpr, otherwise: BoolExpr): BoolExpr {
  return or(and(test, then), and(not(test), otherwise));
}

/** Something that is true or false. */
export function condition(context: Context, expression: ts.Expression): BoolExpr | undefined {
  const node = bare(expression);
  if (ts.isPrefixUnaryExpression(node) && node.operator === ts.SyntaxKind.ExclamationToken) {
    const of = condition(context, node.operand);
    return of && not(of);
  }
  if (ts.isBinaryExpression(node)) return binary(context, node);
  if (ts.isConditionalExpression(node)) {
    const test = condition(context, node.condition);
    const then = condition(context, node.whenTrue);
    const otherwise = condition(context, node.whenFalse);
    return test && then && otherwise && choose(test, then, otherwise);
  }
  if (ts.isCallExpression(node)) return compileWithin(context, node);
  if (!needsPacket(context, node)) return truth(context, node);
  if (ts.isIdentifier(node)) return local(context, node);
  return property(context, node);
}

function binary(context: Context, node: ts.BinaryExpression): BoolExpr | undefined {
  const kind = node.operatorToken.kind;
  if (kind === ts.SyntaxKind.AmpersandAmpersandToken || kind === ts.SyntaxKind.BarBarToken) {
    const left = condition(context, node.left);
    const right = condition(context, node.right);
    return left && right && (kind === ts.SyntaxKind.BarBarToken ? or(left, right) : and(left, right));
  }
  const op = compares[kind];
  if (op !== undefined) return comparison(context, node, op);
  const text = node.operatorToken.getText();
  if (kind === ts.SyntaxKind.EqualsEqualsToken || kind === ts.SyntaxKind.ExclamationEqualsToken)
    return refuse(context, node.operatorToken, 'NM2102', `'${text}' converts its sides before it compares`, {
      fix: `write '${text}='.`,
    });
  if (kind >= ts.SyntaxKind.FirstAssignment && kind <= ts.SyntaxKind.LastAssignment)
    return refuse(context, node, 'NM2102', 'a predicate changes nothing: an assignment cannot be compiled', {
      fix: "compare with '===', or declare another constant.",
    });
  return refuse(context, node, 'NM2107', 'a number is used where true or false is needed', {
    fix: `compare it: '(${what(node).slice(1, -1)}) !== 0'.`,
  });
}

function comparison(context: Context, node: ts.BinaryExpression, op: Compare): BoolExpr | undefined {
  const equality = op === '==' || op === '!=';
  const named = equality ? l4Comparison(context, node) : 'numbers';
  if (named !== 'numbers') return named && (op === '==' ? named : not(named));
  if (equality && isTruth(context, node.left) && isTruth(context, node.right)) {
    const left = condition(context, node.left);
    const right = condition(context, node.right);
    const same = left && right && choose(left, right, not(right));
    return same && (op === '==' ? same : not(same));
  }
  const left = compileNumber(context, node.left);
  const right = compileNumber(context, node.right);
  return left && right && { kind: 'compare', op, left: left.expr, right: right.expr };
}

/** `p.l4 === 'tcp'`, either way round; 'numbers' when the comparison is of another kind. */
function l4Comparison(context: Context, node: ts.BinaryExpression): BoolExpr | undefined | 'numbers' {
  const [left, right] = [bare(node.left), bare(node.right)];
  const field = fieldOf(context, left) === 'l4' ? left : fieldOf(context, right) === 'l4' ? right : undefined;
  if (field === undefined) return 'numbers';
  const other = field === left ? right : left;
  const value = needsPacket(context, other) ? undefined : constant(context, other);
  if (value === 'other') return not(or(or(l4.tcp!, l4.udp!), l4.icmp!));
  const known = typeof value === 'string' && Object.hasOwn(l4, value) ? l4[value] : undefined;
  return (
    known ??
    refuse(context, other, 'NM2108', 'this is no name that p.l4 may have', {
      expected: "'tcp', 'udp', 'icmp' or 'other'",
    })
  );
}

function isTruth(context: Context, node: ts.Expression): boolean {
  return (context.checker.getTypeAtLocation(node).flags & ts.TypeFlags.BooleanLike) !== 0;
}

function truth(context: Context, node: ts.Expression): BoolExpr | undefined {
  const value = constant(context, node);
  if (typeof value === 'boolean') return { kind: 'constant', value };
  if (value === undefined) return undefined;
  return refuse(context, node, 'NM2107', `${what(node)} is not true or false`, {
    fix: 'compare it with something.',
  });
}

function local(context: Context, node: ts.Identifier): BoolExpr | undefined {
  const declared = symbolOf(context, node)?.valueDeclaration;
  if (declared && ts.isVariableDeclaration(declared) && declared.initializer)
    return condition(context, declared.initializer);
  return refuse(context, node, 'NM2107', `'${node.text}' is not true or false`, {
    fix: 'compare it with something.',
  });
}

/** `p.fragment` and `p.flags.syn`. */
function property(context: Context, node: ts.Expression): BoolExpr | undefined {
  const field = fieldOf(context, node);
  if (field === 'fragment') return { kind: 'fragment' };
  if (ts.isPropertyAccessExpression(node) && fieldOf(context, bare(node.expression)) === 'flags') {
    if (flagNames.includes(node.name.text)) return { kind: 'tcpFlag', flag: node.name.text as FlagField };
    return refuse(context, node.name, 'NM2108', `TCP has no flag '${node.name.text}'`, {
      expected: flagNames.join(', '),
    });
  }
  if (field === undefined)
    return refuse(context, node, 'NM2102', `${what(node)} cannot be compiled into the forwarder`, {
      fix: 'write a condition of packet fields and constants instead.',
    });
  return refuse(context, node, 'NM2107', `${what(node)} is not true or false`, {
    fix: `compare it: 'p.${field} !== 0'.`,
  });
}
