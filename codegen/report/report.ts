/** What a command has to tell of policies, in one form for every kind of output: SARIF, JUnit, GitHub annotations. */
import { relative, resolve } from 'node:path';
import { builtinOrigin } from '../../dsl/origin.js';
import type { Diagnostic } from '../diagnostics/diagnostic.js';

export type Level = 'error' | 'warning' | 'note';

/** `file` is relative to the directory that the command ran in, with '/'. */
export interface Place {
  readonly file: string;
  readonly line: number;
  readonly column: number;
  readonly endLine?: number;
  readonly endColumn?: number;
}

export interface Finding {
  /** `NM3001`, `plan/allowed`, `test/survivor`: the same for findings of one kind. */
  readonly kind: string;
  readonly level: Level;
  /** Without its place. May be several lines. */
  readonly message: string;
  readonly place?: Place;
  readonly related: readonly (Place & { readonly message: string })[];
}

/** Of one policy, or of one suite of tests. */
export interface Suite {
  readonly name: string;
  readonly findings: readonly Finding[];
}

export interface Report {
  readonly command: string;
  readonly suites: readonly Suite[];
  /** What each kind of finding means. */
  readonly kinds: Readonly<Record<string, string>>;
}

const levels = { error: 'error', warning: 'warning', info: 'note' } as const;

/** @param root directory that the diagnostic's files are relative to */
export function findingOf(one: Diagnostic, root: string, cwd = process.cwd()): Finding {
  const { code, severity, message, expected, got, fix, related, origin, end } = one;
  const wanted =
    expected === undefined ? [] : [`expected ${expected}${got === undefined ? '' : `, got ${got}`}`];
  const place = placeOf(origin, root, cwd);
  return {
    kind: code,
    level: levels[severity],
    message: [message, ...wanted, ...(fix === undefined ? [] : [`Fix: ${fix}`])].join('\n'),
    ...(place && { place: { ...place, ...(end && { endLine: end.line, endColumn: end.column }) } }),
    related: related.flatMap((other) => {
      const at = placeOf(other.origin, root, cwd);
      return at === undefined ? [] : [{ ...at, message: other.message }];
    }),
  };
}

/** Undefined: it is built in, and stands in no file. */
export function placeOf(
  origin: { readonly file: string; readonly line: number; readonly column: number },
  root: string,
  cwd = process.cwd(),
): Place | undefined {
  if (origin.file === builtinOrigin.file) return undefined;
  const file = relative(cwd, resolve(root, origin.file)).replaceAll('\\', '/');
  return { file, line: origin.line, column: origin.column };
}

/** Those that occur, sorted. */
export function kindsIn({ suites }: Report): readonly string[] {
  return [...new Set(suites.flatMap((suite) => suite.findings.map((one) => one.kind)))].sort();
}
