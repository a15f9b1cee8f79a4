import { existsSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';
import { Command, Option, UsageError } from 'clipanion';
import type { BuildResult } from '../../codegen/compile.js';
import type { Diagnostic } from '../../codegen/diagnostics/diagnostic.js';
import { toJson } from '../../codegen/diagnostics/json.js';
import { renderText } from '../../codegen/diagnostics/text.js';
import type { Warm } from '../../codegen/load/warm.js';
import { lookupText } from '../../codegen/lookup.js';
import { findingOf } from '../../codegen/report/report.js';
import { exits } from '../exit-codes.js';
import { makeWritable } from '../folders.js';
import { notBuilt } from '../write-named.js';
import { categories } from './command.js';
import { isTerminal } from './paint.js';
import { policiesOf, policyName } from './policies.js';
import { onlyDescription, ReportCommand } from './report-command.js';
import { stepReport } from './steps.js';
import { readToday, todayOption } from './today.js';
import { buildOnChange } from './watch.js';

interface Built {
  /** Relative to the working directory. */
  readonly policy: string;
  readonly outDir: string;
  readonly result: BuildResult;
  readonly milliseconds: number;
}

export class BuildCommand extends ReportCommand {
  static override paths = [['build']];
  static override usage = Command.Usage({
    category: categories.policy,
    description:
      'make a forwarder from a policy: C, manifest and shared object, in a directory that can be deployed',
    details:
      'Of a directory, the policies in its routers/ are meant, each with a directory of its own in that of --out. Exit code 65 when a policy is refused; then nothing is written for it. Needs no daemon and no root.',
    examples: [
      ['Into generated/edge1', '$0 build routers/edge1.ts'],
      ['Somewhere else', '$0 build routers/edge1.ts -o /var/lib/netmill/edge1'],
      ['One router of a repository', '$0 build . --only edge1'],
      ['Again after every change', '$0 build routers/edge1.ts --watch'],
    ],
  });

  policies = Option.Rest({ name: 'POLICY', required: 1 });
  out = Option.String('-o,--out', {
    description: 'directory for the result, or of several policies for theirs; else generated/NAME',
  });
  today = todayOption();
  only = Option.Array('--only', { description: onlyDescription });
  watch = Option.Boolean('--watch', false, {
    description: 'build again whenever a file of the policy changes',
  });

  async run(): Promise<number> {
    const format = this.chosenFormat;
    const paths = policiesOf(this.policies, this.only);
    if (this.watch) return this.buildAgain(paths);
    const all: Built[] = [];
    for (const path of paths) {
      const one = await this.build(path, this.outDirOf(path, paths.length));
      if (format === 'text') this.say(one);
      all.push(one);
    }
    if (format === 'json') this.print(JSON.stringify(asJson(all)));
    this.printReport(
      format,
      all.map(({ policy, result }) => ({
        name: policy,
        findings: diagnosticsOf(result).map((one) => findingOf(one, result.root)),
      })),
    );
    return all.every((one) => one.result.ok) ? exits.ok : exits.data;
  }

  private async buildAgain(paths: readonly string[]): Promise<never> {
    const [path] = paths;
    if (path === undefined || paths.length > 1) throw new UsageError('--watch builds one policy');
    if (!existsSync(path)) throw new UsageError(`${path} does not exist`);
    return buildOnChange(
      path,
      async (warm) => {
        const built = await this.build(path, this.outDirOf(path, 1), warm);
        if (this.json) this.print(JSON.stringify(asJson([built])));
        else this.say(built);
        return built.result;
      },
      (text) => this.progress(text),
    );
  }

  private outDirOf(path: string, policies: number): string {
    if (this.out === undefined) return `generated/${policyName(path)}`;
    return policies === 1 ? this.out : join(this.out, policyName(path));
  }

  private async build(path: string, outDir: string, warm?: Warm): Promise<Built> {
    makeWritable(outDir, 'the directory', 'name another one: -o DIR');
    const steps = this.chosenFormat === 'text' ? stepReport(this.context.stderr) : undefined;
    // The compiler is a large program: only who builds waits for it.
    const { compile } = await import('../../codegen/compile.js');
    const started = performance.now();
    const result = await compile(path, {
      outDir,
      ...readToday(this.today),
      ...(warm && { warm }),
      onProgress: (progress) => steps?.step(progress),
    }).catch((error: unknown) => {
      throw notBuilt(error, outDir);
    });
    const milliseconds = performance.now() - started;
    steps?.end();
    return { policy: relative(process.cwd(), path), outDir, result, milliseconds };
  }

  private say({ result, outDir, milliseconds }: Built): void {
    const diagnostics = diagnosticsOf(result);
    if (diagnostics.length > 0) {
      const colour = isTerminal(this.context.stderr) && !process.env.NO_COLOR;
      const shown = { root: result.root, files: result.policyFiles, colour };
      this.context.stderr.write(`${renderText(diagnostics, shown)}\n`);
    }
    if (result.ok)
      this.print(
        `${result.manifest.router}: built ${outDir} in ${(milliseconds / 1000).toFixed(1)} s, lookup ${lookupText(result.manifest.lookup, result.manifest.lookupReason)}`,
      );
  }
}

function diagnosticsOf(result: BuildResult): readonly Diagnostic[] {
  return result.ok ? result.warnings : result.diagnostics;
}

/** One policy as it is; several with their paths. */
function asJson(all: readonly Built[]): unknown {
  const each = all.map(({ policy, outDir, result, milliseconds }) => ({
    policy,
    ok: result.ok,
    ...(result.ok && {
      directory: resolve(outDir),
      files: result.files,
      policyHash: result.manifest.policyHash,
      lookup: result.manifest.lookup,
      lookupReason: result.manifest.lookupReason,
    }),
    milliseconds,
    diagnostics: toJson(diagnosticsOf(result)),
  }));
  if (each.length !== 1) return { ok: each.every((one) => one.ok), policies: each };
  const [{ policy: _, ...only }] = each as [(typeof each)[number]];
  return only;
}
