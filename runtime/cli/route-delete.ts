import { Command, Option } from 'clipanion';
import { categories, NetmillCommand } from './command.js';
import { destinationOf } from './destination.js';

export class RouteDeleteCommand extends NetmillCommand {
  static override paths = [['route', 'delete']];
  static override usage = Command.Usage({
    category: categories.routes,
    description: "delete a route that 'route add' made",
    examples: [['By its prefix', '$0 route delete 203.0.113.0/24']],
  });

  destination = Option.String({ name: 'DEST' });
  six = Option.Boolean('-6', false, { description: '`default` is of IPv6' });

  async run(): Promise<number> {
    const prefix = destinationOf(this.destination, this.six);
    const reply = await this.ask<{ deleted: string }>({ op: 'route.delete', prefix });
    return this.show(reply, ({ deleted }) => `deleted ${deleted}`);
  }
}
