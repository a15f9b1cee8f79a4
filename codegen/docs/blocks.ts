/** What a page is made of; what is HTML or Markdown is decided by who renders it. */
import type { Picture } from './picture.js';

/** A piece of text, perhaps code, perhaps a link to a section or a row of the page; `word` joins what is important. */
export type Span =
  | string
  | { readonly code: string; readonly to?: string }
  | { readonly strong: string }
  | { readonly word: string }
  | { readonly link: string; readonly to: string };

export type Cell = readonly Span[];

export type Block =
  | { readonly kind: 'text'; readonly spans: Cell }
  | { readonly kind: 'code'; readonly text: string }
  | { readonly kind: 'picture'; readonly picture: Picture }
  /** How many there are of what. */
  | {
      readonly kind: 'facts';
      readonly facts: readonly { readonly count: number; readonly word: string; readonly to: string }[];
    }
  | {
      readonly kind: 'table';
      readonly columns: readonly string[];
      readonly rows: readonly Row[];
    };

export interface Row {
  /** Unique in the page, if something leads to it. */
  readonly id?: string;
  readonly tone?: string;
  readonly cells: readonly Cell[];
}

export interface Section {
  /** Unique in the page; letters, digits, dashes, underscores and dots. */
  readonly id: string;
  readonly title: string;
  readonly level: 2 | 3;
  readonly blocks: readonly Block[];
}

export interface Page {
  readonly title: string;
  readonly about: Cell;
  readonly sections: readonly Section[];
}

export function section(
  id: string,
  title: string,
  level: Section['level'],
  blocks: readonly Block[],
): Section {
  return { id, title, level, blocks };
}

export function table(columns: readonly string[], rows: readonly (readonly Cell[])[]): Block {
  return { kind: 'table', columns, rows: rows.map((cells) => ({ cells })) };
}

export function joined(spans: readonly Span[]): Cell {
  return spans.flatMap((one, i) => (i === 0 ? [one] : [', ', one]));
}
