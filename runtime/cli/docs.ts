import { dirname, extname, join, relative, resolve } from 'node:path';
import { Command, Option, UsageError } from 'clipanion';
import { renderText } from '../../codegen/diagnostics/text.js';
import { toHtml } from '../../codegen/docs/html.js';
import { toMarkdown } from '../../codegen/docs/markdown.js';
import { pageOf } from '../../codegen/docs/page.js';
import { MillError } from '../errors.js';
import { exits } from '../exit-codes.js';
import { makeWritable } from '../folders.js';
import { writeNamed } from '../write-named.js';
import { categories, NetmillCommand } from './command.js';
import { found } from './files.js';
import { policiesOf, policyName } from './policies.js';
import { onlyDescription } from './report-command.js';

type DocsFormat = 'html' | 'markdown';

export class DocsCommand extends NetmillCommand {
  static override paths = [['docs']];
  static override usage = Command.Usage({
    category: categories.policy,
    description: 'show policies as pages: interfaces, lists with their reasons, objects, a picture, findings',
    details:
      'One file each that needs nothing else: HTML for light and dark screens, or Markdown with a mermaid picture. The same policy gives the same page. Without -o a single policy goes to standard output, several to docs/.',
    examples: [
      ['A page to look at', '$0 docs routers/edge1.ts -o edge1.html'],
      ['For a wiki', '$0 docs routers/edge1.ts --format markdown'],
      ['All routers of a repository', '$0 docs . -o pages'],
    ],
  });

  policies = Option.Rest({ name: 'POLICY', required: 1 });
  out = Option.String('-o,--out', { description: 'file for one policy, directory for several' });
  only = Option.Array('--only', { description: onlyDescription });
  format = Option.String('--format', { description: '`html` (when not said) or `markdown`' });

  async run(): Promise<number> {
    const format = this.chosenFormat();
    const paths = policiesOf(this.policies, this.only);
    const written: string[] = [];
    for (const path of paths) {
      const text = await this.page(path, format);
      const file = this.fileOf(path, format, paths.length);
      if (file === undefined) {
        this.print(this.json ? JSON.stringify({ format, text }) : text);
        return exits.ok;
      }
      const fix = 'name another file: -o FILE';
      makeWritable(dirname(file), 'the directory', fix);
      writeNamed(file, text, fix);
      written.push(file);
    }
    return this.show({ format, files: written }, ({ files }) =>
      files.map((file) => `wrote ${relative(process.cwd(), file)}`).join('\n'),
    );
  }

  /** Said, or told by the name of the file. @throws UsageError */
  private chosenFormat(): DocsFormat {
    const told = this.out !== undefined && extname(this.out) === '.md' ? 'markdown' : 'html';
    const format = this.format ?? told;
    if (format === 'html' || format === 'markdown') return format;
    throw new UsageError(`expected --format html or markdown, got '${format}'`);
  }

  /** Undefined: standard output. */
  private fileOf(path: string, format: DocsFormat, policies: number): string | undefined {
    if (this.out === undefined && policies === 1) return undefined;
    const out = resolve(this.out ?? 'docs');
    const isDirectory = policies > 1 || found(out)?.isDirectory() === true;
    return isDirectory ? join(out, `${policyName(path)}.${format === 'html' ? 'html' : 'md'}`) : out;
  }

  /** @throws MillError `policy` with what is wrong */
  private async page(path: string, format: DocsFormat): Promise<string> {
    const { loadAndCheck } = await import('../../codegen/front.js');
    const result = await loadAndCheck(path, { notes: true });
    if (!result.ok) {
      const { diagnostics, root, files } = result;
      const details = renderText(diagnostics, { root, files, colour: false });
      throw new MillError('policy', `${path} is refused`, 'correct the policy', details);
    }
    const page = pageOf(result.policy);
    return format === 'html' ? toHtml(page) : toMarkdown(page);
  }
}
