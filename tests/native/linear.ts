/**
 * A kernel's routing tables as lists that are searched from one end to the other, for random operations to be tried on them and
 * on the RIB (fuzz/rib_lines.cc). What the kernel refuses changes nothing and is told to nobody.
 */
import fc from 'fast-check';
import { boundaries, toBits } from './agree.js';

/** In the order in which they are asked. */
const TABLES = [255, 100, 254] as const;
const LINKS = [1, 2, 3] as const;

const PREFIXES = {
  4: [
    '0.0.0.0/0',
    '10.0.0.0/8',
    '10.1.0.0/16',
    '10.1.128.0/17',
    '10.1.128.0/24',
    '10.1.128.7/32',
    '10.2.0.0/15',
  ],
  6: [
    '::/0',
    'fd00::/8',
    'fd01::/32',
    'fd01:0:8000::/33',
    'fd01:0:8000::/64',
    'fd01:0:8000::7/128',
    'fd02::/31',
  ],
} as const;

export const ADDRESSES = { 4: boundaries(PREFIXES[4], 4), 6: boundaries(PREFIXES[6], 6) } as const;

const WITHOUT_WAY = ['blackhole', 'unreachable', 'prohibit', 'throw'] as const;
const VERBS = ['add', 'append', 'prepend', 'replace'] as const;

interface Way {
  readonly link: number;
  /** Last part of its address; 0: none. */
  readonly gateway: number;
}

/** A route, or of IPv6 a leg of the one that all of a metric with a gateway make. */
interface Entry {
  readonly family: 4 | 6;
  readonly prefix: string;
  readonly table: number;
  readonly metric: number;
  readonly type: string;
  readonly ways: readonly Way[];
}

export type Operation =
  | { readonly op: 'link'; readonly link: number; readonly up: boolean }
  | ({ readonly op: 'route'; readonly verb: (typeof VERBS)[number] } & Entry)
  | { readonly op: 'delete'; readonly which: number };

const way: fc.Arbitrary<Way> = fc.record({
  link: fc.constantFrom(...LINKS),
  gateway: fc.constantFrom(0, 2, 2, 3),
});

const route: fc.Arbitrary<Operation> = fc
  .record({
    verb: fc.constantFrom(...VERBS),
    family: fc.constantFrom<4 | 6>(4, 6),
    number: fc.nat(PREFIXES[4].length - 1),
    table: fc.constantFrom(254, 254, ...TABLES),
    metric: fc.constantFrom(50, 60),
    type: fc.constantFrom('unicast', 'unicast', 'unicast', 'unicast', ...WITHOUT_WAY),
    ways: fc.oneof({ weight: 2, arbitrary: fc.tuple(way) }, fc.array(way, { minLength: 2, maxLength: 3 })),
  })
  .map(({ number, ways, ...rest }) => ({
    op: 'route' as const,
    ...rest,
    prefix: PREFIXES[rest.family][number]!,
    ways:
      rest.type !== 'unicast'
        ? []
        : ways.length === 1
          ? ways
          : ways.map((one) => ({ ...one, gateway: one.gateway || 4 })),
  }));

export const operations: fc.Arbitrary<Operation[]> = fc.array(
  fc.oneof(
    { weight: 6, arbitrary: route },
    { weight: 2, arbitrary: fc.nat(1000).map((which) => ({ op: 'delete' as const, which })) },
    {
      weight: 1,
      arbitrary: fc.record({
        op: fc.constant('link' as const),
        link: fc.constantFrom(...LINKS),
        up: fc.boolean(),
      }),
    },
  ),
  { minLength: 1, maxLength: 40 },
);

const shares = (entry: Entry): boolean =>
  entry.family === 6 && entry.type === 'unicast' && entry.ways[0]!.gateway !== 0;

const sameClass = (a: Entry, b: Entry): boolean =>
  a.prefix === b.prefix && a.table === b.table && a.metric === b.metric;

/** IPv6 has those without a way on the loopback device, so they are all the same to it. */
const wayText = ({ type, ways, family }: Entry): string =>
  type !== 'unicast' ? (family === 6 ? 'lo' : type) : JSON.stringify(ways);

function words(family: 4 | 6, ways: readonly Way[]): string[] {
  const gateway = ({ link, gateway: last }: Way) =>
    last === 0 ? '' : family === 4 ? `/10.9.${link}.${last}` : `/fd09:${link}::${last}`;
  return ways.map((one) => `${one.link}${gateway(one)}`);
}

/** What the kernel tells of a change. */
const told = (flags: string, { family, prefix, table, metric, type }: Entry, ways: readonly Way[]): string =>
  ['route', flags, prefix, table, metric, type, ...words(family, ways)].join(' ');

