/** Predicates: conditions that no list of networks and ports can say. */
import { rememberPredicate } from './made.js';
import type { Predicate } from './model.js';
import { here, inside } from './origin.js';
import type { Packet } from './packet.js';
import { note, show } from './problems.js';

/**
 * A condition on one packet. The arrow function runs as it stands in tests; the forwarder gets C made from its
 * syntax, so it may use only the subset that docs/policy.md describes.
 *
 * @param name unique in the policy; the C function is named after it
 * @example predicate('tiny-syn', (p) => p.l4 === 'tcp' && p.flags.syn && p.len < 40)
 */
export function predicate(name: string, test: (packet: Packet) => boolean): Predicate {
  const origin = here();
  checkName(name, 'predicate', inside(origin, 0));
  if (typeof test !== 'function')
    note('NM2101', inside(origin, 1), `${show(test)} is not a function`, {
      expected: 'an arrow function',
      got: show(test),
    });
  const made: Predicate = Object.freeze({
    kind: 'predicate',
    name: String(name),
    test: test as Predicate['test'],
    origin,
  });
  rememberPredicate(made);
  return made;
}

/** Names become parts of C names, counters and command lines. */
export function checkName(name: unknown, what: string, origin: Predicate['origin']): void {
  if (typeof name === 'string' && /^[A-Za-z][A-Za-z0-9_-]{0,62}$/.test(name)) return;
  note('NM3010', origin, `${show(name)} is not a usable name for a ${what}`, {
    expected: 'a letter, then at most 62 letters, digits, hyphens or underscores',
    got: show(name),
  });
}
