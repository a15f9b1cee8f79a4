import { resolve } from 'node:path';
import { Command, Option } from 'clipanion';
import { categories, NetmillCommand } from './command.js';
import { plural } from './text.js';

export class RouteDumpCommand extends NetmillCommand {
  static override paths = [['route', 'dump']];
  static override usage = Command.Usage({
    category: categories.routes,
    description: 'write the whole routing table to a file, on a thread of its own',
    details: "The file is the daemon's: the policy's `routeDumpFile` when none is named.",
    examples: [
      ["To the policy's file", '$0 route dump'],
      ['To another', '$0 route dump /tmp/routes.txt'],
    ],
  });

  file = Option.String({ name: 'FILE', required: false });

  async run(): Promise<number> {
    const named = this.file === undefined ? {} : { file: resolve(this.file) };
    const reply = await this.ask<{ file: string; routes: number }>({ op: 'route.dump', ...named });
    return this.show(reply, ({ file, routes }) => `${plural(routes, 'route')} written to ${file}`);
  }
}
