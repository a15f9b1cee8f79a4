/**
 * Exact places of what builders only know as "that call, its second argument, `interfaces`, `wan`, `mtu`": the
 * syntax tree is followed along that way, through constants and spreads, as far as it goes.
 */
import type { Origin } from '../../dsl/model.js';
import { ts } from './compiler.js';
import { callAt, type Place, placeOf } from './place.js';

export interface Locator {
  /** @param name mark the name of the property at the end of the way, not its value */
  locate(origin: Origin, name?: boolean): Place | undefined;
  /** All of the call at this place, its arguments included. */
  extent(origin: Origin): Place | undefined;
  /** Name of the variable for which the call at this place is written. */
  variableAt(origin: Origin): string | undefined;
}

interface Step {
  readonly value: ts.Node;
  /** Name of the property, when the step was one. */
  readonly name?: ts.Node;
}

export function createLocator(program: ts.Program, checker: ts.TypeChecker): Locator {
  const callOf = (origin: Origin) => {
    const file = program.getSourceFile(origin.file);
    return file && callAt(file, origin.line, origin.column);
  };
  return {
    locate(origin, name = false) {
      const call = callOf(origin);
      if (call === undefined) return undefined;
      if (origin.path === undefined || origin.path.length === 0) return placeOf(calleeOf(call));
      const { value, name: property } = follow(call, origin.path, checker);
      const mark = property && (name || ts.isObjectLiteralExpression(value)) ? property : value;
      return placeOf(mark === call ? calleeOf(call) : mark);
    },
    extent(origin) {
      const call = callOf(origin);
      return call && placeOf(call);
    },
    variableAt(origin) {
      const call = callOf(origin);
      const parent = call?.parent;
      return parent && ts.isVariableDeclaration(parent) && ts.isIdentifier(parent.name)
        ? parent.name.text
        : undefined;
    },
  };
}

function calleeOf(call: ts.CallExpression): ts.Node {
  return ts.isPropertyAccessExpression(call.expression) ? call.expression.name : call.expression;
}

function follow(call: ts.CallExpression, path: readonly (string | number)[], checker: ts.TypeChecker): Step {
  const [first, ...rest] = path;
  const index = typeof first === 'number' ? first : 0;
  const spread = call.arguments.findIndex(ts.isSpreadElement);
  const argument = call.arguments[spread >= 0 && spread < index ? spread : index];
  let step: Step = { value: argument ?? call };
  if (argument === undefined || ts.isSpreadElement(argument)) return step;
  for (const key of rest) {
    const next = into(resolve(step.value, checker), key, checker);
    if (next === undefined) return step;
    step = next;
  }
  return step;
}

function into(node: ts.Node, key: string | number, checker: ts.TypeChecker): Step | undefined {
  if (ts.isArrayLiteralExpression(node) && typeof key === 'number') {
    const spread = node.elements.findIndex(ts.isSpreadElement);
    const value = node.elements[spread >= 0 && spread < key ? spread : key];
    return value && { value };
  }
  if (!ts.isObjectLiteralExpression(node)) return undefined;
  for (const property of [...node.properties].reverse()) {
    if (ts.isSpreadAssignment(property)) {
      const inner = into(resolve(property.expression, checker), key, checker);
      if (inner) return inner;
    } else if (property.name && nameText(property.name) === String(key))
      return {
        value: ts.isPropertyAssignment(property) ? property.initializer : property.name,
        name: property.name,
      };
  }
  return undefined;
}

function nameText(name: ts.PropertyName): string | undefined {
  if (ts.isIdentifier(name) || ts.isStringLiteralLike(name) || ts.isNumericLiteral(name)) return name.text;
  return undefined;
}

/** Through parentheses, `as`, and constants to the expression that stands behind. */
function resolve(node: ts.Node, checker: ts.TypeChecker, depth = 0): ts.Node {
  if (ts.isParenthesizedExpression(node) || ts.isAsExpression(node) || ts.isSatisfiesExpression(node))
    return resolve(node.expression, checker, depth);
  if (!ts.isIdentifier(node) || depth > 20) return node;
  const initializer = constantInitializer(node, checker);
  return initializer ? resolve(initializer, checker, depth + 1) : node;
}

function constantInitializer(node: ts.Identifier, checker: ts.TypeChecker): ts.Expression | undefined {
  const shorthand = ts.isShorthandPropertyAssignment(node.parent);
  let symbol = shorthand
    ? checker.getShorthandAssignmentValueSymbol(node.parent)
    : checker.getSymbolAtLocation(node);
  if (symbol && symbol.flags & ts.SymbolFlags.Alias) symbol = checker.getAliasedSymbol(symbol);
  const declaration = symbol?.valueDeclaration;
  return declaration && ts.isVariableDeclaration(declaration) ? declaration.initializer : undefined;
}
