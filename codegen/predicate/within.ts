/** `p.src.within(customers)`: the networks, or the set that changes at run time, must be known when the forwarder is built. */
import type { Family, NetSet, Prefix, RuntimeSet } from '../../dsl/model.js';
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
  const found = networks(context, bare(argument), 0);
  if (found === undefined) return undefined;
  return found.kind === 'nets'
    ? { kind: 'within', field, prefixes: found.prefixes }
    : { kind: 'member', field, set: found.name, families: found.families };
}

/** What a test of an address needs of nets(…), hosts(…) or set(…). */
type Networks =
  | { readonly kind: 'nets'; readonly prefixes: readonly Prefix[] }
  | { readonly kind: 'set'; readonly name: string; readonly families: readonly Family[] };

function networks(context: Context, node: ts.Expression, depth: number): Networks | undefined {
  if (ts.isPropertyAccessExpression(node)) return part(context, node, depth);
  if (ts.isCallExpression(node)) return made(context, node);
  if (!ts.isIdentifier(node) || depth > 20) return unknown(context, node);
  const declaration = constantDeclaration(context, node);
  if (declaration === undefined) return undefined;
  const value = runTimeValue(context, node);
  if (isNetworks(value)) return value;
  if (declaration.initializer) return networks(context, bare(declaration.initializer), depth + 1);
  return unknown(context, node);
}

/** `.v4` and `.v6` of a set, or a set in a constant object. */
function part(context: Context, node: ts.PropertyAccessExpression, depth: number): Networks | undefined {
  const name = node.name.text;
  const owner = bare(node.expression);
  if (ts.isIdentifier(owner)) {
    const object = constantDeclaration(context, owner);
    const value = object?.initializer && propertyOf(withoutAssertion(bare(object.initializer)), name);
    if (value) return networks(context, bare(value), depth + 1);
  }
  if (name !== 'v4' && name !== 'v6') return unknown(context, node);
  const all = networks(context, owner, depth + 1);
  const family = name === 'v4' ? 4 : 6;
  if (all?.kind === 'set') return { ...all, families: all.families.filter((one) => one === family) };
  return all && { ...all, prefixes: all.prefixes.filter((prefix) => prefix.family === family) };
}

function withoutAssertion(node: ts.Expression): ts.Expression {
  return ts.isAsExpression(node) ? bare(node.expression) : node;
}

/** The call that made the set: it ran while the policy was evaluated, unless it stands inside the predicate. */
function made(context: Context, call: ts.CallExpression): Networks | undefined {
  const name = ts.isPropertyAccessExpression(call.expression) ? call.expression.name : call.expression;
  const sets = context.netsMadeAt(placeOf(name).origin);
  const [first] = sets;
  if (first && sets.every((set) => sameNetworks(set, first))) return first;
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

function isNetworks(value: unknown): value is NetSet | RuntimeSet {
  const { kind } = (value ?? {}) as { readonly kind?: unknown };
  return kind === 'nets' || kind === 'set';
}

function sameNetworks(a: NetSet | RuntimeSet, b: NetSet | RuntimeSet): boolean {
  if (a.kind === 'set' || b.kind === 'set')
    return (
      a.kind === 'set' && b.kind === 'set' && a.name === b.name && String(a.families) === String(b.families)
    );
  return (
    a.prefixes.length === b.prefixes.length &&
    a.prefixes.every((one, i) => one.bits === b.prefixes[i]!.bits && one.length === b.prefixes[i]!.length)
  );
}
