import { Command, type Definition, Option } from 'clipanion';
import { exits } from '../exit-codes.js';
import { DEFAULT_SOCKET } from '../paths.js';
import { categories, NetmillCommand } from './command.js';
import { facts } from './text.js';
import { shortUsage } from './usage.js';

/** A line for each command. */
function listText(definitions: readonly Definition[]): string {
  return facts(
    definitions.map(({ usage, description }) => [
      `  ${shortUsage(usage).replace(/^netmill /, '')}`,
      description?.trim() ?? '',
    ]),
  );
}

/** Commands that begin with one word, as `vale` or `set`: all of them, where there are several. */
export function groupText(word: string, definitions: readonly Definition[]): string | undefined {
  const group = definitions.filter(({ path }) => path.split(' ')[1] === word);
  if (group.length < 2) return undefined;
  const one = group.at(-1)!.path.split(' ').slice(1).join(' ');
  return `netmill ${word}: ${group.length} commands\n\n${listText(group)}
'netmill help COMMAND', as 'netmill help ${one}', explains one, with examples.
`;
}

export class HelpCommand extends NetmillCommand {
  static override paths = [['help']];
  static override usage = Command.Usage({
    category: categories.general,
    description: 'list the commands, or explain one',
    examples: [
      ['All commands', '$0 help'],
      ['One of them', '$0 help route get'],
    ],
  });

  command = Option.Rest({ name: 'COMMAND' });

  async run(): Promise<number> {
    if (this.command.length > 0) return this.cli.run([...this.command, '--help'], this.context);
    const definitions = this.cli.definitions();
    if (this.json) {
      this.print(
        JSON.stringify(
          definitions.map(({ path, description }) => ({ path, description })),
          null,
          2,
        ),
      );
      return exits.ok;
    }
    const sections = Object.values(categories).map((category) => {
      const of = definitions.filter((definition) => definition.category?.trim() === category);
      return `${this.paint.bold(category)}\n${listText(of)}`;
    });
    this.print(
      `netmill: a router whose policy is code\n\n${sections.join('\n')}
Every command takes --json, -v and -s SOCKET (else $NETMILL_SOCKET, else ${DEFAULT_SOCKET}).
'netmill help COMMAND' explains one, with examples. docs/cli.md has everything.
`,
    );
    return exits.ok;
  }
}
