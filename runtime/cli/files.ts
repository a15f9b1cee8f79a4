import { statSync } from 'node:fs';
import { MillError } from '../errors.js';

/** @throws MillError `not-found` when there is no such file */
export function requireFile(path: string): string {
  if (statSync(path, { throwIfNoEntry: false })?.isFile()) return path;
  throw new MillError('not-found', `${path} is no file`);
}
