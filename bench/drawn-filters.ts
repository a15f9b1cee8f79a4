/**
 * Filter sets beyond those of the files, drawn in the three styles of ClassBench (D. E. Taylor, J. S. Turner, "ClassBench",
 * 2007): access lists, firewalls, IP chains; and in styles that are hard on one part of a classifier each. The same seed
 * gives the same set. As IPv6, the 32 bits of a prefix come behind a prefix of 32 bits, and hosts get an interface
 * identifier.
 */
import { type Random, randomOf } from '../codegen/selftest/random.js';
import type { Family, PortRange } from '../dsl/model.js';
import type { Filter } from './classbench.js';

export interface Style {
  /** One address in so many is every one. */
  readonly anySource: number;
  readonly anyDestination: number;
  /** Lengths of the other prefixes, drawn from. */
  readonly lengths: readonly number[];
  /** One rule in so many tests source ports. */
  readonly sources: number;
  /** One rule in so many leaves the destination port open, has a range of its own, has one of the usual ranges. */
  readonly open: number;
  readonly ranges: number;
  readonly protocols: readonly (number | undefined)[];
  /** So many networks that prefixes lie near; when not said, one for 64 rules. */
  readonly networks?: number;
}

const never = 2 ** 31;
const l4 = [6, 6, 6, 17, 17, undefined];

export const styles = {
  acl: {
    anySource: 50,
    anyDestination: 200,
    lengths: [16, 20, 22, 23, 24, 24, 26, 27, 28, 29, 30, 32, 32, 32, 32, 32],
    sources: 1000,
    open: 6,
    ranges: 10,
    protocols: [6, 6, 6, 6, 17, 17, 1, undefined],
  },
  fw: {
    anySource: 3,
    anyDestination: 4,
    lengths: [8, 12, 15, 16, 16, 18, 20, 21, 22, 24, 24, 24, 26, 28, 32, 32],
    sources: 3,
    open: 4,
    ranges: 4,
    protocols: [6, 6, 6, 17, 17, 1, 47, 50, undefined],
  },
  ipc: {
    anySource: 10,
    anyDestination: 12,
    lengths: [8, 15, 16, 18, 20, 22, 24, 24, 25, 26, 28, 30, 32, 32, 32, 32],
    sources: 4,
    open: 3,
    ranges: 8,
    protocols: [6, 6, 6, 17, 17, 17, 1, undefined, undefined],
  },
  /** No addresses: ports, and ranges of them on either side. */
  ports: {
    anySource: 1,
    anyDestination: 1,
    lengths: [32],
    sources: 3,
    open: 40,
    ranges: 2,
    protocols: [6, 17],
  },
  /** One side only. */
  sources: {
    anySource: never,
    anyDestination: 1,
    lengths: [8, 12, 16, 16, 20, 22, 24, 24, 26, 28, 32, 32],
    sources: 8,
    open: 5,
    ranges: 4,
    protocols: l4,
  },
  destinations: {
    anySource: 1,
    anyDestination: never,
    lengths: [8, 12, 16, 16, 20, 22, 24, 24, 26, 28, 32, 32],
    sources: 8,
    open: 5,
    ranges: 4,
    protocols: l4,
  },
  /** Few networks, that hundreds of rules name each: their services tell them apart. */
  services: {
    anySource: 3,
    anyDestination: 3,
    lengths: [16],
    sources: 8,
    open: 40,
    ranges: 3,
    protocols: [6, 6, 17],
    networks: 6,
  },
  /** Prefixes of all lengths, inside each other. */
  nested: {
    anySource: 20,
    anyDestination: 20,
    lengths: [
      8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32,
    ],
    sources: 6,
    open: 20,
    ranges: 4,
    protocols: [6, 6, 17],
    networks: 4,
  },
  /** Ranges of ports on both sides, that overlap; without addresses, and between few networks. */
  ranges: {
    anySource: 1,
    anyDestination: 1,
    lengths: [32],
    sources: 1,
    open: never,
    ranges: 1,
    protocols: [6, 17],
  },
  overlap: {
    anySource: 4,
    anyDestination: 4,
    lengths: [12, 16, 20, 24],
    sources: 2,
    open: never,
    ranges: 1,
    protocols: [6, 6, 17],
    networks: 8,
  },
  /** One host to one other. */
  hosts: {
    anySource: never,
    anyDestination: never,
    lengths: [32],
    sources: 100,
    open: 20,
    ranges: 20,
    protocols: l4,
  },
  /** One protocol, its ports mostly single. */
  udp: {
    anySource: 8,
    anyDestination: 8,
    lengths: [16, 20, 24, 24, 28, 32],
    sources: 2,
    open: 20,
    ranges: 20,
    protocols: [17],
  },
  /** Half of all fields left open. */
  wild: {
    anySource: 2,
    anyDestination: 2,
    lengths: [8, 16, 20, 24, 24, 28, 32, 32],
    sources: 2,
    open: 2,
    ranges: 3,
    protocols: [6, 6, 17, 1, undefined, undefined],
  },
} as const satisfies Readonly<Record<string, Style>>;

