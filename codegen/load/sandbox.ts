/**
 * The child process in which a policy is evaluated: a context with nothing but the language in it, netmill's own
 * builders, and no way to evaluate strings. Talks to evaluate.ts; started by nobody else.
 */
import { SourceMap } from 'node:module';
import vm from 'node:vm';
import { setTextReader } from '../../dsl/files.js';
import * as netmill from '../../dsl/index.js';
import { everythingMade } from '../../dsl/made.js';
import type { NetSet, Origin, Predicate, Router, RuntimeSet } from '../../dsl/model.js';
import { calledAt, here, setOriginMapper } from '../../dsl/origin.js';
import { note, problemsSoFar } from '../../dsl/problems.js';
import type { PredicateExpr } from '../predicate/expr.js';
import { findMismatch } from '../predicate/samples.js';
import { giveUpRoot } from './give-up-root.js';
import { type Evaluated, type Module, placeFunction, type Reply, type Request } from './protocol.js';

giveUpRoot();

type Namespace = Readonly<Record<string, unknown>>;

process.on('message', (request: Request) => {
  if (request.kind === 'evaluate') evaluate(request.entry, request.modules).then(reply);
  else reply(compare(request.predicates));
});

function reply(message: Reply): void {
  process.send?.(message);
}

async function evaluate(entry: string, modules: readonly Omit<Module, 'text'>[]): Promise<Reply> {
  const locate = mapper(modules);
  setOriginMapper(locate);
  setTextReader((path) => modules.find((one) => one.kind === 'text' && one.path === path)?.code);
  const context = createContext((file) => !modules.some((one) => one.path === file));
  const linked = new Map<string, vm.Module>();
  let failure: Evaluated['failure'];
  try {
    instantiate(modules, context, linked);
    const main = linked.get(entry)!;
    await main.link((specifier, from) => {
      const target = modules.find((one) => one.path === from.identifier)?.imports[specifier];
      return linked.get(target ?? '') ?? Promise.reject(new Error(`module '${specifier}' was not found`));
    });
    await main.evaluate();
  } catch (error) {
    failure = describe(error, locate);
  }
  const exported = failure ? undefined : (linked.get(entry)!.namespace as Namespace).default;
  return {
    kind: 'evaluated',
    router:
      (exported as Router | undefined)?.kind === 'router' ? withoutFunctions(exported as Router) : undefined,
    problems: problemsSoFar(),
    nets: [...everythingMade().nets, ...everythingMade().sets].map((set) => withoutFunctions(set)),
    predicates: everythingMade().predicates.map(({ name, origin }) => ({ name, origin })),
    exports: failure ? {} : exportsOf(linked),
    failure,
  };
}

function instantiate(
  modules: readonly Omit<Module, 'text'>[],
  context: vm.Context,
  linked: Map<string, vm.Module>,
): void {
  const synthetic = (path: string, values: Namespace) =>
    linked.set(
      path,
      new vm.SyntheticModule(
        Object.keys(values),
        function () {
          for (const [name, value] of Object.entries(values)) this.setExport(name, value);
        },
        { identifier: path, context },
      ),
    );
  synthetic('netmill', netmill);
  for (const { path, kind, code } of modules)
    if (kind === 'json') synthetic(path, { default: JSON.parse(code) });
    else if (kind === 'code') linked.set(path, new vm.SourceTextModule(code, { identifier: path, context }));
}

