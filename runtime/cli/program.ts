/** The netmill program as a value: every command registered, runnable with any arguments and any streams. */
import { type BaseContext, Cli } from 'clipanion';
import { exits } from '../exit-codes.js';
import { version } from '../version.js';
import { AclDisableCommand } from './acl-disable.js';
import { AclEnableCommand } from './acl-enable.js';
import { AclListCommand } from './acl-list.js';
import { AclReloadCommand } from './acl-reload.js';
import { ArpCommand } from './arp.js';
import { ArpAddCommand } from './arp-add.js';
import { ArpDeleteCommand } from './arp-delete.js';
import { BridgeCommand } from './bridge.js';
import { BuildCommand } from './build.js';
import { CheckCommand } from './check.js';
import { CounterCommand } from './counter.js';
import { DeployCommand } from './deploy.js';
import { DocsCommand } from './docs.js';
import { ExplainCommand } from './explain.js';
import { ExportCommand } from './export.js';
import { FibCommand } from './fib.js';
import { GenCommand } from './gen.js';
import { GenerationsCommand } from './generations.js';
import { groupText, HelpCommand } from './help.js';
import { IfconfigCommand } from './ifconfig.js';
import { ImportCommand } from './import.js';
import { InitCommand } from './init.js';
import { InteractiveCommand } from './interactive.js';
import { LogCommand } from './log.js';
import { isTerminal } from './paint.js';
import { PlanCommand } from './plan.js';
import { RollbackCommand } from './rollback.js';
import { RouteCommand } from './route.js';
import { RouteAddCommand } from './route-add.js';
import { RouteDeleteCommand } from './route-delete.js';
import { RouteDumpCommand } from './route-dump.js';
import { RouteGetCommand } from './route-get.js';
import { RouteTopCommand } from './route-top.js';
import { SetAddCommand, SetDeleteCommand, SetReplaceCommand } from './set-change.js';
import { SetListCommand } from './set-list.js';
import { SetShowCommand } from './set-show.js';
import { ShutdownCommand } from './shutdown.js';
import { StatusCommand } from './status.js';
import { TestCommand } from './test.js';
import { TraceCommand } from './trace.js';
import { shortUsage, valuesNamed } from './usage.js';
import { valeCommands } from './vale.js';
import { VersionCommand } from './version.js';

const commands = [
  InitCommand,
  BuildCommand,
  CheckCommand,
  PlanCommand,
  ExplainCommand,
  ImportCommand,
  ExportCommand,
  TestCommand,
  DocsCommand,
  DeployCommand,
  GenerationsCommand,
  RollbackCommand,
  StatusCommand,
  TraceCommand,
  IfconfigCommand,
  ArpCommand,
  ArpAddCommand,
  ArpDeleteCommand,
  CounterCommand,
  RouteCommand,
  RouteGetCommand,
  RouteTopCommand,
  RouteAddCommand,
  RouteDeleteCommand,
  RouteDumpCommand,
  FibCommand,
  AclListCommand,
  AclReloadCommand,
  AclEnableCommand,
  AclDisableCommand,
  LogCommand,
  SetListCommand,
  SetShowCommand,
  SetAddCommand,
  SetDeleteCommand,
  SetReplaceCommand,
  ShutdownCommand,
  GenCommand,
  BridgeCommand,
  ...valeCommands,
  InteractiveCommand,
  HelpCommand,
  VersionCommand,
];

export function createProgram(stdout: NodeJS.WritableStream): Cli {
  const cli = new Cli({
    binaryLabel: 'netmill',
    binaryName: 'netmill',
    binaryVersion: version,
    enableCapture: false,
    enableColors: isTerminal(stdout) && !process.env.NO_COLOR,
  });
  for (const command of commands) cli.register(command);
  return cli;
}

/** `vale --help`: all commands that begin so. True if that is all: `route` alone is a command, too. */
function helpOfGroup(argv: readonly string[], cli: Cli, stdout: NodeJS.WritableStream): boolean {
  const [word, option] = argv;
  if (argv.length !== 2 || !/^(-h|--help)$/.test(option!)) return false;
  const definitions = cli.definitions();
  const text = groupText(word!, definitions);
  if (text === undefined) return false;
  const isCommand = definitions.some(({ path }) => path === `netmill ${word}`);
  stdout.write(isCommand ? `${text}\n` : text);
  return !isCommand;
}

