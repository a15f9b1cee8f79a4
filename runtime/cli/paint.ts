/** Colours, where somebody sees them: on a terminal, unless NO_COLOR is set (https://no-color.org). */

export interface Painter {
  readonly good: (text: string) => string;
  readonly bad: (text: string) => string;
  readonly warn: (text: string) => string;
  readonly dim: (text: string) => string;
  readonly bold: (text: string) => string;
}

const same = (text: string): string => text;
const sgr = (code: number) => (text: string) => `\u001b[${code}m${text}\u001b[0m`;

const plain: Painter = { good: same, bad: same, warn: same, dim: same, bold: same };
const coloured: Painter = { good: sgr(32), bad: sgr(31), warn: sgr(33), dim: sgr(2), bold: sgr(1) };

export function painterFor(stream: NodeJS.WritableStream, env: NodeJS.ProcessEnv): Painter {
  return isTerminal(stream) && !env.NO_COLOR ? coloured : plain;
}

export function isTerminal(stream: NodeJS.WritableStream): boolean {
  return (stream as { isTTY?: boolean }).isTTY === true;
}
