/** Sets of networks that change while the router runs, without a build. */
import { dirname, resolve } from 'node:path';
import { rememberSet } from './made.js';
import type { Family, Origin, RuntimeSet } from './model.js';
import { here, inside } from './origin.js';
import { note, show } from './problems.js';
import { knownKeys } from './read.js';

/** A set that changes at run time, of the families F. */
export interface RuntimeNets<F extends Family = Family> extends RuntimeSet {
  readonly families: readonly F[];
  /** Its IPv4 networks alone. */
  readonly v4: RuntimeNets<4>;
  /** Its IPv6 networks alone. */
  readonly v6: RuntimeNets<6>;
}

export interface SetSpec<F extends Family = Family> {
  /** The only family that it holds; both when not said. */
  readonly family?: F;
  /**
   * What it holds until somebody changes it, one network or address a line: read at the build, relative to the file in which
   * this stands. Empty at first when not said.
   */
  readonly file?: string;
}

const families: readonly Family[] = [4, 6];

/**
 * Networks that `netmill set add|delete|replace` changes while the router runs. Lists use it like nets(); what a rule does
 * is analysed for all that the set may ever hold.
 *
 * @param name unique in the policy; contents stay with it from one deploy to the next
 * @example deny({ from: set('blocked', { file: './blocked.txt' }) })
 */
export function set<const F extends Family = Family>(name: string, spec: SetSpec<F> = {}): RuntimeNets<F> {
  const origin = here();
  if (typeof name !== 'string' || !/^[A-Za-z][A-Za-z0-9_-]{0,30}$/.test(name))
    note('NM3010', inside(origin, 0), `${show(name)} is not a usable name for a set`, {
      expected: 'a letter, then at most 30 letters, digits, hyphens or underscores',
      got: show(name),
    });
  const place = inside(origin, 1);
  const given = knownKeys(spec, ['family', 'file'], place, 'a set');
  const file = readFile(given.file, origin, inside(place, 'file'));
  const made = runtimeSet(String(name), readFamilies(given.family, inside(place, 'family')), file, origin);
  rememberSet(made);
  return made as RuntimeNets<F>;
}

function readFamilies(family: unknown, origin: Origin): readonly Family[] {
  if (family === undefined) return families;
  const found = families.filter((one) => one === family);
  if (found.length === 0)
    note('NM4014', origin, `${show(family)} is not a family of addresses`, {
      expected: '4 or 6',
      got: show(family),
    });
  return found;
}

function readFile(file: unknown, origin: Origin, place: Origin): string | undefined {
  if (file === undefined) return undefined;
  if (typeof file === 'string' && file !== '' && !/\p{Cc}/u.test(file))
    return resolve(dirname(origin.file), file);
  note('NM4014', place, `${show(file)} is not the path of a file`, {
    expected: 'a path relative to this file',
    got: show(file),
  });
  return undefined;
}

function runtimeSet(
  name: string,
  of: readonly Family[],
  file: string | undefined,
  origin: Origin,
): RuntimeNets {
  const made = {
    kind: 'set' as const,
    name,
    families: Object.freeze([...of]),
    ...(file !== undefined && { file }),
    origin,
  };
  const part = (family: Family) =>
    runtimeSet(
      name,
      of.filter((one) => one === family),
      file,
      origin,
    );
  // Not enumerable: what is computed is no part of the value.
  Object.defineProperties(made, { v4: { get: () => part(4) }, v6: { get: () => part(6) } });
  return Object.freeze(made) as unknown as RuntimeNets;
}
