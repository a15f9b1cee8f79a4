/** What all commands share: the options that go everywhere, how a result is shown, how an error ends. */
import { Command, Option, UsageError } from 'clipanion';
import { call } from '../control/client.js';
import type { RequestBody } from '../control/protocol.js';
import { errorData } from '../errors.js';
import { exitCodeOf, exits } from '../exit-codes.js';
import { DEFAULT_SOCKET } from '../paths.js';
import { type Painter, painterFor } from './paint.js';

/** Headings of `netmill help`. */
export const categories = {
  policy: 'Policy',
  router: 'Router',
  routes: 'Routes',
  acl: 'ACLs',
  sets: 'Sets',
  traffic: 'Traffic',
  general: 'General',
} as const;

export abstract class NetmillCommand extends Command {
  socket = Option.String('-s,--socket', {
    description: `control socket; else $NETMILL_SOCKET, else ${DEFAULT_SOCKET}`,
  });
  verbose = Option.Boolean('-v,--verbose', false, { description: 'say more when something fails' });
  json = Option.Boolean('--json', false, { description: 'print JSON' });

  /** Does the work. What it returns is the exit code. */
  abstract run(): Promise<number>;

  override async execute(): Promise<number> {
    try {
      return await this.run();
    } catch (error) {
      if (error instanceof UsageError) throw error;
      return this.complain(error);
    }
  }

  protected get paint(): Painter {
    return painterFor(this.context.stdout, process.env);
  }

  protected get socketPath(): string {
    return this.socket ?? process.env.NETMILL_SOCKET ?? DEFAULT_SOCKET;
  }

  protected ask<T>(body: RequestBody, onPart?: (part: never) => unknown, signal?: AbortSignal): Promise<T> {
    return call<T>(body, {
      socket: this.socketPath,
      onProgress: (text) => this.progress(text),
      ...(onPart && { onPart }),
      ...(signal && { signal }),
    });
  }

  /** Steps of something that takes a while: on standard error, so that standard output stays the result. */
  protected progress(text: string): void {
    if (!this.json) this.context.stderr.write(`${text}\n`);
  }

  protected print(text: string): void {
    this.context.stdout.write(text.endsWith('\n') || text === '' ? text : `${text}\n`);
  }

  /** Resolves when standard output has room for more: of what is long, no more than a part is kept. */
  protected async write(text: string): Promise<void> {
    const { stdout } = this.context;
    if (stdout.write(text)) return;
    await new Promise<void>((resolve) => {
      const settle = (): void => {
        stdout.off('drain', settle);
        stdout.off('close', settle);
        resolve();
      };
      stdout.once('drain', settle);
      stdout.once('close', settle);
    });
  }

  /** The value as JSON, or as `text` makes it. */
  protected show<T>(value: T, text: (value: T) => string): number {
    this.print(this.json ? JSON.stringify(value, null, 2) : text(value));
    return exits.ok;
  }

  protected complain(thrown: unknown): number {
    const error = errorData(thrown);
    const exit = exitCodeOf(error.code);
    if (this.json) {
      this.print(JSON.stringify({ error }, null, 2));
      return exit;
    }
    const paint = painterFor(this.context.stderr, process.env);
    const wantsDetails = error.code !== 'internal' || this.verbose;
    const lines = [
      wantsDetails ? error.details?.trimEnd() : undefined,
      `${paint.bad('netmill:')} ${error.message}`,
      error.fix && `  ${paint.dim('fix:')} ${error.fix}`,
    ];
    this.context.stderr.write(`${lines.filter((line) => line).join('\n')}\n`);
    return exit;
  }
}
