/** What the files of a policy's sets hold when it is built. */
import { readFileSync, statSync } from 'node:fs';
import type { RuntimeSet } from '../../dsl/model.js';
import { inside } from '../../dsl/origin.js';
import { error } from '../check/report.js';
import type { PolicyFile } from '../checked.js';
import type { Diagnostic } from '../diagnostics/diagnostic.js';
import type { SetContents } from './contents.js';
import { SetReader } from './read.js';

export interface Initial {
  readonly contents: ReadonlyMap<string, SetContents>;
  readonly diagnostics: readonly Diagnostic[];
  /** Files in which something is wrong, with absolute paths: for excerpts. */
  readonly files: readonly PolicyFile[];
}

const mostBytes = 256 * 2 ** 20;

/**
 * @param sets with absolute files
 * @param mayRead whether the policy that says this in a file of its own may have that file read
 */
export function initialContents(
  sets: readonly RuntimeSet[],
  mayRead: (file: string, from: string) => boolean,
): Initial {
  const contents = new Map<string, SetContents>();
  const diagnostics: Diagnostic[] = [];
  const files: PolicyFile[] = [];
  for (const set of new Map(sets.map((one) => [one.name, one])).values()) {
    if (set.file === undefined) continue;
    const bytes = mayRead(set.file, set.origin.file) ? readFile(set.file) : undefined;
    if (bytes === undefined) {
      diagnostics.push(
        error('NM3032', inside(set.origin, 1, 'file'), `the file of set '${set.name}' cannot be read`, {
          expected: `a file of at most ${mostBytes / 2 ** 20} MiB in the policy's package, relative to this one`,
          got: `'${set.file}'`,
        }),
      );
      continue;
    }
    const reader = new SetReader(set.families);
    reader.read(bytes);
    contents.set(set.name, reader.contents());
    if (reader.mistakes.length === 0) continue;
    files.push({ path: set.file, text: bytes.toString() });
    for (const { line, column, message, ...more } of reader.mistakes)
      diagnostics.push(error('NM3033', { file: set.file, line, column }, message, more));
  }
  return { contents, diagnostics, files };
}

function readFile(path: string): Buffer | undefined {
  try {
    const { size } = statSync(path);
    return size <= mostBytes ? readFileSync(path) : undefined;
  } catch {
    return undefined;
  }
}
