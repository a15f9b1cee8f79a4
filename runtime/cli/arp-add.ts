import { Command, Option } from 'clipanion';
import { categories, NetmillCommand } from './command.js';

export class ArpAddCommand extends NetmillCommand {
  static override paths = [
    ['arp', 'add'],
    ['nd', 'add'],
  ];
  static override usage = Command.Usage({
    category: categories.router,
    description: 'add a static neighbour, or put it in the place of what is known of it',
    details:
      "In the kernel's table where the interface has a face in the kernel, else in the engine's, where it lasts until it is deleted, the interface goes, or netmill is shut down.",
    examples: [
      ['A neighbour on a connected network', '$0 arp add 192.0.2.7 02:00:00:00:00:07'],
      ['By its interface', '$0 arp add fe80::7 02:00:00:00:00:07 --iface lan'],
    ],
  });

  address = Option.String({ name: 'ADDRESS' });
  mac = Option.String({ name: 'MAC' });
  iface = Option.String('--iface', { description: 'on this interface' });

  async run(): Promise<number> {
    const { address, mac, iface } = this;
    const reply = await this.ask<{ added: string; device: string }>({
      op: 'arp.add',
      address,
      mac,
      ...(iface !== undefined && { iface }),
    });
    return this.show(reply, ({ added, device }) => `added ${added} at ${mac} on ${device}`);
  }
}
