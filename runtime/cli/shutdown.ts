import { Command } from 'clipanion';
import { categories, NetmillCommand } from './command.js';

export class ShutdownCommand extends NetmillCommand {
  static override paths = [['shutdown']];
  static override usage = Command.Usage({
    category: categories.router,
    description: 'stop forwarding and hand the ports back to the kernel',
    examples: [['Now', '$0 shutdown']],
  });

  async run(): Promise<number> {
    const reply = await this.ask<{ stopping: boolean }>({ op: 'shutdown' });
    return this.show(reply, () => 'netmilld is stopping');
  }
}
