import { statSync } from 'node:fs';
import { MillError } from '../errors.js';

/**
 * @param fix what to do where there is no such file
 * @throws MillError `not-found`
 */
export function requireFile(path: string, fix = 'name a file that is there'): string {
  const found = statSync(path, { throwIfNoEntry: false });
  if (found?.isFile()) return path;
  const what = found === undefined ? 'does not exist' : 'is no file';
  throw new MillError('not-found', `${path} ${what}`, fix);
}

/** What `requireFile` says of a policy. */
export const aPolicy = 'name a policy file (.ts)';
