/** `netmill route …`: the RIB, and what kernel and compiled FIB say of one address. */
import { statSync } from 'node:fs';
import { isIP } from 'node:net';
import { dirname } from 'node:path';
import { formatPrefix, network, parseInterfaceAddress } from '../../dsl/address.js';
import { errnoOf, MillError } from '../errors.js';
import { makeWritable } from '../folders.js';
import type { RibRoute } from '../native.js';
import type { Exchange } from './connection.js';
import type { ControlContext } from './context.js';
import type { LocalRoute } from './local-routes.js';
import { deviceNames, namedHops } from './names.js';
import { interfaceByDevice } from './read-interfaces.js';
import { readUse, type Use, unused } from './read-use.js';
import { compareRoutes, isForwardable, isLinkLocal } from './route-compare.js';
import type { RouteGetReply, RouteReply } from './types.js';

/** Routes a page: about 100 KB of JSON. */
const PAGE = 500;

/** Streams the table page by page; other clients are served between two pages. Last come local routes without a way. */
export async function listRoutes(
  context: ControlContext,
  family: 4 | 6 | undefined,
  exchange: Exchange,
): Promise<{ routes: number }> {
  let routes = 0;
  const name = deviceNames(context);
  const use = readUse(context);
  const inForce = new Set<string>();
  const families = family === undefined ? ([4, 6] as const) : [family];
  for (const f of families) {
    let after: string | undefined;
    for (;;) {
      if (exchange.signal.aborted) throw new MillError('unavailable', 'netmilld is stopping');
      const page = context.rib.routes(f, after, PAGE);
      if (page.length === 0) break;
      for (const route of page) if (route.source === 'local') inForce.add(route.prefix);
      await exchange.part(page.map((route) => named(route, name, use)));
      routes += page.length;
      after = page[page.length - 1]!.prefix;
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
  const waiting = context.localRoutes
    .list()
    .filter(({ prefix }) => !inForce.has(prefix) && families.some((f) => f === familyOf(prefix)));
  if (waiting.length > 0) await exchange.part(waiting.map(withoutWay));
  return { routes };
}

function familyOf(prefix: string): 4 | 6 {
  return prefix.includes(':') ? 6 : 4;
}

/** A local route whose gateway or device is not there. */
function withoutWay({ prefix, gateway, device }: LocalRoute): RouteReply {
  const nexthop = { gateway, device: device ?? '', weight: 1, dead: false };
  return {
    prefix,
    source: 'local',
    protocol: 'netmill',
    type: 'unicast',
    metric: 0,
    group: 0,
    nexthops: [nexthop],
    since: undefined,
    use: unused,
    waiting: true,
  };
}

export async function getRoute(context: ControlContext, address: string): Promise<RouteGetReply> {
  if (isIP(address) === 0)
    throw new MillError('usage', `expected an address, got '${address}'`, 'for example 192.0.2.1');
  const name = deviceNames(context);
  const [kernelRoute, compiledRoute] = await Promise.all([
    context.rib.kernelLookup(address),
    context.link().lookup(address),
  ]);
  const ribRoute = context.rib.lookup(address);
  const use = readUse(context);
  const kernel = kernelRoute && named(kernelRoute, name, use);
  const rib = ribRoute && named(ribRoute, name, use);
  const compiled = { ...compiledRoute, legs: compiledRoute.legs.map((leg) => compiledLeg(context, leg)) };
  const differences = isForwardable(address)
    ? compareRoutes(kernel, rib, compiled, new Set(interfaceByDevice(context).keys()))
    : [];
  if (differences.length === 0) return { address, kernel, rib, compiled, agree: true, differences };
  const differSince = [rib?.since, context.fib.status().decoupledSince]
    .sort()
    .findLast((at) => at !== undefined);
  return { address, kernel, rib, compiled, agree: false, differences, differSince };
}

/** What the engine has of a gateway slot. */
export async function getGateway(context: ControlContext, slot: number): Promise<RouteGetReply['compiled']> {
  const compiled = await context.link().lookup(slot);
  return { ...compiled, legs: compiled.legs.map((leg) => compiledLeg(context, leg)) };
}

function compiledLeg(
  context: ControlContext,
  leg: Awaited<ReturnType<ReturnType<ControlContext['link']>['lookup']>>['legs'][number],
): RouteGetReply['compiled']['legs'][number] {
  const { state } = context.link();
  const active = context.deployer.active;
  const iface = active?.bundle.plan.interfaces.find((i) => state.interfaceSlot(i.name) === leg.interface);
  const device = iface === undefined ? '' : active!.faces.get(iface.name)!.device;
  return { kind: leg.kind, interface: iface?.name ?? '', device, nexthop: leg.nexthop, mac: leg.mac };
}

interface NewRoute {
  readonly prefix: string;
  readonly gateway?: string | undefined;
  readonly iface?: string | undefined;
}

/** @returns inForce: false while there is no way to the gateway */
export function addRoute(context: ControlContext, body: NewRoute): { added: string; inForce: boolean } {
  const prefix = checkPrefix(body.prefix);
  const { gateway, iface } = body;
  if (!isForwardable(prefix))
    throw new MillError('usage', `no router forwards to ${prefix} (RFC 6890)`, 'name another network');
  if (gateway === undefined && iface === undefined)
    throw new MillError('usage', 'expected a gateway or an interface', 'route add DEST GATEWAY [--iface IF]');
  if (gateway !== undefined) checkGateway(context, prefix, gateway, iface);
  const device = iface === undefined ? undefined : findDevice(context, iface);
  const inForce = context.localRoutes.add({
    prefix,
    ...(gateway !== undefined && { gateway }),
    ...(device !== undefined && { device }),
  });
  context.log.info({ prefix, gateway, iface, inForce }, 'local route added');
  return { added: prefix, inForce };
}

function checkGateway(
  context: ControlContext,
  prefix: string,
  gateway: string,
  iface: string | undefined,
): void {
  const refuse = (message: string, fix?: string) => new MillError('usage', message, fix);
  if (isIP(gateway) !== isIP(prefix.split('/')[0]!))
    throw refuse(`expected a gateway of the family of ${prefix}, got '${gateway}'`);
  if (context.rib.lookup(gateway)?.type === 'local')
    throw refuse(`${gateway} is an address of the router itself`, "name a neighbour's");
  if (isLinkLocal(gateway)) {
    if (iface === undefined)
      throw refuse(`${gateway} means something on one link only`, 'say which: --iface IF');
  } else if (!isForwardable(gateway)) {
    throw refuse(`${gateway} is no neighbour's address`, "name a neighbour's");
  }
}

export function deleteRoute(context: ControlContext, destination: string): { deleted: string } {
  const prefix = checkPrefix(destination);
  if (!context.localRoutes.delete(prefix)) {
    throw new MillError(
      'not-found',
      `${prefix} was not added by netmill`,
      "routes of the kernel are deleted there: 'ip route delete'",
    );
  }
  context.log.info({ prefix }, 'local route deleted');
  return { deleted: prefix };
}

export async function dumpRoutes(
  context: ControlContext,
  file: string | undefined,
): Promise<{ file: string; routes: number }> {
  const path = file ?? context.deployer.active?.bundle.plan.daemon.routeDumpFile;
  if (path === undefined) throw new MillError('usage', 'no file to dump to', 'name one: route dump FILE');
  if (!path.startsWith('/')) throw new MillError('usage', `expected an absolute path, got '${path}'`);
  // It is put in the place of what has the name, which a device or a pipe would not survive.
  const there = statSync(path, { throwIfNoEntry: false });
  if (there !== undefined && !there.isFile() && !there.isDirectory())
    throw new MillError('system', `${path} was not written: it is no file`, 'name a file: route dump FILE');
  try {
    // The policy's own place is netmill's to make; a place that somebody names has to be there.
    if (file === undefined)
      makeWritable(dirname(path), 'the directory of daemon.routeDumpFile', 'name a file: route dump FILE');
    return { file: path, routes: await context.rib.dump(path) };
  } catch (error) {
    throw dumpError(path, error);
  }
}

const dumpErrors: Readonly<Record<string, readonly [string, string]>> = {
  ENOSPC: ['the disk is full; no part of it is left', 'make room, or name a file elsewhere: route dump FILE'],
  EDQUOT: [
    'the quota is used up; no part of it is left',
    'make room, or name a file elsewhere: route dump FILE',
  ],
  ENOENT: ['there is no such directory', 'make it, or name a file elsewhere: route dump FILE'],
  ENOTDIR: ['there is no such directory', 'make it, or name a file elsewhere: route dump FILE'],
  EROFS: ['the file system is read-only', 'name a file elsewhere: route dump FILE'],
  EISDIR: ['it is a directory', 'name a file in it: route dump FILE'],
};

function dumpError(path: string, error: unknown): unknown {
  const known = dumpErrors[errnoOf(error)];
  if (known === undefined) return error;
  return new MillError('system', `${path} was not written: ${known[0]}`, known[1]);
}

/** As the RIB has it: the shortest text of the network. */
function checkPrefix(text: string): string {
  const given = parseInterfaceAddress(text);
  if (given === undefined)
    throw new MillError('usage', `expected a prefix, got '${text}'`, 'for example 192.0.2.0/24');
  const prefix = network(given);
  if (prefix.bits !== given.bits)
    throw new MillError('usage', `'${text}' has bits beyond its length`, `write ${formatPrefix(prefix)}`);
  return formatPrefix(prefix);
}

/** The kernel's device, by the policy's name or the kernel's. */
function findDevice(context: ControlContext, name: string): string {
  const device = context.deployer.active?.faces.get(name)?.device ?? name;
  if (!context.rib.links().some((link) => link.name === device))
    throw new MillError('not-found', `no interface is named ${name}`, 'see netmill ifconfig');
  return device;
}

function named(route: RibRoute, name: (ifindex: number) => string, use: Use): RouteReply {
  const { age, ...rest } = route;
  return {
    ...rest,
    nexthops: namedHops(route.nexthops, name),
    since: new Date(Date.now() - age * 1000).toISOString(),
    use: (route.group > 0 && use.get(route.group)) || unused,
  };
}
