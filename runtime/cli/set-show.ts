import { Command, Option } from 'clipanion';
import type { SetReply } from '../control/types.js';
import { categories, NetmillCommand } from './command.js';
import { countText } from './set-text.js';
import { time } from './text.js';

export class SetShowCommand extends NetmillCommand {
  static override paths = [['set', 'show']];
  static override usage = Command.Usage({
    category: categories.sets,
    description: 'how much a set of the running policy holds, and since when',
    examples: [['One set', '$0 set show blocked']],
  });

  name = Option.String({ name: 'NAME' });

  async run(): Promise<number> {
    const set = await this.ask<SetReply>({ op: 'set.show', name: this.name });
    return this.show(set, () =>
      [
        `${set.name}: ${countText(set)}, ${Math.ceil(set.bytes / 1000)} kB`,
        `  changed ${set.changedAt === undefined ? 'never: it holds what it was built with' : time(set.changedAt)}`,
        `  made at ${set.origin} of router ${set.policy}`,
      ].join('\n'),
    );
  }
}
