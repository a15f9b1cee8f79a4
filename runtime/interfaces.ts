/**
 * Keeps the kernel's faces of the logical interfaces as the policy wants them, and the engine and the RIB told of
 * them: addresses, MTU, up; which ifindex is which interface; the policy's static routes. Interfaces without a face
 * are links of the RIB alone (own-links.ts). `reconcile` may be called
 * at any time, with any wish, and does only what is missing.
 */
import type { Face } from './deploy/faces.js';
import { deviceOf, type Plan, type PlanInterface, type PlanRoute } from './deploy/plan.js';
import { errnoOf, messageOf } from './errors.js';
import type { Journal, KernelChange } from './journal.js';
import type { Logger } from './log.js';
import type { EngineLink, Kernel, Link, OwnLink, Rib } from './native.js';
import { behind, ownIfindex, ownLink } from './own-links.js';

/** What is wanted of the kernel: by one generation, or by two while one takes over from the other. */
export interface Wish {
  readonly plan: Plan;
  readonly faces: ReadonlyMap<string, Face>;
}

export interface InterfacesOptions {
  readonly kernel: Kernel;
  readonly rib: Pick<Rib, 'links' | 'setInterfaces' | 'setOwn'>;
  readonly journal: Journal;
  readonly log: Logger;
}

export interface Interfaces {
  /** The last wish wins where two differ. */
  reconcile(wishes: readonly Wish[], link: EngineLink): Promise<void>;
  /** Undoes everything. */
  restore(): void;
}

/** "It is so already", and "it is gone already". */
const already: ReadonlySet<string> = new Set(['EEXIST']);
const gone: ReadonlySet<string> = new Set(['ENOENT', 'ESRCH', 'ENODEV', 'EADDRNOTAVAIL']);

export function keepInterfaces(options: InterfacesOptions): Interfaces {
  const { kernel, rib, journal, log } = options;
  const complained = new Set<string>();
  const complain = (what: string, error: unknown): void => {
    const text = `${what}: ${messageOf(error)}`;
    if (!complained.has(text)) log.warn(text);
    complained.add(text);
  };
  const attempt = (what: string, fine: ReadonlySet<string>, act: () => void): boolean => {
    try {
      act();
      return true;
    } catch (error) {
      if (!fine.has(errnoOf(error))) complain(what, error);
      return false;
    }
  };

  const undo = (change: KernelChange): void => {
    const device = 'device' in change ? rib.links().find((link) => link.name === change.device) : undefined;
    if (change.kind === 'route') {
      const what = `route ${change.prefix} via ${change.gateway} cannot be removed`;
      attempt(what, gone, () => kernel.deleteRoute(change.prefix, change.gateway));
    } else if (device !== undefined) {
      attempt(`${change.device} cannot be restored`, gone, () => undoOn(kernel, device.ifindex, change));
    }
    journal.remove(change);
  };

  /** Notes the change, makes it, and forgets it when it turns out not to be ours. */
  const make = (change: KernelChange, what: string, act: () => void): void => {
    const ours = journal.has(change);
    if (!ours) journal.add(change);
    if (!attempt(what, already, act) && !ours) journal.remove(change);
  };

  const setUpDevice = (device: Link, { iface, face }: Wanted, mtu: number | undefined): void => {
    const name = madeAs(face);
    if (mtu !== undefined && mtu !== device.mtu) {
      const change = { kind: 'mtu', device: name, before: device.mtu } as const;
      make(change, `${device.name}: MTU ${mtu} refused`, () => kernel.setMtu(device.ifindex, mtu));
    }
    if (!device.up) {
      make({ kind: 'up', device: name }, `${device.name} does not come up`, () =>
        kernel.setUp(device.ifindex, true),
      );
    }
    for (const address of iface.addresses) {
      if (device.addresses.some((has) => sameAddress(has, address))) continue;
      make({ kind: 'address', device: name, address }, `${device.name}: address ${address} refused`, () =>
        kernel.addAddress(device.ifindex, address),
      );
    }
  };

  const removeUnwanted = (
    wishes: readonly Wish[],
    sized: ReadonlySet<string>,
    kernelRoutes: ReadonlyMap<string, PlanRoute>,
  ): void => {
    const wanted = new Set(wishes.flatMap((wish) => [...wish.faces.values()].map(madeAs)));
    const addresses = new Set(wishes.flatMap(addressKeys));
    const stays = (change: KernelChange): boolean => {
      switch (change.kind) {
        case 'address':
          return addresses.has(`${change.device} ${change.address}`);
        case 'route':
          return kernelRoutes.has(routeKey(change));
        case 'mtu':
          return sized.has(change.device);
        case 'up':
          return wanted.has(change.device);
      }
    };
    for (const change of [...journal.entries()].reverse()) if (!stays(change)) undo(change);
  };

  /** In the place of one of ours with another gateway, which the kernel takes for the same route. False: there is none. */
  const replaceRoute = (route: PlanRoute, routes: ReadonlyMap<string, PlanRoute>): boolean => {
    const { prefix, gateway } = route;
    const change = { kind: 'route', prefix, gateway } as const;
    const before = journal
      .entries()
      .find((one) => one.kind === 'route' && one.prefix === prefix && !routes.has(routeKey(one)));
    if (before === undefined || journal.has(change)) return false;
    journal.add(change);
    const done = attempt(`route ${prefix} via ${gateway} refused`, gone, () =>
      kernel.replaceRoute(prefix, gateway),
    );
    journal.remove(done ? before : change);
    return done;
  };

  const addRoutes = (routes: ReadonlyMap<string, PlanRoute>): void => {
    for (const route of routes.values()) {
      if (replaceRoute(route, routes)) continue;
      const { prefix, gateway } = route;
      make({ kind: 'route', prefix, gateway }, `route ${prefix} via ${gateway} refused`, () =>
        kernel.addRoute(prefix, gateway),
      );
    }
  };

  return {
    reconcile: async (wishes, link) => {
      const links = rib.links();
      const map: { ifindex: number; slot: number }[] = [];
      const updates: Promise<void>[] = [];
      const own: OwnLink[] = [];
      const sized = new Set<string>();
      for (const [name, wanted] of merge(wishes)) {
        const { iface, face, plan } = wanted;
        const slot = link.state.interfaceSlot(name);
        const device = face.kind === 'none' ? undefined : links.find((l) => l.name === face.device);
        const port = links.find((l) => l.name === portDevice(plan, iface));
        if (face.kind === 'none') own.push(ownLink(iface, face, link, port?.mtu));
        if (face.kind === 'none') map.push({ ifindex: ownIfindex(slot), slot });
        const mtu = wantedMtu(iface, face, port);
        if (mtu !== undefined) sized.add(madeAs(face));
        if (device !== undefined) setUpDevice(device, wanted, mtu);
        if (device !== undefined) map.push({ ifindex: device.ifindex, slot });
        const update = link.setInterface(stateOf(slot, iface, face, device, port, link));
        updates.push(update.catch((error: unknown) => log.debug(`interface ${name}: ${messageOf(error)}`)));
      }
      const overOwn = behind(own);
      const routes = wishes.flatMap((wish) => wish.plan.routes);
      const kernelRoutes = new Map(
        routes.filter((route) => !overOwn(route)).map((route) => [routeKey(route), route]),
      );
      rib.setOwn(own, routes.filter(overOwn));
      rib.setInterfaces(map);
      addRoutes(kernelRoutes);
      removeUnwanted(wishes, sized, kernelRoutes);
      await Promise.all(updates);
    },
    restore: () => {
      for (const change of [...journal.entries()].reverse()) undo(change);
    },
  };
}