const everyPort: PortRange = { from: 0, to: 65535 };
const usualRanges: readonly PortRange[] = [
  { from: 1024, to: 65535 },
  { from: 0, to: 1023 },
  { from: 5000, to: 6000 },
  { from: 6000, to: 6063 },
];
const usualPorts = [
  20, 21, 22, 23, 25, 53, 67, 80, 110, 123, 135, 139, 143, 161, 443, 1521, 1707, 1723, 8080,
];

export function drawnFilters(
  style: Style,
  count: number,
  seed: number,
  family: Family = 4,
): readonly Filter[] {
  const random = randomOf(seed);
  const networks = Array.from({ length: style.networks ?? Math.max(4, count >> 6) }, () =>
    random.below(2 ** 32),
  );
  const drawPrefix = (any: number) =>
    random.once(any) ? every(family) : prefix(random, random.pick(style.lengths), networks, family);
  const known = new Set<string>();
  const filters: Filter[] = [];
  while (filters.length < count) {
    const proto = random.pick(style.protocols);
    const ports = proto === 6 || proto === 17;
    const filter = {
      from: drawPrefix(style.anySource),
      to: drawPrefix(style.anyDestination),
      sources: ports && random.once(style.sources) ? range(random, style) : everyPort,
      ports: ports ? range(random, style) : everyPort,
      ...(proto !== undefined && { proto }),
    };
    const key = JSON.stringify(filter);
    // One that takes everything would leave nothing to those behind it.
    if (known.has(key) || (filter.from === filter.to && filter.ports === everyPort)) continue;
    known.add(key);
    filters.push(filter);
  }
  return filters;
}

function every(family: Family): string {
  return family === 4 ? '0.0.0.0/0' : '::/0';
}

/** Half of them near one that was drawn before: prefixes nest. */
function prefix(random: Random, length: number, networks: readonly number[], family: Family): string {
  const near = random.pick(networks) ^ (random.once(2) ? random.below(2 ** 16) : random.below(2 ** 8));
  const bits = length === 32 ? near >>> 0 : ((near >>> (32 - length)) << (32 - length)) >>> 0;
  if (family === 4) return `${[24, 16, 8, 0].map((shift) => (bits >>> shift) & 255).join('.')}/${length}`;
  const [high, low] = [(bits >>> 16).toString(16), (bits & 0xffff).toString(16)];
  const host = length === 32 && random.once(2);
  return host
    ? `2001:db8:${high}:${low}::${1 + random.below(200)}/128`
    : `2001:db8:${high}:${low}::/${32 + length}`;
}

function range(random: Random, style: Style): PortRange {
  if (random.once(style.open)) return everyPort;
  if (random.once(style.ranges)) {
    const from = random.below(60_000);
    return { from, to: Math.min(65535, from + random.below(4000)) };
  }
  if (random.once(4)) return random.pick(usualRanges);
  const port = random.once(3) ? random.below(65536) : random.pick(usualPorts);
  return { from: port, to: port };
}
