/** The files of an Aerleon policy: definitions from files and directories, and what policies include. */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, extname, join, relative, resolve } from 'node:path';
import type { Source } from '../../codegen/formats/netmap-rt/read.js';
import { MillError } from '../errors.js';
import { requireFile } from './files.js';

const suffixes = ['.yaml', '.yml', '.net', '.svc'];

/** @throws MillError */
export function definitionFiles(paths: readonly string[]): readonly Source[] {
  return paths.flatMap((path) => {
    if (!existsSync(path) || !statSync(path).isDirectory()) return [sourceOf(requireFile(path))];
    const files = readdirSync(path)
      .filter((file) => suffixes.includes(extname(file)))
      .sort();
    if (files.length === 0)
      throw new MillError(
        'not-found',
        `${path} has no definitions`,
        `put files of ${suffixes.join(', ')} there`,
      );
    return files.map((file) => sourceOf(join(path, file)));
  });
}

/**
 * Aerleon takes them from its base directory, which is above that of the policies: they are looked for beside the file that
 * includes them, then in each directory above it.
 */
export function includeFrom(read: Source[]): (path: string, from: string) => Source | undefined {
  return (path, from) => {
    for (let at = dirname(resolve(from)); ; at = dirname(at)) {
      const found = join(at, path);
      if (existsSync(found) && statSync(found).isFile()) {
        const source = sourceOf(found);
        read.push(source);
        return source;
      }
      if (dirname(at) === at) return undefined;
    }
  };
}

export function sourceOf(path: string): Source {
  return { file: relative(process.cwd(), resolve(path)), text: readFileSync(requireFile(path), 'utf8') };
}
