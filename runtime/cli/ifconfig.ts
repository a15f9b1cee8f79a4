import { Command } from 'clipanion';
import type { InterfaceReply } from '../control/types.js';
import { categories, NetmillCommand } from './command.js';
import type { Painter } from './paint.js';
import { count, plural, scaled } from './text.js';

export class IfconfigCommand extends NetmillCommand {
  static override paths = [['ifconfig']];
  static override usage = Command.Usage({
    category: categories.router,
    description: 'show the logical interfaces as they run: tags, kernel device, addresses, counters',
    examples: [['All of them', '$0 ifconfig']],
  });

  async run(): Promise<number> {
    const interfaces = await this.ask<readonly InterfaceReply[]>({ op: 'ifconfig' });
    return this.show(interfaces, (all) => all.map((iface) => interfaceText(iface, this.paint)).join('\n'));
  }
}

function interfaceText(iface: InterfaceReply, paint: Painter): string {
  const state = iface.up
    ? iface.carrier
      ? paint.good('up')
      : paint.bad('up, no carrier')
    : paint.bad('down');
  const traffic = (t: InterfaceReply['rx']): string =>
    `${plural(t.packets, 'packet')}, ${scaled(t.bytes, 'B')}`;
  const lines = [
    `${paint.bold(iface.name)}: ${state}, MTU ${iface.mtu}, ${iface.encapsulation} on port ${iface.port} (${[iface.spec, ...iface.mode].join(', ')})`,
    iface.face === 'none'
      ? 'no kernel device: the engine stands for the router'
      : `kernel device ${iface.device} (${iface.face}, ${iface.ifindex})`,
    `MAC ${iface.mac}`,
    ...iface.addresses.map((address) => `address ${address}${unusedText(iface.unused[address], paint)}`),
    `received ${traffic(iface.rx)}`,
    `sent ${traffic(iface.tx)}`,
    ...saidText(iface.said),
  ];
  return `${lines.join('\n    ')}\n`;
}

function unusedText(state: 'tentative' | 'duplicate' | undefined, paint: Painter): string {
  if (state === undefined) return '';
  return state === 'duplicate' ? paint.bad(' (a duplicate: somebody else has it)') : ' (being verified)';
}

/** What the engine said in the router's name. */
function saidText(said: InterfaceReply['said']): readonly string[] {
  const kinds = Object.entries(said).map(([kind, n]) => `${count(n)} ${kind}`);
  return kinds.length > 0 ? [`of these the engine's own: ${kinds.join(', ')}`] : [];
}
