import { basename, relative, resolve } from 'node:path';
import { Command, Option } from 'clipanion';
import type { BuildResult } from '../../codegen/compile.js';
import { toJson } from '../../codegen/diagnostics/json.js';
import { renderText } from '../../codegen/diagnostics/text.js';
import { exits } from '../exit-codes.js';
import { categories, NetmillCommand } from './command.js';
import { requireFile } from './files.js';
import { isTerminal } from './paint.js';
import { type StepReport, stepReport } from './steps.js';
import { watchFiles } from './watch.js';

export class BuildCommand extends NetmillCommand {
  static override paths = [['build']];
  static override usage = Command.Usage({
    category: categories.policy,
    description:
      'make a forwarder from a policy: C, manifest and shared object, in a directory that can be deployed',
    details: 'Exit code 65 when the policy is refused; then nothing is written. Needs no daemon and no root.',
    examples: [
      ['Into generated/edge1', '$0 build routers/edge1.ts'],
      ['Somewhere else', '$0 build routers/edge1.ts -o /var/lib/netmill/edge1'],
      ['Again after every change', '$0 build routers/edge1.ts --watch'],
    ],
  });

  policy = Option.String({ name: 'POLICY' });
  out = Option.String('-o,--out', { description: 'directory for the result; else generated/NAME' });
  watch = Option.Boolean('--watch', false, {
    description: 'build again whenever a file of the policy changes',
  });

  async run(): Promise<number> {
    const path = requireFile(resolve(this.policy));
    const outDir = this.out ?? `generated/${basename(this.policy).replace(/\.[cm]?ts$/, '')}`;
    if (!this.watch) return (await this.build(path, outDir)).code;
    for (;;) {
      const { files } = await this.build(path, outDir);
      this.progress('waiting for a change');
      const changed = await watchFiles(files);
      this.progress(`${relative(process.cwd(), changed)} has changed`);
    }
  }

  private async build(path: string, outDir: string): Promise<{ code: number; files: readonly string[] }> {
    const steps = this.json ? undefined : stepReport(this.context.stderr);
    // The compiler is a large program: only who builds waits for it.
    const { compile } = await import('../../codegen/compile.js');
    const started = performance.now();
    const result = await compile(path, { outDir, onProgress: (progress) => steps?.step(progress) });
    const milliseconds = performance.now() - started;
    const files = [path, ...result.policyFiles.map((file) => resolve(result.root, file.path))];
    return { code: this.report(result, outDir, milliseconds, steps), files };
  }

  private report(
    result: BuildResult,
    outDir: string,
    milliseconds: number,
    steps: StepReport | undefined,
  ): number {
    const diagnostics = result.ok ? result.warnings : result.diagnostics;
    const code = result.ok ? exits.ok : exits.data;
    if (this.json) {
      const built = result.ok
        ? { directory: resolve(outDir), files: result.files, policyHash: result.manifest.policyHash }
        : {};
      this.print(JSON.stringify({ ok: result.ok, ...built, milliseconds, diagnostics: toJson(diagnostics) }));
      return code;
    }
    steps?.end();
    if (diagnostics.length > 0) {
      const colour = isTerminal(this.context.stderr) && !process.env.NO_COLOR;
      const shown = { root: result.root, files: result.policyFiles, colour };
      this.context.stderr.write(`${renderText(diagnostics, shown)}\n`);
    }
    if (result.ok)
      this.print(
        `${result.manifest.router}: built ${outDir} in ${(milliseconds / 1000).toFixed(1)} s, lookup ${result.manifest.lookup}`,
      );
    return code;
  }
}
