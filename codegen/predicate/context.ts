/** What the predicate compiler needs to know of the policy around an arrow function, and how it reports. */
import type { NetSet, Origin, RuntimeSet } from '../../dsl/model.js';
import type { DiagnosticCode } from '../diagnostics/catalogue.js';
import type { Diagnostic, RelatedPlace } from '../diagnostics/diagnostic.js';
import { ts } from '../load/compiler.js';
import { placeOf } from '../load/place.js';

export interface PolicyFacts {
  readonly checker: ts.TypeChecker;
  /** What the call of nets(), hosts() or set() at this place made. */
  netsMadeAt(origin: Origin): readonly (NetSet | RuntimeSet)[];
  /** Value of what `file` exports as `name`, when it is a number, a truth value or a set of networks. */
  exported(file: string, name: string): unknown;
  /** Path of the module that `file` imports as `specifier`. */
  imported(file: string, specifier: string): string | undefined;
}

export interface Context extends PolicyFacts {
  /** The parameter of the arrow function: the packet. */
  readonly packet: ts.Symbol | undefined;
  /** The arrow function itself: constants inside of it may depend on the packet. */
  readonly body: ts.Node;
  report(diagnostic: Diagnostic): void;
}

/** Whoever is refused is told what to do, or at least what there is. */
type Extra = { readonly related?: readonly RelatedPlace[] } & (
  | { readonly fix: string; readonly expected?: string }
  | { readonly fix?: string; readonly expected: string }
);

/** Reports a mistake at a node. Gives `undefined`, which stands for "not compiled" everywhere. */
export function refuse(
  context: Context,
  node: ts.Node,
  code: DiagnosticCode,
  message: string,
  extra: Extra,
): undefined {
  context.report({ code, severity: 'error', message, related: [], ...extra, ...placeOf(node) });
  return undefined;
}

/** Without parentheses and `satisfies`, which change no value. */
export function bare(node: ts.Expression): ts.Expression {
  return ts.isParenthesizedExpression(node) || ts.isSatisfiesExpression(node) ? bare(node.expression) : node;
}

/** The symbol behind a name, through imports. */
export function symbolOf(context: PolicyFacts, name: ts.Node): ts.Symbol | undefined {
  const symbol = ts.isShorthandPropertyAssignment(name.parent)
    ? context.checker.getShorthandAssignmentValueSymbol(name.parent)
    : context.checker.getSymbolAtLocation(name);
  return symbol && symbol.flags & ts.SymbolFlags.Alias ? context.checker.getAliasedSymbol(symbol) : symbol;
}

/** The value that a name has at run time, when it is exported where it is declared or imported from there. */
export function runTimeValue(context: PolicyFacts, name: ts.Identifier): unknown {
  const local = context.checker.getSymbolAtLocation(name);
  const declaration = local?.declarations?.[0];
  const file = name.getSourceFile().fileName;
  if (declaration && ts.isImportSpecifier(declaration)) {
    const from = declaration.parent.parent.parent.moduleSpecifier;
    const path = ts.isStringLiteral(from) ? context.imported(file, from.text) : undefined;
    return path && context.exported(path, (declaration.propertyName ?? declaration.name).text);
  }
  const variable = local?.valueDeclaration;
  if (!variable || !ts.isVariableDeclaration(variable)) return undefined;
  const known = exportedAs(context, variable);
  return known === undefined ? undefined : context.exported(file, known);
}

/** `const a = 1; export { a as b }`: what is exported as `a` may be something else. */
function exportedAs({ checker }: PolicyFacts, variable: ts.VariableDeclaration): string | undefined {
  const module = checker.getSymbolAtLocation(variable.getSourceFile());
  const all = module ? checker.getExportsOfModule(module) : [];
  const target = (one: ts.Symbol) => (one.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(one) : one);
  return all.find((one) => target(one).valueDeclaration === variable)?.name;
}

/** Does evaluating this need the packet? */
export function needsPacket(context: Context, node: ts.Node): boolean {
  if (ts.isIdentifier(node)) {
    const symbol = symbolOf(context, node);
    if (symbol !== undefined && symbol === context.packet) return true;
    const declared = symbol?.valueDeclaration;
    return declared !== undefined && isInside(declared, context.body) && isLocal(declared, context);
  }
  return ts.forEachChild(node, (child) => needsPacket(context, child) || undefined) ?? false;
}

function isLocal(declared: ts.Declaration, context: Context): boolean {
  return (
    ts.isVariableDeclaration(declared) &&
    declared.initializer !== undefined &&
    needsPacket(context, declared.initializer)
  );
}

function isInside(node: ts.Node, outer: ts.Node): boolean {
  for (let at: ts.Node | undefined = node; at; at = at.parent) if (at === outer) return true;
  return false;
}
