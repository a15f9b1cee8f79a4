/** Makes diagnostics of check short to write. */
import type { Origin } from '../../dsl/model.js';
import type { DiagnosticCode } from '../diagnostics/catalogue.js';
import type { Diagnostic } from '../diagnostics/diagnostic.js';

type More = Partial<Pick<Diagnostic, 'expected' | 'got' | 'related' | 'fix'>>;

export function error(code: DiagnosticCode, origin: Origin, message: string, more: More = {}): Diagnostic {
  return { code, severity: 'error', origin, message, related: [], ...more };
}

export function warning(code: DiagnosticCode, origin: Origin, message: string, more: More = {}): Diagnostic {
  return { ...error(code, origin, message, more), severity: 'warning' };
}

/** Worth knowing, and nothing wrong: shown where it is asked for. */
export function note(code: DiagnosticCode, origin: Origin, message: string, more: More = {}): Diagnostic {
  return { ...error(code, origin, message, more), severity: 'info' };
}

/** For each key that several have: the first of them, and each of the others. */
export function duplicates<T>(
  all: readonly T[],
  key: (one: T) => string,
): readonly (readonly [first: T, other: T])[] {
  const firsts = new Map<string, T>();
  return all.flatMap((one): (readonly [T, T])[] => {
    const first = firsts.get(key(one));
    if (first === undefined) firsts.set(key(one), one);
    return first === undefined ? [] : [[first, one]];
  });
}
