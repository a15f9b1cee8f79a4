/** Policy files in YAML as filters, with what they include. */
import type { Problem } from '../../../dsl/model.js';
import { show } from '../../../dsl/problems.js';
import type { Source } from '../netmap-rt/read.js';
import {
  attempt,
  type RawField,
  type RawFilter,
  type RawTarget,
  type RawTerm,
  refuse,
  wordsOf,
} from './raw.js';
import { type Entry, readYaml, type Tree } from './yaml.js';

/** Undefined: it is not there. */
export type Include = (path: string, from: string) => Source | undefined;

/** As Aerleon has it. */
const deepestInclude = 5;

interface Context {
  readonly include: Include;
  readonly problems: Problem[];
  readonly depth: number;
}

export function readPolicyYaml(source: Source, include: Include, problems: Problem[]): readonly RawFilter[] {
  return filtersOfFile(source, { include, problems, depth: 0 });
}

function filtersOfFile(source: Source, context: Context): readonly RawFilter[] {
  const key = context.depth === 0 ? 'filters' : 'filters_include_only';
  return itemsOfFile(source, key, context).flatMap((item) => {
    const included = includeOf(item, source.file, context);
    if (included) return filtersOfFile(included, { ...context, depth: context.depth + 1 });
    return isInclude(item)
      ? []
      : (attempt(context.problems, () => [filterOf(item, source.file, context)]) ?? []);
  });
}

/** The list that a file has under its one key. */
function itemsOfFile(source: Source, key: string, { problems }: Context): readonly Tree[] {
  const tree = readYaml(source, problems);
  if (tree === undefined) {
    if (problems.length === 0) problems.push(noList(source, key));
    return [];
  }
  const entry = tree.kind === 'table' ? tree.entries.find((one) => one.key.text === key) : undefined;
  if (entry?.value.kind === 'list')
    return entry.value.items.map((item, i) =>
      i === 0 ? { ...item, comments: [...tree.comments, ...item.comments] } : item,
    );
  problems.push(noList(source, key));
  return [];
}

function noList({ file }: Source, key: string): Problem {
  return {
    code: 'NM6001',
    origin: { file, line: 1, column: 1 },
    message: `this file has no list '${key}'`,
    expected: `${key}: and a list below it`,
    fix: 'name a file that has one; networks and services are named by --definitions.',
  };
}

function isInclude(item: Tree): boolean {
  const [entry] = item.kind === 'table' ? item.entries : [];
  return entry?.key.text === 'include' && entry.value.kind === 'text';
}

/** Undefined: the item is none, or what it names is refused. */
function includeOf(item: Tree, from: string, context: Context): Source | undefined {
  const [entry] = item.kind === 'table' ? item.entries : [];
  if (!isInclude(item) || entry?.value.kind !== 'text') return undefined;
  const { text, origin } = entry.value;
  return attempt(context.problems, () => {
    if (context.depth >= deepestInclude)
      refuse('NM6001', origin, `files include each other more than ${deepestInclude} deep`);
    return (
      context.include(text, from) ??
      refuse('NM6002', origin, `the included file ${show(text)} is not here`, {
        expected: 'a path from the directory of the policy, or from one above it',
        fix: 'correct the path, or put the file there.',
      })
    );
  });
}

function tableOf(tree: Tree, what: string): readonly Entry[] {
  if (tree.kind === 'table') return tree.entries;
  return refuse('NM6001', tree.origin, `${what} is a table of keys and values`);
}

function filterOf(item: Tree, file: string, context: Context): RawFilter {
  const entries = tableOf(item, 'a filter');
  const [header, terms] = ['header', 'terms'].map(
    (key) => entries.find((one) => one.key.text === key)?.value,
  );
  const other = entries.find((one) => !['header', 'terms'].includes(one.key.text));
  if (other) refuse('NM6002', other.key.origin, `a filter has no '${other.key.text}'`);
  if (!header || !terms) return refuse('NM6001', item.origin, "a filter has a 'header' and 'terms'");
  const fields = tableOf(header, 'a header');
  const targets = fields.find((one) => one.key.text === 'targets');
  if (!targets) return refuse('NM6001', header.origin, "a header has 'targets'");
  return {
    origin: item.origin,
    comments: [...item.comments, ...header.comments, ...commentLines(fields.map(fieldOf))],
    targets: tableOf(targets.value, "'targets'").map(targetOf),
    others: fields.filter(({ key }) => !['targets', 'comment'].includes(key.text)).map(fieldOf),
    terms: termsOf(terms, file, context),
  };
}

/** Lines of the fields `comment`. */
export function commentLines(fields: readonly RawField[]): readonly string[] {
  return fields
    .filter((one) => one.key.text === 'comment')
    .flatMap((one) => one.text.trim().split('\n'))
    .map((line) => line.trim());
}

function termsOf(list: Tree, file: string, context: Context): readonly RawTerm[] {
  if (list.kind !== 'list') return refuse('NM6001', list.origin, "'terms' is a list");
  return list.items.flatMap((item) => {
    const included = includeOf(item, file, context);
    if (included) return termsOfFile(included, { ...context, depth: context.depth + 1 });
    return isInclude(item) ? [] : (attempt(context.problems, () => [termOf(item)]) ?? []);
  });
}

function termsOfFile(source: Source, context: Context): readonly RawTerm[] {
  return itemsOfFile(source, 'terms', context).flatMap((item) => {
    const included = includeOf(item, source.file, context);
    if (included) return termsOfFile(included, { ...context, depth: context.depth + 1 });
    return isInclude(item) ? [] : (attempt(context.problems, () => [termOf(item)]) ?? []);
  });
}

function termOf(item: Tree): RawTerm {
  const entries = tableOf(item, 'a term');
  const name = entries.find((one) => one.key.text === 'name')?.value;
  if (name?.kind !== 'text' || name.text === '') return refuse('NM6001', item.origin, "a term has a 'name'");
  return {
    name: { text: name.text, origin: name.origin },
    fields: entries.filter((one) => one.key.text !== 'name').map(fieldOf),
    comments: [...item.comments, ...entries.flatMap((one) => commentsIn(one.value))],
  };
}

function commentsIn(tree: Tree): readonly string[] {
  return [...tree.comments, ...(tree.kind === 'list' ? tree.items.flatMap(commentsIn) : [])];
}

function targetOf({ key, value }: Entry): RawTarget {
  const { words, nested } = fieldOf({ key, value });
  if (nested) refuse('NM6001', value.origin, `the options of target '${key.text}' are words`);
  return { name: key, options: words };
}

function fieldOf({ key, value }: Entry): RawField {
  if (value.kind === 'text')
    return { key, words: wordsOf(value.text, value.origin, value.exact), text: value.text, nested: false };
  const items = value.kind === 'list' ? value.items : [];
  const words = items.flatMap((one) => (one.kind === 'text' ? wordsOf(one.text, one.origin, one.exact) : []));
  const nested = value.kind === 'table' || items.some((one) => one.kind !== 'text');
  return { key, words, text: words.map((one) => one.text).join(' '), nested };
}
