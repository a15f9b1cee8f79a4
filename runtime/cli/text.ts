/** Tables and numbers for people. */

export interface Column {
  readonly title: string;
  readonly right?: boolean;
}

/** Control sequences have no width. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: that is what they begin with
const escapes = /\u001b\[[0-9;]*m/g;

function width(text: string): number {
  return text.replace(escapes, '').length;
}

/** Columns aligned, two spaces apart; the last left-aligned one is not padded. */
export function table(columns: readonly Column[], rows: readonly (readonly string[])[]): string {
  const all = [columns.map((column) => column.title), ...rows];
  const widths = columns.map((_, c) => Math.max(...all.map((row) => width(row[c] ?? ''))));
  const line = (row: readonly string[]): string =>
    columns
      .map((column, c) => {
        const cell = row[c] ?? '';
        const space = ' '.repeat(widths[c]! - width(cell));
        return column.right ? space + cell : cell + space;
      })
      .join('  ')
      .trimEnd();
  return `${all.map(line).join('\n')}\n`;
}

/** Names and values, one a line. */
export function facts(pairs: readonly (readonly [string, string])[]): string {
  const longest = Math.max(...pairs.map(([name]) => name.length));
  return `${pairs.map(([name, value]) => `${name.padEnd(longest)}  ${value}`.trimEnd()).join('\n')}\n`;
}

const grouping = new Intl.NumberFormat('en-US');

/** 1,234,567 */
export function count(value: number): string {
  return grouping.format(value);
}

/** 1 rule, 2 rules */
export function plural(value: number, one: string, several = `${one}s`): string {
  return `${count(value)} ${value === 1 ? one : several}`;
}

/** 1.23 M */
export function scaled(value: number, unit: string): string {
  const steps = ['', 'k', 'M', 'G', 'T', 'P'];
  let step = 0;
  let left = value;
  while (left >= 999.5 && step < steps.length - 1) {
    left /= 1000;
    step += 1;
  }
  const digits = step === 0 ? 0 : left < 9.995 ? 2 : left < 99.95 ? 1 : 0;
  return `${left.toFixed(digits)} ${`${steps[step]}${unit}`.trim()}`.trim();
}

/** 3 d 4 h, 5 min 6 s */
export function duration(seconds: number): string {
  const units: readonly (readonly [string, number])[] = [
    ['d', 86_400],
    ['h', 3_600],
    ['min', 60],
    ['s', 1],
  ];
  const first = units.findIndex(([, size]) => seconds >= size);
  if (first < 0) return '0 s';
  const [name, size] = units[first]!;
  const next = units[first + 1];
  const whole = `${Math.floor(seconds / size)} ${name}`;
  const rest = next === undefined ? 0 : Math.floor((seconds % size) / next[1]);
  return rest > 0 ? `${whole} ${rest} ${next![0]}` : whole;
}

/** 2026-11-21 05:04:03, in the zone of the reader. */
export function time(iso: string | undefined): string {
  if (iso === undefined) return '';
  const at = new Date(iso);
  const two = (value: number): string => String(value).padStart(2, '0');
  const date = `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
  return `${date} ${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
}
