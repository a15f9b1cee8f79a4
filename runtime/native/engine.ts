/** What the addon gives of an engine: its control socket, its descriptors, and the state memfd's counters. */

/** Binary configuration of a generation, by value; the addon packs it into runtime/shm/config.h. */
export interface EngineConfiguration {
  readonly generation: number;
  readonly eventMode: 'poll' | 'busy' | 'adaptive';
  readonly lookup: 'flat' | 'radix' | 'dxr';
  readonly neighbourTries: number; // requests without an answer before a neighbour counts as gone
  readonly puntRates: readonly number[]; // packets a second for the host stack, by class
  readonly policyHash: string; // hex, 64 digits
  readonly ports: readonly {
    readonly name: string;
    readonly spec: string;
    readonly slot: number;
    readonly fallback: 'kernel' | 'drop';
    readonly offloadsOff: readonly string[];
    readonly busyPoll: boolean; // of an xdp: port: its workers run the device's NAPI
    readonly affinity: 'auto' | 'worker' | 'leave'; // of its interrupts
    readonly queues: readonly number[]; // of the device that netmill takes, ascending; none: all
    readonly flows: readonly {
      readonly queue: number;
      readonly family: 4 | 6;
      readonly protocol?: number | undefined; // what is absent may be anything
      readonly from?: string | undefined; // prefix
      readonly to?: string | undefined;
      readonly fromPort?: number | undefined;
      readonly toPort?: number | undefined;
    }[];
  }[];
  readonly interfaces: readonly {
    readonly name: string;
    readonly slot: number;
    readonly port: number; // slot
    readonly tags: readonly { readonly tpid: number; readonly vid: number }[]; // outermost first
    readonly mtu: number; // 0: the port's
    readonly host: 'none' | 'netdev' | 'tap';
    readonly hostName: string;
    readonly addresses: readonly string[]; // with length; of host 'none' alone
  }[];
  readonly workers: readonly {
    readonly core: number; // -1: not pinned
    readonly rings: readonly number[]; // bit mask by local port number
  }[];
  readonly ruleSlots: readonly number[];
  readonly gatewaySlots: readonly number[];
  /** Names of the sets that change at run time, by local number: the engine must have them already. */
  readonly sets: readonly string[];
}

export interface Counter {
  readonly packets: bigint;
  readonly bytes: bigint;
}

export interface InterfaceCounters {
  readonly rx: Counter;
  readonly tx: Counter;
  readonly punt: readonly Counter[]; // by class
  readonly puntFull: readonly bigint[]; // by class: dropped, its queue was full
  readonly puntPoliced: readonly bigint[]; // by class: dropped, over its rate
  readonly drops: readonly bigint[]; // by enum mill_drop
  readonly said: readonly bigint[]; // by enum mill_said
}

/** A neighbour that the engine resolved by itself. */
export interface OwnNeighbour {
  readonly slot: number; // of the interface
  readonly address: string;
  readonly mac: string | undefined;
  readonly state: string; // reachable, stale, …
}

/** The state memfd: counters, registries, events. Reads are plain memory reads and never disturb the engine. */
export interface StateView {
  readonly running: number;
  readonly enginePid: number;
  readonly startedNs: bigint;
  readonly adopted: number;
  readonly aclEnabled: boolean;
  readonly workers: readonly {
    readonly tid: number;
    readonly core: number;
    readonly generation: number;
    readonly bursts: bigint;
    readonly heartbeatNs: bigint;
  }[];
  /** Slot of a name, given on first use. */
  portSlot(name: string): number;
  interfaceSlot(name: string): number;
  /** Slots of 64-bit identities (hex); those not in `keep` may be recycled when the table is full. */
  ruleSlots(ids: readonly string[], keep: readonly string[]): number[];
  port(slot: number): {
    readonly open: boolean;
    readonly up: boolean;
    readonly native: boolean; // of an xdp: port: its program runs in the driver
    readonly zeroCopy: boolean; // and the device itself reads and writes packet memory
    readonly polled: boolean; // by its workers
    readonly ifindex: number;
    readonly mac: string;
    readonly rxRings: number;
    readonly rxPackets: bigint;
    readonly rxBytes: bigint;
    readonly txPackets: bigint;
    readonly txBytes: bigint;
    readonly rxDropped: bigint;
    readonly rxTooLong: bigint; // of these
    readonly txFull: bigint;
  };
  interfaceCounters(slot: number): InterfaceCounters;
  /** Of an interface without a face in the kernel: its addresses, in the order of the configuration (RFC 4862 §5.4). */
  claims(slot: number): readonly ('ours' | 'tentative' | 'duplicate')[];
  /** Packets and bytes, two numbers a slot, in the order asked. */
  ruleCounters(slots: readonly number[]): BigUint64Array;
  /** Those of them that rules dropped over their limits, likewise. */
  policedCounters(slots: readonly number[]): BigUint64Array;
  /** Neighbours on interfaces without a face in the kernel, as the engine has resolved them. */
  neighbours(): readonly OwnNeighbour[];
  /** How much each path group of the FIB in force has been used, by every worker together. */
  groupUse(): GroupUse;
  /** Log events since the last call, at most `max`. */
  takeEvents(max: number): readonly LogEvent[];
  readonly eventsLost: bigint;
}

