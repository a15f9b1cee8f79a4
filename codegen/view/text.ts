/** Text that goes into C: escaped here and nowhere else, and kept within the width that the engine's C has. */

export const width = 110;
export const tab = 8;

/** Operators' words inside a comment: they can never end it, start another, or be anything but printable ASCII. */
export function comment(text: string): string {
  return text
    .replaceAll('…', '...')
    .replace(/[\t\r\n]+/g, ' ')
    .replace(/[^\x20-\x7e]/g, '?')
    .replace(/\?(?=\?)/g, '? ')
    .replaceAll('*/', '* /')
    .replaceAll('/*', '/ *')
    .replace(/\\$/, '\\ ');
}

/** The lines of a text, each as one line of a comment. */
export function commentLines(text: string): readonly string[] {
  return text.split('\n').map((line) => comment(line).replace(/\s+$/, ''));
}

/** As few lines as possible of up to `limit` characters, each filled from the left; `room` more stay free behind the last. */
export function wrap(pieces: readonly string[], limit: number, room: number): readonly string[] {
  const lines: string[] = [];
  let line = '';
  for (const [i, piece] of pieces.entries()) {
    const free = limit - (i === pieces.length - 1 ? room : 0);
    if (line !== '' && line.length + 1 + piece.length > free) {
      lines.push(line);
      line = piece;
    } else line = line === '' ? piece : `${line} ${piece}`;
  }
  return [...lines, line];
}

const between = (parts: readonly string[], sign: string) =>
  parts.map((part, i) => (i === parts.length - 1 ? part : part + sign));

/** Broken after operators as clang-format does it. */
export function fill(parts: readonly string[], operator: string, column: number, room: number): string {
  const lines = wrap(between(parts, ` ${operator}`), width - column, room);
  return lines.join(`\n\t${' '.repeat(column - tab)}`);
}

/** Parameters of a function, on the line that begins with `before` or aligned below. */
export function parameters(before: string, names: readonly string[]): string {
  return wrap(between(names, ','), width - before.length, 1).join(`\n${' '.repeat(before.length)}`);
}

export function hex32(value: bigint | number): string {
  return `0x${value.toString(16).padStart(8, '0')}`;
}

export function hex64(value: bigint): string {
  return `0x${value.toString(16).padStart(16, '0')}`;
}
