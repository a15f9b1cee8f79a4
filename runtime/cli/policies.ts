/** Which policy files a command line means: files as they are, of a directory those of its routers. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { MillError } from '../errors.js';
import { found, requireFile } from './files.js';

/** A policy file's name without its ending: what `--only` takes. */
export function policyName(path: string): string {
  return basename(path).replace(/\.[cm]?ts$/, '');
}

/**
 * @returns absolute paths, those of a directory by name
 * @throws MillError `not-found` when there is none, or none of the name
 */
export function policiesOf(paths: readonly string[], only: readonly string[] = []): readonly string[] {
  const all = [...new Set(paths.flatMap((path) => ofPath(resolve(path))))];
  if (only.length === 0) return all;
  const unknown = only.find((name) => !all.some((path) => policyName(path) === name));
  if (unknown !== undefined) {
    const names = all.map(policyName).join(', ');
    throw new MillError('not-found', `there is no policy ${unknown}`, `--only takes one of ${names}`);
  }
  return all.filter((path) => only.includes(policyName(path)));
}

function ofPath(path: string): readonly string[] {
  if (!found(path)?.isDirectory())
    return [requireFile(path, 'name a policy file, or a directory with routers/')];
  const routers = join(path, 'routers');
  const directory = existsSync(routers) ? routers : path;
  const policies = readdirSync(directory)
    .filter((name) => /\.[cm]?ts$/.test(name) && !/\.(d|test)\.[cm]?ts$/.test(name))
    .sort()
    .map((name) => join(directory, name))
    .filter((file) => /^export\s+default\b/m.test(readFileSync(file, 'utf8')));
  if (policies.length > 0) return policies;
  throw new MillError(
    'not-found',
    `${directory} has no policy: no .ts file with a default export`,
    'name a policy file, or a directory with routers/',
  );
}
