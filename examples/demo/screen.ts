/**
 * What the demo shows: one line a step, set in columns, with colours on a terminal and plain text elsewhere. A
 * running step shows what it is doing on a line that is overwritten.
 */
import type { Writable } from 'node:stream';

const colours = { bold: 1, dim: 2, red: 31, green: 32, yellow: 33, blue: 34, cyan: 36 } as const;
export type Colour = keyof typeof colours;

export interface Screen {
  title(text: string, about: string): void;
  heading(text: string): void;
  /** Overwritten by whatever comes next; nothing where there is no terminal. */
  doing(text: string): void;
  fact(name: string, text: string): void;
  claim(ok: boolean, name: string, detail: string): void;
  block(lines: readonly string[]): void;
  paint(colour: Colour, text: string): string;
}

export function screen(out: Writable & { isTTY?: boolean; columns?: number }): Screen {
  const tty = out.isTTY === true && !process.env.NO_COLOR;
  const paint = (colour: Colour, text: string) => (tty ? `\x1b[${colours[colour]}m${text}\x1b[0m` : text);
  const clear = tty ? '\r\x1b[2K' : '';
  const line = (text: string) => out.write(`${clear}${text}\n`);
  const row = (mark: string, name: string, text: string) => line(`  ${mark} ${name.padEnd(22)} ${text}`);
  return {
    title: (text, about) => line(`\n${paint('bold', text)}  ${paint('dim', about)}`),
    heading: (text) => line(`\n${paint('cyan', text)}`),
    doing: (text) => {
      if (tty) out.write(`${clear}  ${paint('dim', `… ${text}`.slice(0, (out.columns ?? 80) - 4))}`);
    },
    fact: (name, text) => row(' ', paint('dim', name.padEnd(22)), text),
    claim: (ok, name, detail) =>
      row(ok ? paint('green', '✔') : paint('red', '✘'), name, ok ? detail : paint('red', detail)),
    block: (lines) => {
      for (const text of lines) line(`      ${paint('dim', text)}`);
    },
    paint,
  };
}

export function count(value: number | bigint): string {
  return value.toString().replace(/\B(?=(\d{3})+$)/g, ',');
}

export function milliseconds(ms: number): string {
  return ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`;
}
