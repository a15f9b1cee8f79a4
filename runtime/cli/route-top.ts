import { Command, Option, UsageError } from 'clipanion';
import type { TopReply } from '../control/types.js';
import { exits } from '../exit-codes.js';
import { categories, NetmillCommand } from './command.js';
import { isTerminal } from './paint.js';
import { waysText } from './route-text.js';
import { count, scaled, table } from './text.js';

/** Lines of a terminal that are not rows: the heading, and the one that stays empty. */
const FRAME_LINES = 2;
/** ECMA-48: cursor home and erase the page; erase to the end of the line; and to the end of the page. */
const HOME = '\u001b[H';
const CLEAR = `${HOME}\u001b[2J`;
const END_OF_LINE = '\u001b[K';
const END_OF_PAGE = '\u001b[J';

export class RouteTopCommand extends NetmillCommand {
  static override paths = [['route', 'top']];
  static override usage = Command.Usage({
    category: categories.routes,
    description: 'show what packets go by now, the most first; on a terminal again and again until ^C or q',
    details:
      'A row is a path group: all routes that go the same way. ROUTE is one of them, ROUTES how many (gateways of ACLs and PBR among them).',
    examples: [
      ['At a terminal', '$0 route top'],
      ['The ten most used of ten seconds', '$0 route top --once -i 10 -n 10'],
    ],
  });

  interval = Option.String('-i,--interval', '1', { description: 'seconds between two looks, 0.1 to 60' });
  rows = Option.String('-n,--rows', { description: 'rows; else as many as fit, or 20' });
  once = Option.Boolean('--once', false, { description: 'look once, also on a terminal' });

  async run(): Promise<number> {
    const seconds = Number(this.interval);
    if (!(seconds >= 0.1 && seconds <= 60))
      throw new UsageError(`expected an interval of 0.1 to 60 seconds, got '${this.interval}'`);
    const rows = this.rows === undefined ? undefined : Number(this.rows);
    if (rows !== undefined && !(Number.isInteger(rows) && rows >= 1 && rows <= 10_000))
      throw new UsageError(`expected 1 to 10000 rows, got '${this.rows}'`);
    if (!isTerminal(this.context.stdout) || this.once || this.json)
      return this.show(await this.look(seconds, rows ?? 20), topText);
    return this.follow(seconds, rows);
  }

  private look(seconds: number, limit: number, signal?: AbortSignal): Promise<TopReply> {
    return this.ask<TopReply>({ op: 'route.top', seconds, limit }, undefined, signal);
  }

  private async follow(seconds: number, rows: number | undefined): Promise<number> {
    const stdout = this.context.stdout as NodeJS.WriteStream;
    const quit = quitKey(this.context.stdin as NodeJS.ReadStream);
    await this.write(CLEAR);
    try {
      for (;;) {
        const fits = Math.max(1, (stdout.rows ?? 24) - FRAME_LINES);
        const reply = await this.look(seconds, Math.min(rows ?? fits, fits), quit.signal);
        const lines = topText(reply).split('\n');
        const shown = lines.map((line) => `${line.slice(0, stdout.columns ?? 80)}${END_OF_LINE}`);
        await this.write(HOME + shown.join('\n') + END_OF_PAGE);
      }
    } catch (error) {
      if (!quit.signal.aborted) throw error;
    } finally {
      quit.release();
    }
    await this.write('\n');
    return exits.ok;
  }
}

const quitKeys: ReadonlySet<string> = new Set(['q', '\u0003', '\u0004']);

/** The signal goes off when q, ^C or ^D is typed. */
function quitKey(stdin: NodeJS.ReadStream): { readonly signal: AbortSignal; release(): void } {
  const quit = new AbortController();
  const onKey = (keys: Buffer): void => {
    if ([...keys.toString('latin1')].some((key) => quitKeys.has(key))) quit.abort();
  };
  if (!isTerminal(stdin as never)) return { signal: quit.signal, release: () => undefined };
  // A prompt that this is a command of reads the same keys: they are not for it meanwhile, and all is as it was afterwards.
  const prompt = stdin.listeners('keypress') as ((...key: unknown[]) => void)[];
  const [wasRaw, wasFlowing] = [stdin.isRaw === true, stdin.readableFlowing === true];
  stdin.removeAllListeners('keypress').setRawMode(true).on('data', onKey).resume();
  return {
    signal: quit.signal,
    release: () => {
      stdin.off('data', onKey).setRawMode(wasRaw);
      for (const listener of prompt) stdin.on('keypress', listener);
      if (!wasFlowing) stdin.pause();
    },
  };
}

export function topText(reply: TopReply): string {
  const columns = [
    { title: 'RATE', right: true },
    { title: 'BITS', right: true },
    { title: 'PACKETS', right: true },
    { title: 'BYTES', right: true },
    { title: 'ROUTES', right: true },
    { title: 'ROUTE' },
    { title: 'WAY' },
  ];
  const rows = reply.rows.map((row) => [
    scaled(row.rate.packets, 'pps'),
    scaled(row.rate.bits, 'bit/s'),
    count(row.use.packets),
    count(row.use.bytes),
    count(row.uses),
    row.prefix ?? '',
    row.type === 'unicast' ? waysText(row).trim() : row.type,
  ]);
  if (rows.length === 0) return `no packet went by any route within ${reply.seconds.toFixed(1)} s\n`;
  return table(columns, rows);
}
