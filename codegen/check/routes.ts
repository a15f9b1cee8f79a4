/** Static routes. */
import { contains, formatAddress, formatPrefix, network } from '../../dsl/address.js';
import type { Address, Origin, Prefix, Router } from '../../dsl/model.js';
import type { Diagnostic } from '../diagnostics/diagnostic.js';
import { duplicates, error, warning } from './report.js';

export function checkRoutes(router: Router): readonly Diagnostic[] {
  return [
    ...duplicates(router.routes, (route) => formatPrefix(route.prefix)).map(([first, other]) =>
      error('NM4019', other.origin, `there are two routes to ${formatPrefix(other.prefix)}`, {
        related: [{ origin: first.origin, message: 'the other is here.' }],
      }),
    ),
    ...router.routes.flatMap(({ gateway, origin }) => [
      ...linkLocal('NM4012', gateway, origin),
      ...unreachableGateway(router, [], gateway, origin),
    ]),
  ];
}

/** Of a rule: the routing table says where it is. */
export function checkRuleGateway(router: Router, gateway: Address, origin: Origin): readonly Diagnostic[] {
  const own = router.interfaces.some((face) =>
    face.addresses.some((one) => one.family === gateway.family && one.bits === gateway.bits),
  );
  if (own) return [error('NM3017', origin, `the gateway ${formatAddress(gateway)} is the router itself`)];
  return [
    ...linkLocal('NM3017', gateway, origin),
    ...unreachableGateway(
      router,
      router.routes.map((one) => one.prefix),
      gateway,
      origin,
    ),
  ];
}

function linkLocal(code: 'NM3017' | 'NM4012', gateway: Address, origin: Origin): readonly Diagnostic[] {
  if (!isLinkLocal(gateway.family, gateway.bits)) return [];
  const message = `the gateway ${formatAddress(gateway)} is link-local: it does not say on which interface it is`;
  return [error(code, origin, message, { fix: "use the gateway's global address." })];
}

/** Only where the policy has all addresses: those that the kernel adds are not known here. */
function unreachableGateway(
  router: Router,
  routes: readonly Prefix[],
  gateway: Address,
  origin: Origin,
): readonly Diagnostic[] {
  if (isLinkLocal(gateway.family, gateway.bits)) return [];
  if (router.interfaces.some((one) => one.addresses.length === 0)) return [];
  const networks = router.interfaces.flatMap((one) => one.addresses.map(network));
  if ([...networks, ...routes].some((prefix) => contains(prefix, gateway))) return [];
  return [
    warning('NM4011', origin, `the gateway ${formatAddress(gateway)} is on no network of an interface`, {
      fix: 'correct it, or give an interface an address in its network.',
    }),
  ];
}

function isLinkLocal(family: 4 | 6, bits: bigint): boolean {
  return family === 6 ? bits >> 118n === 0x3fan : bits >> 16n === 0xa9fen;
}