/**
 * Packets that the FIB sent by a path group (to whatever end: forwarded, delivered, refused), with those that ACLs and
 * PBR diverted to a gateway behind it, and bytes of their frames. A group goes on counting when its legs change; a replay
 * (attach, recouple, resync) and an adopted engine begin at zero.
 */
export interface GroupUse {
  /** `RibRoute.group`, ascending. */
  readonly groups: Uint32Array;
  /** Packets and bytes, two numbers a group, in the same order. */
  readonly counters: BigUint64Array;
}

export interface LogEvent {
  readonly timeNs: bigint;
  readonly rule: number;
  readonly interface: number;
  readonly length: number;
  readonly suppressed: number;
  readonly l3: number;
  readonly frame: Buffer;
}

export type EngineNotice =
  | { readonly kind: 'link'; readonly port: number; readonly up: boolean }
  | { readonly kind: 'resolve'; readonly interface: number; readonly address: string }
  | { readonly kind: 'neighbours' } // `state.neighbours()` has changed
  | { readonly kind: 'closed' }; // the engine is gone

/** One engine. The addon holds duplicates of its descriptors until `release()`. */
export interface EngineLink {
  readonly pid: number;
  readonly running: number;
  readonly retained: readonly number[];
  readonly state: StateView;
  onNotice(listener: (notice: EngineNotice) => void): void;
  prepare(config: EngineConfiguration, forwarderPath: string): Promise<void>;
  commit(generation: number, expectedRunning: number): Promise<void>;
  discard(generation: number): Promise<void>;
  /** A file of codegen/sets/image.ts takes the place of the set of its name, once no worker reads that one any more. */
  putSet(path: string): Promise<void>;
  /** A set that no generation names. */
  dropSet(name: string): Promise<void>;
  /** Names of the sets that the engine has. */
  sets(): readonly string[];
  /** What it has by that name. */
  readSet(name: string): Buffer | undefined;
  setInterface(update: {
    readonly slot: number;
    readonly mtu: number;
    readonly mac: string;
    readonly up: boolean;
    readonly ifindex: number;
    /** What ICMP errors about packets from there come from; without a length, absent for none. */
    readonly address4?: string;
    readonly address6?: string;
  }): Promise<void>;
  /** A static neighbour on an interface without a face in the kernel; without a MAC, what is known of it is forgotten. */
  setNeighbour(slot: number, address: string, mac: string | undefined): Promise<void>;
  /** Somebody wants to know a neighbour on such an interface: it is asked for, unless it is known. */
  wantNeighbour(slot: number, address: string): Promise<void>;
  setAcl(enabled: boolean): Promise<void>;
  lookup(to: string | number): Promise<CompiledRoute>;
  stop(): Promise<void>;
  /** The configuration of the running generation, read back from its memfd: for a daemon that re-attaches. */
  runningConfiguration(): EngineConfiguration;
  /**
   * Hands every held descriptor to a fresh engine that listens on `path` and resolves when it forwards.
   * @param without a generation that it is not to have: it goes on with the newest of the others
   */
  adoptInto(path: string, without?: number): Promise<EngineLink>;
  release(): void;
}

export interface CompiledRoute {
  readonly group: number;
  readonly kind: AdjacencyKind;
  readonly legs: readonly {
    readonly interface: number;
    readonly kind: AdjacencyKind;
    readonly nexthop: string | undefined;
    readonly mac: string | undefined;
  }[];
}

export type AdjacencyKind =
  | 'none'
  | 'forward'
  | 'resolve'
  | 'glean'
  | 'local'
  | 'kernel'
  | 'blackhole'
  | 'unreachable'
  | 'broadcast'
  | 'prohibit';
