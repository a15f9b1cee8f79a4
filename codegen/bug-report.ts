/** A C compiler that refuses our C, told so that it can be reported: the C line, and the policy line it came from. */
import { existsSync } from 'node:fs';
import type { Origin } from '../dsl/model.js';
import { type CompilerResult, compilerName, lookupsObject } from './compiler.js';
import type { Diagnostic } from './diagnostics/diagnostic.js';
import type { Ir } from './ir.js';

const linesUp = 60;

/** Empty when the compiler was content. */
export function bugReport(result: CompilerResult, source: string, ir: Ir): readonly Diagnostic[] {
  switch (result.kind) {
    case 'done':
      return [];
    case 'missing':
      return [
        report('NM5007', ir.router.origin, `the C compiler '${result.compiler}' was not found`, {
          fix: 'install gcc, or name a compiler in the environment variable CC.',
        }),
      ];
    case 'timeout':
      return [
        report('NM5007', ir.router.origin, `the C compiler '${result.compiler}' did not finish in time`, {
          fix: 'build on a faster machine and deploy the bundle, or make the lists of this policy shorter.',
        }),
      ];
    default:
      return refused(result.errors, source, ir);
  }
}

function refused(errors: string, source: string, ir: Ir): readonly Diagnostic[] {
  if (!existsSync(lookupsObject))
    return [
      report('NM5007', ir.router.origin, `what a forwarder is linked with is not there: ${lookupsObject}`, {
        fix: 'build the engine: npm run build.',
      }),
    ];
  const lines = source.split('\n');
  const found = [...errors.matchAll(/forwarder\.c:(\d+):\d+: (?:fatal )?error: (.*)/g)];
  if (found.length === 0)
    return [
      report('NM5005', ir.router.origin, `${compilerName()} refused the generated C: ${firstLine(errors)}`, {
        fix,
      }),
    ];
  return found.slice(0, 10).map(([, number, what]) => {
    const line = Number(number);
    return report('NM5005', cited(lines, line, ir) ?? ir.router.origin, `the generated C is wrong: ${what}`, {
      got: `forwarder.c:${line}: ${(lines[line - 1] ?? '').trim()}`,
      fix,
    });
  });
}

const fix = 'report this as a bug of netmill, with the policy.';

function firstLine(text: string): string {
  return text.split('\n').find((line) => /error|cannot|No such/.test(line)) ?? text.split('\n')[0] ?? '';
}

/** The nearest place that a comment above a line cites. */
function cited(lines: readonly string[], line: number, ir: Ir): Origin | undefined {
  const files = new Set([ir.policy, ...ir.rules.map((rule) => rule.origin.file)]);
  for (let at = line - 1; at >= 0 && at > line - linesUp; at--) {
    for (const file of files) {
      const text = lines[at] ?? '';
      const from = text.indexOf(`${file}:`);
      const number = from < 0 ? undefined : /^\d+/.exec(text.slice(from + file.length + 1))?.[0];
      if (number !== undefined) return { file, line: Number(number), column: 1 };
    }
  }
  return undefined;
}

function report(
  code: Diagnostic['code'],
  origin: Origin,
  message: string,
  more: Pick<Diagnostic, 'got' | 'fix'>,
): Diagnostic {
  return { code, severity: 'error', origin, message, related: [], ...more };
}
