/** View → C text. Templates decide nothing: paths, each and partials are their whole grammar. */
import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import Handlebars from 'handlebars';
import { packageRoot } from './load/compiler.js';
import type { ForwarderView } from './view/forwarder.js';

export const templateDirectory = join(packageRoot, 'templates');

const options: CompileOptions = {
  strict: true,
  noEscape: true,
  knownHelpersOnly: true,
  explicitPartialContext: true,
  knownHelpers: { each: true, if: false, unless: false, with: false, log: false, lookup: false } as never,
};

export function renderForwarder(view: ForwarderView): string {
  const handlebars = Handlebars.create();
  for (const [name, text] of partials()) handlebars.registerPartial(name, text);
  const template = handlebars.compile(
    readFileSync(join(templateDirectory, 'forwarder.c.hbs'), 'utf8'),
    options,
  );
  return template(view);
}

export function partials(): readonly (readonly [string, string])[] {
  const directory = join(templateDirectory, 'partials');
  return readdirSync(directory)
    .filter((file) => file.endsWith('.hbs'))
    .sort()
    .map((file) => [basename(file, '.hbs'), readFileSync(join(directory, file), 'utf8')]);
}
