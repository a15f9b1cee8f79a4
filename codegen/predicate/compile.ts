/**
 * Compiles the arrow function of predicate() into a PredicateExpr. The subset is docs/policy.md's; everything
 * outside of it is refused with its place, the reason and a fix, all mistakes of a predicate at once.
 */
import type { Origin } from '../../dsl/model.js';
import type { Diagnostic } from '../diagnostics/diagnostic.js';
import { ts } from '../load/compiler.js';
import { compileBody } from './body.js';
import { bare, type Context, type PolicyFacts, refuse, symbolOf } from './context.js';
import { costOf, largestCost } from './cost.js';
import type { PredicateExpr } from './expr.js';

export interface CompiledPredicate {
  readonly predicate: PredicateExpr | undefined;
  readonly diagnostics: readonly Diagnostic[];
}

/** @param call the call of predicate() */
export function compilePredicate(
  facts: PolicyFacts,
  call: ts.CallExpression,
  name: string,
  origin: Origin,
): CompiledPredicate {
  const diagnostics: Diagnostic[] = [];
  const report = (diagnostic: Diagnostic) => diagnostics.push(diagnostic);
  const open: Context = { ...facts, packet: undefined, body: call, report };
  const arrow = arrowOf(open, call);
  if (arrow === undefined) return { predicate: undefined, diagnostics };
  const parameter = arrow.parameters[0];
  const packet = parameter && facts.checker.getSymbolAtLocation(parameter.name);
  const context: Context = { ...open, packet, body: arrow };
  const expr = compileBody(context, arrow.body);
  if (expr === undefined || diagnostics.length > 0) return { predicate: undefined, diagnostics };
  const cost = costOf(expr);
  if (cost > largestCost)
    refuse(
      context,
      arrow,
      'NM2110',
      `this predicate costs ${cost} steps for a packet, and ${largestCost} are allowed`,
      {
        fix: 'match addresses and ports by rules instead.',
      },
    );
  const predicate: PredicateExpr = { name, expr, source: arrow.getText(), origin };
  return { predicate: diagnostics.length > 0 ? undefined : predicate, diagnostics };
}

/** The function itself, or the constant that holds it. */
function arrowOf(context: Context, call: ts.CallExpression): ts.ArrowFunction | undefined {
  let given = call.arguments[1] && bare(call.arguments[1]);
  if (given && ts.isIdentifier(given)) {
    const declared = symbolOf(context, given)?.valueDeclaration;
    const constant =
      declared &&
      ts.isVariableDeclaration(declared) &&
      ts.getCombinedNodeFlags(declared) & ts.NodeFlags.Const;
    if (constant && declared.initializer) given = bare(declared.initializer);
  }
  if (given === undefined || !ts.isArrowFunction(given))
    return refuse(
      context,
      given ?? call,
      'NM2101',
      'predicate() needs an arrow function that is written in the policy',
      {
        expected: "predicate('name', (p) => …)",
        fix: 'write the arrow function here, or as a constant.',
      },
    );
  const [parameter, ...more] = given.parameters;
  if (given.modifiers?.some((one) => one.kind === ts.SyntaxKind.AsyncKeyword))
    return refuse(context, given, 'NM2101', 'an async function cannot be compiled into the forwarder', {
      fix: "leave 'async' out.",
    });
  if (more[0] || parameter?.initializer || parameter?.dotDotDotToken)
    return refuse(context, more[0] ?? parameter!, 'NM2101', 'a predicate has one parameter, the packet', {
      expected: '(p) => …',
    });
  if (parameter && !ts.isIdentifier(parameter.name))
    return refuse(context, parameter, 'NM2101', 'the packet cannot be taken apart here', {
      fix: "name it: '(p) => …', and read 'p.len'.",
    });
  return given;
}
