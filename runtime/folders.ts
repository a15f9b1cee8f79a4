/** Directories that the daemon writes to. */
import { accessSync, constants, mkdirSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import { errnoOf, MillError, messageOf } from './errors.js';

/**
 * Makes `dir` and what is missing above it, one by one: in file systems that refuse without saying why (/proc),
 * Node's own recursive way does not end.
 *
 * @param name what the operator calls it, for the message
 * @throws MillError `system` or `permission` when it cannot be made or written to
 */
export function makeWritable(dir: string, name: string, fix: string): void {
  try {
    make(dir);
    accessSync(dir, constants.W_OK | constants.X_OK);
  } catch (error) {
    const code = ['EACCES', 'EPERM'].includes(errnoOf(error)) ? 'permission' : 'system';
    throw new MillError(code, `${name} ${dir}: expected a directory to write to: ${messageOf(error)}`, fix);
  }
}

function make(dir: string): void {
  const found = statSync(dir, { throwIfNoEntry: false });
  if (found?.isDirectory()) return;
  if (found !== undefined) throw new Error('it is not a directory');
  make(dirname(dir));
  try {
    mkdirSync(dir, { mode: 0o755 });
  } catch (error) {
    // Somebody else was first.
    if (errnoOf(error) !== 'EEXIST') throw error;
  }
}
