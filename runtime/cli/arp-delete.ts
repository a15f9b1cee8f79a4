import { Command, Option } from 'clipanion';
import { categories, NetmillCommand } from './command.js';

export class ArpDeleteCommand extends NetmillCommand {
  static override paths = [
    ['arp', 'delete'],
    ['nd', 'delete'],
  ];
  static override usage = Command.Usage({
    category: categories.router,
    description: 'forget a neighbour, a static one or one that was found',
    examples: [['By its address', '$0 arp delete 192.0.2.7']],
  });

  address = Option.String({ name: 'ADDRESS' });
  iface = Option.String('--iface', { description: 'on this interface' });

  async run(): Promise<number> {
    const { address, iface } = this;
    const reply = await this.ask<{ deleted: string; device: string }>({
      op: 'arp.delete',
      address,
      ...(iface !== undefined && { iface }),
    });
    return this.show(reply, ({ deleted, device }) => `deleted ${deleted} on ${device}`);
  }
}
