/** Static routes. */
import { contains, formatAddress, formatPrefix, network } from '../../dsl/address.js';
import type { Router, StaticRoute } from '../../dsl/model.js';
import type { Diagnostic } from '../diagnostics/diagnostic.js';
import { duplicates, error, warning } from './report.js';

export function checkRoutes(router: Router): readonly Diagnostic[] {
  return [
    ...duplicates(router.routes, (route) => formatPrefix(route.prefix)).map(([first, other]) =>
      error('NM4019', other.origin, `there are two routes to ${formatPrefix(other.prefix)}`, {
        related: [{ origin: first.origin, message: 'the other is here.' }],
      }),
    ),
    ...router.routes.flatMap((route) => [...linkLocal(route), ...unreachableGateway(router, route)]),
  ];
}

function linkLocal({ gateway, origin }: StaticRoute): readonly Diagnostic[] {
  if (!isLinkLocal(gateway.family, gateway.bits)) return [];
  const message = `the gateway ${formatAddress(gateway)} is link-local: it does not say on which interface it is`;
  return [error('NM4012', origin, message, { fix: "use the gateway's global address." })];
}

/** Only where the policy has all addresses: those that the kernel adds are not known here. */
function unreachableGateway(router: Router, { gateway, origin }: StaticRoute): readonly Diagnostic[] {
  if (isLinkLocal(gateway.family, gateway.bits)) return [];
  if (router.interfaces.some((one) => one.addresses.length === 0)) return [];
  const addresses = router.interfaces.flatMap((one) => one.addresses);
  if (addresses.some((address) => contains(network(address), gateway))) return [];
  return [
    warning('NM4011', origin, `the gateway ${formatAddress(gateway)} is on no network of an interface`, {
      fix: 'correct it, or give an interface an address in its network.',
    }),
  ];
}

function isLinkLocal(family: 4 | 6, bits: bigint): boolean {
  return family === 6 ? bits >> 118n === 0x3fan : bits >> 16n === 0xa9fen;
}
