/** The routes that an evaluation goes by: a plain list, searched whole. */
import { contains } from '../../dsl/address.js';
import type { Address, Family, Prefix } from '../../dsl/model.js';

/** The order of enum mill_adjacency_kind in runtime/shm/fib_queue.h. */
export const pathKinds = [
  'none',
  'forward',
  'resolve',
  'glean',
  'local',
  'kernel',
  'blackhole',
  'unreachable',
  'broadcast',
  'prohibit',
] as const;

export type PathKind = (typeof pathKinds)[number];

export interface Path {
  readonly kind: PathKind;
  /** Local number of the interface, for kinds that send: forward, resolve, glean. */
  readonly iface?: number;
  /** The neighbour's, six bytes, for forward. */
  readonly mac?: Uint8Array;
  /** Who is asked for its MAC, for resolve; may be of the other family than the packet (RFC 8950). */
  readonly neighbour?: Address;
}

/** A logical interface as it is at run time. */
export interface Face {
  /** Six bytes. */
  readonly mac: Uint8Array;
  /** Bytes of an IP packet. */
  readonly mtu: number;
  readonly up: boolean;
  /** The kernel, or a tap, answers for it. */
  readonly host: boolean;
  /** What a self-test has ICMP errors about packets from there come from: it knows of no way back. */
  readonly speaksFrom: Readonly<Record<Family, Address>>;
}

export interface Paths {
  /** By local number of the interface. */
  readonly faces: readonly Face[];
  readonly routes: readonly { readonly prefix: Prefix; readonly path: Path }[];
  /** By local number of the gateway; undefined: it cannot be reached. */
  readonly gateways: readonly (Path | undefined)[];
}

const nowhere: Path = { kind: 'none' };

/** Longest prefix match. RFC 1812 §5.2.4.3 (1), (2). */
export function route(paths: Paths, to: Address): Path {
  let best: Paths['routes'][number] | undefined;
  for (const one of paths.routes)
    if (contains(one.prefix, to) && (best === undefined || one.prefix.length > best.prefix.length))
      best = one;
  return best?.path ?? nowhere;
}
