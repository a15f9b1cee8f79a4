/** Runs the programs that open ports themselves: netmill-gen and netmill-bridge. */
import { execa } from 'execa';
import { MillError } from '../errors.js';
import { exits } from '../exit-codes.js';
import { toolBinary } from '../paths.js';

/**
 * Yields what the program reports, a line each, until it ends. ^C and SIGTERM end it, and its last report comes still.
 *
 * @throws MillError `usage`, or `unavailable` when a port does not open
 */
export async function* reports<T>(tool: 'gen' | 'bridge', args: readonly string[]): AsyncGenerator<T> {
  const child = execa(toolBinary(tool), args, { stdin: 'ignore', reject: false, cleanup: true });
  const end = (): void => void child.kill('SIGTERM');
  process.on('SIGINT', end).on('SIGTERM', end);
  try {
    for await (const line of child.iterable({ from: 'stdout' })) yield JSON.parse(line) as T;
    const { exitCode, stderr, code } = await child;
    if (code === 'ENOENT')
      throw new MillError('unavailable', `${toolBinary(tool)} is not built`, 'npm run setup');
    if (exitCode === exits.ok) return;
    const said = stderr.replaceAll(/^netmill-\w+: /gm, '').trim();
    throw new MillError(exitCode === exits.usage ? 'usage' : 'unavailable', said || `netmill-${tool} failed`);
  } finally {
    process.off('SIGINT', end).off('SIGTERM', end);
    child.kill('SIGTERM');
  }
}
