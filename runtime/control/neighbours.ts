/** `netmill arp add` and `arp delete`: static neighbours, in the kernel, or in the engine where the interface has no face there. */
import { contains, formatAddress, network, parseAddress, parseInterfaceAddress } from '../../dsl/address.js';
import type { Address } from '../../dsl/model.js';
import { errnoOf, MillError } from '../errors.js';
import type { Link } from '../native.js';
import type { ControlContext } from './context.js';
import { listNeighbours } from './read-interfaces.js';

export interface NeighbourBody {
  readonly address: string;
  /** Of the policy, or the kernel's name of its device; absent: the one on whose network the address is. */
  readonly iface?: string | undefined;
}

interface Place {
  readonly address: string;
  readonly device: Link;
  /** Slot of the interface; undefined: the kernel has it. */
  readonly own: number | undefined;
}

export async function addNeighbour(
  context: ControlContext,
  body: NeighbourBody & { readonly mac: string },
): Promise<{ added: string; device: string }> {
  const mac = body.mac.toLowerCase();
  if (!/^([0-9a-f]{2}:){5}[0-9a-f]{2}$/.test(mac) || /^(00:){5}00$|^.[13579bdf]/.test(mac))
    throw new MillError(
      'usage',
      `expected the MAC address of a station, got '${body.mac}'`,
      '02:00:00:00:00:01',
    );
  const place = placeOf(context, body);
  await change(context, place, mac);
  context.log.info({ address: place.address, mac, device: place.device.name }, 'static neighbour added');
  return { added: place.address, device: place.device.name };
}

export async function deleteNeighbour(
  context: ControlContext,
  body: NeighbourBody,
): Promise<{ deleted: string; device: string }> {
  const place = placeOf(context, body, knownOn(context, body.address));
  await change(context, place, undefined);
  context.log.info({ address: place.address, device: place.device.name }, 'neighbour deleted');
  return { deleted: place.address, device: place.device.name };
}

async function change(context: ControlContext, place: Place, mac: string | undefined): Promise<void> {
  const { address, device, own } = place;
  try {
    if (own !== undefined) await context.link().setNeighbour(own, address, mac);
    else context.kernel.setNeighbour(device.ifindex, address, mac);
  } catch (error) {
    if (errnoOf(error) !== 'ENOENT' || mac !== undefined) throw error;
    throw new MillError('not-found', `no neighbour ${address} is known on ${device.name}`, 'see netmill arp');
  }
}

function placeOf(context: ControlContext, body: NeighbourBody, known?: string): Place {
  const parsed = parseAddress(body.address);
  if (parsed === undefined)
    throw new MillError('usage', `expected an address, got '${body.address}'`, 'for example 192.0.2.1');
  const faces = context.deployer.active?.faces ?? new Map<string, { device: string; kind: string }>();
  const links = context.rib.links();
  const named = body.iface === undefined ? known : (faces.get(body.iface)?.device ?? body.iface);
  const device = links.find((link) => (named === undefined ? isOn(link, parsed) : link.name === named));
  if (device === undefined) throw noPlace(body);
  const face = [...faces].find(([, one]) => one.kind === 'none' && one.device === device.name);
  const own = face === undefined ? undefined : context.link().state.interfaceSlot(face[0]);
  return { address: formatAddress(parsed), device, own };
}

function noPlace({ address, iface }: NeighbourBody): MillError {
  return iface === undefined
    ? new MillError('not-found', `${address} is on no network of an interface`, 'name one: --iface IF')
    : new MillError('not-found', `no interface is named ${iface}`, 'see netmill ifconfig');
}

function knownOn(context: ControlContext, address: string): string | undefined {
  return listNeighbours(context).find((one) => one.address === address)?.device;
}

function isOn(link: Link, address: Address): boolean {
  return link.addresses
    .flatMap((one) => parseInterfaceAddress(one) ?? [])
    .some((one) => contains(network(one), address));
}
