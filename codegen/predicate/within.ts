/** `p.src.within(customers)`: the networks must be known when the forwarder is built. */
import type { NetSet, Prefix } from '../../dsl/model.js';
import { ts } from '../load/compiler.js';
import { placeOf } from '../load/place.js';
import { constantDeclaration, propertyOf, what } from './constants.js';
import { bare, type Context, refuse, runTimeValue } from './context.js';
import type { BoolExpr } from './expr.js';
import { fieldOf } from './numbers.js';

export function compileWithin(context: Context, call: ts.CallExpression): BoolExpr | undefined {
  const callee = bare(call.expression);
  const field = ts.isPropertyAccessExpression(callee) ? fieldOf(context, bare(callee.expression)) : undefined;
  if (
    !ts.isPropertyAccessExpression(callee) ||
    (field !== 'src' && field !== 'dst') ||
    callee.name.text !== 'within'
  )
    return refuse(context, call, 'NM2102', `${what(call)} cannot be compiled into the forwarder`, {
      fix: 'write the condition here; the only calls are p.src.within(…) and p.dst.within(…).',
    });
  const argument = call.arguments[0];
  if (argument === undefined || call.arguments.length !== 1)
    return refuse(context, call, 'NM2109', 'within() needs one list of networks', {
      expected: 'nets(…) or hosts(…)',
    });
  const prefixes = networks(context, bare(argument), 0);
  return prefixes && { kind: 'within', field, prefixes };
}

function networks(context: Context, node: ts.Expression, depth: number): readonly Prefix[] | undefined {
  if (ts.isPropertyAccessExpression(node)) return part(context, node, depth);
  if (ts.isCallExpression(node)) return made(context, node);
  if (!ts.isIdentifier(node) || depth > 20) return unknown(context, node);
  const declaration = constantDeclaration(context, node);
  if (declaration === undefined) return undefined;
  const value = runTimeValue(context, node);
  if (isNetSet(value)) return value.prefixes;
  if (declaration.initializer) return networks(context, bare(declaration.initializer), depth + 1);
  return unknown(context, node);
}

/** `.v4` and `.v6` of a set, or a set in a constant object. */
function part(
  context: Context,
  node: ts.PropertyAccessExpression,
  depth: number,
): readonly Prefix[] | undefined {
  const name = node.name.text;
  const owner = bare(node.expression);
  if (ts.isIdentifier(owner)) {
    const object = constantDeclaration(context, owner);
    const value = object?.initializer && propertyOf(withoutAssertion(bare(object.initializer)), name);
    if (value) return networks(context, bare(value), depth + 1);
  }
  if (name !== 'v4' && name !== 'v6') return unknown(context, node);
  const all = networks(context, owner, depth + 1);
  return all?.filter((prefix) => prefix.family === (name === 'v4' ? 4 : 6));
}

function withoutAssertion(node: ts.Expression): ts.Expression {
  return ts.isAsExpression(node) ? bare(node.expression) : node;
}

/** The call that made the set: it ran while the policy was evaluated, unless it stands inside the predicate. */
function made(context: Context, call: ts.CallExpression): readonly Prefix[] | undefined {
  const name = ts.isPropertyAccessExpression(call.expression) ? call.expression.name : call.expression;
  const sets = context.netsMadeAt(placeOf(name).origin);
  const [first] = sets;
  if (first && sets.every((set) => sameNets(set, first))) return first.prefixes;
  if (first)
    return refuse(context, call, 'NM2109', 'this call makes different networks each time that it runs', {
      fix: 'declare the networks as a constant of the file.',
    });
  return unknown(context, call);
}

function unknown(context: Context, node: ts.Node): undefined {
  return refuse(
    context,
    node,
    'NM2109',
    `${what(node)} is not a list of networks known when the forwarder is built`,
    {
      fix: 'declare it outside of the predicate: const inside = nets(…).',
    },
  );
}

function isNetSet(value: unknown): value is NetSet {
  return (value as NetSet | null | undefined)?.kind === 'nets';
}

function sameNets(a: NetSet, b: NetSet): boolean {
  return (
    a.prefixes.length === b.prefixes.length &&
    a.prefixes.every((one, i) => one.bits === b.prefixes[i]!.bits && one.length === b.prefixes[i]!.length)
  );
}
