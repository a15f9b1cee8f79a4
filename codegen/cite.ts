/** The policy's own words for what stands at an origin. */
import type { Origin } from '../dsl/model.js';
import type { CheckedPolicy } from './checked.js';

const widest = 90;

/** The line at a place, without its indentation and last comma; undefined for what netmill added by itself. */
export function citer(policy: CheckedPolicy): (origin: Origin) => string | undefined {
  const lines = new Map(policy.files.map((file) => [file.path, file.text.split('\n')]));
  return (origin) => {
    const line = lines.get(origin.file)?.[origin.line - 1];
    if (line === undefined) return undefined;
    const text = line.trim().replace(/,$/, '');
    return text.length <= widest ? text : `${text.slice(0, widest - 1)}…`;
  };
}

/** `edge1.ts:12` */
export function place(origin: Origin): string {
  return origin.file === 'builtin' ? 'built in' : `${origin.file}:${origin.line}`;
}
