import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { Command, Option } from 'clipanion';
import type { DeployResult } from '../control/types.js';
import { MillError } from '../errors.js';
import { categories, NetmillCommand } from './command.js';
import { deployText } from './deploy-text.js';
import { requireFile } from './files.js';
import { readPlan } from './plan-file.js';

export class DeployCommand extends NetmillCommand {
  static override paths = [['deploy']];
  static override usage = Command.Usage({
    category: categories.policy,
    description: 'build a policy, or take a bundle, and swap the forwarder to it without losing a packet',
    details: 'Whatever fails changes nothing. The two generations before are kept for `rollback`.',
    examples: [
      ['A policy file', '$0 deploy routers/edge1.ts'],
      ['A bundle that CI has built', '$0 deploy /var/lib/netmill/edge1'],
      ['Exactly what was planned', '$0 deploy routers/edge1.ts --plan edge1.plan'],
    ],
  });

  source = Option.String({ name: 'POLICY|DIR' });
  plan = Option.String('--plan', {
    description: 'a plan of `netmill plan -o`: anything but what it was made for is refused',
  });

  async run(): Promise<number> {
    const path = resolve(this.source);
    if (!existsSync(path)) throw new MillError('not-found', `${path} does not exist`);
    const expect = this.plan === undefined ? undefined : readPlan(requireFile(resolve(this.plan)));
    const result = await this.ask<DeployResult>({ op: 'deploy', path, ...(expect && { expect }) });
    return this.show(result, deployText);
  }
}
