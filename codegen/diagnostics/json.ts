/** Diagnostics for machines. */
import type { Diagnostic } from './diagnostic.js';

/** One plain object each, as it goes into JSON; places are relative to the policy's directory. */
export function toJson(diagnostics: readonly Diagnostic[]): readonly Record<string, unknown>[] {
  return diagnostics.map(({ code, severity, message, origin, end, expected, got, related, fix }) => ({
    code,
    severity,
    message,
    file: origin.file,
    line: origin.line,
    column: origin.column,
    ...(end && { endLine: end.line, endColumn: end.column }),
    ...(expected !== undefined && { expected }),
    ...(got !== undefined && { got }),
    related: related.map((one) => ({
      file: one.origin.file,
      line: one.origin.line,
      column: one.origin.column,
      message: one.message,
    })),
    ...(fix !== undefined && { fix }),
  }));
}
