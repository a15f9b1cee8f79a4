/** Values in a predicate that do not depend on the packet: computed now, exactly as TypeScript computes them. */
import type { Diagnostic } from '../diagnostics/diagnostic.js';
import { ts } from '../load/compiler.js';
import { placeOf } from '../load/place.js';
import { bare, type Context, refuse, runTimeValue, symbolOf } from './context.js';

export type Constant = number | boolean | string;

const arithmetic: Partial<Record<ts.SyntaxKind, (a: number, b: number) => number>> = {
  [ts.SyntaxKind.PlusToken]: (a, b) => a + b,
  [ts.SyntaxKind.MinusToken]: (a, b) => a - b,
  [ts.SyntaxKind.AsteriskToken]: (a, b) => a * b,
  [ts.SyntaxKind.AsteriskAsteriskToken]: (a, b) => a ** b,
  [ts.SyntaxKind.SlashToken]: (a, b) => a / b,
  [ts.SyntaxKind.PercentToken]: (a, b) => a % b,
  [ts.SyntaxKind.LessThanLessThanToken]: (a, b) => a << b,
  [ts.SyntaxKind.GreaterThanGreaterThanToken]: (a, b) => a >> b,
  [ts.SyntaxKind.GreaterThanGreaterThanGreaterThanToken]: (a, b) => a >>> b,
  [ts.SyntaxKind.AmpersandToken]: (a, b) => a & b,
  [ts.SyntaxKind.BarToken]: (a, b) => a | b,
  [ts.SyntaxKind.CaretToken]: (a, b) => a ^ b,
};

const comparisons: Partial<Record<ts.SyntaxKind, (a: Constant, b: Constant) => boolean>> = {
  [ts.SyntaxKind.EqualsEqualsEqualsToken]: (a, b) => a === b,
  [ts.SyntaxKind.ExclamationEqualsEqualsToken]: (a, b) => a !== b,
  [ts.SyntaxKind.LessThanToken]: (a, b) => a < b,
  [ts.SyntaxKind.LessThanEqualsToken]: (a, b) => a <= b,
  [ts.SyntaxKind.GreaterThanToken]: (a, b) => a > b,
  [ts.SyntaxKind.GreaterThanEqualsToken]: (a, b) => a >= b,
};

/** `undefined` after a mistake was reported. */
export function constant(context: Context, expression: ts.Expression, depth = 0): Constant | undefined {
  const node =
    ts.isAsExpression(expression) && isConstAssertion(expression)
      ? bare(expression.expression)
      : bare(expression);
  if (depth > 50)
    return refuse(context, node, 'NM2103', 'this value refers to itself', {
      fix: 'give it a value of its own.',
    });
  if (ts.isNumericLiteral(node)) return Number(node.text.replaceAll('_', ''));
  if (ts.isStringLiteral(node)) return node.text;
  if (node.kind === ts.SyntaxKind.TrueKeyword) return true;
  if (node.kind === ts.SyntaxKind.FalseKeyword) return false;
  if (ts.isPrefixUnaryExpression(node)) return unary(context, node, depth);
  if (ts.isBinaryExpression(node)) return binary(context, node, depth);
  if (ts.isIdentifier(node)) return named(context, node, depth);
  if (ts.isPropertyAccessExpression(node)) return property(context, node, depth);
  return refuse(context, node, 'NM2102', `${what(node)} cannot be compiled into the forwarder`, {
    fix: 'declare a constant with this value outside of the predicate, and export it.',
  });
}

function unary(context: Context, node: ts.PrefixUnaryExpression, depth: number): Constant | undefined {
  const value = constant(context, node.operand, depth + 1);
  if (value === undefined) return undefined;
  if (node.operator === ts.SyntaxKind.ExclamationToken && typeof value === 'boolean') return !value;
  if (typeof value !== 'number')
    return refuse(context, node, 'NM2102', 'this operator needs a number', {
      expected: 'a number',
    });
  if (node.operator === ts.SyntaxKind.MinusToken) return -value;
  if (node.operator === ts.SyntaxKind.PlusToken) return value;
  if (node.operator === ts.SyntaxKind.TildeToken) return ~value;
  return refuse(context, node, 'NM2102', 'a predicate changes nothing: there is no ++ or -- in it', {
    fix: 'write the sum: + 1 or - 1.',
  });
}

