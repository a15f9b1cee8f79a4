/** Runs the programs that open ports themselves, netmill-gen and netmill-bridge, and netmill-vale. */
import { type ErrorCode, MillError } from '../errors.js';
import { exits } from '../exit-codes.js';
import { toolBinary } from '../paths.js';

type Tool = 'gen' | 'bridge' | 'vale';

/** The only line of a program that answers at once. @throws MillError as `reports` */
export async function answer<T>(tool: Tool, args: readonly string[]): Promise<T> {
  let last: T | undefined;
  for await (const line of reports<T>(tool, args)) last = line;
  if (last === undefined) throw new MillError('internal', `netmill-${tool} has said nothing`);
  return last;
}

/**
 * Yields what the program reports, a line each, until it ends. ^C and SIGTERM end it, and its last report comes still.
 *
 * @throws MillError `usage`, `permission`, or `unavailable` when a port does not open
 */
export async function* reports<T>(tool: Tool, args: readonly string[]): AsyncGenerator<T> {
  const { execa } = await import('execa'); // a tenth of a second, which other commands need not wait
  const child = execa(toolBinary(tool), args, { stdin: 'ignore', reject: false, cleanup: true });
  const end = (): void => void child.kill('SIGTERM');
  process.on('SIGINT', end).on('SIGTERM', end);
  try {
    for await (const line of child.iterable({ from: 'stdout' })) yield JSON.parse(line) as T;
    const { exitCode, stderr, code, signal } = await child;
    if (code === 'ENOENT')
      throw new MillError('unavailable', `${toolBinary(tool)} is not built`, 'npm run setup');
    if (exitCode === exits.ok) return;
    const said = stderr.replaceAll(/^netmill-\w+: /gm, '').trim();
    const codes: Readonly<Record<number, ErrorCode>> = {
      [exits.usage]: 'usage',
      [exits.permission]: 'permission',
    };
    const ending = signal === undefined ? 'failed' : `was ended by ${signal}`;
    throw new MillError(codes[exitCode ?? 0] ?? 'unavailable', said || `netmill-${tool} ${ending}`);
  } finally {
    process.off('SIGINT', end).off('SIGTERM', end);
    child.kill('SIGTERM');
  }
}
