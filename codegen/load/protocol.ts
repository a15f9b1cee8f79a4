/** What evaluate.ts and the child in sandbox.ts say to each other. */
import type { NetSet, Origin, Problem, Router, RuntimeSet } from '../../dsl/model.js';
import type { PredicateExpr } from '../predicate/expr.js';
import type { Mismatch } from '../predicate/samples.js';

/** A module of the policy as it is run; `text`: a file that it reads, which is no module. */
export interface Module {
  readonly path: string;
  readonly kind: 'code' | 'json' | 'text';
  /** As read, for the policy's hash. */
  readonly text: string;
  /** As run. */
  readonly code: string;
  /** Source map from `code` to `text`; absent where they are the same. */
  readonly map?: string;
  /** Path of the module by specifier; 'netmill' for netmill itself. */
  readonly imports: Readonly<Record<string, string>>;
}

/** Name of the global that calls of builders are given their places by: see place-calls.ts. */
export const placeFunction = '$netmill';

export type Request =
  | { readonly kind: 'evaluate'; readonly entry: string; readonly modules: readonly Omit<Module, 'text'>[] }
  | {
      readonly kind: 'compare';
      readonly predicates: readonly { readonly index: number; readonly expr: PredicateExpr }[];
    };

export interface Evaluated {
  readonly kind: 'evaluated';
  /** The default export of the policy file, when it is a router. */
  readonly router: Router | undefined;
  readonly problems: readonly Problem[];
  readonly nets: readonly (NetSet | RuntimeSet)[];
  readonly predicates: readonly { readonly name: string; readonly origin: Origin }[];
  /** Exported networks, numbers and truth values by file and name: predicates may use them across packages. */
  readonly exports: Readonly<Record<string, Readonly<Record<string, unknown>>>>;
  /** What was thrown. */
  readonly failure: { readonly message: string; readonly origin: Origin | undefined } | undefined;
}

export type Reply =
  | Evaluated
  | { readonly kind: 'compared'; readonly mismatches: readonly (Mismatch & { readonly index: number })[] };
