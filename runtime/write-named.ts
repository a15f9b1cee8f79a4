/** Files that an operator named, or that come of what he asked for: what cannot be written is told with its name. */
import { writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { errnoOf, errorData, MillError } from './errors.js';

/**
 * @param fix what to do when it cannot be written
 * @param flag `wx`: it must not be there yet
 * @throws MillError `system` or `permission`
 */
export function writeNamed(path: string, content: string, fix: string, flag: 'w' | 'wx' = 'w'): void {
  try {
    writeFileSync(path, content, { flag });
  } catch (error) {
    throw notWritten(path, error, fix);
  }
}

/** What a build throws when the operating system does not let it write; anything else as it is. Of a full disk the system names no file. */
export function notBuilt(error: unknown, outDir: string): unknown {
  if (error instanceof MillError || errnoOf(error) === '') return error;
  const places = [...new Set([outDir, tmpdir()])].join(' and ');
  return notWritten('the forwarder', error, `see that ${places} can be written to, and have room`);
}

function notWritten(what: string, error: unknown, fix: string): MillError {
  const { code, message } = errorData(error);
  return new MillError(code, `${what} was not written: ${message}`, fix);
}
