/**
 * Operators' mistakes found while a policy is evaluated. Builders never throw: they note the mistake here and go
 * on, so that one run shows all of them. router() takes what was noted so far; the loader takes the whole list.
 */
import type { Origin, Problem } from './model.js';

const noted: Problem[] = [];

export interface Mistake {
  readonly expected?: string;
  readonly got?: string;
  readonly fix?: string;
}

/** @param code from codegen/diagnostics/catalogue.ts */
export function note(code: string, origin: Origin, message: string, more: Mistake = {}): void {
  noted.push(Object.freeze({ code, message, origin, ...more }));
}

/** A list with nothing in it would match nothing, which nobody means. */
export function noteEmpty(origin: Origin, message: string): void {
  note('NM3015', origin, message, {
    expected: 'one at least',
    got: 'none',
    fix: 'put one in, or leave it out of the rule: what is left out matches everything.',
  });
}

export function problemsSoFar(): readonly Problem[] {
  return [...noted];
}

/** Shows any value in a message, shortened. */
export function show(value: unknown): string {
  if (typeof value === 'string') return `'${shorten(value)}'`;
  if (typeof value === 'number' || typeof value === 'boolean' || typeof value === 'bigint')
    return String(value);
  if (value === undefined) return 'undefined';
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'an array';
  return typeof value === 'function' ? 'a function' : 'an object';
}

function shorten(text: string): string {
  return text.length > 60 ? `${text.slice(0, 57)}...` : text;
}
