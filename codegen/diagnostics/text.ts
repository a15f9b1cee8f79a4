/** Diagnostics for people: place, code, what is wrong, the line with the marked stretch, what to do. */
import { relative, resolve } from 'node:path';
import type { Origin } from '../../dsl/model.js';
import { builtinOrigin } from '../../dsl/origin.js';
import type { PolicyFile } from '../checked.js';
import type { Diagnostic } from './diagnostic.js';

export interface TextOptions {
  /** Directory that the diagnostics' files are relative to. */
  readonly root: string;
  readonly files: readonly PolicyFile[];
  readonly colour: boolean;
  /** Places are shown relative to it. */
  readonly cwd?: string;
}

type Paint = (text: string, style: 'red' | 'yellow' | 'cyan' | 'grey' | 'bold') => string;

const sgr = { red: '31;1', yellow: '33;1', cyan: '36', grey: '90', bold: '1' } as const;
const colourOf = { error: 'red', warning: 'yellow', info: 'cyan' } as const;
const coloured: Paint = (text, style) => `\u001b[${sgr[style]}m${text}\u001b[0m`;
const plain: Paint = (text) => text;

/** All of them, a blank line between two, and a last line that counts them. */
export function renderText(diagnostics: readonly Diagnostic[], options: TextOptions): string {
  const paint = options.colour ? coloured : plain;
  const each = diagnostics.map((one) => renderOne(one, options, paint));
  return [...each, summary(diagnostics, paint)].join('\n\n');
}

function renderOne(one: Diagnostic, options: TextOptions, paint: Paint): string {
  const kind = paint(one.severity, colourOf[one.severity]);
  const lines = [
    `${paint(place(one.origin, options), 'cyan')} - ${kind} ${paint(one.code, 'grey')}: ${one.message}`,
  ];
  lines.push(...excerpt(one, options, paint));
  if (one.expected !== undefined)
    lines.push(`  expected ${one.expected}${one.got === undefined ? '' : `, got ${one.got}`}`);
  for (const { origin, message } of one.related)
    lines.push(`   ${paint(place(origin, options), 'cyan')}  ${message}`);
  if (one.fix !== undefined) lines.push(`  ${paint('Fix:', 'bold')} ${one.fix}`);
  return lines.join('\n');
}

function place(origin: Origin, { root, cwd = process.cwd() }: TextOptions): string {
  if (origin.file === builtinOrigin.file) return 'built in';
  return `${relative(cwd, resolve(root, origin.file)) || origin.file}:${origin.line}:${origin.column}`;
}

function excerpt(one: Diagnostic, options: TextOptions, paint: Paint): readonly string[] {
  const line = options.files.find((file) => file.path === one.origin.file)?.text.split(/\r?\n/)[
    one.origin.line - 1
  ];
  if (line === undefined || line.trim() === '') return [];
  const end =
    one.end?.line === one.origin.line ? one.end.column : one.end ? line.length + 1 : one.origin.column + 1;
  const width = Math.max(1, Math.min(end, line.length + 1) - one.origin.column);
  const number = String(one.origin.line);
  const before = line.slice(0, one.origin.column - 1).replace(/[^\t]/g, ' ');
  const mark = paint('~'.repeat(width), colourOf[one.severity]);
  return [`${paint(number, 'grey')} ${line}`, `${' '.repeat(number.length)} ${before}${mark}`];
}

function summary(diagnostics: readonly Diagnostic[], paint: Paint): string {
  const count = (severity: Diagnostic['severity']) =>
    diagnostics.filter((one) => one.severity === severity).length;
  const say = (n: number, word: string) => (n === 0 ? [] : [`${n} ${word}${n === 1 ? '' : 's'}`]);
  return paint(
    [
      ...say(count('error'), 'error'),
      ...say(count('warning'), 'warning'),
      ...say(count('info'), 'note'),
    ].join(', '),
    'bold',
  );
}