function undoOn(kernel: Kernel, ifindex: number, change: KernelChange): void {
  if (change.kind === 'address') kernel.deleteAddress(ifindex, change.address);
  else if (change.kind === 'mtu') kernel.setMtu(ifindex, change.before);
  else if (change.kind === 'up') kernel.setUp(ifindex, false);
}

interface Wanted {
  readonly iface: PlanInterface;
  readonly face: Face;
  readonly plan: Plan;
}

function merge(wishes: readonly Wish[]): ReadonlyMap<string, Wanted> {
  const all = wishes.flatMap(({ plan, faces }) =>
    plan.interfaces.map((iface): [string, Wanted] => [
      iface.name,
      { iface, face: faces.get(iface.name)!, plan },
    ]),
  );
  return new Map(all);
}

function portDevice(plan: Plan, iface: PlanInterface): string | undefined {
  const port = plan.ports.find((p) => p.name === iface.port);
  return port === undefined ? undefined : deviceOf(port.spec);
}

/** A tap has no MTU of its own: the policy's, else that of the port it stands over. */
function wantedMtu(iface: PlanInterface, face: Face, port: Link | undefined): number | undefined {
  return iface.mtu ?? (face.kind === 'tap' ? port?.mtu : undefined);
}

function stateOf(
  slot: number,
  iface: PlanInterface,
  face: Face,
  device: Link | undefined,
  port: Link | undefined,
  link: EngineLink,
): Parameters<EngineLink['setInterface']>[0] {
  const portState = link.state.port(link.state.portSlot(iface.port));
  const portUp = port === undefined ? portState.up : port.up && port.carrier;
  // A device that is about to be set up counts as up: its own notice follows if it fails.
  const faceUp = face.kind === 'netdev' && device !== undefined && device.up ? device.carrier : true;
  return {
    slot,
    mtu: iface.mtu ?? device?.mtu ?? port?.mtu ?? 1500,
    mac: device?.mac || portState.mac,
    up: portUp && faceUp,
    ifindex: device?.ifindex ?? 0,
    ...speaksFrom([...iface.addresses, ...(device?.addresses ?? [])]),
  };
}

/** The first address of each family that means something beyond the link: RFC 4291 §2.5.6. */
function speaksFrom(addresses: readonly string[]): {
  readonly address4?: string;
  readonly address6?: string;
} {
  const all = addresses.map((one) => one.split('/')[0]!);
  const v4 = all.find((one) => !one.includes(':'));
  const v6 = all.find((one) => one.includes(':') && !/^fe[89ab]/i.test(one));
  return { ...(v4 && { address4: v4 }), ...(v6 && { address6: v6 }) };
}

/** The name in the journal. */
function madeAs({ device, was }: Face): string {
  return was ?? device;
}

function addressKeys(wish: Wish): string[] {
  return wish.plan.interfaces.flatMap((iface) =>
    iface.addresses.map((address) => `${madeAs(wish.faces.get(iface.name)!)} ${address}`),
  );
}

function routeKey(route: PlanRoute): string {
  return `${route.prefix} ${route.gateway}`;
}

/** Addresses come from two printers (the manifest's and the kernel's): compared by value. */
export function sameAddress(a: string, b: string): boolean {
  return a === b || normal(a) === normal(b);
}

function normal(address: string): string {
  const [host, length] = address.split('/');
  if (!host!.includes(':')) return address;
  return `${new URL(`http://[${host}]`).hostname}/${length ?? 128}`;
}
