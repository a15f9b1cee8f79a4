/** The world that a forwarder is tested in: its interfaces at run time, and routes and gateways of every kind. */
import { network } from '../../dsl/address.js';
import type { Address, Family, Prefix } from '../../dsl/model.js';
import type { Face, Path, PathKind, Paths } from '../evaluate/paths.js';
import type { Ir } from '../ir.js';

/** So many prefixes of the policy get routes of their own. */
const mostPrefixes = 500;

/** Mostly what forwards, and now and then what does not. */
const kinds: readonly PathKind[] = [
  'forward',
  'forward',
  'forward',
  'resolve',
  'forward',
  'glean',
  'forward',
  'kernel',
  'forward',
  'blackhole',
  'forward',
  'unreachable',
  'forward',
  'prohibit',
  'forward',
  'none',
  'local',
];

export function makeWorld(ir: Ir): Paths {
  const faces = ir.interfaces.map((one): Face => face(one.local, hasHost(ir, one.name), mtuOf(one.local)));
  const n = faces.length;
  const routes: { prefix: Prefix; path: Path }[] = [];
  const add = (prefix: Prefix, path: Path) => {
    const known = routes.some(
      ({ prefix: one }) =>
        one.bits === prefix.bits && one.length === prefix.length && one.family === prefix.family,
    );
    if (!known && (prefix.length === 0 || prefix.length >= 8)) routes.push({ prefix, path });
  };
  for (const one of ir.router.interfaces)
    for (const address of one.addresses) {
      add(
        { family: address.family, bits: address.bits, length: address.family === 4 ? 32 : 128 },
        { kind: 'local' },
      );
      if (address.family === 4 && address.length < 31)
        add(broadcastOf(network(address)), { kind: 'broadcast' });
      add(network(address), {
        kind: 'glean',
        iface: ir.interfaces.findIndex((iface) => iface.name === one.name),
      });
    }
  for (const [i, prefix] of testRoutes().entries()) add(prefix, path(kindAt(i), i % n, prefix.family));
  for (const [i, prefix] of namedPrefixes(ir).entries())
    add(prefix, path(kinds[i % kinds.length]!, i % n, prefix.family));
  for (const family of [4, 6] as const) add({ family, bits: 0n, length: 0 }, path('forward', n - 1, family));
  return { faces, routes, gateways: ir.gateways.map((one) => gateway(one.local, n, one.gateways[0]!)) };
}

function hasHost(ir: Ir, name: string): boolean {
  return ir.router.interfaces.find((one) => one.name === name)!.host !== 'none';
}

/** Within the longest frames of the test, and not the same everywhere. */
function mtuOf(local: number): number {
  return 1400 - 60 * (local % 5);
}

function face(local: number, host: boolean, mtu: number): Face {
  const speaksFrom = {
    4: { family: 4, bits: 0xc6336401n + BigInt(local) },
    6: { family: 6, bits: (0x20010db8ffffn << 80n) + BigInt(local + 1) },
  } as const;
  return { mac: Uint8Array.of(2, 0x6d, 0, 0, 1, local), mtu, host, up: local % 6 !== 5, speaksFrom };
}

function path(kind: PathKind, iface: number, family: Family): Path {
  if (kind === 'glean') return { kind, iface };
  const neighbour: Address = {
    family,
    bits: BigInt(iface + 1) + (family === 4 ? 0xc0000200n : 0x20010db8n << 96n),
  };
  if (kind === 'resolve') return { kind, iface, neighbour };
  return kind === 'forward' ? { kind, iface, mac: Uint8Array.of(2, 0xaa, 0, 0, family, iface) } : { kind };
}

function gateway(local: number, n: number, address: Address): Path | undefined {
  if (local % 5 === 3) return undefined;
  if (local % 5 === 4) return { kind: 'resolve', iface: (local + 1) % n, neighbour: address };
  return {
    kind: 'forward',
    iface: (local + 1) % n,
    mac: Uint8Array.of(2, 0xbb, 0, 0, local >> 8, local & 255),
  };
}

/** Whatever the policy names, there are destinations of every kind: networks for benchmarks, RFC 2544 and RFC 5180. */
function testRoutes(): readonly Prefix[] {
  return kinds.flatMap((_, i): readonly Prefix[] => [
    { family: 4, bits: 0xc6120000n + BigInt(i << 8), length: 24 },
    { family: 6, bits: (0x200100020000n << 80n) + (BigInt(i) << 64n), length: 64 },
  ]);
}

function kindAt(i: number): PathKind {
  return kinds[(i >> 1) % kinds.length]!;
}

function broadcastOf(prefix: Prefix): Prefix {
  return { family: 4, bits: prefix.bits + (1n << BigInt(32 - prefix.length)) - 1n, length: 32 };
}

/** What rules say of destinations, and a host of each. */
function namedPrefixes(ir: Ir): readonly Prefix[] {
  const all = ir.rules.flatMap((rule) => rule.match.to?.prefixes ?? []);
  return all.slice(0, mostPrefixes).flatMap((prefix): readonly Prefix[] => {
    const width = prefix.family === 4 ? 32 : 128;
    return prefix.length > width - 2
      ? [prefix]
      : [prefix, { family: prefix.family, bits: prefix.bits, length: prefix.length + 1 }];
  });
}
