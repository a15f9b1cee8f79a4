/** Names in place of the kernel's numbers. */
import type { RibRoute } from '../native.js';
import type { ControlContext } from './context.js';
import type { RouteReply } from './types.js';

export function deviceNames(context: Pick<ControlContext, 'rib'>): (ifindex: number) => string {
  const names = new Map(context.rib.links().map((link) => [link.ifindex, link.name]));
  return (ifindex) => names.get(ifindex) ?? `#${ifindex}`;
}

export function namedHops(
  hops: RibRoute['nexthops'],
  name: (ifindex: number) => string,
): RouteReply['nexthops'] {
  return hops.map(({ gateway, ifindex, weight, dead }) => ({ gateway, device: name(ifindex), weight, dead }));
}