/** Options that may stand before the command, as netmap-rtctl had them. */
const leading: ReadonlySet<string> = new Set(['-s', '--socket']);

/** `netmill -s PATH status` is `netmill status -s PATH`. */
export function commandFirst(argv: readonly string[]): string[] {
  let at = 0;
  while (at < argv.length && argv[at]!.startsWith('-')) at += leading.has(argv[at]!) ? 2 : 1;
  const moved = argv.slice(0, at);
  const isSpecial = at >= argv.length;
  return isSpecial ? [...argv] : [...argv.slice(at), ...moved];
}

/** Exit code of one command line. Never throws. */
export async function runProgram(
  argv: readonly string[],
  context: Partial<BaseContext> = {},
): Promise<number> {
  const { stdout = process.stdout, stderr = process.stderr } = context;
  const cli = createProgram(stdout);
  const wanted =
    argv.length === 0 || (argv.length === 1 && /^(-h|--help)$/.test(argv[0]!))
      ? ['help']
      : commandFirst(argv);
  if (helpOfGroup(wanted, cli, stdout)) return exits.ok;
  const refuse = (asJson: boolean, message: string, fix: string): number => {
    const error = { code: 'usage', message, fix };
    if (asJson) stdout.write(`${JSON.stringify({ error }, null, 2)}\n`);
    else stderr.write(`netmill: ${message}\n  fix: ${fix}\n`);
    return exits.usage;
  };
  let command: ReturnType<typeof cli.process>;
  try {
    command = cli.process(wanted);
  } catch (error) {
    const { message, fix } = notUnderstood(wanted, cli, error);
    return refuse(wanted.includes('--json'), message, fix);
  }
  // What clipanion's own help command prints goes the way of everything else.
  command.context = { ...Cli.defaultContext, ...context } as never;
  command.cli = miniCli(cli, context);
  try {
    return (await command.validateAndExecute()) ?? exits.ok;
  } catch (error) {
    const asJson = (command as { readonly json?: unknown }).json === true;
    return refuse(asJson, textOf(error), `see netmill ${command.path.join(' ')} --help`);
  }
}

function miniCli(cli: Cli, context: Partial<BaseContext>): never {
  return {
    binaryLabel: cli.binaryLabel,
    binaryName: cli.binaryName,
    binaryVersion: cli.binaryVersion,
    enableCapture: false,
    definitions: () => cli.definitions(),
    error: (error: Error) => `${textOf(error)}\n`,
    format: (colored?: boolean) => cli.format(colored),
    process: (input: string[]) => cli.process(input),
    run: (input: string[], more?: Partial<BaseContext>) => runProgram(input, { ...context, ...more }),
    usage: (of: never, options: never) => valuesNamed(cli.usage(of, options)),
  } as never;
}

/** What was wrong, how the command goes, or those that begin like it, and where to read on. */
function notUnderstood(
  argv: readonly string[],
  cli: Cli,
  error: unknown,
): { readonly message: string; readonly fix: string } {
  const words = argv.filter((word) => !word.startsWith('-'));
  const alike = cli.definitions().filter(({ path }) => path.split(' ')[1] === words[0]);
  if (alike.length === 0)
    return { message: `there is no command '${words[0] ?? argv.join(' ')}'`, fix: 'see netmill help' };
  const named = alike.find(({ path }) => path === ['netmill', ...words.slice(0, 2)].join(' '));
  const near = named && words.length > 1 ? [named] : alike;
  const first = textOf(error)
    .split('\n')[0]!
    .replace(/[:.]?$/, '');
  const reason = /did you mean|similar/.test(first)
    ? `'${argv.join(' ')}' is not complete, or too much`
    : first;
  const [one, ...more] = near;
  return {
    message: [reason, ...near.map(({ usage }) => `  ${shortUsage(usage)}`)].join('\n'),
    fix: more.length === 0 ? `see ${one!.path} --help` : `see netmill help ${words[0]}`,
  };
}

/** clipanion's messages are several lines; the usage that follows the message is said elsewhere. */
function textOf(error: unknown): string {
  return (error as Error).message.replace(/\s*\n\n\$ [\s\S]*$/, '').trim();
}
