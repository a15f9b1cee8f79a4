/**
 * Capirca's own notation of policies: `header { … }` begins a filter, `term NAME { … }` follow, each of `key:: value` fields;
 * `#include 'file'` stands for what that file has. Source: Capirca's README, "Policy File", and its lib/policy.py.
 */
import type { Origin, Problem } from '../../../dsl/model.js';
import { show } from '../../../dsl/problems.js';
import type { Source } from '../netmap-rt/read.js';
import { commentLines, type Include } from './policy-yaml.js';
import { attempt, type RawField, type RawFilter, type RawTerm, refuse, type Word, wordsOf } from './raw.js';

type Token = Word & { readonly kind: 'word' | 'key' | 'string' | 'open' | 'close' | 'comment' | 'include' };

const deepestInclude = 5;

export function readPolicyText(source: Source, include: Include, problems: Problem[]): readonly RawFilter[] {
  const filters: { -readonly [K in keyof RawFilter]: RawFilter[K] }[] = [];
  for (const block of attempt(problems, () => blocksOf(source, include, 0)) ?? []) {
    const filter = filters.at(-1);
    if (block.kind === 'header')
      filters.push({
        origin: block.origin,
        comments: [...block.comments, ...commentLines(block.fields)],
        targets: block.fields
          .filter((one) => one.key.text === 'target')
          .flatMap(({ words: [name, ...options] }) => (name ? [{ name, options }] : [])),
        others: block.fields.filter(({ key }) => !['target', 'comment'].includes(key.text)),
        terms: [],
      });
    else if (filter) filter.terms = [...filter.terms, block.term];
    else
      attempt(problems, () =>
        refuse('NM6001', block.term.name.origin, 'a term stands before the first header'),
      );
  }
  if (filters.length === 0 && problems.length === 0)
    problems.push({
      code: 'NM6001',
      origin: { file: source.file, line: 1, column: 1 },
      message: 'this file has no filter',
      expected: "'header { … }', and terms behind it",
    });
  return filters;
}

type Block =
  | {
      readonly kind: 'header';
      readonly origin: Origin;
      readonly fields: readonly RawField[];
      readonly comments: readonly string[];
    }
  | { readonly kind: 'term'; readonly term: RawTerm };

function blocksOf(source: Source, include: Include, depth: number): readonly Block[] {
  const tokens = tokensOf(source);
  const blocks: Block[] = [];
  let above: string[] = [];
  for (let i = 0; i < tokens.length; ) {
    const token = tokens[i++]!;
    const { text, origin } = token;
    if (token.kind === 'comment') above.push(text);
    else if (token.kind === 'include') {
      if (depth >= deepestInclude)
        refuse('NM6001', origin, `files include each other more than ${deepestInclude} deep`);
      const found =
        include(text, source.file) ??
        refuse('NM6002', origin, `the included file ${show(text)} is not here`, {
          expected: 'a path from the directory of the policy, or from one above it',
        });
      blocks.push(...blocksOf(found, include, depth + 1));
    } else if (token.kind === 'word' && (text === 'header' || text === 'term')) {
      const name = text === 'term' ? tokens[i++] : token;
      const open = tokens[i++];
      if (name?.kind !== 'word' || open?.kind !== 'open')
        return refuse(
          'NM6001',
          origin,
          `'${text}' is not followed by ${text === 'term' ? 'a name and ' : ''}'{'`,
        );
      const end = tokens.findIndex((one, at) => at >= i && one.kind === 'close');
      if (end < 0) return refuse('NM6001', origin, `'${text}' has no '}'`);
      const { fields, comments } = fieldsOf(tokens.slice(i, end));
      const all = [...above, ...comments];
      blocks.push(
        text === 'term'
          ? { kind: 'term', term: { name, fields, comments: all } }
          : { kind: 'header', origin, fields, comments: all },
      );
      above = [];
      i = end + 1;
    } else refuse('NM6001', origin, `${show(text)} is neither a header nor a term`);
  }
  return blocks;
}

function fieldsOf(tokens: readonly Token[]): {
  readonly fields: readonly RawField[];
  readonly comments: readonly string[];
} {
  const fields: { key: Word; words: Word[]; text: string; nested: boolean }[] = [];
  const comments: string[] = [];
  for (const token of tokens) {
    const field = fields.at(-1);
    if (token.kind === 'comment') comments.push(token.text);
    else if (token.kind === 'key') fields.push({ key: token, words: [], text: '', nested: false });
    else if (!field || token.kind === 'open' || token.kind === 'include')
      refuse('NM6001', token.origin, `${show(token.text)} stands where a key is expected`, {
        expected: "such as 'action:: accept'",
      });
    else {
      if (token.kind === 'word') checkWord(token, field.key.text);
      field.words.push(...(token.kind === 'string' ? wordsOf(token.text, token.origin) : [token]));
      field.text = field.text === '' ? token.text : `${field.text} ${token.text}`;
    }
  }
  return { fields, comments };
}

/** Only addresses have colons, and only strings are comments: what is written as no key is would be lost in them, with its value. */
function checkWord({ text, origin }: Token, key: string): void {
  if (key !== 'comment' && (!text.includes(':') || /^[\da-fA-F]*:[\da-fA-F:.]*(\/\d+)?$/.test(text))) return;
  refuse('NM6001', origin, `${show(text)} is no value of '${key}'`, {
    expected: key === 'comment' ? 'a text between quotes' : 'words, and keys as they are known',
    got: show(text),
    fix: "keys have small letters and '::' behind them: 'source-address:: NAME'.",
  });
}

/** Keys have letters beyond `f`: an address is none. What is included stands alone on its line, with or without quotes. */
const pattern =
  /(?<space>\s+)|(?<include>(?<=^[ \t]*)#include[ \t]+\S+[^\n]*)|#(?<comment>[^\n]*)|"(?<string>[^"]*)"|(?<open>\{)|(?<close>\})|(?<key>(?=[a-z-]*[g-z])[a-z]+(?:-[a-z]+)*)\s*::|(?<word>[^\s{}"#]+)/my;

function tokensOf({ file, text }: Source): readonly Token[] {
  const tokens: Token[] = [];
  let [line, start] = [1, 0];
  for (let at = 0; at < text.length; ) {
    pattern.lastIndex = at;
    const found = pattern.exec(text);
    const origin = { file, line, column: at - start + 1 };
    if (!found?.groups) return refuse('NM6001', origin, 'a string has no end');
    const { include, ...groups } = found.groups;
    const add = (kind: Token['kind'], value: string, shift = 0) =>
      tokens.push({ kind, text: value, origin: { ...origin, column: origin.column + shift } });
    if (include !== undefined) {
      const [, before = '', path = ''] = /^(#include[ \t]+['"]*)([^\s'"]*)/.exec(include) ?? [];
      add('include', path, before.length);
    }
    for (const kind of ['comment', 'string', 'open', 'close', 'key', 'word'] as const)
      if (groups[kind] !== undefined)
        add(kind, kind === 'comment' ? groups[kind].trim() : groups[kind], kind === 'string' ? 1 : 0);
    const lines = found[0].split('\n');
    if (lines.length > 1) {
      line += lines.length - 1;
      start = at + found[0].lastIndexOf('\n') + 1;
    }
    at = pattern.lastIndex;
  }
  return tokens;
}
