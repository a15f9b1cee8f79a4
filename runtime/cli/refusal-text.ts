/** What cannot be imported, or exported, as the diagnostics of a policy look. */
import type { DiagnosticCode } from '../../codegen/diagnostics/catalogue.js';
import type { Diagnostic } from '../../codegen/diagnostics/diagnostic.js';
import { renderText } from '../../codegen/diagnostics/text.js';
import type { Problem } from '../../dsl/model.js';
import { isTerminal } from './paint.js';

export interface Refusal {
  readonly diagnostics: readonly Diagnostic[];
  readonly text: string;
}

/** @param sources texts by the names that the problems' places have, relative to the working directory */
export function refusalText(
  problems: readonly Problem[],
  sources: readonly { readonly file: string; readonly text: string }[],
  stream: NodeJS.WritableStream,
): Refusal {
  const diagnostics = problems.map(
    ({ code, ...problem }): Diagnostic => ({
      ...problem,
      code: code as DiagnosticCode,
      severity: 'error',
      related: [],
    }),
  );
  const text = renderText(diagnostics, {
    root: process.cwd(),
    files: sources.map(({ file, text }) => ({ path: file, text })),
    colour: isTerminal(stream) && !process.env.NO_COLOR,
  });
  return { diagnostics, text };
}
