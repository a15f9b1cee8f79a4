/** The front of the pipeline: load, check, and a policy in which nothing is wrong, or everything that is. */
import { createHash } from 'node:crypto';
import { relative } from 'node:path';
import type { Origin, Router } from '../dsl/model.js';
import { check } from './check/check.js';
import { listsOf } from './check/limits.js';
import type { CheckedPolicy, FrontResult, PolicyFile } from './checked.js';
import type { Diagnostic } from './diagnostics/diagnostic.js';
import { findings } from './findings/findings.js';
import type { Limits } from './load/evaluate.js';
import { finishRouter, usedPredicates } from './load/finish.js';
import { isWithin, type Loaded, loadPolicy, marksName } from './load/load.js';
import type { Locator } from './load/locate.js';
import { isBeside } from './load/modules.js';
import type { Warm } from './load/warm.js';
import { builtinPredicate } from './predicate/builtin.js';
import type { PredicateExpr } from './predicate/expr.js';
import { initialContents } from './sets/initial.js';

export interface FrontOptions {
  readonly limits?: Limits;
  /** `'2027-03-31'`: rules past their date are told; the machine's day when not said. */
  readonly today?: string;
  /** `'warning'` for a policy that was accepted before: time alone does not make it wrong. `'error'` when not said. */
  readonly expired?: 'error' | 'warning';
  /** Tell what is worth knowing, too, not only what is wrong. */
  readonly notes?: boolean;
  /** Left by the loads before, when one program loads again and again. */
  readonly warm?: Pick<Warm, 'compile' | 'evaluator'>;
}

export async function loadAndCheck(path: string, options: FrontOptions = {}): Promise<FrontResult> {
  const read = await readPolicy(path, options);
  return read.ok ? read.analyse() : read;
}

/** In its values nothing is wrong; their types, and what they do together, are still to be judged. */
export type ReadResult =
  | {
      readonly ok: true;
      /** Its warnings are still to come. */
      readonly policy: CheckedPolicy;
      /** Types and the exact analysis, which may refuse the policy. Takes longer than all before on long lists. */
      readonly analyse: () => FrontResult;
    }
  | Extract<FrontResult, { ok: false }>;

export async function readPolicy(path: string, options: FrontOptions = {}): Promise<ReadResult> {
  const loaded = await loadPolicy(path, options.limits, options.warm);
  const today = options.today ?? new Date().toISOString().slice(0, 10);
  const checks = () =>
    loaded.router ? check(loaded.router, { today, expired: options.expired ?? 'error' }) : [];
  const checked = (unlessMistyped(() => loaded.diagnostics, checks) ?? []).map((one) =>
    located(one, loaded.locator),
  );
  const initial = initialContents(loaded.router?.sets ?? [], isBeside);
  const name = (file: string) => relativePath(loaded.root, file);
  const files = loaded.files.map((file) => ({ path: name(file.path), text: file.text }));
  const { router, locator, root } = loaded;
  const all = () => allDiagnostics(loaded, checked, initial.diagnostics, name);
  if (!router || !locator || loaded.broken || [...checked, ...initial.diagnostics].some(isFatal)) {
    const read = initial.files.map((file) => ({ ...file, path: name(file.path) }));
    return { ok: false, diagnostics: all(), files: [...files, ...read], root };
  }
  const refused = (diagnostics: readonly Diagnostic[]) => ({ ok: false, diagnostics, files, root }) as const;
  const policy = unlessMistyped(all, () => ({
    router: finishRouter(router, loaded.predicates, locator, name),
    predicates: predicatesOf(router, loaded.predicates, name),
    contents: initial.contents,
    files,
    policyHash: hashOf(files),
    warnings: [],
    root,
  }));
  if (policy === undefined) return refused(all());
  const analyse = (): FrontResult => {
    const diagnostics = all();
    if (diagnostics.some(isFatal)) return refused(diagnostics);
    const found = findings(
      { ...policy, warnings: diagnostics },
      { today, ...(options.notes && { notes: true }) },
    );
    const marked = marks(found, router, locator, name);
    const warnings = sorted([...diagnostics, ...marked], loaded, name);
    return warnings.some(isError) ? refused(warnings) : { ok: true, policy: { ...policy, warnings } };
  };
  const expired = checked.some(isError) ? analyse() : undefined;
  return expired?.ok === false ? expired : { ok: true, policy, analyse };
}

const isError = (one: Diagnostic) => one.severity === 'error';
/** Rules past their date are whole: what is wrong with lists besides is told together with that. */
const isFatal = (one: Diagnostic) => isError(one) && one.code !== 'NM3012';

