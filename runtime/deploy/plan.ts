/**
 * What the runtime needs to know of a generation, in its own words: made from the manifest in bundle.ts, read by
 * everything that deploys, configures interfaces or explains counters.
 */

import { netmapDevice } from '../../codegen/check/netmap-spec.js';
import type { LookupReason } from '../../codegen/lookup.js';
import type { PuntRates } from '../../dsl/punt.js';
import type { EngineConfiguration } from '../native.js';

export interface PlanPort {
  readonly name: string;
  /** As the policy has it; `backendSpec` puts a back end before a device alone. */
  readonly spec: string;
  readonly fallback: 'kernel' | 'drop' | undefined;
  readonly offloadsOff: readonly string[];
  readonly busyPoll: boolean;
  /** Of interrupts; `'auto'`: the policy says nothing. */
  readonly affinity: EngineConfiguration['ports'][number]['affinity'];
  /** Receive queues of the device that netmill takes, ascending; none: all. */
  readonly queues: readonly number[];
  readonly flows: readonly PlanFlow[];
}

/** A filter of the port's device, as the manifest has it. */
export type PlanFlow = EngineConfiguration['ports'][number]['flows'][number];

export interface PlanInterface {
  readonly name: string;
  /** Name of its port. */
  readonly port: string;
  /** Outermost first; empty: untagged. */
  readonly tags: readonly { readonly tpid: number; readonly vid: number }[];
  /** With length: 192.0.2.1/24. Empty: the kernel's own are used. */
  readonly addresses: readonly string[];
  readonly mtu: number | undefined;
  readonly host: 'auto' | 'tap' | 'none';
  /** It has an ACL or PBR list, so falling back to the kernel would open what they close. */
  readonly guarded: boolean;
}

export interface PlanRule {
  /** 16 hex digits: the identity that its counters belong to. */
  readonly id: string;
  /** Given by `.id()`. */
  readonly name: string | undefined;
  /** What operators call it: its reason or its policy line. */
  readonly text: string;
  readonly list: string;
  readonly direction: 'in' | 'out';
  readonly action: string;
  /** file:line:column */
  readonly origin: string;
  /** What it does besides: limits, copies, marks, in words. */
  readonly treatment: readonly string[];
  /** Name given by `.count()`. */
  readonly counter: string | undefined;
  readonly owner: string | undefined;
  readonly ticket: string | undefined;
  /** The last day for which it is meant. */
  readonly expires: string | undefined;
}

/** A set that changes at run time. */
export interface PlanSet {
  readonly name: string;
  readonly families: readonly (4 | 6)[];
  /** file:line:column */
  readonly origin: string;
}

export interface PlanRoute {
  readonly prefix: string;
  readonly gateway: string;
}

export interface PlanWorker {
  readonly core: number | undefined;
  readonly rings: Readonly<Record<string, readonly number[]>> | undefined;
}

export interface Plan {
  readonly router: string;
  readonly policyHash: string;
  readonly eventMode: 'poll' | 'busy' | 'adaptive';
  /** Packets a second for the host stack, by class. */
  readonly punt: PuntRates;
  readonly lookup: 'flat' | 'radix' | 'dxr';
  readonly lookupReason: LookupReason;
  readonly ports: readonly PlanPort[];
  readonly interfaces: readonly PlanInterface[];
  readonly workers: readonly PlanWorker[];
  readonly routes: readonly PlanRoute[];
  /** Gateways of ACLs and PBR, each with those beside and behind it (dsl/gateways.ts), in the order of the forwarder's local numbers. */
  readonly gateways: readonly string[];
  /** In the order of the forwarder's local numbers. */
  readonly sets: readonly PlanSet[];
  /** In the order of the forwarder's local numbers. */
  readonly rules: readonly PlanRule[];
  readonly daemon: {
    readonly pidfile: string;
    readonly socket: { readonly path: string; readonly mode: number };
    readonly maxClients: number;
    readonly routeDumpFile: string;
    readonly arpMaxTries: number;
    readonly audit: number; // seconds between two audits, 0: none by itself
    readonly fpm?: { readonly host: string; readonly port: number; readonly grace: number } | undefined;
    readonly tables: readonly number[]; // the kernel's, in the order in which they are asked; local first
  };
}

/**
 * A device alone is a netmap port where the kernel has netmap, and one of AF_XDP elsewhere, or where only AF_XDP can do what the port
 * wants: stay shut when nobody forwards, be polled by its workers, have interrupts where these are, leave queues to the kernel, or have a name that netmap would take for one of a ring.
 * @param fallback what is done when nobody forwards
 */
export function backendSpec(
  { spec, busyPoll, affinity, queues }: Pick<PlanPort, 'spec' | 'busyPoll' | 'affinity' | 'queues'>,
  fallback: 'kernel' | 'drop',
  hasNetmap: boolean,
): string {
  if (spec.includes(':')) return spec;
  const onlyXdp = busyPoll || affinity === 'worker' || queues.length > 0 || fallback === 'drop';
  const isNetmap = hasNetmap && !onlyXdp && netmapDevice(spec) === spec;
  return `${isNetmap ? 'netmap' : 'xdp'}:${spec}`;
}

/** The kernel's name of the device that a port is, undefined for pipes, files and the like. */
export function deviceOf(spec: string): string | undefined {
  if (!spec.includes(':')) return spec;
  const [kind, rest] = split(spec);
  if (kind === 'netmap') return netmapDevice(rest);
  return kind === 'xdp' ? rest : undefined;
}

function split(spec: string): [string, string] {
  const colon = spec.indexOf(':');
  return [spec.slice(0, colon), spec.slice(colon + 1)];
}
