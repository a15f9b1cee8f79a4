/** Reading of option objects: what is not known is a mistake, never skipped. */
import type { Origin } from './model.js';
import { inside } from './origin.js';
import { note, show } from './problems.js';

/** `value` if it is an object, else `{}` with the mistake noted; keys outside `known` are noted. */
export function knownKeys(
  value: unknown,
  known: readonly string[],
  origin: Origin,
  what: string,
): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    note('NM4014', origin, `${show(value)} is not what describes ${what}`, {
      expected: `an object with ${known.join(', ')}`,
      got: show(value),
    });
    return {};
  }
  for (const key of Object.keys(value))
    if (!known.includes(key))
      note('NM4017', inside(origin, key), `${what} has no setting '${key}'`, {
        expected: known.join(', '),
        got: `'${key}'`,
      });
  return value as Readonly<Record<string, unknown>>;
}

/** What `nets()`, `tcp()` and their like have made; undefined when it is left out, or wrong, which is noted. */
export function ofKind<T extends { readonly kind: string }>(
  given: Readonly<Record<string, unknown>>,
  key: string,
  kind: T['kind'],
  expected: string,
  origin: Origin,
): T | undefined {
  const value = given[key];
  if (value === undefined) return undefined;
  if ((value as { kind?: unknown } | null)?.kind === kind) return value as T;
  note('NM3014', inside(origin, key), `'${key}' is ${show(value)}`, { expected, got: show(value) });
  return undefined;
}

/** One of `choices`, or `otherwise` when it is left out or wrong. */
export function choice<T extends string>(
  value: unknown,
  choices: readonly T[],
  otherwise: T,
  origin: Origin,
): T {
  if (value === undefined) return otherwise;
  const found = choices.find((one) => one === value);
  if (found !== undefined) return found;
  note('NM4014', origin, `${show(value)} is not possible here`, {
    expected: choices.map(show).join(' or '),
    got: show(value),
  });
  return otherwise;
}

/** A whole number from `from` to `to`, or `undefined` when it is left out or wrong. */
export function wholeNumber(
  value: unknown,
  from: number,
  to: number,
  origin: Origin,
  code = 'NM4014',
  what = 'a number that is possible here',
): number | undefined {
  if (value === undefined) return undefined;
  if (typeof value === 'number' && Number.isInteger(value) && value >= from && value <= to) return value;
  note(code, origin, `${show(value)} is not ${what}`, {
    expected: `a whole number from ${from} to ${to}`,
    got: show(value),
  });
  return undefined;
}

/** One line of text, or `otherwise`. */
export function line(value: unknown, otherwise: string, origin: Origin): string {
  if (value === undefined) return otherwise;
  if (typeof value === 'string' && value !== '' && !/\p{Cc}/u.test(value)) return value;
  note('NM4014', origin, `${show(value)} is not possible here`, {
    expected: 'one line of text',
    got: show(value),
  });
  return otherwise;
}
