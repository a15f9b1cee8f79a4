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
    description: 'show the routing table (a page at a time: nothing waits for it)',
    details:
      'With `--json`: one array, a route a line. For a full BGP table, `route dump` writes a file faster.',
    examples: [
      ['Both families', '$0 route'],
      ['IPv6 only, as JSON', '$0 route -6 --json'],
    ],
  });

  four = Option.Boolean('-4', false, { description: 'IPv4 only' });
  six = Option.Boolean('-6', false, { description: 'IPv6 only' });

  async run(): Promise<number> {
    const family = this.four === this.six ? undefined : this.four ? (4 as const) : (6 as const);
    const body: RequestBody = { op: 'route.list', ...(family !== undefined && { family }) };
    let separator = this.json ? '[\n' : '';
    await this.ask(body, (routes: readonly RouteReply[]) => {
      const between = this.json ? ',\n' : '\n';
      this.context.stdout.write(separator + routes.map((route) => this.line(route)).join(between));
      separator = between;
    });
    this.print(this.json ? `${separator === '[\n' ? separator : ''}\n]` : separator);
    return exits.ok;
  }

  private line(route: RouteReply): string {
    if (this.json) return JSON.stringify(route);
    const by = route.source === 'local' ? 'netmill' : route.protocol;
    const type = route.type === 'unicast' ? '' : `${route.type} `;
    const metric = route.metric > 0 ? ` metric ${route.metric}` : '';
    return `${type}${route.prefix}${waysText(route)} proto ${by}${metric}`;
  }
}
