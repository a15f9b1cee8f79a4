/**
 * TypeScript as a tree of what a policy needs, and its text: what fits on a line stands on one, as the project's
 * formatter would have it. Comments hang on the elements of arrays and objects, and on statements.
 */

import { unreachable } from '../unreachable.js';

const widest = 110;

export type Code =
  /** Text as it is: a literal, a name, `key: value` of something short. */
  | string
  | {
      readonly kind: 'call';
      readonly name: string;
      readonly args: readonly Code[];
      /** Comments behind the arguments. */
      readonly notes?: readonly (string | undefined)[];
    }
  | { readonly kind: 'array' | 'object'; readonly items: readonly Item[] }
  /** `deny({ … }).log().why('…')`; `name`: what a property is called. */
  | { readonly kind: 'chain'; readonly head: Code; readonly calls: readonly string[] }
  | { readonly kind: 'property'; readonly key: string; readonly value: Code };

/** An element with what belongs to it. */
export interface Item {
  readonly code: Code;
  /** Comment lines above it, without `//`; an empty one is a blank line. */
  readonly above?: readonly string[];
  /** Comment after it, on its line. */
  readonly after?: string;
  /** Whose line is asked for later. */
  readonly mark?: object;
}

export interface Statement {
  readonly above?: readonly string[];
  /** Absent: comments alone. */
  readonly code?: Code;
  /** `const x = ` */
  readonly before?: string;
  /** ` as const`; the semicolon is added. */
  readonly behind?: string;
}

export const call = (name: string, ...args: readonly Code[]): Extract<Code, { kind: 'call' }> => ({
  kind: 'call',
  name,
  args,
});
export const array = (items: readonly Item[]): Code => ({ kind: 'array', items });
export const object = (items: readonly Item[]): Code => ({ kind: 'object', items });
export const property = (key: string, value: Code): Code => ({
  kind: 'property',
  key: propertyName(key),
  value,
});
export const list = (codes: readonly Code[]): readonly Item[] => codes.map((code) => ({ code }));

export function chain(head: Code, calls: readonly string[]): Code {
  return calls.length === 0 ? head : { kind: 'chain', head, calls };
}

/** A literal in single quotes, or in double ones where it has more of the others. */
export function quote(text: string): string {
  const escaped = text.replace(/[\\\p{Cc}\p{Co}\u2028\u2029]/gu, (found) =>
    found === '\\' ? '\\\\' : `\\u${found.codePointAt(0)!.toString(16).padStart(4, '0')}`,
  );
  const [singles, doubles] = [`'`, `"`].map((mark) => text.split(mark).length);
  return singles! > doubles! ? `"${escaped.replaceAll('"', '\\"')}"` : `'${escaped.replaceAll("'", "\\'")}'`;
}

/** One line, whatever was in it: text of others must not become code. */
export function commentText(text: string): string {
  return text
    .replace(/[\p{Cc}\p{Co}\u2028\u2029]/gu, ' ')
    .replaceAll('*/', '* /')
    .trimEnd();
}

function propertyName(key: string): string {
  return /^[A-Za-z_$][\w$]*$/.test(key) ? key : quote(key);
}

export interface Printed {
  readonly text: string;
  /** 1-based line of each mark. */
  readonly lines: ReadonlyMap<object, number>;
}

/** Marks stand in the text until their lines are known: private characters, which quote() and commentText() replace. */
interface Marks {
  readonly before: (item: Item) => string;
  /** Takes them out again. */
  readonly linesOf: (marked: string) => Printed;
}

function makeMarks(): Marks {
  const all: object[] = [];
  const numbers = new Map<object, number>();
  return {
    before: ({ mark }) => {
      if (!mark) return '';
      const number = numbers.get(mark) ?? all.push(mark) - 1;
      numbers.set(mark, number);
      return `\uE000${number}\uE000`;
    },
    linesOf: (marked) => {
      const lines = new Map<object, number>();
      const text = marked.split('\n').map((line, i) =>
        line.replace(sentinels, (_, index: string) => {
          lines.set(all[Number(index)]!, i + 1);
          return '';
        }),
      );
      return { text: text.join('\n'), lines };
    },
  };
}

const sentinels = /\uE000(\d+)\uE000/g;

function width(text: string): number {
  return text.replace(sentinels, '').length;
}

/** Statements with a blank line between two. */
export function printStatements(statements: readonly Statement[]): Printed {
  const marks = makeMarks();
  return marks.linesOf(`${statements.map((one) => printStatement(one, marks)).join('\n\n')}\n`);
}

function printStatement(statement: Statement, marks: Marks): string {
  const { above = [], code, before = '', behind = '' } = statement;
  const lines = above.map((text) => comment(text, ''));
  if (code !== undefined)
    lines.push(`${before}${print(code, before.length, behind.length + 1, '', marks)}${behind};`);
  return lines.join('\n');
}

