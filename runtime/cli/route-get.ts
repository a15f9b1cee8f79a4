import { Command, Option } from 'clipanion';
import { isForwardable } from '../control/route-compare.js';
import type { RouteGetReply, RouteReply } from '../control/types.js';
import { categories, NetmillCommand } from './command.js';
import type { Painter } from './paint.js';
import { routeText } from './route-text.js';
import { count, facts, plural, time } from './text.js';

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
    ['RIB', reply.rib ? `${routeText(reply.rib)}${ribDetails(reply.rib)}` : 'no route'],
    ['compiled', compiledText(reply.compiled)],
    ['verdict', reply.agree ? paint.good(agreement(reply)) : paint.bad('they differ')],
  ]);
  const since =
    reply.differSince === undefined ? [] : [`not before ${time(reply.differSince)}, the last change here`];
  return table + [...reply.differences, ...since].map((text) => `           ${text}\n`).join('');
}

function agreement({ address, rib }: RouteGetReply): string {
  if (!isForwardable(address)) return 'no router forwards to such an address: not compared';
  return rib?.source === 'local' ? "RIB and compiled FIB agree; the route is netmill's alone" : 'all agree';
}

/** Whose route, since when, and what has gone by its path group. */
function ribDetails(route: RouteReply): string {
  const by = route.source === 'local' ? 'netmill' : route.protocol;
  const use = `${plural(route.use.packets, 'packet')}, ${count(route.use.bytes)} bytes`;
  return ` proto ${by}, since ${time(route.since)}${route.group > 0 ? `; group ${route.group}: ${use}` : ''}`;
}

export function compiledText(compiled: RouteGetReply['compiled']): string {
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
