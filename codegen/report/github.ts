/** Findings as workflow commands of GitHub Actions, which become annotations at the lines of a pull request. */
import type { Finding, Place, Report } from './report.js';

const commands = { error: 'error', warning: 'warning', note: 'notice' } as const;

export function toGithub({ suites }: Report): string {
  return suites
    .flatMap((suite) => suite.findings.map((one) => line(one)))
    .map((one) => `${one}\n`)
    .join('');
}

function line({ kind, level, message, place, related }: Finding): string {
  const { file, line: at, column, endLine, endColumn } = place ?? ({} as Partial<Place>);
  const properties = Object.entries({ file, line: at, endLine, col: column, endColumn, title: kind })
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${name}=${property(String(value))}`);
  const others = related.map((one) => `${one.file}:${one.line}:${one.column} ${one.message}`);
  return `::${commands[level]} ${properties.join(',')}::${data([message, ...others].join('\n'))}`;
}

function data(text: string): string {
  return text.replaceAll('%', '%25').replaceAll('\r', '%0D').replaceAll('\n', '%0A');
}

function property(text: string): string {
  return data(text).replaceAll(':', '%3A').replaceAll(',', '%2C');
}
