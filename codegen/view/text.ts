/** Text that goes into C: escaped here and nowhere else, and kept within the width that the engine's C has. */

export const width = 110;
export const tab = 8;

/** Operators' words inside a comment: they can never end it, start another, or be anything but printable ASCII. */
export function comment(text: string): string {
  return text
    .replaceAll('…', '...')
    .replace(/[\t\r\n]+/g, ' ')
    .replace(/[^\x20-\x7e]/g, '?')
    .replaceAll('??', '? ?')
    .replaceAll('*/', '* /')
    .replaceAll('/*', '/ *')
    .replace(/\\$/, '\\ ');
}

/** The lines of a text, each as one line of a comment. */
export function commentLines(text: string): readonly string[] {
  return text.split('\n').map((line) => comment(line).replace(/\s+$/, ''));
}

/** Broken after operators as clang-format does it: as few lines as possible, each filled from the left. */
export function fill(parts: readonly string[], operator: string, column: number, room: number): string {
  const lines: string[] = [];
  let line = '';
  for (const [i, part] of parts.entries()) {
    const last = i === parts.length - 1;
    const piece = last ? part : `${part} ${operator}`;
    const limit = width - column - (last ? room : 0);
    if (line !== '' && line.length + 1 + piece.length > limit) {
      lines.push(line);
      line = piece;
    } else line = line === '' ? piece : `${line} ${piece}`;
  }
  return [...lines, line].join(`\n\t${' '.repeat(column - tab)}`);
}

export function hex32(value: bigint | number): string {
  return `0x${value.toString(16).padStart(8, '0')}`;
}

export function hex64(value: bigint): string {
  return `0x${value.toString(16).padStart(16, '0')}`;
}
