/**
 * Interfaces without a face in the kernel (`host: 'none'`): the policy says which addresses they have, and the engine
 * stands for the router there. For the RIB they are links of its own, and static routes through gateways behind
 * them are its own, too: the kernel has no such network.
 */
import { contains, formatPrefix, network, parseAddress, parseInterfaceAddress } from '../dsl/address.js';
import type { Prefix } from '../dsl/model.js';
import type { Face } from './deploy/faces.js';
import type { PlanInterface, PlanRoute } from './deploy/plan.js';
import type { EngineLink, OwnLink } from './native.js';

/** `own_ifindex` of runtime/native/rib/rib.h: numbers of own links begin where the kernel's end. */
const FIRST_IFINDEX = 2 ** 31;

export function ownIfindex(slot: number): number {
  return FIRST_IFINDEX + slot;
}

/** @param mtu of the port's device, where it has one */
export function ownLink(
  iface: PlanInterface,
  face: Face,
  link: EngineLink,
  mtu: number | undefined,
): OwnLink {
  const port = link.state.port(link.state.portSlot(iface.port));
  const slot = link.state.interfaceSlot(iface.name);
  const claims = link.state.claims(slot);
  return {
    slot,
    name: face.device,
    mac: port.mac,
    mtu: iface.mtu ?? mtu ?? 1500,
    up: port.open && port.up,
    addresses: iface.addresses.flatMap((address, i) =>
      claims[i] === 'duplicate' ? networkOnly(address) : [address],
    ),
  };
}

/** What is left of an address that somebody else has (RFC 4862 §5.4.5): the network, and its anycast address of routers. */
function networkOnly(text: string): readonly string[] {
  const address = parseInterfaceAddress(text);
  return address !== undefined && address.length < 127 ? [formatPrefix(network(address))] : [];
}

/** Is the route's gateway on a network of one of these links? */
export function behind(links: readonly OwnLink[]): (route: PlanRoute) => boolean {
  const networks: Prefix[] = links
    .flatMap((link) => link.addresses)
    .flatMap((address) => parseInterfaceAddress(address) ?? [])
    .map(network);
  return ({ gateway }) => {
    const address = parseAddress(gateway);
    return address !== undefined && networks.some((one) => contains(one, address));
  };
}
