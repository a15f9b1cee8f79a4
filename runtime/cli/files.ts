import { type Stats, statSync } from 'node:fs';
import { errnoOf, MillError } from '../errors.js';

/**
 * @param fix what to do where there is no such file
 * @throws MillError `not-found`
 */
export function requireFile(path: string, fix = 'name a file that is there'): string {
  const there = found(path);
  if (there?.isFile()) return path;
  const what = there === undefined ? 'does not exist' : 'is no file';
  throw new MillError('not-found', `${path} ${what}`, fix);
}

/** What no file system can have: something below a file, or by too long a name. */
const impossible: ReadonlySet<string> = new Set(['ENOTDIR', 'ENAMETOOLONG']);

/** What is there; undefined: nothing is. */
export function found(path: string): Stats | undefined {
  try {
    return statSync(path, { throwIfNoEntry: false });
  } catch (error) {
    if (impossible.has(errnoOf(error))) return undefined;
    throw error;
  }
}

/** What `requireFile` says of a policy. */
export const aPolicy = 'name a policy file (.ts)';
