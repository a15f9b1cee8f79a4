/**
 * The network of the demo, in namespaces:
 *
 *   clients lan0 ════ lan  router  isp-a ──── a0 provider-a      ═ untagged, VLAN 100 and VLAN 200 on one wire
 *                                  isp-b ──── b0 provider-b
 *
 * Desks (untagged) are the clients' own kernel; stations of the office and of the guests are played by the traffic
 * tool, since they are behind tags. Of 50,000 IPv4 and 8,000 IPv6 prefixes one half is behind either provider.
 */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Lab, type Node } from '../../tests/support/netns.js';
import { Traffic } from '../../tests/support/traffic.js';
import { type SampleRoute, sampleRoutes } from '../data/tables.js';

export type Provider = 'a' | 'b';

export const gateways = {
  a: { 4: '198.51.100.2', 6: '2001:db8:a::2' },
  b: { 4: '203.0.113.2', 6: '2001:db8:b::2' },
} as const;

export interface World {
  readonly lab: Lab;
  readonly router: Node;
  readonly clients: Node;
  readonly providers: Readonly<Record<Provider, Node>>;
  readonly wires: { readonly clients: Traffic; readonly a: Traffic; readonly b: Traffic };
  /** Bytes of the router's end of the clients' wire. */
  readonly routerMac: string;
  readonly routes: { readonly 4: readonly SampleRoute[]; readonly 6: readonly SampleRoute[] };
}

export function providerOf(route: SampleRoute): Provider {
  return route.neighbour % 2 ? 'b' : 'a';
}

async function wire(
  lab: Lab,
  router: Node,
  peer: Node,
  device: string,
  port: string,
  nets: readonly [string, string][],
) {
  await lab.link(
    { node: peer, device, addresses: nets.map(([, theirs]) => theirs) },
    { node: router, device: port, addresses: nets.map(([ours]) => ours) },
  );
}

/** Fills the kernel's tables as a routing daemon would. @returns milliseconds */
async function fill(lab: Lab, router: Node, routes: World['routes']): Promise<number> {
  const lines = ([4, 6] as const).flatMap((family) =>
    routes[family].map(
      (route) => `route add ${route.prefix} via ${gateways[providerOf(route)][family]} proto bgp`,
    ),
  );
  const file = join(lab.directory, 'routes.batch');
  await writeFile(file, `${lines.join('\n')}\n`);
  const started = performance.now();
  await router.ipFile(file);
  return performance.now() - started;
}

export async function createWorld(say: (text: string) => void): Promise<World & { readonly fillMs: number }> {
  say('namespaces and wires');
  const lab = await Lab.create();
  const router = await lab.router('edge');
  const clients = await lab.node('clients');
  const providers = { a: await lab.node('provider-a'), b: await lab.node('provider-b') };
  await wire(lab, router, clients, 'lan0', 'lan', [
    ['10.10.0.1/24', '10.10.0.2/24'],
    ['2001:db8:10::1/64', '2001:db8:10::2/64'],
  ]);
  await wire(lab, router, providers.a, 'a0', 'isp-a', [
    ['198.51.100.1/30', '198.51.100.2/30'],
    ['2001:db8:a::1/64', '2001:db8:a::2/64'],
  ]);
  await wire(lab, router, providers.b, 'b0', 'isp-b', [
    ['203.0.113.1/30', '203.0.113.2/30'],
    ['2001:db8:b::1/64', '2001:db8:b::2/64'],
  ]);
  await clients.ip('route add 0.0.0.0/0 via 10.10.0.1', 'route add ::/0 via 2001:db8:10::1');
  await providers.a.ip('route add 10.0.0.0/8 via 198.51.100.1', 'route add 2001:db8::/32 via 2001:db8:a::1');
  await providers.b.ip('route add 10.0.0.0/8 via 203.0.113.1', 'route add 2001:db8::/32 via 2001:db8:b::1');
  say('50,000 IPv4 and 8,000 IPv6 routes into the kernel');
  const routes = { 4: sampleRoutes(4), 6: sampleRoutes(6) };
  const fillMs = await fill(lab, router, routes);
  const wires = {
    clients: await Traffic.on(lab, clients, 'lan0'),
    a: await Traffic.on(lab, providers.a, 'a0'),
    b: await Traffic.on(lab, providers.b, 'b0'),
  };
  for (const station of ['10.20.0.9', '2001:db8:20::9'])
    await wires.clients.answer(station, { tags: '8100:100' });
  for (const station of ['10.30.0.9', '2001:db8:30::9'])
    await wires.clients.answer(station, { tags: '8100:200' });
  return { lab, router, clients, providers, wires, routerMac: await router.mac('lan'), routes, fillMs };
}
