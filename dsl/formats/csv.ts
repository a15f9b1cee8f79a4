/** Comma-separated values as RFC 4180 has them, within lines: each cell with the column where it begins. */

export interface Cell {
  readonly text: string;
  /** 1-based. */
  readonly column: number;
}

export interface CsvLine {
  /** 1-based. */
  readonly line: number;
  /** Undefined: a quote is not closed, or something follows it. */
  readonly cells: readonly Cell[] | undefined;
}

/** Lines that are blank or begin with `#` are left out. Blanks around cells do not count. */
export function parseCsv(text: string): readonly CsvLine[] {
  return text
    .replace(/^\uFEFF/, '')
    .split(/\r?\n/)
    .flatMap((whole, i) => (/^\s*(#|$)/.test(whole) ? [] : [{ line: i + 1, cells: cellsOf(whole) }]));
}

function cellsOf(whole: string): readonly Cell[] | undefined {
  const cells: Cell[] = [];
  const cell = /\s*(?:"((?:[^"]|"")*)"\s*|([^",]*))(,|$)/y;
  for (;;) {
    const at = cell.lastIndex;
    const found = cell.exec(whole);
    if (found === null) return undefined;
    const [all, quoted, plain = '', end] = found;
    const blanks = all.length - all.trimStart().length;
    const text = quoted === undefined ? plain.trim() : quoted.replaceAll('""', '"').trim();
    cells.push({ text, column: at + 1 + (text === '' ? 0 : blanks) });
    if (end === '') return cells;
  }
}
