import { statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { relative, resolve } from 'node:path';
import { Command, Option } from 'clipanion';
import type { CheckedPolicy, FrontResult } from '../../codegen/checked.js';
import { renderText } from '../../codegen/diagnostics/text.js';
import type { FrontOptions } from '../../codegen/front.js';
import { makeScratch, removeScratch } from '../../codegen/scratch.js';
import type { GenerationReply } from '../control/types.js';
import { MillError } from '../errors.js';
import { exits } from '../exit-codes.js';
import { notBuilt } from '../write-named.js';
import { categories } from './command.js';
import { aPolicy, requireFile } from './files.js';
import { atRevision, isDirectory, policyOfBundle } from './plan-against.js';
import { writePlan } from './plan-file.js';
import { planKinds, planSuite } from './plan-report.js';
import { type Built, planText } from './plan-text.js';
import { ReportCommand } from './report-command.js';
import { readToday, todayOption } from './today.js';

/** What `--against` takes. */
const against = "say running, git:REV, a bundle's directory, or another policy file";

export class PlanCommand extends ReportCommand {
  static override paths = [['plan']];
  static override usage = Command.Usage({
    category: categories.policy,
    description: 'show what a policy would change: for packets, interfaces, routes and objects',
    details:
      'Exact: what is newly allowed, denied or sent another way, as sets of packets, each with its size, a packet and both policy lines. Changes nothing.',
    examples: [
      ['Against what runs', '$0 plan routers/edge1.ts'],
      ['Against the last commit, without a daemon', '$0 plan routers/edge1.ts --against git:HEAD'],
      ['Deploy exactly this', '$0 plan routers/edge1.ts -o edge1.plan'],
    ],
  });

  policy = Option.String({ name: 'POLICY' });
  against = Option.String('--against', 'running', {
    description: '`running` (when not said), the directory of a bundle, another policy file, or git:REV',
  });
  today = todayOption();
  out = Option.String('-o,--out', { description: 'write the plan to a file, for `deploy --plan`' });
  build = Option.Boolean('--build', true, {
    description: 'build it, too, for its size and time; --no-build: leave that out',
  });

  async run(): Promise<number> {
    const format = this.chosenFormat;
    const path = requireFile(resolve(this.policy), aPolicy);
    const fresh = await this.load(path, readToday(this.today));
    const old = await this.oldPolicy(path);
    const { makePlan } = await import('../../codegen/plan/plan.js');
    const planned = makePlan(old, fresh);
    const built = this.build ? await this.measure(path) : undefined;
    if (this.out !== undefined) writePlan(resolve(this.out), planned, this.against === 'running');
    if (format === 'json') this.print(JSON.stringify({ ...planned, ...(built && { built }) }, null, 2));
    if (format === 'text') this.print(planText(planned, this.against, built));
    this.printReport(format, [planSuite(relative(process.cwd(), path), fresh.root, planned)], planKinds);
    return exits.ok;
  }

  private async oldPolicy(path: string): Promise<CheckedPolicy> {
    if (this.against === 'running') {
      const generations = await this.ask<readonly GenerationReply[]>({ op: 'generations' });
      const running = generations.find((one) => one.state === 'running');
      if (running === undefined)
        throw new MillError('not-found', 'no generation runs', 'plan against git:REV');
      return policyOfBundle(running.directory);
    }
    if (this.against.startsWith('git:'))
      return atRevision(path, this.against.slice('git:'.length), (file) => this.load(file));
    const other = resolve(this.against);
    return isDirectory(other) ? policyOfBundle(other) : this.load(requireFile(other, against));
  }

  /** @throws MillError `policy` with what is wrong */
  private async load(path: string, options: FrontOptions = { expired: 'warning' }): Promise<CheckedPolicy> {
    const { loadAndCheck } = await import('../../codegen/front.js');
    const result: FrontResult = await loadAndCheck(path, options);
    if (result.ok) return result.policy;
    const details = renderText(result.diagnostics, { root: result.root, files: result.files, colour: false });
    throw new MillError('policy', `${path} is refused`, 'correct the policy', details);
  }

  private async measure(path: string): Promise<Built> {
    const { compile } = await import('../../codegen/compile.js');
    const outDir = makeScratch('plan');
    try {
      const started = performance.now();
      const result = await compile(path, { outDir, ...readToday(this.today) }).catch((error: unknown) => {
        throw notBuilt(error, tmpdir());
      });
      if (!result.ok) {
        const { diagnostics, root, policyFiles: files } = result;
        throw new MillError(
          'policy',
          `${path} cannot be built`,
          undefined,
          renderText(diagnostics, { root, files, colour: false }),
        );
      }
      const milliseconds = performance.now() - started;
      const bytes = (file: string) => statSync(file).size;
      return {
        sourceBytes: bytes(result.files.source),
        forwarderBytes: bytes(result.files.forwarder),
        milliseconds: Math.round(milliseconds),
        lookup: result.manifest.lookup,
        lookupReason: result.manifest.lookupReason,
      };
    } finally {
      removeScratch(outDir);
    }
  }
}
