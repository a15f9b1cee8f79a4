import { Command } from 'clipanion';
import type { NeighbourReply } from '../control/types.js';
import { categories, NetmillCommand } from './command.js';
import { table } from './text.js';

export class ArpCommand extends NetmillCommand {
  static override paths = [['arp'], ['nd']];
  static override usage = Command.Usage({
    category: categories.router,
    description: 'show the neighbours, IPv4 (ARP) and IPv6 (ND)',
    examples: [['All of them', '$0 arp']],
  });

  async run(): Promise<number> {
    const neighbours = await this.ask<readonly NeighbourReply[]>({ op: 'arp' });
    return this.show(neighbours, neighboursText);
  }
}

function neighboursText(neighbours: readonly NeighbourReply[]): string {
  const columns = [
    { title: 'ADDRESS' },
    { title: 'MAC' },
    { title: 'INTERFACE' },
    { title: 'DEVICE' },
    { title: 'STATE' },
    { title: 'USED' },
  ];
  const rows = neighbours.map((n) => [
    n.address,
    n.mac ?? '(incomplete)',
    n.interface ?? '',
    n.device,
    n.state,
    n.used ? 'yes' : '',
  ]);
  return table(columns, rows);
}