function binary(context: Context, node: ts.BinaryExpression, depth: number): Constant | undefined {
  const { kind } = node.operatorToken;
  if (kind === ts.SyntaxKind.AmpersandAmpersandToken || kind === ts.SyntaxKind.BarBarToken)
    return either(context, node, depth);
  const compare = comparisons[kind];
  if (compare !== undefined) return compared(context, node, compare, depth);
  const compute = arithmetic[kind];
  if (compute === undefined)
    return refuse(
      context,
      node.operatorToken,
      'NM2102',
      `'${node.operatorToken.getText()}' cannot be used here`,
      { fix: 'compute the value outside of the predicate, as an exported constant.' },
    );
  const left = constant(context, node.left, depth + 1);
  const right = constant(context, node.right, depth + 1);
  if (left === undefined || right === undefined) return undefined;
  if (typeof left === 'number' && typeof right === 'number') return compute(left, right);
  return refuse(context, node, 'NM2102', `'${node.operatorToken.getText()}' needs two numbers`, {
    expected: 'a number on each side',
  });
}

/** Of conditions alone: with anything else, `&&` and `||` give one of their sides. */
function either(context: Context, node: ts.BinaryExpression, depth: number): Constant | undefined {
  const left = constant(context, node.left, depth + 1);
  const right = constant(context, node.right, depth + 1);
  if (left === undefined || right === undefined) return undefined;
  if (typeof left === 'boolean' && typeof right === 'boolean')
    return node.operatorToken.kind === ts.SyntaxKind.BarBarToken ? left || right : left && right;
  return refuse(context, node, 'NM2107', `'${node.operatorToken.getText()}' needs two conditions`, {
    expected: 'true or false on each side',
    fix: 'compare with something.',
  });
}

/** Of two values of a type; only numbers have an order here. */
function compared(
  context: Context,
  node: ts.BinaryExpression,
  compare: (a: Constant, b: Constant) => boolean,
  depth: number,
): Constant | undefined {
  const left = constant(context, node.left, depth + 1);
  const right = constant(context, node.right, depth + 1);
  if (left === undefined || right === undefined) return undefined;
  const text = node.operatorToken.getText();
  if (typeof left === typeof right && (typeof left === 'number' || text.endsWith('==')))
    return compare(left, right);
  return refuse(context, node, 'NM2102', `'${text}' needs two numbers`, {
    expected: 'a number on each side',
  });
}

function named(context: Context, node: ts.Identifier, depth: number): Constant | undefined {
  const declaration = constantDeclaration(context, node);
  if (declaration === undefined) return undefined;
  const value = runTimeValue(context, node);
  if (typeof value === 'number' || typeof value === 'boolean') return value;
  const inner: Diagnostic[] = [];
  const aside: Context = { ...context, report: (one) => inner.push(one) };
  const known = declaration.initializer && constant(aside, declaration.initializer, depth + 1);
  if (known !== undefined) return known;
  const [why] = inner;
  if (why && !ts.isSourceFile(declaration.parent.parent.parent)) {
    // The predicate's own: nobody could export it.
    context.report(why);
    return undefined;
  }
  const related = why
    ? { origin: why.origin, message: `${why.message}.` }
    : { origin: placeOf(declaration.name).origin, message: `'${node.text}' is declared here.` };
  const message = `the value of '${node.text}' is not known when the forwarder is built`;
  return refuse(context, node, 'NM2103', message, {
    related: [related],
    fix: `export '${node.text}' from its file: then the value that it has at the build is used.`,
  });
}

