/** The router itself: its interfaces, static routes and settings. */

import { network, parseAddress, parseInterfaceAddress } from './address.js';
import { type InterfaceSpec, readInterfaces } from './interfaces.js';
import { everythingMade } from './made.js';
import type { Origin, Router, StaticRoute } from './model.js';
import { here, inside } from './origin.js';
import { checkName } from './predicate.js';
import { note, problemsSoFar, show } from './problems.js';
import { type ReachSpec, readReach } from './reach.js';
import { knownKeys } from './read.js';
import { type DaemonSpec, type EngineSpec, readDaemon, readEngine } from './settings.js';

export type { FaceSpec, InterfaceSpec, QinqSpec, VlanSpec } from './interfaces.js';
export type { ReachSpec } from './reach.js';
export type { DaemonSpec, EngineSpec } from './settings.js';

/** N: names of the interfaces, inferred from what is written. */
export interface RouterSpec<N extends string = string> {
  readonly interfaces: Readonly<Record<N, InterfaceSpec>>;
  /** Gateway by prefix. Added to the routes that the kernel has. */
  readonly routes?: Readonly<Record<string, string>>;
  /** Who must always reach the router: a policy that denies some of it is refused. */
  readonly mustReach?: Readonly<Record<string, ReachSpec>>;
  readonly engine?: EngineSpec<NoInfer<N>>;
  readonly daemon?: DaemonSpec;
}

/**
 * What a policy file exports by default.
 *
 * @example export default router('edge1', { interfaces: { wan: { port: 'xdp:eth0', in: fromWan, fallback: 'drop' } } })
 */
export function router<const N extends string>(name: string, spec: RouterSpec<N>): Router {
  const origin = here();
  checkName(name, 'router', inside(origin, 0));
  const place = inside(origin, 1);
  const given = knownKeys(spec, ['interfaces', 'routes', 'mustReach', 'engine', 'daemon'], place, 'a router');
  const { ports, interfaces } = readInterfaces(given.interfaces, inside(place, 'interfaces'));
  return Object.freeze({
    kind: 'router',
    name: String(name),
    ports,
    interfaces,
    routes: readRoutes(given.routes, inside(place, 'routes')),
    mustReach: readReach(given.mustReach, inside(place, 'mustReach')),
    sets: Object.freeze([...everythingMade().sets]),
    engine: readEngine(given.engine, inside(place, 'engine')),
    daemon: readDaemon(given.daemon, inside(place, 'daemon')),
    problems: problemsSoFar(),
    origin,
  });
}

function readRoutes(routes: unknown, origin: Origin): readonly StaticRoute[] {
  if (routes === undefined) return [];
  if (typeof routes !== 'object' || routes === null) {
    note('NM4012', origin, `${show(routes)} are not routes`, { expected: "{ '0.0.0.0/0': '198.51.100.1' }" });
    return [];
  }
  return Object.entries(routes).flatMap(
    ([prefix, gateway]) => readRoute(prefix, gateway, inside(origin, prefix)) ?? [],
  );
}

function readRoute(text: string, gateway: unknown, origin: Origin): StaticRoute | undefined {
  const destination = text.includes('/') ? parseInterfaceAddress(text) : undefined;
  const via = typeof gateway === 'string' ? parseAddress(gateway) : undefined;
  if (destination === undefined || network(destination).bits !== destination.bits)
    note('NM4012', origin, `${show(text)} is not the prefix of a route`, {
      expected: 'a prefix with its length and without host bits',
      got: show(text),
    });
  else if (via === undefined)
    note('NM3002', origin, `${show(gateway)} is not a gateway`, {
      expected: 'one address',
      got: show(gateway),
    });
  else if (via.family !== destination.family)
    note('NM3004', origin, `the route to ${text} has an IPv${via.family} gateway, ${String(gateway)}`, {
      expected: `an IPv${destination.family} address`,
      got: show(gateway),
    });
  else return Object.freeze({ prefix: network(destination), gateway: via, origin });
  return undefined;
}
