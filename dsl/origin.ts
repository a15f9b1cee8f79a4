/**
 * Where in the operator's files a builder was called: the innermost frame of the stack that is not ours. Source
 * maps are followed, so an operator's test runner that compiles on the fly gives the same places as a build.
 */
import { findSourceMap } from 'node:module';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Origin } from './model.js';

export type OriginMapper = (file: string, line: number, column: number) => Origin;

const ownDirectory = `${dirname(fileURLToPath(import.meta.url))}/`;
const framesDeep = 64;

let mapper: OriginMapper = followSourceMap;

/** The loader evaluates modules that Node does not know and brings their source maps itself. */
export function setOriginMapper(next: OriginMapper): void {
  mapper = next;
}

/** Place of what netmill adds by itself. */
export const builtinOrigin: Origin = Object.freeze({ file: 'builtin', line: 1, column: 1 });

/** Set while a builder is called whose place the loader knows. */
let known: Origin | undefined;

/** Calls a builder that is called at `origin`. */
export function calledAt<T>(origin: Origin, call: () => T): T {
  known = origin;
  try {
    return call();
  } finally {
    known = undefined;
  }
}

/** The call in an operator's file that led here. */
export function here(isOurs = (file: string) => file.startsWith(ownDirectory)): Origin {
  if (known !== undefined) return known;
  const { prepareStackTrace, stackTraceLimit } = Error;
  let frames: NodeJS.CallSite[] = [];
  try {
    Error.stackTraceLimit = framesDeep;
    Error.prepareStackTrace = (_, sites) => sites;
    const found: unknown = new Error().stack;
    frames = Array.isArray(found) ? found : [];
  } finally {
    Error.prepareStackTrace = prepareStackTrace;
    Error.stackTraceLimit = stackTraceLimit;
  }
  for (const frame of frames) {
    const file = pathOf(frame.getFileName());
    if (file !== undefined && !isOurs(file))
      return Object.freeze(mapper(file, frame.getLineNumber() ?? 1, frame.getColumnNumber() ?? 1));
  }
  return builtinOrigin;
}

/** A place inside the arguments of the call at `origin`. */
export function inside(origin: Origin, ...path: readonly (string | number)[]): Origin {
  return { ...origin, path: [...(origin.path ?? []), ...path] };
}

function pathOf(name: string | null | undefined): string | undefined {
  if (name === null || name === undefined || name === '' || name.startsWith('node:')) return undefined;
  return name.startsWith('file:') ? fileURLToPath(name) : name;
}

function followSourceMap(file: string, line: number, column: number): Origin {
  const entry = findSourceMap(file)?.findEntry(line - 1, column - 1);
  if (entry === undefined || !('originalSource' in entry) || !entry.originalSource)
    return { file, line, column };
  const source = pathOf(entry.originalSource) ?? file;
  return { file: source, line: entry.originalLine + 1, column: entry.originalColumn + 1 };
}