/** The `const` that a name stands for; anything else that it could stand for is refused. */
export function constantDeclaration(
  context: Context,
  node: ts.Identifier,
): ts.VariableDeclaration | undefined {
  const declaration = symbolOf(context, node)?.valueDeclaration;
  if (declaration === undefined)
    return refuse(context, node, 'NM2103', `'${node.text}' is not known when the forwarder is built`, {
      fix: 'use the packet, or a constant of the file.',
    });
  const related = [
    { origin: placeOf(nameOf(declaration)).origin, message: `'${node.text}' is declared here.` },
  ];
  if (ts.isParameter(declaration))
    return refuse(
      context,
      node,
      'NM2103',
      `'${node.text}' is a parameter, so its value is not known when the forwarder is built`,
      { related, fix: 'use a constant of the file.' },
    );
  if (!ts.isVariableDeclaration(declaration))
    return refuse(context, node, 'NM2103', `'${node.text}' is not a constant`, {
      related,
      fix: 'use a constant of the file.',
    });
  if (ts.getCombinedNodeFlags(declaration) & ts.NodeFlags.Const) {
    if (!ts.isForOfStatement(declaration.parent.parent) && !ts.isForInStatement(declaration.parent.parent))
      return declaration;
    return refuse(context, node, 'NM2103', `'${node.text}' has another value in every round of the loop`, {
      related,
      fix: 'use a constant of the file.',
    });
  }
  const word = ts.getCombinedNodeFlags(declaration) & ts.NodeFlags.Let ? 'let' : 'var';
  return refuse(
    context,
    node,
    'NM2104',
    `'${node.text}' can change after the policy is built, so it cannot be compiled into the forwarder.`,
    {
      related: [{ ...related[0]!, message: `'${node.text}' is declared with '${word}' here.` }],
      fix: "declare it with 'const'.",
    },
  );
}

/** `limits.dns` of a constant object that says `as const`, or a member of an enum. */
function property(context: Context, node: ts.PropertyAccessExpression, depth: number): Constant | undefined {
  const member = symbolOf(context, node)?.valueDeclaration;
  if (member && ts.isEnumMember(member)) return context.checker.getConstantValue(member);
  const owner = bare(node.expression);
  if (!ts.isIdentifier(owner))
    return refuse(context, node, 'NM2103', `${what(node)} is not known when the forwarder is built`, {
      fix: 'use a constant of the file.',
    });
  const declaration = constantDeclaration(context, owner);
  if (declaration === undefined) return undefined;
  const initializer = declaration.initializer;
  if (initializer === undefined || !ts.isAsExpression(initializer) || !isConstAssertion(initializer))
    return refuse(context, node, 'NM2104', `'${node.getText()}' can change after the policy is built`, {
      related: [{ origin: placeOf(declaration.name).origin, message: `'${owner.text}' is declared here.` }],
      fix: `write 'as const' after the value of '${owner.text}'.`,
    });
  const value = propertyOf(bare(initializer.expression), node.name.text);
  if (value) return constant(context, value, depth + 1);
  return refuse(context, node.name, 'NM2103', `'${owner.text}' has no plain property '${node.name.text}'`, {
    fix: 'name a property with a value that is written there.',
  });
}

export function propertyOf(node: ts.Node, name: string): ts.Expression | undefined {
  if (!ts.isObjectLiteralExpression(node) || node.properties.some(ts.isSpreadAssignment)) return undefined;
  for (const property of node.properties) {
    if (!property.name || !(ts.isIdentifier(property.name) || ts.isStringLiteral(property.name))) continue;
    if (property.name.text !== name) continue;
    if (ts.isPropertyAssignment(property)) return property.initializer;
    if (ts.isShorthandPropertyAssignment(property)) return property.name;
  }
  return undefined;
}

function isConstAssertion(node: ts.AsExpression): boolean {
  return ts.isTypeReferenceNode(node.type) && node.type.getText() === 'const';
}

function nameOf(declaration: ts.Declaration): ts.Node {
  return ts.getNameOfDeclaration(declaration) ?? declaration;
}

/** What a piece of syntax is called in messages. */
export function what(node: ts.Node): string {
  if (ts.isCallExpression(node)) return `the call '${short(node.expression)}(…)'`;
  if (ts.isAsExpression(node) || ts.isNonNullExpression(node) || ts.isTypeAssertionExpression(node))
    return 'a type assertion';
  if (ts.isAwaitExpression(node)) return 'await';
  if (ts.isArrowFunction(node) || ts.isFunctionExpression(node)) return 'a function';
  if (ts.isTemplateExpression(node) || ts.isNoSubstitutionTemplateLiteral(node)) return 'a template string';
  if (ts.isBigIntLiteral(node)) return 'a bigint';
  return `'${short(node)}'`;
}

function short(node: ts.Node): string {
  const text = node.getText().replace(/\s+/g, ' ');
  return text.length > 40 ? `${text.slice(0, 37)}...` : text;
}