function covers(prefix: string, address: string): boolean {
  const [network, length] = prefix.split('/') as [string, string];
  const bits = network.includes(':') ? 128 : 32;
  const drop = BigInt(bits - Number(length));
  return (
    network.includes(':') === address.includes(':') && toBits(network) >> drop === toBits(address) >> drop
  );
}

export class LinearKernel {
  #entries: Entry[] = [];
  readonly #down = new Set<number>();

  /** What the RIB is told first. */
  readonly start: readonly string[] = ['new', ...LINKS.map((link) => `link ${link} up`)];

  /** @returns what the kernel tells, nothing when it refuses */
  apply(operation: Operation): string[] {
    if (operation.op === 'link') return this.#link(operation.link, operation.up);
    if (operation.op === 'delete') return this.#delete(operation.which);
    const { verb, ...entry } = operation;
    if (entry.ways.some(({ link }) => this.#down.has(link))) return [];
    return entry.family === 4 ? this.#add4(verb, entry) : this.#add6(verb, entry);
  }

  #link(link: number, up: boolean): string[] {
    if (up) this.#down.delete(link);
    else this.#down.add(link);
    if (!up) {
      const here = (entry: Entry) => entry.ways.some((one) => one.link === link);
      const gone = this.#entries.filter((entry) => {
        const legs = shares(entry) ? this.#legs(entry) : [entry];
        return legs.some(here) && legs.every((leg) => this.#dead(leg));
      });
      this.#entries = this.#entries.filter((entry) => !gone.includes(entry));
    }
    return [`link ${link} ${up ? 'up' : 'down'}`];
  }

  #delete(which: number): string[] {
    const entry = this.#entries[which % Math.max(1, this.#entries.length)];
    if (entry === undefined) return [];
    this.#entries.splice(this.#entries.indexOf(entry), 1);
    return [told('del', entry, entry.ways)];
  }

  #add4(verb: string, entry: Entry): string[] {
    const same = this.#entries.filter((other) => sameClass(other, entry));
    if ((verb === 'add' && same.length > 0) || same.some((other) => wayText(other) === wayText(entry)))
      return [];
    const [first] = same;
    const at = first === undefined ? this.#entries.length : this.#entries.indexOf(first);
    if (verb === 'append') this.#entries.push(entry);
    else this.#entries.splice(at, verb === 'replace' && first ? 1 : 0, entry);
    return [told(verb, entry, entry.ways)];
  }

  /** Those with a gateway are legs of one route. What takes a place takes that of the first of its kind, else of the first. */
  #add6(verb: string, entry: Entry): string[] {
    const single = new Map(entry.ways.map((one) => [JSON.stringify(one), { ...entry, ways: [one] }]));
    const fresh: Entry[] = entry.type === 'unicast' ? [...single.values()] : [entry];
    const same = this.#entries.filter((other) => sameClass(other, entry));
    const replaced =
      verb === 'replace' ? (same.find((one) => shares(one) === shares(entry)) ?? same[0]) : undefined;
    const twice = fresh.some((one) => same.some((other) => wayText(other) === wayText(one)));
    if (fresh.length < entry.ways.length || (verb === 'add' && same.length > 0)) return [];
    if (replaced === undefined) {
      if (twice) return [];
      this.#entries.push(...fresh);
    } else {
      const others = shares(replaced) ? this.#legs(replaced) : [replaced];
      // With an equal one elsewhere there would be two, which only the way by which they are told apart could tell.
      if (twice && !others.some((other) => fresh.some((one) => wayText(one) === wayText(other)))) return [];
      this.#entries.splice(this.#entries.indexOf(replaced), 1, fresh[0]!);
      this.#entries = this.#entries.filter((other) => !others.includes(other));
      this.#entries.push(...fresh.slice(1));
    }
    const ways = shares(entry) ? this.#legs(fresh[0]!).flatMap((leg) => leg.ways) : entry.ways;
    return [told(verb === 'replace' ? verb : 'append', entry, ways)];
  }

  #legs(entry: Entry): Entry[] {
    return this.#entries.filter((other) => shares(other) && sameClass(other, entry));
  }

  #dead(entry: Entry): boolean {
    return entry.ways.length > 0 && entry.ways.every(({ link }) => this.#down.has(link));
  }

  /** In the words of rib_lines. */
  answer(address: string): string {
    let thrown = 'none';
    for (const table of TABLES) {
      const [best] = this.#entries
        .filter((one) => one.table === table && covers(one.prefix, address) && !this.#dead(one))
        .sort(
          (a, b) => Number(b.prefix.split('/')[1]) - Number(a.prefix.split('/')[1]) || a.metric - b.metric,
        );
      if (best === undefined) continue;
      const ways = shares(best) ? this.#legs(best).flatMap((leg) => leg.ways) : best.ways;
      const said = [best.type, ...words(best.family, ways).sort()].join(' ');
      if (best.type !== 'throw') return said;
      thrown = said;
    }
    return thrown;
  }
}
