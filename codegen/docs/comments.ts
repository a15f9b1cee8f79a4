/** What the operator has written about a line: comments right above it, and behind it. */
import type { Origin } from '../../dsl/model.js';
import type { CheckedPolicy } from '../checked.js';

const whole = /^\s*(?:\/\/+|\/\*+|\*(?!\/))\s?(.*?)\s*(?:\*\/)?\s*$/;
const behind = /[,;)\]}]\s*\/\/+\s*(.*?)\s*$/;

export function commentOf(policy: CheckedPolicy, { file, line }: Origin): string | undefined {
  const lines = policy.files.find((one) => one.path === file)?.text.split(/\r?\n/);
  const own = lines?.[line - 1];
  if (lines === undefined || own === undefined) return undefined;
  const above: string[] = [];
  for (let at = line - 2; at >= 0; at--) {
    const text = whole.exec(lines[at]!)?.[1];
    if (text === undefined) break;
    if (text !== '') above.unshift(text);
  }
  const after = behind.exec(own)?.[1];
  const all = [...above, ...(after ? [after] : [])];
  return all.length === 0 ? undefined : all.join(' ');
}
