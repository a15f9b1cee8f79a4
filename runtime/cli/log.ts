import { Command } from 'clipanion';
import type { LoggedEvent } from '../log-events.js';
import { lineOf } from '../log-events.js';
import { categories, NetmillCommand } from './command.js';
import { time } from './text.js';

export class LogCommand extends NetmillCommand {
  static override paths = [['log']];
  static override usage = Command.Usage({
    category: categories.acl,
    description: 'show the last packets that rules with .log() took (the last 1,000 are kept)',
    examples: [['What was logged', '$0 log']],
  });

  async run(): Promise<number> {
    const events = await this.ask<readonly LoggedEvent[]>({ op: 'log' });
    return this.show(events, (all) => all.map((event) => `${time(event.time)} ${lineOf(event)}`).join('\n'));
  }
}
