/** `netmill route …`: the RIB, and what kernel and compiled FIB say of one address. */
import { isIP } from 'node:net';
import { MillError } from '../errors.js';
import type { RibRoute } from '../native.js';
import type { Exchange } from './connection.js';
import type { ControlContext } from './handlers.js';
import { interfaceByDevice } from './read-interfaces.js';
import { compareRoutes } from './route-compare.js';
import type { RouteGetReply, RouteReply } from './types.js';

/** Routes a page: about 100 KB of JSON. */
const PAGE = 500;

/** Streams the table page by page; other clients are served between two pages. */
export async function listRoutes(
  context: ControlContext,
  family: 4 | 6 | undefined,
  exchange: Exchange,
): Promise<{ routes: number }> {
  let routes = 0;
  const name = deviceNames(context);
  for (const f of family === undefined ? ([4, 6] as const) : [family]) {
    let after: string | undefined;
    for (;;) {
      if (exchange.signal.aborted) throw new MillError('unavailable', 'netmilld is stopping');
      const page = context.rib.routes(f, after, PAGE);
      if (page.length === 0) break;
      await exchange.part(page.map((route) => named(route, name)));
      routes += page.length;
      after = page[page.length - 1]!.prefix;
      await new Promise((resolve) => setImmediate(resolve));
    }
  }
  return { routes };
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
  const kernel = kernelRoute && named(kernelRoute, name);
  const rib = ribRoute && named(ribRoute, name);
  const compiled = { ...compiledRoute, legs: compiledRoute.legs.map((leg) => compiledLeg(context, leg)) };
  const differences = compareRoutes(kernel, rib, compiled, new Set(interfaceByDevice(context).keys()));
  return { address, kernel, rib, compiled, agree: differences.length === 0, differences };
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

export function addRoute(
  context: ControlContext,
  body: {
    readonly prefix: string;
    readonly gateway?: string | undefined;
    readonly iface?: string | undefined;
  },
): { added: string } {
  const prefix = checkPrefix(body.prefix);
  if ((body.gateway === undefined) === (body.iface === undefined)) {
    throw new MillError(
      'usage',
      'expected a gateway or an interface',
      'route add DEST GATEWAY | DEST --iface IF',
    );
  }
  if (body.gateway !== undefined && isIP(body.gateway) !== isIP(prefix.split('/')[0]!)) {
    throw new MillError('usage', `expected a gateway of the family of ${prefix}, got '${body.gateway}'`);
  }
  const ifindex = body.iface === undefined ? undefined : findIfindex(context, body.iface);
  context.rib.addLocal(prefix, body.gateway, ifindex);
  context.log.info({ prefix, gateway: body.gateway, iface: body.iface }, 'local route added');
  return { added: prefix };
}

export function deleteRoute(context: ControlContext, destination: string): { deleted: string } {
  const prefix = checkPrefix(destination);
  if (!context.rib.deleteLocal(prefix)) {
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
  return { file: path, routes: await context.rib.dump(path) };
}

function checkPrefix(text: string): string {
  const [address, length, more] = text.split('/');
  const family = isIP(address!);
  const bits = family === 4 ? 32 : 128;
  const given = length === undefined ? bits : /^\d{1,3}$/.test(length) ? Number(length) : -1;
  if (family === 0 || more !== undefined || given < 0 || given > bits) {
    throw new MillError('usage', `expected a prefix, got '${text}'`, 'for example 192.0.2.0/24');
  }
  return `${address}/${given}`;
}

/** By the policy's name or the kernel's. */
function findIfindex(context: ControlContext, name: string): number {
  const device = context.deployer.active?.faces.get(name)?.device ?? name;
  const link = context.rib.links().find((l) => l.name === device);
  if (link === undefined)
    throw new MillError('not-found', `no interface is named ${name}`, 'see netmill ifconfig');
  return link.ifindex;
}

function deviceNames(context: ControlContext): (ifindex: number) => string {
  const names = new Map(context.rib.links().map((link) => [link.ifindex, link.name]));
  return (ifindex) => names.get(ifindex) ?? `#${ifindex}`;
}

function named(route: RibRoute, name: (ifindex: number) => string): RouteReply {
  return {
    ...route,
    nexthops: route.nexthops.map(({ gateway, ifindex, weight, dead }) => ({
      gateway,
      device: name(ifindex),
      weight,
      dead,
    })),
  };
}
