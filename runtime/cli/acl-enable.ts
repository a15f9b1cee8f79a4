import { Command } from 'clipanion';
import { categories, NetmillCommand } from './command.js';

export class AclEnableCommand extends NetmillCommand {
  static override paths = [['acl', 'enable']];
  static override usage = Command.Usage({
    category: categories.acl,
    description: 'apply ACLs and PBR again, at once',
    examples: [['Now', '$0 acl enable']],
  });

  async run(): Promise<number> {
    const reply = await this.ask<{ enabled: boolean }>({ op: 'acl.set', enabled: true });
    return this.show(reply, ({ enabled }) => `ACLs are ${enabled ? 'enabled' : 'disabled'}`);
  }
}
