/**
 * From a policy file to its values: evaluation in a child, predicates from their syntax, type check. Everything
 * that is wrong comes back together; only what would make the rest meaningless stops it. Types are checked last, when
 * somebody asks what is wrong: who compiles C of the values does that meanwhile.
 */
import { readFileSync, realpathSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import type { Origin, Problem, Router } from '../../dsl/model.js';
import type { DiagnosticCode } from '../diagnostics/catalogue.js';
import type { Diagnostic } from '../diagnostics/diagnostic.js';
import { compilePredicate } from '../predicate/compile.js';
import type { PolicyFacts } from '../predicate/context.js';
import type { PredicateExpr } from '../predicate/expr.js';
import { type Compilation, compile } from './compiler.js';
import {
  defaultLimits,
  type Evaluator,
  type Limits,
  type NoOutcome,
  type Outcome,
  startEvaluator,
} from './evaluate.js';
import { createLocator, type Locator } from './locate.js';
import { collectModules } from './modules.js';
import { callAt } from './place.js';
import type { Evaluated, Module } from './protocol.js';
import { policyFiles, syntaxErrors, typeErrors } from './typescript.js';
import { unusedObjects } from './unused.js';
import type { Warm } from './warm.js';

export interface Loaded {
  /** Absent when the policy could not be evaluated. Origins are absolute and may have paths: see `locator`. */
  readonly router: Router | undefined;
  readonly predicates: readonly PredicateExpr[];
  /** Asked for the first time, it checks the types, unless that was done before. */
  readonly diagnostics: readonly Diagnostic[];
  /** Something is wrong, whatever the types say. */
  readonly broken: boolean;
  /** What was read, the policy file first. Paths are absolute. */
  readonly files: readonly { readonly path: string; readonly text: string }[];
  /** Directory of the policy file. */
  readonly root: string;
  readonly locator: Locator | undefined;
}

/** @param warm what earlier loads have left; when not said, everything begins with this one */
export async function loadPolicy(
  path: string,
  limits: Limits = defaultLimits,
  warm: Pick<Warm, 'compile' | 'evaluator'> = { compile, evaluator: startEvaluator },
): Promise<Loaded> {
  const given = resolve(path);
  const entry = realPath(given);
  if (entry === undefined) return unreadable(given);
  // Its process starts while the policy is read.
  const evaluator = warm.evaluator(limits);
  try {
    return await loadEntry(warm.compile(entry), entry, evaluator, limits);
  } finally {
    evaluator.close();
  }
}

async function loadEntry(
  read: Compilation,
  entry: string,
  evaluator: Evaluator,
  limits: Limits,
): Promise<Loaded> {
  const syntax = syntaxErrors(read);
  const root = dirname(entry);
  if (syntax.length > 0) return stopped(read, entry, root, syntax);
  const graph = collectModules(read, entry);
  const types = once(() => {
    const found = typeErrors(read);
    return [...found, ...graph.diagnostics.filter((one) => !found.some((type) => sameStart(one, type)))];
  });
  if (graph.diagnostics.length > 0 && types().some((one) => one.code === 'NM1004' || one.code === 'NM1005'))
    return stopped(read, entry, root, types());
  const packages = graph.modules.filter(
    (one) => one.kind === 'code' && one.map === undefined && !one.path.endsWith('ts'),
  );
  const outcome = evaluator.evaluate(entry, graph.modules);
  const compilation = packages.length > 0 ? read.withFiles(packages) : read;
  return afterEvaluation(compilation, graph.modules, entry, types, await outcome, evaluator, limits);
}

async function afterEvaluation(
  compilation: Compilation,
  modules: readonly Module[],
  entry: string,
  types: () => readonly Diagnostic[],
  outcome: Outcome<Evaluated>,
  evaluator: Evaluator,
  limits: Limits,
): Promise<Loaded> {
  const rest = {
    files: inOrder(modules, entry),
    root: dirname(entry),
    locator: createLocator(compilation.program, compilation.checker),
  };
  if (outcome.kind !== 'done') {
    const diagnostics = [...types(), notEvaluated(outcome, entry, limits)];
    return { router: undefined, predicates: [], diagnostics, broken: true, ...rest };
  }
  const evaluated = outcome.value;
  const problems = evaluated.problems.map((problem) => toDiagnostic(problem, rest.locator));
  const typed = () => types().length === 0;
  const compiled = await compilePredicates(compilation, modules, evaluated, evaluator, typed);
  const values = [...problems, ...compiled.diagnostics, ...failures(evaluated, entry)];
  const all = once(() => {
    const found = merge(types(), values);
    // What is missing because something is wrong is not told.
    return found.some(isError) ? found : [...found, ...unusedObjects(compilation)];
  });
  return {
    router: evaluated.router,
    predicates: compiled.predicates,
    get diagnostics() {
      return all();
    },
    broken: values.some(isError),
    ...rest,
  };
}

const isError = (one: Diagnostic) => one.severity === 'error';

function once<T>(make: () => T): () => T {
  let made: { readonly value: T } | undefined;
  return () => {
    made ??= { value: make() };
    return made.value;
  };
}

async function compilePredicates(
  { program, checker }: Compilation,
  modules: readonly Module[],
  evaluated: Evaluated,
  evaluator: Evaluator,
  typed: () => boolean,
): Promise<{ readonly predicates: readonly PredicateExpr[]; readonly diagnostics: readonly Diagnostic[] }> {
  const facts: PolicyFacts = {
    checker,
    netsMadeAt: (origin) => evaluated.nets.filter((set) => samePlace(set.origin, origin)),
    exported: (file, name) => evaluated.exports[file]?.[name],
    imported: (file, specifier) => modules.find((one) => one.path === file)?.imports[specifier],
  };
  const diagnostics: Diagnostic[] = [];
  const compiled: { readonly index: number; readonly expr: PredicateExpr }[] = [];
  for (const [index, { name, origin }] of evaluated.predicates.entries()) {
    const file = program.getSourceFile(origin.file);
    const call = file && callAt(file, origin.line, origin.column);
    if (call === undefined) {
      const message = `the syntax of predicate '${name}' was not found`;
      diagnostics.push({ code: 'NM2101', severity: 'error', origin, message, related: [] });
      continue;
    }
    const { predicate, diagnostics: wrong } = compilePredicate(facts, call, name, origin);
    diagnostics.push(...wrong);
    if (predicate) compiled.push({ index, expr: predicate });
  }
  if (compiled.length > 0 && diagnostics.length === 0 && typed()) {
    const compared = await evaluator.compare(compiled);
    if (compared.kind === 'done')
      diagnostics.push(...compared.value.map((one) => disagreement(one, evaluated)));
  }
  return { predicates: compiled.map((one) => one.expr), diagnostics };
}

function disagreement(
  found: {
    readonly index: number;
    readonly packet: string;
    readonly typescript: string;
    readonly compiled: boolean;
  },
  evaluated: Evaluated,
): Diagnostic {
  const { name, origin } = evaluated.predicates[found.index]!;
  return {
    code: 'NM2112',
    severity: 'error',
    origin,
    message: `predicate '${name}' gives ${found.typescript} in TypeScript and ${found.compiled} when compiled, for ${found.packet}`,
    related: [],
    fix: 'read ports only after p.l4 was tested, without type assertions; if it does, this is a bug of netmill.',
  };
}

function failures(evaluated: Evaluated, entry: string): readonly Diagnostic[] {
  const origin = evaluated.failure?.origin ?? { file: entry, line: 1, column: 1 };
  if (evaluated.failure)
    return [{ code: 'NM5001', severity: 'error', origin, message: evaluated.failure.message, related: [] }];
  if (evaluated.router !== undefined) return [];
  return [
    {
      code: 'NM1007',
      severity: 'error',
      origin,
      message: 'this policy has no router',
      related: [],
      fix: "end it with: export default router('name', { … })",
    },
  ];
}

function notEvaluated(outcome: NoOutcome, entry: string, limits: Limits): Diagnostic {
  const base = { severity: 'error', origin: { file: entry, line: 1, column: 1 }, related: [] } as const;
  if (outcome.kind === 'timeout')
    return {
      ...base,
      code: 'NM5002',
      message: `the policy did not finish within ${limits.milliseconds / 1000} s`,
      fix: 'look for a loop or a promise that does not end.',
    };
  if (outcome.kind === 'memory')
    return {
      ...base,
      code: 'NM5003',
      message: `the policy needs more than ${limits.megabytes} MiB of memory`,
    };
  return { ...base, code: 'NM5001', message: `the evaluation of the policy died: ${outcome.why}` };
}

/** Is the name of a property wrong, not its value? */
export function marksName(code: string): boolean {
  return ['NM4017', 'NM3014', 'NM4012', 'NM4013'].includes(code);
}

/** A builder's problem, at the exact place. */
export function toDiagnostic(problem: Problem, locator: Locator): Diagnostic {
  const { code, origin, ...words } = problem;
  const place = locator.locate(origin, marksName(code));
  const { path: _, ...plain } = origin;
  return {
    code: code as DiagnosticCode,
    severity: 'error',
    related: [],
    ...words,
    ...(place ?? { origin: plain }),
  };
}

/** One mistake may be seen by the types and by the builders: it is told once, by who knows the place better. */
function merge(types: readonly Diagnostic[], all: readonly Diagnostic[]): readonly Diagnostic[] {
  // Consequences are not told: what is thrown after a type error, lists that are empty for want of their wrong parts.
  const lost = [...types, ...all].some((one) => ['NM1003', 'NM3002', 'NM3016'].includes(one.code));
  const consequence = (one: Diagnostic) =>
    (one.code === 'NM5001' && types.length > 0) || (one.code === 'NM3015' && lost);
  const found = all.filter((one) => !consequence(one));
  const vague = types.filter(
    (type) => type.code === 'NM1002' && found.some((one) => isWithin(one.origin, type)),
  );
  const clear = types.filter((type) => !vague.includes(type));
  return [...clear, ...found.filter((one) => !clear.some((type) => sameStart(one, type)))];
}

/** Is a place inside of a marked stretch? */
export function isWithin(place: Origin, outer: Pick<Diagnostic, 'origin' | 'end'>): boolean {
  const { origin, end } = outer;
  if (place.file !== origin.file || end === undefined) return false;
  const after = place.line > origin.line || (place.line === origin.line && place.column >= origin.column);
  return after && (place.line < end.line || (place.line === end.line && place.column < end.column));
}

function sameStart(a: Diagnostic, b: Diagnostic): boolean {
  return samePlace(a.origin, b.origin);
}

function samePlace(a: Origin, b: Origin): boolean {
  return a.file === b.file && a.line === b.line && a.column === b.column;
}

function inOrder(modules: readonly Module[], entry: string): Loaded['files'] {
  const rest = modules.filter((one) => one.path !== entry).sort((a, b) => (a.path < b.path ? -1 : 1));
  return [...modules.filter((one) => one.path === entry), ...rest].map(({ path, text }) => ({ path, text }));
}

function stopped(
  compilation: Compilation,
  entry: string,
  root: string,
  diagnostics: readonly Diagnostic[],
): Loaded {
  const read = policyFiles(compilation.program).map((file) => ({ path: file.fileName, text: file.text }));
  const files = [
    ...read.filter((file) => file.path === entry),
    ...read.filter((file) => file.path !== entry),
  ];
  return { router: undefined, predicates: [], diagnostics, broken: true, files, root, locator: undefined };
}

function realPath(path: string): string | undefined {
  try {
    const real = realpathSync(path);
    readFileSync(real);
    return real;
  } catch {
    return undefined;
  }
}

function unreadable(path: string): Loaded {
  const origin = { file: path, line: 1, column: 1 };
  const message = `${path} cannot be read`;
  const diagnostics = [{ code: 'NM1006', severity: 'error', origin, message, related: [] } as const];
  return {
    router: undefined,
    predicates: [],
    diagnostics,
    broken: true,
    files: [],
    root: dirname(path),
    locator: undefined,
  };
}
