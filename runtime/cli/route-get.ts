import { Command, Option } from 'clipanion';
import type { RouteGetReply } from '../control/types.js';
import { categories, NetmillCommand } from './command.js';
import type { Painter } from './paint.js';
import { routeText } from './route-text.js';
import { facts } from './text.js';

export class RouteGetCommand extends NetmillCommand {
  static override paths = [['route', 'get']];
  static override usage = Command.Usage({
    category: categories.routes,
    description:
      'show where an address goes: by the kernel, by the RIB, by the compiled FIB, and whether they agree',
    examples: [['A destination', '$0 route get 203.0.113.10']],
  });

  address = Option.String({ name: 'ADDR' });

  async run(): Promise<number> {
    const reply = await this.ask<RouteGetReply>({ op: 'route.get', address: this.address });
    return this.show(reply, (value) => routeGetText(value, this.paint));
  }
}

export function routeGetText(reply: RouteGetReply, paint: Painter): string {
  const table = facts([
    ['address', reply.address],
    ['kernel', reply.kernel ? routeText(reply.kernel) : 'no route'],
    ['RIB', reply.rib ? routeText(reply.rib) : 'no route'],
    ['compiled', compiledText(reply.compiled)],
    ['verdict', reply.agree ? paint.good('all agree') : paint.bad('they differ')],
  ]);
  return table + reply.differences.map((text) => `           ${text}\n`).join('');
}

function compiledText(compiled: RouteGetReply['compiled']): string {
  if (compiled.legs.length === 0) return compiled.kind === 'none' ? 'no route' : compiled.kind;
  return compiled.legs
    .map((leg) => {
      if (leg.kind === 'kernel') return 'by the kernel (its device is none of our ports)';
      if (leg.kind === 'local') return 'local: for the router itself';
      if (leg.interface === '') return leg.kind;
      const via = leg.nexthop === undefined ? '' : `via ${leg.nexthop} `;
      const mac = leg.mac === undefined ? '' : ` to ${leg.mac}`;
      return `${via}interface ${leg.interface}${mac} (${leg.kind})`;
    })
    .join(' and ');
}
