/** From a plan to the engine's binary configuration: names become slots, rings are dealt out, gateways keep their numbers. */
import { puntClasses } from '../../dsl/punt.js';
import { MillError } from '../errors.js';
import type { EngineConfiguration, StateView } from '../native.js';
import { type Face, fallbackOf } from './faces.js';
import { backendSpec, type Plan } from './plan.js';

/** MILL_MAX_GATEWAYS and MILL_MAX_RINGS of runtime/shm/limits.h. */
const MAX_GATEWAYS = 1024;
const MAX_RINGS = 16;

/** Slot by way: a gateway, or several, as the manifest writes them. */
export type GatewaySlots = Readonly<Record<string, number>>;

/** Gateways of generations that may run keep their slots; others get free ones. @throws MillError when all are taken */
export function allotGateways(wanted: readonly string[], kept: readonly GatewaySlots[]): GatewaySlots {
  const taken = new Set(kept.flatMap((slots) => Object.values(slots)));
  const known: GatewaySlots = Object.assign({}, ...[...kept].reverse());
  const slots: Record<string, number> = {};
  let next = 0;
  for (const address of new Set(wanted)) {
    let slot = known[address];
    if (slot === undefined) {
      while (taken.has(next)) next += 1;
      slot = next;
    }
    if (slot >= MAX_GATEWAYS) {
      throw new MillError('policy', `more than ${MAX_GATEWAYS} gateways in the generations that are kept`);
    }
    taken.add(slot);
    slots[address] = slot;
  }
  return slots;
}

export interface ConfigurationInput {
  readonly plan: Plan;
  readonly generation: number;
  readonly faces: ReadonlyMap<string, Face>;
  readonly gateways: GatewaySlots;
  /** Rule identities of generations that may run: their slots are not given away. */
  readonly keepRules: readonly string[];
  /** The kernel's /dev/netmap answers. */
  readonly hasNetmap: boolean;
  readonly state: Pick<StateView, 'portSlot' | 'interfaceSlot' | 'ruleSlots'>;
}

export function engineConfiguration(input: ConfigurationInput): EngineConfiguration {
  const { plan, state, faces } = input;
  const ports = plan.ports.map((port) => {
    const fallback = fallbackOf(plan, port.name, faces);
    return {
      name: port.name,
      spec: backendSpec(port, fallback, input.hasNetmap),
      slot: state.portSlot(port.name),
      fallback,
      offloadsOff: port.offloadsOff,
      busyPoll: port.busyPoll,
      affinity: port.affinity,
      queues: port.queues,
      flows: port.flows,
    };
  });
  const slotOfPort = new Map(ports.map((port) => [port.name, port.slot]));
  return {
    generation: input.generation,
    eventMode: plan.eventMode,
    lookup: plan.lookup,
    neighbourTries: plan.daemon.arpMaxTries,
    puntRates: puntClasses.map((one) => plan.punt[one]),
    policyHash: plan.policyHash,
    ports,
    interfaces: plan.interfaces.map((iface) => ({
      name: iface.name,
      slot: state.interfaceSlot(iface.name),
      port: slotOfPort.get(iface.port)!,
      tags: iface.tags,
      mtu: iface.mtu ?? 0,
      host: faces.get(iface.name)!.kind,
      hostName: hostName(faces.get(iface.name)!),
      addresses: faces.get(iface.name)!.kind === 'none' ? iface.addresses : [],
    })),
    workers: dealRings(plan),
    ruleSlots: state.ruleSlots(
      plan.rules.map((rule) => rule.id),
      input.keepRules,
    ),
    gatewaySlots: plan.gateways.map((address) => input.gateways[address]!),
    sets: plan.sets.map((set) => set.name),
  };
}

function hostName(face: Face): string {
  return face.kind === 'none' ? '' : face.device;
}

/** Rings that no worker names go round: ring r of port p to worker p + r. */
export function dealRings(plan: Plan): EngineConfiguration['workers'] {
  const workers = plan.workers.length > 0 ? plan.workers : [{ core: undefined, rings: undefined }];
  const masks = workers.map(() => plan.ports.map(() => 0));
  plan.ports.forEach((port, p) => {
    for (let ring = 0; ring < MAX_RINGS; ring++) {
      const named = workers.findIndex((worker) => worker.rings?.[port.name]?.includes(ring));
      const owner = named >= 0 ? named : (p + ring) % workers.length;
      masks[owner]![p]! |= 1 << ring;
    }
  });
  return workers.map((worker, w) => ({ core: worker.core ?? -1, rings: masks[w]! }));
}
