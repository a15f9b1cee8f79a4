/** Do the kernel, the RIB and the compiled FIB send an address the same way? */
import { contains, parseAddress, parseInterfaceAddress } from '../../dsl/address.js';
import type { AdjacencyKind } from '../native.js';
import type { RouteGetReply, RouteReply } from './types.js';

type Compiled = RouteGetReply['compiled'];

/** What can become of a packet, in words that all three have. */
interface Way {
  readonly fate: 'forward' | 'local' | 'blackhole' | 'unreachable' | 'prohibit' | 'broadcast';
  /** `gateway device`; the gateway is empty on a connected network. Sorted. */
  readonly legs: readonly string[];
}

/** RFC 6890, RFC 4291: they mean something to one host, on one link, or to many, and no router forwards by them. */
const unforwardable = [
  '0.0.0.0/8',
  '127.0.0.0/8',
  '224.0.0.0/3',
  '::/128',
  '::1/128',
  'fe80::/10',
  'ff00::/8',
].map((text) => parseInterfaceAddress(text)!);

/** @param text an address, or a network all of which is meant */
export function isForwardable(text: string): boolean {
  const given = parseAddress(text) ?? parseInterfaceAddress(text);
  return given !== undefined && !unforwardable.some((prefix) => contains(prefix, given));
}

const linkLocal = parseInterfaceAddress('fe80::/10')!;

export function isLinkLocal(text: string): boolean {
  const address = parseAddress(text);
  return address !== undefined && contains(linkLocal, address);
}

/**
 * The kernel knows nothing of what is behind the engine's own links, and of routes that `route add` made.
 *
 * @param ports devices of the engine's own interfaces: routes through others are "by the kernel" when compiled
 * @returns where they differ, in sentences; empty when they agree
 */
export function compareRoutes(
  kernel: RouteReply | undefined,
  rib: RouteReply | undefined,
  compiled: Compiled,
  ports: ReadonlySet<string>,
): readonly string[] {
  const differences: string[] = [];
  const ribWay = wayOfRoute(rib);
  const kernelWay = wayOfRoute(kernel);
  // The kernel answers for one packet: of several legs it names the one that it would take. That may be one without a
  // carrier, unless net.ipv4.conf.*.ignore_routes_with_linkdown is set.
  const possible = rib?.nexthops.map(legOf) ?? [];
  const kernelAgrees =
    rib?.source === 'engine' ||
    rib?.source === 'local' ||
    (kernelWay.fate === ribWay.fate &&
      (kernelWay.legs.every((leg) => possible.includes(leg)) || ribWay.legs.length === 0));
  if (!kernelAgrees) differences.push(`the kernel says ${say(kernelWay)}, the RIB ${say(ribWay)}`);
  const compiledWay = wayOfCompiled(compiled);
  if (!sameCompiled(ribWay, compiledWay, ports)) {
    differences.push(`the RIB says ${say(ribWay)}, the compiled FIB ${say(compiledWay)}`);
  }
  return differences;
}

function wayOfRoute(route: RouteReply | undefined): Way {
  if (route === undefined) return { fate: 'unreachable', legs: [] };
  switch (route.type) {
    case 'local':
    case 'anycast':
      return { fate: 'local', legs: [] };
    case 'broadcast':
      return { fate: 'broadcast', legs: [] };
    case 'blackhole':
      return { fate: 'blackhole', legs: [] };
    case 'prohibit':
      return { fate: 'prohibit', legs: [] };
    case 'unreachable':
    case 'throw':
    case 'multicast':
    case 'other':
      return { fate: 'unreachable', legs: [] };
    case 'unicast': {
      // Dead ones are left out while others live: a route that counts with none alive goes by them all the same.
      const alive = route.nexthops.filter((hop) => !hop.dead);
      const legs = alive.length > 0 ? alive : route.nexthops;
      if (legs.length === 0) return { fate: 'unreachable', legs: [] };
      return { fate: 'forward', legs: legs.map(legOf).sort() };
    }
  }
}

const legOf = ({ gateway, device }: RouteReply['nexthops'][number]) => `${gateway ?? ''} ${device}`;

const fates: Readonly<Record<AdjacencyKind, Way['fate']>> = {
  none: 'unreachable',
  forward: 'forward',
  resolve: 'forward',
  glean: 'forward',
  kernel: 'forward',
  local: 'local',
  blackhole: 'blackhole',
  unreachable: 'unreachable',
  broadcast: 'broadcast',
  prohibit: 'prohibit',
};

function wayOfCompiled(compiled: Compiled): Way {
  const fate = fates[compiled.kind];
  if (fate !== 'forward') return { fate, legs: [] };
  return { fate, legs: compiled.legs.map(compiledLeg).sort() };
}

function compiledLeg(leg: Compiled['legs'][number]): string {
  return leg.kind === 'kernel' ? ' kernel' : `${leg.nexthop ?? ''} ${leg.device}`;
}

function sameCompiled(rib: Way, compiled: Way, ports: ReadonlySet<string>): boolean {
  if (rib.fate !== compiled.fate) return false;
  return rib.legs.every((leg) => {
    const [gateway, device] = leg.split(' ') as [string, string];
    if (!ports.has(device)) return compiled.legs.includes(' kernel');
    if (compiled.legs.includes(leg)) return true;
    // On a connected network the compiled leg names the neighbour itself.
    return gateway === '' && compiled.legs.some((other) => other.endsWith(` ${device}`));
  });
}

function say(way: Way): string {
  if (way.legs.length === 0) return way.fate;
  return way.legs
    .map((leg) => {
      const [gateway, device] = leg.split(' ') as [string, string];
      if (device === 'kernel' && gateway === '') return 'by the kernel';
      return gateway === '' ? `directly on ${device}` : `via ${gateway} on ${device}`;
    })
    .join(' and ');
}
