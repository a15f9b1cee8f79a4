/** Marked stretches of source text. */
import type { Origin } from '../../dsl/model.js';
import { ts } from './compiler.js';

export interface Place {
  readonly origin: Origin;
  readonly end: { readonly line: number; readonly column: number };
}

export function placeOf(node: ts.Node, file: ts.SourceFile = node.getSourceFile()): Place {
  return placeBetween(file, node.getStart(file), node.getEnd());
}

export function placeBetween(file: ts.SourceFile, start: number, stop: number): Place {
  const from = file.getLineAndCharacterOfPosition(start);
  const to = file.getLineAndCharacterOfPosition(stop);
  return {
    origin: { file: file.fileName, line: from.line + 1, column: from.character + 1 },
    end: { line: to.line + 1, column: to.character + 1 },
  };
}

/** The innermost node that begins at or surrounds a place. */
export function nodeAt(file: ts.SourceFile, line: number, column: number): ts.Node | undefined {
  const lines = file.getLineStarts();
  if (line < 1 || line > lines.length) return undefined;
  const position = lines[line - 1]! + column - 1;
  let found: ts.Node = file;
  const descend = (node: ts.Node): void => {
    const child = ts.forEachChild(node, (one) =>
      one.pos <= position && position < one.end && one.getStart(file) <= position ? one : undefined,
    );
    if (child === undefined) return;
    found = child;
    descend(child);
  };
  descend(file);
  return found;
}

/** Calls of a file by the start of what is called: policies have thousands. */
const callsOf = new WeakMap<ts.SourceFile, ReadonlyMap<number, ts.CallExpression>>();

function indexCalls(file: ts.SourceFile): ReadonlyMap<number, ts.CallExpression> {
  const calls = new Map<number, ts.CallExpression>();
  const visit = (node: ts.Node): void => {
    if (ts.isCallExpression(node)) {
      const callee = node.expression;
      const name = ts.isPropertyAccessExpression(callee) ? callee.name : callee;
      calls.set(name.getStart(file), node);
    }
    ts.forEachChild(node, visit);
  };
  visit(file);
  return calls;
}

/** The call that a stack frame at this place stands for: V8 gives the start of the called name. */
export function callAt(file: ts.SourceFile, line: number, column: number): ts.CallExpression | undefined {
  const lines = file.getLineStarts();
  if (line < 1 || line > lines.length) return undefined;
  const calls = callsOf.get(file) ?? indexCalls(file);
  callsOf.set(file, calls);
  return calls.get(lines[line - 1]! + column - 1);
}
