/** Routes in words, as `ip route` would have them. */
import type { RouteReply } from '../control/types.js';

export function routeText(route: RouteReply): string {
  const kind = route.type === 'unicast' ? '' : `${route.type} `;
  return `${kind}${route.prefix}${waysText(route)}`;
}

/** ` via 192.0.2.1 dev wan`, a leg after the other. */
export function waysText(route: Pick<RouteReply, 'nexthops'>): string {
  return route.nexthops
    .map((hop) => {
      const via = hop.gateway === undefined ? '' : ` via ${hop.gateway}`;
      const weight = hop.weight > 1 ? ` weight ${hop.weight}` : '';
      const dev = hop.device === '' ? '' : ` dev ${hop.device}`;
      return `${via}${dev}${weight}${hop.dead ? ' dead' : ''}`;
    })
    .join(' and');
}
