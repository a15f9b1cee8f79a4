import { existsSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import { Command, Option, UsageError } from 'clipanion';
import { renderText } from '../../codegen/diagnostics/text.js';
import type { Warm } from '../../codegen/load/warm.js';
import { makeScratch } from '../../codegen/scratch.js';
import type { DeployResult } from '../control/types.js';
import { MillError } from '../errors.js';
import { categories, NetmillCommand } from './command.js';
import { deployText } from './deploy-text.js';
import { requireFile } from './files.js';
import { readPlan } from './plan-file.js';
import { buildOnChange } from './watch.js';

export class DeployCommand extends NetmillCommand {
  static override paths = [['deploy']];
  static override usage = Command.Usage({
    category: categories.policy,
    description: 'build a policy, or take a bundle, and swap the forwarder to it without losing a packet',
    details:
      'Whatever fails, or is stopped (^C) before the forwarder is built, changes nothing. The two generations before are kept for `rollback`.',
    examples: [
      ['A policy file', '$0 deploy routers/edge1.ts'],
      ['A bundle that CI has built', '$0 deploy /var/lib/netmill/edge1'],
      ['Exactly what was planned', '$0 deploy routers/edge1.ts --plan edge1.plan'],
      ['In a lab: again after every change', '$0 deploy routers/lab.ts --watch'],
    ],
  });

  source = Option.String({ name: 'POLICY|DIR' });
  plan = Option.String('--plan', {
    description: 'a plan of `netmill plan -o`: anything but what it was made for is refused',
  });
  watch = Option.Boolean('--watch', false, {
    description:
      'deploy again whenever a file of the policy changes; builds here, in a compiler that stays warm',
  });

  async run(): Promise<number> {
    const path = resolve(this.source);
    if (!existsSync(path))
      throw new MillError(
        'not-found',
        `${path} does not exist`,
        'name a policy file, or the directory of a bundle',
      );
    if (this.watch) return this.deployAgain(path);
    const expect = this.plan === undefined ? undefined : readPlan(requireFile(resolve(this.plan)));
    const result = await this.ask<DeployResult>({ op: 'deploy', path, ...(expect && { expect }) });
    return this.show(result, deployText);
  }

  private async deployAgain(path: string): Promise<never> {
    if (this.plan !== undefined) throw new UsageError('--watch or --plan, not both');
    if (statSync(path).isDirectory()) throw new UsageError(`--watch builds a policy; ${path} is a directory`);
    const outDir = makeScratch('deploy');
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit());
    // The compiler is a large program: only who builds waits for it.
    const { compile } = await import('../../codegen/compile.js');
    const build = async (warm: Warm) => {
      const built = await compile(path, { outDir, warm });
      if (built.ok) await this.swap(path, outDir);
      else
        this.context.stderr.write(
          `${renderText(built.diagnostics, { root: built.root, files: built.policyFiles, colour: false })}\n`,
        );
      return built;
    };
    return buildOnChange(path, build, (text) => this.progress(text));
  }

  /** A refusal is told, and the next change may be better. Without a daemon there is none. */
  private async swap(path: string, bundle: string): Promise<void> {
    try {
      const result = await this.ask<DeployResult>({ op: 'deploy', path, bundle });
      if (this.json) this.print(JSON.stringify(result));
      else this.print(deployText(result));
    } catch (error) {
      if (error instanceof MillError && error.code === 'unavailable') throw error;
      this.complain(error);
    }
  }
}
