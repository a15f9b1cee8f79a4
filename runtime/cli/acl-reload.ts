import { Command } from 'clipanion';
import type { DeployResult } from '../control/types.js';
import { categories, NetmillCommand } from './command.js';
import { deployText } from './deploy-text.js';

export class AclReloadCommand extends NetmillCommand {
  static override paths = [['acl', 'reload']];
  static override usage = Command.Usage({
    category: categories.acl,
    description: 'build and deploy again the policy that runs',
    examples: [['After an edit', '$0 acl reload']],
  });

  async run(): Promise<number> {
    return this.show(await this.ask<DeployResult>({ op: 'acl.reload' }), deployText);
  }
}
