/**
 * Gateways of a `nexthop` rule: one or several, which share the flows by weight, and others in order for when none of
 * those before answers. As text they are written `192.0.2.1*3 192.0.2.2 or 192.0.2.9 or drop`.
 */
import { formatAddress, parseAddress, whyNotAddress } from './address.js';
import type { CheckAddress, FamilyOf, IsOpen } from './literals.js';
import type { Family, Gateway, Origin } from './model.js';
import { inside } from './origin.js';
import { note, show } from './problems.js';

/** One, several that share the flows evenly, or by weight: `{ '192.0.2.1': 3, '192.0.2.2': 1 }`. */
export type GatewaysSpec = string | readonly string[] | { readonly [gateway: string]: number };

/** The addresses among them. */
export type GatewayText<T> = T extends string
  ? T
  : T extends readonly (infer G extends string)[]
    ? G
    : keyof T & string;

type UpTo<N extends number, Seen extends readonly unknown[] = [unknown]> = Seen['length'] extends N
  ? Exclude<keyof Seen, keyof (readonly unknown[])> | `${N}`
  : UpTo<N, readonly [...Seen, unknown]>;
type IsWeight<W> = W extends number
  ? number extends W
    ? true
    : `${W}` extends Exclude<UpTo<256>, '0'>
      ? true
      : false
  : false;
type WrongWeight<T> = { [K in keyof T]: IsWeight<T[K]> extends true ? never : T[K] }[keyof T];
type Twice<L> = L extends readonly [infer First, ...infer Rest]
  ? IsOpen<First & string> extends true
    ? Twice<Rest>
    : First extends Rest[number]
      ? First
      : Twice<Rest>
  : never;

type Checked<G extends string, F extends Family> =
  IsOpen<G> extends true
    ? G
    : [FamilyOf<G>] extends [F]
      ? CheckAddress<G>
      : `'${G}' is of a family that the gateways before it are not of`;
type WrongAddress<G extends string, F extends Family> = G extends string
  ? Checked<G, F> extends G
    ? never
    : Checked<G, F>
  : never;
type CheckMany<T, F extends Family> = T extends string
  ? never
  : T extends readonly []
    ? 'expected a gateway'
    : [keyof T] extends [never]
      ? 'expected a gateway'
      : [WrongAddress<GatewayText<T>, F>] extends [never]
        ? T extends readonly string[]
          ? [Twice<T>] extends [never]
            ? unknown
            : `'${Twice<T> & string}' is given twice`
          : [WrongWeight<T>] extends [never]
            ? unknown
            : `${WrongWeight<T> & number} is not a weight from 1 to 256`
        : WrongAddress<GatewayText<T>, F>;

/** The gateways, or the reason why they are none. `F`: families of those for which they stand in. */
export type CheckGateways<T extends GatewaysSpec, F extends Family = Family> =
  | (T & CheckMany<T, F>)
  | (T extends string ? Checked<T, F> : never);

export const mostWeight = 256;
/** Of one family and choice: with their weights they have to fit into a path group. */
const mostGateways = 64;

/** Those of one choice; `before` are those for which they stand in. */
export function readGateways(given: unknown, origin: Origin, before: readonly Gateway[]): readonly Gateway[] {
  const choice = Math.max(-1, ...before.map((one) => one.choice)) + 1;
  const found = partsOf(given, origin).flatMap(({ text, weight, place }) => {
    const address = typeof text === 'string' ? parseAddress(text) : undefined;
    if (address === undefined)
      note('NM3002', place, whyNotAddress(text) ?? `${show(text)} is not an address`, {
        expected: 'the address of a gateway',
        got: show(text),
      });
    return address ? [{ ...address, weight: readWeight(weight, place), choice, place }] : [];
  });
  if (Array.isArray(given) ? given.length === 0 : typeof given === 'object' && found.length === 0)
    note('NM3002', origin, 'a nexthop rule needs a gateway', { expected: 'the address of a gateway' });
  const seen = new Set(before.map(formatAddress));
  for (const { place, ...one } of found) {
    const text = formatAddress(one);
    if (seen.has(text)) note('NM3017', place, `the gateway ${text} is given twice`);
    seen.add(text);
    if (choice > 0 && !before.some(({ family }) => family === one.family))
      note('NM3004', place, `${text} stands in for no gateway: none before it is of IPv${one.family}`, {
        expected: 'gateways of the families of those before',
        got: text,
      });
  }
  for (const family of [4, 6])
    if (found.filter((one) => one.family === family).length > mostGateways)
      note('NM3017', origin, `there are too many gateways of IPv${family}`, {
        expected: `at most ${mostGateways}`,
      });
  return Object.freeze(found.map(({ place: _, ...one }) => Object.freeze(one)));
}

interface Part {
  readonly text: unknown;
  readonly weight: unknown;
  readonly place: Origin;
}

function partsOf(given: unknown, origin: Origin): readonly Part[] {
  if (Array.isArray(given)) return given.map((text, i) => ({ text, weight: 1, place: inside(origin, i) }));
  if (typeof given !== 'object' || given === null) return [{ text: given, weight: 1, place: origin }];
  return Object.entries(given).map(([text, weight]) => ({ text, weight, place: inside(origin, text) }));
}

function readWeight(weight: unknown, place: Origin): number {
  if (isWeight(weight)) return weight;
  note('NM3017', place, `${show(weight)} is not a weight`, {
    expected: `a whole number from 1 to ${mostWeight}`,
    got: show(weight),
  });
  return 1;
}

function isWeight(weight: unknown): weight is number {
  return Number.isInteger(weight) && (weight as number) >= 1 && (weight as number) <= mostWeight;
}

/** Those of a rule, or those of one family of it, choice by choice. */
export function formatGateways(gateways: readonly Gateway[], orDrop = false): string {
  const choices = [...new Set(gateways.map((one) => one.choice))].sort((a, b) => a - b);
  const texts = choices.map((choice) =>
    gateways
      .filter((one) => one.choice === choice)
      .map((one) => formatAddress(one) + (one.weight === 1 ? '' : `*${one.weight}`))
      .join(' '),
  );
  return [...texts, ...(orDrop ? ['drop'] : [])].join(' or ');
}

/** What formatGateways wrote. Undefined: it is something else, or says a gateway twice. */
export function parseGateways(
  text: string,
): { readonly gateways: readonly Gateway[]; readonly orDrop: boolean } | undefined {
  const choices = text.trim().split(/\s+or\s+/);
  const orDrop = choices.length > 1 && choices.at(-1) === 'drop';
  const gateways = (orDrop ? choices.slice(0, -1) : choices).flatMap((words, choice) =>
    words.split(/\s+/).map((word): Gateway | undefined => {
      const [, address, weight] = /^([^*]*)(?:\*(\d{1,3}))?$/.exec(word) ?? [];
      const found = parseAddress(address ?? '');
      const number = weight === undefined ? 1 : Number(weight);
      return found && isWeight(number) ? { ...found, weight: number, choice } : undefined;
    }),
  );
  const known = gateways.filter((one) => one !== undefined);
  const first = new Set(known.filter((one) => one.choice === 0).map((one) => one.family));
  const right =
    known.length === gateways.length &&
    new Set(known.map(formatAddress)).size === known.length &&
    known.every((one) => first.has(one.family));
  return right ? { gateways: known, orDrop } : undefined;
}
