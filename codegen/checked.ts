/** What the front of the pipeline hands to the back: a policy in which nothing is wrong. */
import type { Router } from '../dsl/model.js';
import type { Diagnostic } from './diagnostics/diagnostic.js';
import type { PredicateExpr } from './predicate/expr.js';
import type { Contents } from './sets/contents.js';

/** A file that the policy is made of. `path` is relative to the directory of the policy file, with '/'. */
export interface PolicyFile {
  readonly path: string;
  readonly text: string;
}

export interface CheckedPolicy {
  /** Origins are relative like PolicyFile.path, so that nothing built from here depends on the place of a checkout. */
  readonly router: Router;
  /** One for each predicate that a rule names, built-in ones included; names are unique. */
  readonly predicates: readonly PredicateExpr[];
  /** What the files of its sets hold; left out where they were not read. */
  readonly contents?: Contents;
  /** The policy file first, then what it imports (netmill itself excepted), by path. */
  readonly files: readonly PolicyFile[];
  /** SHA-256 over paths and contents of `files`, 64 hex digits. */
  readonly policyHash: string;
  readonly warnings: readonly Diagnostic[];
  /** Absolute directory that the relative paths start from: for messages, never for output. */
  readonly root: string;
}

export type FrontResult =
  | { readonly ok: true; readonly policy: CheckedPolicy }
  | {
      readonly ok: false;
      readonly diagnostics: readonly Diagnostic[];
      /** For excerpts in messages, and for `--watch`. */
      readonly files: readonly PolicyFile[];
      readonly root: string;
    };
