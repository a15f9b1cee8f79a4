import { Command, Option } from 'clipanion';
import type { RequestBody } from '../control/protocol.js';
import type { RouteReply } from '../control/types.js';
import { exits } from '../exit-codes.js';
import { categories, NetmillCommand } from './command.js';
import { waysText } from './route-text.js';

export class RouteCommand extends NetmillCommand {
  static override paths = [['route']];
  static override usage = Command.Usage({
    category: categories.routes,
    description:
      'show the whole routing table; nothing waits for it, and it may be read as slowly as one likes',
    details:
      'Packets and bytes are those of the path group: routes that go the same way are counted together. With `--json`: one object a line. What changes while the table is read may be shown as it was or as it is. For a full BGP table, `route dump` writes a file faster.',
    examples: [
      ['Both families', '$0 route'],
      ['IPv6 only, as JSON, an object a line', '$0 route -6 --json | jq .prefix'],
    ],
  });

  four = Option.Boolean('-4', false, { description: 'IPv4 only' });
  six = Option.Boolean('-6', false, { description: 'IPv6 only' });

  async run(): Promise<number> {
    const family = this.four === this.six ? undefined : this.four ? (4 as const) : (6 as const);
    const body: RequestBody = { op: 'route.list', ...(family !== undefined && { family }) };
    await this.ask(body, (routes: readonly RouteReply[]) =>
      this.write(routes.map((route) => `${this.line(route)}\n`).join('')),
    );
    return exits.ok;
  }

  private line(route: RouteReply): string {
    if (this.json) return JSON.stringify(route);
    const by =
      route.source === 'local'
        ? 'netmill'
        : route.source === 'fpm'
          ? `${route.protocol} by fpm`
          : route.protocol;
    const type = route.type === 'unicast' ? '' : `${route.type} `;
    const metric = route.metric > 0 ? ` metric ${route.metric}` : '';
    const waits = route.waiting ? ' (not in force: no way there)' : '';
    const { packets, bytes } = route.use;
    const use = route.group > 0 ? ` group ${route.group} packets ${packets} bytes ${bytes}` : '';
    return `${type}${route.prefix}${waysText(route)} proto ${by}${metric}${use}${waits}`;
  }
}