/** Only the language: no clock, no randomness, nothing that differs from one machine to the next. */
function createContext(isOurs: (file: string) => boolean): vm.Context {
  const placed = (file: string, line: number, column: number, builder: (...given: unknown[]) => unknown) => {
    const origin = Object.freeze({ file, line, column });
    return (...given: unknown[]) => calledAt(origin, () => builder(...given));
  };
  const context = vm.createContext(
    { [placeFunction]: placed },
    { codeGeneration: { strings: false, wasm: false } },
  );
  const refuse = (what: string) =>
    note('NM5004', here(isOurs), `${what} is not the same at every build`, {
      fix: 'write the value into the policy.',
    });
  const harden = vm.runInContext(
    `(refuse) => {
      for (const name of ['Intl', 'WebAssembly', 'SharedArrayBuffer', 'Atomics', 'WeakRef', 'FinalizationRegistry', 'console'])
        delete globalThis[name];
      Math.random = () => { refuse('Math.random()'); return 0; };
      const still = () => { refuse('the time of day'); return 0; };
      globalThis.Date = new Proxy(Date, {
        apply: () => String(still()),
        construct: (target, given, as) => Reflect.construct(target, given.length === 0 ? [still()] : given, as),
        get: (target, key) => (key === 'now' ? still : Reflect.get(target, key)),
      });
      Date.prototype.constructor = globalThis.Date;
    }`,
    context,
  ) as (refuse: (what: string) => void) => void;
  harden(refuse);
  return context;
}

function mapper(
  modules: readonly Omit<Module, 'text'>[],
): (file: string, line: number, column: number) => Origin {
  const maps = new Map<string, SourceMap>();
  for (const { path, map } of modules) if (map) maps.set(path, new SourceMap(JSON.parse(map)));
  return (file, line, column) => {
    const entry = maps.get(file)?.findEntry(line - 1, column - 1);
    if (entry === undefined || !('originalLine' in entry)) return { file, line, column };
    return { file, line: entry.originalLine + 1, column: entry.originalColumn + 1 };
  };
}

function describe(
  error: unknown,
  locate: (file: string, line: number, column: number) => Origin,
): Evaluated['failure'] {
  const thrown = error as { message?: unknown; name?: unknown; stack?: unknown } | null | undefined;
  const message =
    typeof thrown?.message === 'string' ? `${String(thrown.name)}: ${thrown.message}` : String(error);
  const frame = /(?:\(|at )(\/[^\n]*?):(\d+):(\d+)\)?/.exec(String(thrown?.stack ?? ''));
  return { message, origin: frame ? locate(frame[1]!, Number(frame[2]), Number(frame[3])) : undefined };
}

function exportsOf(linked: ReadonlyMap<string, vm.Module>): Evaluated['exports'] {
  const wanted = (value: unknown) =>
    typeof value === 'number' ||
    typeof value === 'boolean' ||
    ['nets', 'set'].includes((value as NetSet | RuntimeSet | null)?.kind ?? '');
  return Object.fromEntries(
    [...linked].map(([path, module]) => [
      path,
      Object.fromEntries(
        Object.entries(module.status === 'evaluated' ? (module.namespace as Namespace) : {})
          .filter(([, value]) => wanted(value))
          .map(([name, value]) => [name, withoutFunctions(value)]),
      ),
    ]),
  );
}

/** A copy that can be sent: what is shared stays shared. */
function withoutFunctions<T>(value: T, seen = new Map<object, unknown>()): T {
  if (typeof value !== 'object' || value === null) return value;
  const known = seen.get(value);
  if (known !== undefined) return known as T;
  const copy: Record<string, unknown> | unknown[] = Array.isArray(value) ? [] : {};
  seen.set(value, copy);
  for (const [key, one] of Object.entries(value))
    if (typeof one !== 'function') (copy as Record<string, unknown>)[key] = withoutFunctions(one, seen);
  return copy as T;
}

/** Runs predicates as they stand on sample packets, next to what was made of their syntax. */
function compare(compiled: readonly { readonly index: number; readonly expr: PredicateExpr }[]): Reply {
  const made: readonly Predicate[] = everythingMade().predicates;
  const mismatches = compiled.flatMap(({ index, expr }) => {
    const found = findMismatch(expr, made[index]!.test as (packet: unknown) => unknown);
    return found ? [{ ...found, index }] : [];
  });
  return { kind: 'compared', mismatches };
}
