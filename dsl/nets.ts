/** Sets of networks and hosts. */
import { formatAddress, formatPrefix, network, parseInterfaceAddress, whyNotAddress } from './address.js';
import type { CheckAddress, CheckPrefix, FamilyOf } from './literals.js';
import { rememberNets } from './made.js';
import type { Family, NetSet, Origin, Prefix } from './model.js';
import { here, inside } from './origin.js';
import { note, noteEmpty, show } from './problems.js';

/** A set of networks of the families F. */
export interface Nets<F extends Family = Family> extends NetSet {
  readonly families: readonly F[];
  /** Its IPv4 networks alone. */
  readonly v4: Nets<4>;
  /** Its IPv6 networks alone. */
  readonly v6: Nets<6>;
}

interface Entry {
  readonly prefix: Prefix;
  readonly label: string | undefined;
}

/**
 * Networks by prefix, IPv4 and IPv6; an address alone stands for itself.
 *
 * @example nets('10.20.0.0/16', '2001:db8:20::/48')
 */
export function nets<const T extends string>(...prefixes: readonly CheckPrefix<T>[]): Nets<FamilyOf<T>> {
  const origin = here();
  if (prefixes.length === 0) noteEmpty(origin, 'this list of networks is empty, so it would match nothing');
  const entries = prefixes.map((text, i) => readPrefix(text, inside(origin, i)));
  return made(
    entries.flatMap((prefix) => (prefix ? [{ prefix, label: undefined }] : [])),
    origin,
  ) as Nets<FamilyOf<T>>;
}

/** For readers of rules in other formats. @throws nothing: what is wrong is noted at `origin` */
export function netsAt(prefixes: readonly string[], origin: Origin): Nets {
  return netsOf(
    prefixes.flatMap((text) => readPrefix(text, origin) ?? []),
    origin,
  );
}

/** For readers of rules in other formats. */
export function netsOf(prefixes: readonly Prefix[], origin: Origin): Nets {
  return netSet(
    prefixes.map((prefix) => ({ prefix, label: undefined })),
    origin,
  );
}

/**
 * Named addresses.
 *
 * @example hosts({ web1: '203.0.113.10', web6: '2001:db8:ff::10' })
 */
export function hosts<const T extends string, K extends string>(
  addresses: Readonly<Record<K, CheckAddress<T>>> & object,
): Nets<FamilyOf<T>> {
  const origin = here();
  if (typeof addresses !== 'object' || Array.isArray(addresses)) {
    note('NM3002', origin, 'hosts() takes addresses with their names', {
      expected: "an object: hosts({ web1: '203.0.113.10' })",
      got: show(addresses),
      fix: 'use nets() for addresses without names.',
    });
    return made([], origin) as Nets<FamilyOf<T>>;
  }
  const given: readonly [string, unknown][] = Object.entries(addresses ?? {});
  if (given.length === 0) noteEmpty(origin, 'this list of hosts is empty, so it would match nothing');
  const entries = given.flatMap(([label, text]): Entry[] => {
    const prefix = readHost(text, inside(origin, 0, label));
    return prefix ? [{ prefix, label }] : [];
  });
  return made(entries, origin) as Nets<FamilyOf<T>>;
}

function made(entries: readonly Entry[], origin: Origin): Nets {
  const set = netSet(entries, origin);
  rememberNets(set);
  return set;
}

function netSet(entries: readonly Entry[], origin: Origin): Nets {
  const set = {
    kind: 'nets' as const,
    prefixes: Object.freeze(entries.map((entry) => Object.freeze(entry.prefix))),
    labels: Object.freeze(entries.map((entry) => entry.label)),
    origin,
  };
  const of = (family: Family) => entries.filter((entry) => entry.prefix.family === family);
  // Not enumerable: what is computed is no part of the value.
  Object.defineProperties(set, {
    families: { get: () => ([4, 6] as const).filter((family) => of(family).length > 0) },
    v4: { get: () => netSet(of(4), origin) },
    v6: { get: () => netSet(of(6), origin) },
  });
  Object.freeze(set);
  return set as unknown as Nets;
}

function readPrefix(text: unknown, origin: Origin): Prefix | undefined {
  const parsed = typeof text === 'string' ? parseInterfaceAddress(text) : undefined;
  if (parsed === undefined) {
    note('NM3002', origin, whyNotAddress(text) ?? `${show(text)} is not an address or a prefix`, {
      expected:
        'an IPv4 prefix with a length of 0 to 32, an IPv6 prefix with a length of 0 to 128, or an address',
      got: show(text),
    });
    return undefined;
  }
  const prefix = network(parsed);
  if (prefix.bits === parsed.bits) return prefix;
  note('NM3016', origin, `${show(text)} has bits set beyond its length`, {
    expected: `'${formatPrefix(prefix)}'`,
    got: show(text),
    fix: `write '${formatPrefix(prefix)}' for the network, or '${formatAddress(parsed)}' for the host.`,
  });
  return undefined;
}

function readHost(text: unknown, origin: Origin): Prefix | undefined {
  const parsed = typeof text === 'string' && !text.includes('/') ? parseInterfaceAddress(text) : undefined;
  if (parsed !== undefined) return parsed;
  note('NM3002', origin, whyNotAddress(text) ?? `${show(text)} is not an address`, {
    expected: 'one IPv4 or IPv6 address',
    got: show(text),
    ...(typeof text === 'string' && text.includes('/') ? { fix: 'use nets() for prefixes.' } : {}),
  });
  return undefined;
}