/** Names of all functions that are called in it. */
export function calledNames(code: Code): readonly string[] {
  if (typeof code === 'string') return [];
  switch (code.kind) {
    case 'call':
      return [code.name, ...code.args.flatMap(calledNames)];
    case 'property':
      return calledNames(code.value);
    case 'chain':
      return calledNames(code.head);
    case 'array':
    case 'object':
      return code.items.flatMap((item) => calledNames(item.code));
    default:
      return unreachable(code);
  }
}

function comment(text: string, indent: string): string {
  return text === '' ? '' : `${indent}// ${commentText(text)}`.trimEnd();
}

/**
 * @param column where it begins
 * @param rest columns that follow on its last line
 */
function print(code: Code, column: number, rest: number, indent: string, marks: Marks): string {
  const flat = flatText(code, marks);
  if (flat !== undefined && column + width(flat) + rest <= widest) return flat;
  return broken(code, column, rest, indent, marks);
}

/** On one line; undefined where comments forbid it. */
function flatText(code: Code, marks: Marks): string | undefined {
  if (typeof code === 'string') return code;
  switch (code.kind) {
    case 'call':
      if (code.notes?.some((note) => note !== undefined)) return undefined;
      return flatAll(code.args, marks, (args) => `${code.name}(${args})`);
    case 'property':
      return flatAll([code.value], marks, (value) => `${code.key}: ${value}`);
    case 'chain':
      return flatAll([code.head], marks, (head) => `${head}${code.calls.map((one) => `.${one}`).join('')}`);
    case 'array':
    case 'object': {
      if (code.items.some((item) => item.above?.length || item.after !== undefined)) return undefined;
      const texts = code.items.map((item) => {
        const text = flatText(item.code, marks);
        return text && marks.before(item) + text;
      });
      if (texts.includes(undefined)) return undefined;
      if (texts.length === 0) return code.kind === 'array' ? '[]' : '{}';
      return code.kind === 'array' ? `[${texts.join(', ')}]` : `{ ${texts.join(', ')} }`;
    }
    default:
      return unreachable(code);
  }
}

function flatAll(codes: readonly Code[], marks: Marks, make: (inner: string) => string): string | undefined {
  const texts = codes.map((code) => flatText(code, marks));
  return texts.includes(undefined) ? undefined : make(texts.join(', '));
}

function broken(code: Code, column: number, rest: number, indent: string, marks: Marks): string {
  if (typeof code === 'string') return code;
  const deeper = `${indent}  `;
  switch (code.kind) {
    case 'property':
      return `${code.key}: ${print(code.value, column + code.key.length + 2, rest, indent, marks)}`;
    case 'chain':
      return brokenChain(code, column, rest, indent, marks);
    case 'call':
      return brokenCall(code, column, rest, indent, marks);
    case 'array':
    case 'object': {
      const lines = code.items.flatMap((item, i) => printItem(item, i === 0, deeper, marks));
      const [open, close] = code.kind === 'array' ? '[]' : '{}';
      return `${open}\n${lines.join('\n')}\n${indent}${close}`;
    }
    default:
      return unreachable(code);
  }
}

function printItem(item: Item, isFirst: boolean, indent: string, marks: Marks): readonly string[] {
  const { code, above = [], after } = item;
  const comments = isFirst && above[0] === '' ? above.slice(1) : above;
  const tail = after === undefined ? '' : ` // ${commentText(after)}`;
  const mark = marks.before(item);
  const text = code === '' ? [] : [`${mark}${indent}${print(code, indent.length, 1, indent, marks)},${tail}`];
  return [...comments.map((line) => comment(line, indent)), ...text];
}

/** A last argument in brackets or braces is opened where it stands. */
function brokenCall(
  { name, args, notes }: Extract<Code, { kind: 'call' }>,
  column: number,
  rest: number,
  indent: string,
  marks: Marks,
): string {
  const last = args.at(-1);
  const head = flatAll(args.slice(0, -1), marks, (inner) =>
    inner === '' ? `${name}(` : `${name}(${inner}, `,
  );
  const hugs =
    typeof last === 'object' &&
    (last.kind === 'array' || last.kind === 'object') &&
    !args.slice(0, -1).some((arg) => typeof arg === 'object' && arg.kind === last.kind);
  if (hugs && head !== undefined && column + width(head) < widest)
    return `${head}${broken(last, column + width(head), rest + 1, indent, marks)})`;
  const lines = args.flatMap((code, i) => {
    const after = notes?.[i];
    return printItem({ code, ...(after !== undefined && { after }) }, true, `${indent}  `, marks);
  });
  return `${name}(\n${lines.join('\n')}\n${indent})`;
}

/** One call stays on the line on which the first expression ends. */
function brokenChain(
  { head, calls }: Extract<Code, { kind: 'chain' }>,
  column: number,
  rest: number,
  indent: string,
  marks: Marks,
): string {
  const tail = calls.map((one) => `.${one}`).join('');
  if (calls.length <= 1) return `${broken(head, column, rest + tail.length, indent, marks)}${tail}`;
  const deeper = `${indent}  `;
  return [print(head, column, 0, indent, marks), ...calls.map((one) => `${deeper}.${one}`)].join('\n');
}
