import { Command } from 'clipanion';
import { categories, NetmillCommand } from './command.js';

export class AclDisableCommand extends NetmillCommand {
  static override paths = [['acl', 'disable']];
  static override usage = Command.Usage({
    category: categories.acl,
    description:
      'skip every ACL and PBR rule, at once, on the running generation: packets go straight to routing',
    examples: [['Now', '$0 acl disable']],
  });

  async run(): Promise<number> {
    const reply = await this.ask<{ enabled: boolean }>({ op: 'acl.set', enabled: false });
    return this.show(reply, ({ enabled }) => `ACLs are ${enabled ? 'enabled' : 'disabled'}`);
  }
}
