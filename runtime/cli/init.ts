import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, statSync, symlinkSync } from 'node:fs';
import { basename, dirname, join, relative, resolve } from 'node:path';
import { Command, Option } from 'clipanion';
import { MillError } from '../errors.js';
import { makeWritable } from '../folders.js';
import { packageRoot } from '../paths.js';
import { writeNamed } from '../write-named.js';
import { categories, NetmillCommand } from './command.js';
import { found } from './files.js';

const templates = join(packageRoot, 'templates/repository');

export class InitCommand extends NetmillCommand {
  static override paths = [['init']];
  static override usage = Command.Usage({
    category: categories.policy,
    description: 'make a policy repository: a router, what it shares with others, tests, waivers, a CI file',
    details:
      'The directory must be empty, or not there yet. The netmill that runs now is linked into its node_modules, as npm install would do; --package says where package.json takes netmill from.',
    examples: [
      ['In a new directory', '$0 init policies'],
      ['With netmill from a tarball', '$0 init policies --package file:./vendor/netmill.tgz'],
    ],
  });

  directory = Option.String({ name: 'DIR', required: false });
  package = Option.String('--package', {
    description: "what package.json says for netmill; when not said, this installation's path",
  });

  async run(): Promise<number> {
    const directory = resolve(this.directory ?? '.');
    requireEmpty(directory);
    const words = {
      NAME: packageName(basename(directory)),
      // It stands between quotes.
      NETMILL: JSON.stringify(this.package ?? `file:${packageRoot}`).slice(1, -1),
    };
    const files = readdirSync(templates, { recursive: true, encoding: 'utf8' })
      .filter((name) => statSync(join(templates, name)).isFile())
      .sort();
    const written = files.map((name) => {
      // npm leaves files out whose names begin with a dot.
      const path = name.replace(/(^|\/)dot-/g, '$1.');
      const text = readFileSync(join(templates, name), 'utf8');
      write(
        join(directory, path),
        text.replace(/\b(NAME|NETMILL)\b/g, (word) => words[word as 'NAME']),
      );
      return path;
    });
    link(directory);
    const here = relative(process.cwd(), directory) || '.';
    return this.show({ directory, files: written }, () =>
      [`made ${here}:`, ...written.map((path) => `  ${path}`), `next: cd ${here} && npm test`].join('\n'),
    );
  }
}

/** @throws MillError `usage` */
function requireEmpty(directory: string): void {
  const kind = found(directory);
  if (kind === undefined) {
    makeWritable(directory, 'the repository', 'name another directory');
    return;
  }
  if (!kind.isDirectory())
    throw new MillError('usage', `${directory} is no directory`, 'name a new directory');
  const [first] = readdirSync(directory).filter((name) => name !== '.git');
  if (first !== undefined)
    throw new MillError('usage', `${directory} is not empty: it has ${first}`, 'name a new directory');
}

/** What npm allows for the name of a package. */
function packageName(word: string): string {
  return (
    word
      .toLowerCase()
      .replace(/[^a-z0-9-]+/g, '-')
      .replace(/^-+|-+$/g, '') || 'policies'
  );
}

function write(path: string, text: string): void {
  mkdirSync(dirname(path), { recursive: true });
  writeNamed(path, text, 'name another directory', 'wx');
}

/** What npm install makes of a package that is named by its path. */
function link(directory: string): void {
  const modules = join(directory, 'node_modules');
  mkdirSync(join(modules, '.bin'), { recursive: true });
  symlinkSync(packageRoot, join(modules, 'netmill'));
  const { bin } = JSON.parse(readFileSync(join(packageRoot, 'package.json'), 'utf8')) as {
    readonly bin: Readonly<Record<string, string>>;
  };
  for (const [name, file] of Object.entries(bin)) {
    const program = join(packageRoot, file);
    if (!existsSync(program)) continue;
    // As npm does; the compiler does not.
    if ((statSync(program).mode & 0o111) === 0) chmodSync(program, 0o755);
    symlinkSync(join('../netmill', file), join(modules, '.bin', name));
  }
}
