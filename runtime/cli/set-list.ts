import { Command, Option } from 'clipanion';
import type { SetReply } from '../control/types.js';
import { exits } from '../exit-codes.js';
import { categories, NetmillCommand } from './command.js';
import { type Column, table, time } from './text.js';

const columns: readonly Column[] = [
  { title: 'SET' },
  { title: 'IPv4', right: true },
  { title: 'IPv6', right: true },
  { title: 'kB', right: true },
  { title: 'CHANGED' },
  { title: 'POLICY LINE' },
];

export class SetListCommand extends NetmillCommand {
  static override paths = [['set', 'list']];
  static override usage = Command.Usage({
    category: categories.sets,
    description: 'the sets of the running policy that change at run time, or the networks that one holds',
    examples: [
      ['All sets', '$0 set list'],
      ['What one holds, the fewest networks that say so', '$0 set list blocked'],
    ],
  });

  name = Option.String({ name: 'NAME', required: false });

  async run(): Promise<number> {
    if (this.name !== undefined) return this.prefixes(this.name);
    const sets = await this.ask<readonly SetReply[]>({ op: 'set.list' });
    return this.show(sets, () =>
      sets.length === 0
        ? 'the running policy has no sets'
        : table(
            columns,
            sets.map((one) => [
              one.name,
              one.families.includes(4) ? String(one.prefixes[4]) : '-',
              one.families.includes(6) ? String(one.prefixes[6]) : '-',
              String(Math.ceil(one.bytes / 1000)),
              one.changedAt === undefined ? 'as built' : time(one.changedAt),
              one.origin,
            ]),
          ),
    );
  }

  /** As they come: a million are not kept. */
  private async prefixes(name: string): Promise<number> {
    let before = this.json ? '[' : '';
    await this.ask({ op: 'set.prefixes', name }, async (part: readonly string[]) => {
      const lines = this.json ? part.map((one) => JSON.stringify(one)) : part;
      await this.write(`${before}${lines.join(this.json ? ',\n' : '\n')}${this.json ? '' : '\n'}`);
      before = this.json ? ',\n' : '';
    });
    if (this.json) await this.write(before === '[' ? '[]\n' : ']\n');
    return exits.ok;
  }
}
