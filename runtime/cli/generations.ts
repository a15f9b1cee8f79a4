import { Command } from 'clipanion';
import type { GenerationReply } from '../control/types.js';
import { categories, NetmillCommand } from './command.js';
import { table, time } from './text.js';

export class GenerationsCommand extends NetmillCommand {
  static override paths = [['generations']];
  static override usage = Command.Usage({
    category: categories.policy,
    description: 'show what has been deployed, and what can be rolled back to',
    details:
      '`running` forwards; `retained` is in the engine, for `rollback`; `stored` is on disk, to be deployed anew.',
    examples: [['All of them', '$0 generations']],
  });

  async run(): Promise<number> {
    const generations = await this.ask<readonly GenerationReply[]>({ op: 'generations' });
    return this.show(generations, generationsText);
  }
}

function generationsText(generations: readonly GenerationReply[]): string {
  const columns = [
    { title: 'SEQ', right: true },
    { title: 'STATE' },
    { title: 'DEPLOYED' },
    { title: 'POLICY' },
    { title: 'SOURCE' },
    { title: 'NOTE' },
  ];
  const rows = generations.map((g) => [
    String(g.generation),
    g.state,
    time(g.committedAt),
    g.policyHash.slice(0, 12),
    g.source,
    g.note ?? '',
  ]);
  return table(columns, rows);
}
