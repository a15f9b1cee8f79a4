/** `netmill cli`: the commands at a prompt, with history and completion. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline/promises';
import { Command } from 'clipanion';
import { exits } from '../exit-codes.js';
import { categories, NetmillCommand } from './command.js';
import { isTerminal } from './paint.js';

const HISTORY_LINES = 1000;

export class InteractiveCommand extends NetmillCommand {
  static override paths = [['cli']];
  static override usage = Command.Usage({
    category: categories.general,
    description: 'take commands at a prompt, with history and completion by Tab; `exit` or ^D ends it',
    details:
      'Reads lines from standard input when that is no terminal. Its options are those of every line. The exit code is that of the last command.',
    examples: [
      ['At a terminal', '$0 cli'],
      ['From a script', "printf 'status\\nacl list\\n' | $0 cli"],
    ],
  });

  async run(): Promise<number> {
    const { stdin, stdout } = this.context;
    const terminal = isTerminal(stdin as never) && isTerminal(stdout);
    const history = terminal ? openHistory() : undefined;
    const words = this.cli.definitions().map((definition) => definition.path.replace(/^netmill /, ''));
    const lines = createInterface({
      input: stdin,
      ...(terminal && { output: stdout }),
      terminal,
      completer: (line: string) => completions(line, words),
      history: history?.lines ?? [],
      historySize: HISTORY_LINES,
      removeHistoryDuplicates: true,
      prompt: 'netmill> ',
    });
    let code: number = exits.ok;
    lines.on('history', (all: string[]) => history?.save(all));
    let busy = false;
    // As in a shell: what was typed is dropped, the prompt stays. A command that runs ends, and the prompt with it.
    lines.on('SIGINT', () => {
      if (busy) {
        lines.close();
        process.kill(process.pid, 'SIGINT');
        return;
      }
      lines.write('', { ctrl: true, name: 'e' });
      lines.write('', { ctrl: true, name: 'u' });
      stdout.write('\n');
      lines.prompt();
    });
    if (terminal) lines.prompt();
    for await (const line of lines) {
      const argv = splitLine(line);
      if (argv[0] === 'exit' || argv[0] === 'quit') break;
      busy = true;
      if (argv.length > 0) code = await this.runLine(argv);
      busy = false;
      if (terminal) lines.prompt();
    }
    lines.close();
    return code;
  }

  private async runLine(argv: readonly string[]): Promise<number> {
    if (argv[0] === 'cli') {
      this.context.stderr.write('netmill: this is the prompt already\n');
      return exits.usage;
    }
    const own = [
      ...(this.socket === undefined ? [] : ['-s', this.socket]),
      ...(this.verbose ? ['-v'] : []),
      ...(this.json ? ['--json'] : []),
    ];
    return this.cli.run([...argv, ...own], this.context);
  }
}

/** Words in quotes stay together: 'a b', "a b". */
export function splitLine(line: string): string[] {
  const words = line.replace(/(^|\s)#.*$/, '').match(/"[^"]*"|'[^']*'|\S+/g) ?? [];
  return words.map((word) => (/^(["']).*\1$/s.test(word) ? word.slice(1, -1) : word));
}

/** What may follow: the next words of the commands that begin like the line. */
export function completions(line: string, commands: readonly string[]): [string[], string] {
  const start = line.trimStart();
  const space = start.lastIndexOf(' ') + 1;
  const before = start.slice(0, space);
  const last = start.slice(space);
  const next = commands
    .filter((command) => command.startsWith(start) && command.length > before.length)
    .map((command) => command.slice(before.length).split(' ')[0]!);
  const found = [
    ...new Set(
      ['exit', ...next].filter((word) => word.startsWith(last) && (before === '' || word !== 'exit')),
    ),
  ];
  return [found.sort().map((word) => `${word} `), last];
}

function openHistory(): { readonly lines: string[]; save(all: readonly string[]): void } {
  const state = process.env.XDG_STATE_HOME ?? join(homedir(), '.local', 'state');
  const path = join(state, 'netmill', 'history');
  return {
    lines: readLines(path),
    save: (all) => {
      try {
        mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
        writeFileSync(path, `${all.slice(0, HISTORY_LINES).join('\n')}\n`, { mode: 0o600 });
      } catch {
        // A home that cannot be written to costs the history, nothing else.
      }
    },
  };
}

/** Newest first, as readline has them. */
function readLines(path: string): string[] {
  try {
    return readFileSync(path, 'utf8')
      .split('\n')
      .filter((line) => line !== '');
  } catch {
    return [];
  }
}
