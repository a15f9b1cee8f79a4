import { Command } from 'clipanion';
import { version } from '../version.js';
import { categories, NetmillCommand } from './command.js';

export class VersionCommand extends NetmillCommand {
  static override paths = [['version'], ['--version']];
  static override usage = Command.Usage({
    category: categories.general,
    description: 'show the version of netmill',
    examples: [['This one', '$0 version']],
  });

  async run(): Promise<number> {
    return this.show({ version }, (value) => `netmill ${value.version}`);
  }
}
