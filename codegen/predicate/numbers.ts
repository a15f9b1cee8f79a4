/** Numbers of a predicate: packet fields, constants, and arithmetic whose range is known. */
import { ts } from '../load/compiler.js';
import { constant, what } from './constants.js';
import { bare, type Context, needsPacket, refuse, symbolOf } from './context.js';
import type { Arithmetic, NumberField } from './expr.js';
import { combine, fieldRanges, largest, type Ranged, rangedField, rangedNumber } from './ranges.js';

const operators: Partial<Record<ts.SyntaxKind, Arithmetic>> = {
  [ts.SyntaxKind.PlusToken]: '+',
  [ts.SyntaxKind.MinusToken]: '-',
  [ts.SyntaxKind.AsteriskToken]: '*',
  [ts.SyntaxKind.PercentToken]: '%',
  [ts.SyntaxKind.AmpersandToken]: '&',
  [ts.SyntaxKind.BarToken]: '|',
  [ts.SyntaxKind.CaretToken]: '^',
};

/** Name of the packet's property that is read, whether there is such a one or not. */
export function fieldOf(context: Context, node: ts.Node): string | undefined {
  if (!ts.isPropertyAccessExpression(node) || node.questionDotToken) return undefined;
  const owner = bare(node.expression);
  return ts.isIdentifier(owner) && context.packet !== undefined && symbolOf(context, owner) === context.packet
    ? node.name.text
    : undefined;
}

export function compileNumber(context: Context, expression: ts.Expression): Ranged | undefined {
  const node = bare(expression);
  if (!needsPacket(context, node)) return fixed(context, node);
  if (ts.isBinaryExpression(node)) return operation(context, node);
  if (ts.isIdentifier(node)) return local(context, node);
  const field = fieldOf(context, node);
  if (field !== undefined && Object.hasOwn(fieldRanges, field)) return rangedField(field as NumberField);
  if (field === 'src' || field === 'dst')
    return refuse(context, node, 'NM2108', `p.${field} is an address, not a number`, {
      fix: `test it against networks: 'p.${field}.within(nets(…))', the networks being a constant of the file.`,
    });
  if (field !== undefined)
    return refuse(context, node, 'NM2108', `p.${field} is not a number of a packet`, {
      expected: Object.keys(fieldRanges).join(', '),
    });
  if (ts.isConditionalExpression(node))
    return refuse(context, node, 'NM2102', "'? :' can choose between conditions, not between numbers", {
      fix: 'compare in both branches.',
    });
  return refuse(context, node, 'NM2102', `${what(node)} cannot be compiled into the forwarder`, {
    fix: ts.isCallExpression(node)
      ? 'write the condition here; the only calls are p.src.within(…) and p.dst.within(…).'
      : 'write numbers, packet fields, and + - * % & | ^ of them.',
  });
}

function fixed(context: Context, node: ts.Expression): Ranged | undefined {
  const value = constant(context, node);
  if (value === undefined) return undefined;
  if (typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= largest)
    return rangedNumber(value);
  return refuse(context, node, 'NM2105', `${what(node)} is ${show(value)}, not a whole number of 32 bits`, {
    expected: `a whole number from 0 to ${largest}`,
  });
}

function show(value: unknown): string {
  return typeof value === 'string' ? `the text '${value}'` : String(value);
}

function operation(context: Context, node: ts.BinaryExpression): Ranged | undefined {
  const op = operators[node.operatorToken.kind];
  if (op === undefined)
    return refuse(
      context,
      node,
      'NM2106',
      `'${node.operatorToken.getText()}' of packet fields cannot be compiled`,
      {
        expected: Object.values(operators).join(' '),
        fix: 'multiply the other side of the comparison, or use a constant.',
      },
    );
  const left = compileNumber(context, node.left);
  const right = compileNumber(context, node.right);
  if (left === undefined || right === undefined) return undefined;
  const combined = combine(op, left, right);
  if (typeof combined !== 'string') return combined;
  return refuse(context, node, 'NM2106', combined, {
    fix: op === '-' ? 'add to the other side of the comparison instead.' : 'use smaller numbers.',
  });
}

/** A constant of the predicate's own that holds a number. */
function local(context: Context, node: ts.Identifier): Ranged | undefined {
  const declared = symbolOf(context, node)?.valueDeclaration;
  if (declared && ts.isVariableDeclaration(declared) && declared.initializer)
    return compileNumber(context, declared.initializer);
  return refuse(context, node, 'NM2108', `'${node.text}' is not a number`, {
    expected: 'a field of the packet that is a number, or a constant',
  });
}
