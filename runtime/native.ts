/**
 * The only importer of the C++ addon. What it does, in one breath: netlink on a thread of its own, the RIB, FIB
 * batches to the engine (native/rib.ts), the engine's control socket with its descriptors, and the state memfd's
 * counters (native/engine.ts). Every failure is an Error with `.code` (errno name or NM code) and `.syscall`.
 */
import { createRequire } from 'node:module';
import type { EngineLink } from './native/engine.js';
import type { Rib } from './native/rib.js';

export type * from './native/engine.js';
export type * from './native/rib.js';

/** Kernel settings that are no routes. */
export interface Kernel {
  addAddress(ifindex: number, address: string): void;
  deleteAddress(ifindex: number, address: string): void;
  addRoute(prefix: string, gateway: string): void;
  /** In the place of one with another gateway. */
  replaceRoute(prefix: string, gateway: string): void;
  deleteRoute(prefix: string, gateway: string): void;
  /** A static neighbour; without a MAC, what the kernel knows of it is forgotten. */
  setNeighbour(ifindex: number, address: string, mac: string | undefined): void;
  setUp(ifindex: number, up: boolean): void;
  setMtu(ifindex: number, mtu: number): void;
}

export interface Native {
  /** Connects to a running engine's control socket and takes duplicates of all its descriptors. */
  connectEngine(path: string): Promise<EngineLink>;
  createRib(options: {
    readonly receiveBuffer: number; // bytes
    readonly arpMaxTries: number;
    readonly audit: number; // seconds between two audits, 0: none by itself
    readonly tables: readonly number[]; // as for setTables
  }): Rib;
  readonly kernel: Kernel;
  /** uid, gid and pid of the peer of a connected Unix socket (SO_PEERCRED). */
  peerCredentials(fd: number): { readonly uid: number; readonly gid: number; readonly pid: number };
  /** ABI number and struct layout hash that the addon was compiled with. */
  readonly abi: number;
  readonly layout: number;
}

const require = createRequire(import.meta.url);
let loaded: Native | undefined;

/** Loads the addon on first use, so that commands which need no native code start without it. */
export function native(): Native {
  loaded ??= require('../../runtime/native/build/Release/netmill.node') as Native;
  return loaded;
}