/** Values of other types than were declared may be more than their reader can bear; then it is the types that are told. */
function unlessMistyped<T>(all: () => readonly Diagnostic[], read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (all().some(isError)) return undefined;
    throw error;
  }
}

/** With those of the types. */
function allDiagnostics(
  loaded: Loaded,
  checked: readonly Diagnostic[],
  initial: readonly Diagnostic[],
  name: (file: string) => string,
): readonly Diagnostic[] {
  const broken = loaded.diagnostics.some(isError);
  // What is missing because it was wrong is not warned of.
  const found = checked.filter((one) => !broken || isError(one));
  const told = loaded.diagnostics.filter((one) => !saidBetter(one, found, loaded.locator));
  const all = [...told, ...found, ...initial.map((one) => located(one, loaded.locator))];
  return sorted(
    all.map((one) => relativeDiagnostic(one, name)),
    loaded,
    name,
  );
}

/** Findings know where a rule begins; the locator, where what is to be marked ends. */
function marks(
  found: readonly Diagnostic[],
  router: Router,
  locator: Locator,
  name: (file: string) => string,
): readonly Diagnostic[] {
  if (found.length === 0) return found;
  const key = ({ file, line, column }: Origin) => `${file}:${line}:${column}`;
  const ends = new Map<string, Diagnostic['end']>();
  for (const { origin } of listsOf(router).flatMap((list) => [list, ...list.rules])) {
    const place = locator.locate(origin);
    if (place?.end) ends.set(key({ ...place.origin, file: name(place.origin.file) }), place.end);
  }
  return found.map((one) => {
    const end = ends.get(key(one.origin));
    return end ? { ...one, end } : one;
  });
}

/** By name; a fragment that is called twice makes the same predicate twice. */
function predicatesOf(
  router: Router,
  compiled: readonly PredicateExpr[],
  name: (file: string) => string,
): readonly PredicateExpr[] {
  const byName = new Map<string, PredicateExpr>();
  for (const used of usedPredicates(router)) {
    const found =
      used.name === builtinPredicate.name
        ? builtinPredicate
        : compiled.find((one) => one.name === used.name && samePlace(one.origin, used.origin));
    if (found)
      byName.set(used.name, { ...found, origin: { ...found.origin, file: name(found.origin.file) } });
  }
  return [...byName.values()];
}

function samePlace(a: Origin, b: Origin): boolean {
  return a.file === b.file && a.line === b.line && a.column === b.column;
}

/** What TypeScript says of types when check says it of networks, lists and interfaces. */
function saidBetter(type: Diagnostic, checked: readonly Diagnostic[], locator: Locator | undefined): boolean {
  return (
    type.code === 'NM1002' &&
    checked.some(
      (one) =>
        ['NM3004', 'NM3007', 'NM4013'].includes(one.code) &&
        isWithin(type.origin, locator?.extent(one.origin) ?? one),
    )
  );
}

function located(one: Diagnostic, locator: Locator | undefined): Diagnostic {
  const related = one.related.map((place) => ({
    ...place,
    origin: locator?.locate(place.origin)?.origin ?? place.origin,
  }));
  return { ...one, related, ...locator?.locate(one.origin, marksName(one.code)) };
}

/** SHA-256 over every path and text, each preceded by its length. */
function hashOf(files: readonly PolicyFile[]): string {
  const hash = createHash('sha256');
  for (const part of files.flatMap((file) => [file.path, file.text]))
    hash.update(`${Buffer.byteLength(part)}:${part}`);
  return hash.digest('hex');
}

function relativePath(root: string, file: string): string {
  return file.startsWith('/') ? relative(root, file) : file;
}

function relativeDiagnostic(one: Diagnostic, name: (file: string) => string): Diagnostic {
  const move = ({ path: _, ...origin }: Origin) => ({ ...origin, file: name(origin.file) });
  return {
    ...one,
    origin: move(one.origin),
    related: one.related.map((place) => ({ ...place, origin: move(place.origin) })),
  };
}

/** By file in the order of reading, then by place. */
function sorted(
  diagnostics: readonly Diagnostic[],
  loaded: Loaded,
  name: (file: string) => string,
): readonly Diagnostic[] {
  const order = loaded.files.map((file) => name(file.path));
  const rank = (one: Diagnostic) =>
    order.includes(one.origin.file) ? order.indexOf(one.origin.file) : order.length;
  return [...diagnostics].sort(
    (a, b) => rank(a) - rank(b) || a.origin.line - b.origin.line || a.origin.column - b.origin.column,
  );
}
