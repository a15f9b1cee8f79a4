/** What is wrong with a list of networks. */
import type { LineMistake } from '../../codegen/sets/read.js';
import { MillError } from '../errors.js';

/** Places as compilers give them. */
export function wrongLines(file: string, mistakes: readonly LineMistake[]): MillError {
  const [first] = mistakes;
  const lines = mistakes.map(
    ({ line, column, message, expected, got }) =>
      `${file}:${line}:${column}: ${message}: expected ${expected}, got ${got}`,
  );
  return new MillError(
    'usage',
    `${file} is not a list of networks: ${mistakes.length === 1 ? 'a line is' : `${mistakes.length} lines are`} wrong`,
    first?.fix ?? 'correct what is shown; nothing was changed',
    lines.join('\n'),
  );
}
