/**
 * Which rules of a long list surely do not take a packet, so that the evaluator goes through thousands of them in
 * microseconds: first and last source, destination and destination port of each as numbers in one typed array. Addresses
 * have their first 52 bits, which a double holds exactly: a rule that seems to take a packet may not, never the other way
 * round.
 */
import { addressBits } from '../../dsl/address.js';
import type { Address, Family, NetSet, Prefix, Service } from '../../dsl/model.js';
import type { IrRule } from '../ir.js';
import type { Packet } from './parse.js';

const kept = 52;
const sides = 3;

type Hull = readonly [first: number, last: number];

const everything: Hull = [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY];

export class Hulls {
  readonly #rules: readonly IrRule[];
  readonly #tables = new Map<Family, Float64Array>();

  constructor(rules: readonly IrRule[]) {
    this.#rules = rules;
  }

  /** The first rule of which `takes` is true. */
  first({ family, src, dst, transport }: Packet, takes: (rule: IrRule) => boolean): IrRule | undefined {
    const table = this.#table(family);
    const [from, to, port] = [numberOf(src), numberOf(dst), transport.dport];
    for (let i = 0, at = 0; i < this.#rules.length; i++, at += 2 * sides)
      if (
        from >= table[at]! &&
        from <= table[at + 1]! &&
        to >= table[at + 2]! &&
        to <= table[at + 3]! &&
        port >= table[at + 4]! &&
        port <= table[at + 5]! &&
        takes(this.#rules[i]!)
      )
        return this.#rules[i];
    return undefined;
  }

  #table(family: Family): Float64Array {
    const known = this.#tables.get(family);
    if (known) return known;
    const table = Float64Array.from(this.#rules.flatMap((rule) => hullsOf(rule, family)));
    this.#tables.set(family, table);
    return table;
  }
}

/** Rules that every packet has to be compared with: they test nothing that has a hull. */
export function isWide({ match }: IrRule): boolean {
  return !match.from && !match.to && portsOf(match.service)[0] === everything[0];
}

function hullsOf({ match }: IrRule, family: Family): readonly number[] {
  return [...addressesOf(match.from, family), ...addressesOf(match.to, family), ...portsOf(match.service)];
}

function addressesOf(match: NetSet | undefined, family: Family): Hull {
  if (match === undefined) return everything;
  return around(match.prefixes.filter((one) => one.family === family).map(prefixHull));
}

function prefixHull(prefix: Prefix): Hull {
  const host = BigInt(addressBits(prefix.family) - prefix.length);
  const first = (prefix.bits >> host) << host;
  const last = first | ((1n << host) - 1n);
  return [numberOf({ ...prefix, bits: first }), numberOf({ ...prefix, bits: last })];
}

/** A later fragment has port 0, and is taken by a service of all ports alone. */
function portsOf(service: Service | undefined): Hull {
  if (service === undefined) return everything;
  return around(
    service.alternatives.flatMap((one) =>
      'dports' in one ? one.dports.map(({ from, to }): Hull => [from, to]) : [everything],
    ),
  );
}

/** Of nothing, such that nothing is in it. */
function around(hulls: readonly Hull[]): Hull {
  return hulls.reduce<Hull>(
    ([first, last], one) => [Math.min(first, one[0]), Math.max(last, one[1])],
    [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY],
  );
}

function numberOf({ family, bits }: Address): number {
  return Number(family === 4 ? bits : bits >> BigInt(addressBits(family) - kept));
}
