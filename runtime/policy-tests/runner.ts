/**
 * How a policy repository's tests are run: by the command that is given, by ava if the repository's package.json names it, else by
 * Node's own test runner. Files go to the runner as arguments; it has failed if it does not end with 0.
 */
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { pathToFileURL } from 'node:url';
import { MillError } from '../errors.js';
import { packageRoot } from '../paths.js';

export interface Runner {
  /** For people. */
  readonly name: string;
  readonly command: string;
  readonly arguments: readonly string[];
  /** More of them, to end at the first failure. */
  readonly hurried: readonly string[];
}

const testFile = /\.test\.m?[jt]s$/;
const passedOver = new Set(['node_modules', 'dist', 'generated']);

/**
 * @returns absolute paths; of a directory, every file below it whose name ends like a test's
 * @throws MillError `not-found` when there is none
 */
export function testFilesOf(paths: readonly string[]): readonly string[] {
  const found = paths.flatMap((path) => {
    const kind = statSync(path, { throwIfNoEntry: false });
    if (kind === undefined)
      throw new MillError(
        'not-found',
        `${path} does not exist`,
        'name a test file, or a directory that has some',
      );
    return kind.isDirectory() ? below(path) : [path];
  });
  if (found.length > 0) return [...new Set(found)];
  throw new MillError(
    'not-found',
    `there is no test in ${paths.join(', ')}`,
    'name its files *.test.ts or *.test.js; netmill init shows how a repository looks',
  );
}

function below(directory: string): readonly string[] {
  return readdirSync(directory, { withFileTypes: true })
    .sort((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap((one) => {
      const path = join(directory, one.name);
      if (one.isDirectory()) return one.name.startsWith('.') || passedOver.has(one.name) ? [] : below(path);
      return testFile.test(one.name) ? [path] : [];
    });
}

/** @param given a shell command, from `--runner` */
export function runnerFor(directory: string, files: readonly string[], given?: string): Runner {
  if (given !== undefined)
    return {
      name: given,
      command: '/bin/sh',
      arguments: ['-c', `${given} "$@"`, 'sh', ...files],
      hurried: [],
    };
  const ava = avaOf(directory);
  if (ava !== undefined)
    return {
      name: 'ava',
      command: process.execPath,
      arguments: [ava, ...files.map((file) => relative(directory, file))],
      hurried: ['--fail-fast'],
    };
  const register = pathToFileURL(join(packageRoot, 'dist/codegen/testing/register.js')).href;
  return {
    name: 'node --test',
    command: process.execPath,
    arguments: ['--enable-source-maps', `--import=${register}`, '--test', '--test-reporter=spec', ...files],
    hurried: [],
  };
}

/** Of the nearest package.json, if that is what the repository tests with. */
function avaOf(directory: string): string | undefined {
  const file = join(directory, 'package.json');
  if (!existsSync(file)) return dirname(directory) === directory ? undefined : avaOf(dirname(directory));
  const about = JSON.parse(readFileSync(file, 'utf8')) as Readonly<Record<string, Record<string, unknown>>>;
  const names = [about.dependencies, about.devDependencies].some((one) => one?.ava !== undefined);
  const program = join(directory, 'node_modules/ava/entrypoints/cli.mjs');
  if (!names && about.ava === undefined) return undefined;
  if (existsSync(program)) return program;
  throw new MillError(
    'not-found',
    `${file} names ava, and it is not installed`,
    'npm install, or --runner COMMAND',
  );
}
