/** YAML as a tree of texts with their places and comments. Values stay as they are written: `010` is no eight. */
import {
  type Document,
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  parseDocument,
  type YAMLMap,
} from 'yaml';
import type { Origin, Problem } from '../../../dsl/model.js';
import type { Source } from '../netmap-rt/read.js';
import { attempt, refuse, type Word } from './raw.js';

export interface Entry {
  readonly key: Word;
  readonly value: Tree;
}

export type Tree = { readonly origin: Origin; readonly comments: readonly string[] } & (
  | { readonly kind: 'text'; readonly text: string; readonly exact: boolean }
  | { readonly kind: 'list'; readonly items: readonly Tree[] }
  | { readonly kind: 'table'; readonly entries: readonly Entry[] }
);

/** Aliases of aliases grow without an end. */
const mostNodes = 1_000_000;
const deepest = 64;

interface Reader {
  readonly file: string;
  readonly lines: LineCounter;
  readonly document: Document;
  count: number;
}

/** Undefined: it is no YAML, as `problems` say, or empty. */
export function readYaml({ file, text }: Source, problems: Problem[]): Tree | undefined {
  const lines = new LineCounter();
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false });
  for (const { message, pos } of document.errors) {
    const { line, col } = lines.linePos(pos[0]);
    problems.push({
      code: 'NM6001',
      origin: { file, line, column: col },
      message: `this is no YAML: ${message.length > 120 ? `${message.slice(0, 120)} …` : message}`,
      fix: 'correct the file.',
    });
  }
  const { contents } = document;
  if (document.errors.length > 0 || contents === null) return undefined;
  const reader = { file, lines, document, count: 0 };
  const around = [...commentLines(document.commentBefore), ...commentLines(document.comment)];
  return attempt(problems, () => treeOf(contents as Node, reader, 0, around));
}

function treeOf(node: Node | null, reader: Reader, depth: number, above: readonly string[] = []): Tree {
  const origin = originOf(node, reader);
  if (++reader.count > mostNodes || depth > deepest)
    refuse('NM6001', origin, 'this is nested too deep, or repeated too often', { fix: 'write it shorter.' });
  if (isAlias(node)) {
    const found = node.resolve(reader.document) as Node | undefined;
    if (found === undefined) return refuse('NM6001', origin, `the anchor '${node.source}' is not there`);
    return treeOf(found, reader, depth + 1, above);
  }
  const comments = [...above, ...commentsOf(node)];
  if (isMap(node)) return { kind: 'table', origin, comments, entries: entriesOf(node, reader, depth) };
  if (isSeq(node))
    return {
      kind: 'list',
      origin,
      // What stands before the first item belongs to that.
      comments: [],
      items: node.items.map((item, i) =>
        treeOf(
          item as Node,
          reader,
          depth + 1,
          i === 0 ? [...above, ...commentLines(node.commentBefore)] : [],
        ),
      ),
    };
  if (!isScalar(node)) return { kind: 'text', origin, comments, text: '', exact: true };
  const plain = node.type === 'PLAIN';
  const text = plain ? (node.source ?? '') : String(node.value ?? '');
  const [from, to] = node.range ?? [0, 0];
  const quoted = node.type === 'QUOTE_DOUBLE' || node.type === 'QUOTE_SINGLE';
  const exact = to - from === text.length + (quoted ? 2 : 0);
  const column = origin.column + (quoted ? 1 : 0);
  return { kind: 'text', origin: { ...origin, column }, comments, text, exact };
}

/** `<<: *defaults` gives what is not said. */
function entriesOf(map: YAMLMap, reader: Reader, depth: number): readonly Entry[] {
  const own: Entry[] = [];
  const merged: Entry[] = [];
  for (const { key, value } of map.items) {
    const name = treeOf(key as Node, reader, depth + 1);
    const tree = treeOf(value as Node | null, reader, depth + 1, name.comments);
    if (name.kind !== 'text') return refuse('NM6001', name.origin, 'a key must be a word');
    if (name.text !== '<<') own.push({ key: { text: name.text, origin: name.origin }, value: tree });
    else
      for (const one of tree.kind === 'list' ? tree.items : [tree]) {
        if (one.kind !== 'table') return refuse('NM6001', one.origin, "'<<' merges tables alone");
        merged.push(...one.entries.filter(({ key }) => !merged.some((other) => other.key.text === key.text)));
      }
  }
  return [...own, ...merged.filter(({ key }) => !own.some((other) => other.key.text === key.text))];
}

function originOf(node: Node | null, { file, lines }: Reader): Origin {
  if (!node?.range) return { file, line: 1, column: 1 };
  const { line, col } = lines.linePos(node.range[0]);
  return { file, line, column: col };
}

function commentsOf(node: Node | null): readonly string[] {
  return [...commentLines(node?.commentBefore), ...commentLines(node?.comment)];
}

function commentLines(comment: string | null | undefined): readonly string[] {
  return (comment ?? '')
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '');
}
