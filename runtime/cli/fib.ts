import { Command, Option, UsageError } from 'clipanion';
import type { FibReply } from '../control/types.js';
import { categories, NetmillCommand } from './command.js';
import { fibText } from './status.js';
import { count, facts } from './text.js';

const actions = ['couple', 'decouple', 'recouple', 'status'] as const;

export class FibCommand extends NetmillCommand {
  static override paths = [['fib']];
  static override usage = Command.Usage({
    category: categories.routes,
    description: "couple the forwarding FIB to the kernel's, freeze it, or read the kernel afresh",
    details: `
      - \`decouple\` freezes what is forwarded by and goes on tracking the kernel
      - \`couple\` applies what has changed since
      - \`recouple\` dumps the kernel's tables again, and removes what is not there any more
      - \`status\` only looks
    `,
    examples: [
      ['Freeze', '$0 fib decouple'],
      ['Apply the difference', '$0 fib couple'],
    ],
  });

  action = Option.String({ name: 'couple|decouple|recouple|status' });

  async run(): Promise<number> {
    const action = actions.find((known) => known === this.action);
    if (action === undefined) throw new UsageError(`expected ${actions.join(', ')}; got '${this.action}'`);
    const reply = await this.ask<FibReply>({ op: 'fib', action });
    return this.show(reply, (fib) =>
      facts([
        ['FIB', fibText(fib, this.paint)],
        [
          'netlink',
          `${count(fib.messages)} messages, ${count(fib.overruns)} overruns, ${count(fib.resyncs)} resyncs`,
        ],
        ['engine', `${count(fib.batches)} batches`],
      ]),
    );
  }
}
