import { Command, Option, UsageError } from 'clipanion';
import type { DeployResult } from '../control/types.js';
import { categories, NetmillCommand } from './command.js';
import { deployText } from './deploy-text.js';

export class RollbackCommand extends NetmillCommand {
  static override paths = [['rollback']];
  static override usage = Command.Usage({
    category: categories.policy,
    description: 'swap back to a generation that the engine still keeps: at once, without a build',
    examples: [
      ['To the one before', '$0 rollback'],
      ['To another one that is kept', '$0 rollback 17'],
    ],
  });

  generation = Option.String({ name: 'SEQ', required: false });

  async run(): Promise<number> {
    if (this.generation !== undefined && !/^[1-9]\d{0,14}$/.test(this.generation)) {
      throw new UsageError(`expected the number of a generation, got '${this.generation}'`);
    }
    const wanted = this.generation === undefined ? {} : { generation: Number(this.generation) };
    return this.show(await this.ask<DeployResult>({ op: 'rollback', ...wanted }), deployText);
  }
}
