/** `netmill ifconfig` and `netmill arp`. */

import type { PlanInterface } from '../deploy/plan.js';
import type { StateView } from '../native/engine.js';
import type { ControlContext } from './context.js';
import { modeOf } from './port-mode.js';
import { saidBy, traffic } from './read-counters.js';
import type { InterfaceReply, NeighbourReply } from './types.js';

export function listInterfaces(context: ControlContext): readonly InterfaceReply[] {
  const active = context.deployer.active;
  if (active === undefined) return [];
  const { state } = context.link();
  const { ports } = context.link().runningConfiguration();
  const links = context.rib.links();
  return active.bundle.plan.interfaces.map((iface) => {
    const face = active.faces.get(iface.name)!;
    const device = links.find((link) => link.name === face.device);
    const port = state.port(state.portSlot(iface.port));
    const opened = ports.find((one) => one.name === iface.port);
    const counters = state.interfaceCounters(state.interfaceSlot(iface.name));
    return {
      name: iface.name,
      port: iface.port,
      spec: opened?.spec ?? '',
      mode: opened === undefined ? [] : modeOf(opened, port),
      encapsulation: encapsulationOf(iface),
      device: face.device,
      face: face.kind,
      ifindex: face.kind === 'none' ? 0 : (device?.ifindex ?? 0),
      mac: device?.mac ?? port.mac,
      mtu: iface.mtu ?? device?.mtu ?? 0,
      up: device?.up ?? port.up,
      carrier: face.kind === 'netdev' ? (device?.carrier ?? false) : port.up,
      addresses: face.kind === 'none' ? iface.addresses : (device?.addresses ?? iface.addresses),
      unused: face.kind === 'none' ? unusedOf(iface, state.claims(state.interfaceSlot(iface.name))) : {},
      rx: traffic(counters.rx),
      tx: traffic(counters.tx),
      said: saidBy(counters),
    };
  });
}

function unusedOf(
  { addresses }: PlanInterface,
  claims: ReturnType<StateView['claims']>,
): InterfaceReply['unused'] {
  return Object.fromEntries(
    addresses.flatMap((address, i) => {
      const claim = claims[i];
      return claim === 'tentative' || claim === 'duplicate' ? [[address, claim]] : [];
    }),
  );
}

function encapsulationOf(iface: PlanInterface): string {
  if (iface.tags.length === 0) return 'untagged';
  const names = new Map([
    [0x8100, '802.1Q'],
    [0x88a8, '802.1ad'],
  ]);
  return iface.tags
    .map((tag) => `${names.get(tag.tpid) ?? `0x${tag.tpid.toString(16)}`} ${tag.vid}`)
    .join(' / ');
}

export function listNeighbours(context: ControlContext): readonly NeighbourReply[] {
  const devices = new Map(context.rib.links().map((link) => [link.ifindex, link.name]));
  const interfaces = interfaceByDevice(context);
  return context.rib.neighbours().map((neighbour) => {
    const device = devices.get(neighbour.ifindex) ?? `#${neighbour.ifindex}`;
    return { ...neighbour, device, interface: interfaces.get(device) };
  });
}

/** Logical interface by the name of its kernel device. */
export function interfaceByDevice(context: ControlContext): ReadonlyMap<string, string> {
  const faces = context.deployer.active?.faces ?? new Map<string, { device: string }>();
  return new Map(
    [...faces].filter(([, face]) => face.device !== '').map(([name, face]) => [face.device, name]),
  );
}
