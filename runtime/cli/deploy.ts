import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { Command, Option } from 'clipanion';
import type { DeployResult } from '../control/types.js';
import { MillError } from '../errors.js';
import { categories, NetmillCommand } from './command.js';
import { deployText } from './deploy-text.js';

export class DeployCommand extends NetmillCommand {
  static override paths = [['deploy']];
  static override usage = Command.Usage({
    category: categories.policy,
    description: 'build a policy, or take a bundle, and swap the forwarder to it without losing a packet',
    details: 'Whatever fails changes nothing. The two generations before are kept for `rollback`.',
    examples: [
      ['A policy file', '$0 deploy routers/edge1.ts'],
      ['A bundle that CI has built', '$0 deploy /var/lib/netmill/edge1'],
    ],
  });

  source = Option.String({ name: 'POLICY|DIR' });

  async run(): Promise<number> {
    const path = resolve(this.source);
    if (!existsSync(path)) throw new MillError('not-found', `${path} does not exist`);
    return this.show(await this.ask<DeployResult>({ op: 'deploy', path }), deployText);
  }
}
