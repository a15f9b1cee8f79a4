/** What the addon gives of the RIB: netlink on a thread of its own, and FIB batches to the engine. */
import type { EngineLink, OwnNeighbour } from './engine.js';

export interface Link {
  readonly ifindex: number;
  readonly name: string;
  readonly mac: string;
  readonly mtu: number;
  readonly up: boolean; // IFF_UP
  readonly carrier: boolean; // IFF_LOWER_UP
  readonly addresses: readonly string[]; // with length: 192.0.2.1/24
  readonly kind: string; // IFLA_INFO_KIND, '' for none; 'netmill': the engine's own (setOwn)
  readonly parent: number; // IFLA_LINK, 0 for none
  readonly vlan: { readonly id: number; readonly tpid: number } | undefined;
}

export interface Neighbour {
  readonly ifindex: number;
  readonly address: string;
  readonly mac: string | undefined;
  readonly state: string; // reachable, stale, …
  readonly used: boolean; // by a route or gateway of the FIB
}

export interface RibRoute {
  readonly prefix: string;
  readonly source: 'kernel' | 'fpm' | 'local' | 'engine'; // fpm: zebra by FPM; local: `netmill route add`; engine: own links
  readonly protocol: string; // kernel's: bird, static, …; of own links: connected, static
  readonly type:
    | 'unicast'
    | 'local'
    | 'broadcast'
    | 'blackhole'
    | 'unreachable'
    | 'prohibit'
    | 'throw'
    | 'anycast'
    | 'multicast'
    | 'other';
  readonly metric: number;
  /** Seconds since it came, or came to be so. */
  readonly age: number;
  /** The engine's path group for it (`StateView.groupUse`); 0 when the engine goes by another route, or none. */
  readonly group: number;
  readonly nexthops: readonly {
    readonly gateway: string | undefined;
    readonly ifindex: number;
    readonly weight: number;
    readonly dead: boolean;
  }[];
}

/** What one path group of the engine stands for. */
export interface RibPath {
  readonly group: number;
  /** Prefixes and gateways that go this way. */
  readonly uses: number;
  readonly type: RibRoute['type'];
  /** One of those prefixes, where it is known. */
  readonly prefix: string | undefined;
  readonly nexthops: RibRoute['nexthops'];
}

export interface RibStatus {
  readonly coupled: boolean;
  readonly routes4: number;
  readonly fpmRoutes: number; // of all routes, those that zebra told by FPM
  readonly routes6: number;
  readonly neighbours: number;
  readonly messages: bigint;
  readonly batches: bigint;
  readonly overruns: number; // the kernel dropped messages
  readonly resyncs: number; // dumps that replaced everything
  readonly corrections: number; // prefixes that a dump found changed without a message
  readonly audits: number;
  readonly divergences: number; // prefixes that audits found wrong, in all
  readonly repaired: number; // of those
  readonly pending: number; // changes tracked but not applied while decoupled
  readonly synced: boolean; // the first dump has been applied by the engine
  /** By what the kernel's rules make it go another way than the coupled tables, in words; empty: nothing. */
  readonly rules: readonly string[];
}

/** Kernel, RIB and compiled FIB held against each other. */
export interface AuditReport {
  readonly startedAt: number; // ms since the epoch
  readonly milliseconds: number;
  readonly prefixes: number; // in the kernel's dump
  readonly addresses: number; // boundary addresses of prefixes that the compiled FIB was asked for
  /** False: no engine is fed, or changes never paused long enough; then only kernel and RIB were compared. */
  readonly compiled: boolean;
  readonly divergences: number; // prefixes that were wrong
  readonly repaired: number; // of those
  /** The first few that were wrong. */
  readonly last: readonly {
    readonly prefix: string;
    readonly between: 'kernel-rib' | 'rib-fib';
    readonly expected: string;
    readonly got: string;
  }[];
}

/** An interface without a face in the kernel, as a link of the RIB. */
export interface OwnLink {
  readonly slot: number; // of the interface
  readonly name: string;
  readonly mac: string;
  readonly mtu: number;
  readonly up: boolean;
  readonly addresses: readonly string[]; // with length
}

/** Netlink reader, RIB and FIB feeder: everything per route happens inside, on its own thread. */
export interface Rib {
  /**
   * Interfaces whose routes the engine forwards: kernel ifindex → interface slot. Replaces the whole map. Nothing is
   * fed before the first call: without the map the engine would be told to leave everything to the kernel.
   */
  setInterfaces(map: readonly { readonly ifindex: number; readonly slot: number }[]): void;
  /**
   * The engine's own links, all of them; from their addresses follow local, broadcast and connected routes. With them the
   * static routes whose gateways are behind them. They are among `links()`, with numbers that the kernel does not use.
   */
  setOwn(
    links: readonly OwnLink[],
    routes: readonly { readonly prefix: string; readonly gateway: string }[],
  ): void;
  /** All neighbours that the engine knows on its own links; those not named any more go. */
  setOwnNeighbours(neighbours: readonly OwnNeighbour[]): void;
  /**
   * ACL and PBR nexthops by gateway slot, resolved through the RIB from now on, over the engine's interfaces alone:
   * a gateway behind another one is unresolvable (group 0), never left to the kernel.
   */
  setGateways(
    ways: readonly {
      readonly slot: number;
      /** Gateways of one family; those of the first choice that has one that answers share the flows. */
      readonly choices: readonly (readonly { readonly address: string; readonly weight: number }[])[];
    }[],
  ): void;
  /** Feed this engine's queue: replays everything. `undefined` stops feeding. */
  attach(engine: EngineLink | undefined): void;
  /** Links and addresses are known when it returns; the rest follows. */
  start(): void;
  stop(): void;
  couple(): void;
  decouple(): void;
  recouple(): Promise<void>;
  /** By a gateway, an interface, or both. @returns false while there is no way to the gateway: then it waits for one */
  addLocal(prefix: string, gateway: string | undefined, ifindex: number | undefined): boolean;
  deleteLocal(prefix: string): boolean;
  /** A new connection of zebra's module dplane_fpm_nl: what it does not tell goes with the next `fpmSweep`. */
  fpmOpen(): void;
  /**
   * Bytes of that connection, cut anywhere. Returns the frames that tell zebra of the routes in them, to be sent when the
   * engine forwards by them (`settled`). @throws EPROTO when they are no FPM stream: the connection is to be closed.
   */
  fpmTake(bytes: Uint8Array): Buffer;
  /** @returns how many routes went */
  fpmSweep(): number;
  /** Best route of the RIB for an address. */
  lookup(address: string): RibRoute | undefined;
  /** The kernel's answer (RTM_GETROUTE). */
  kernelLookup(address: string): Promise<RibRoute | undefined>;
  /** Page through the whole table in prefix order; `after` is the last prefix of the page before. */
  routes(family: 4 | 6, after: string | undefined, limit: number): readonly RibRoute[];
  /** Those of these path groups that the engine has. */
  paths(groups: readonly number[]): readonly RibPath[];
  /** Writes the table to a file on a thread of its own; resolves with the number of routes. */
  dump(path: string): Promise<number>;
  links(): readonly Link[];
  neighbours(): readonly Neighbour[];
  /** NTF_USE: the kernel resolves (or keeps) the neighbour; no packet of ours. */
  resolve(ifindex: number, address: string): void;
  status(): RibStatus;
  /** Links or addresses changed, or rules (coalesced): the daemon looks again. */
  onLinks(listener: () => void): void;
  /** A gateway of a rule is on an own link, and nobody has heard of it: the engine is to ask. At most once a second each. */
  onOwnGateway(listener: (slot: number, address: string) => void): void;
  /**
   * Resolves when the engine has applied everything known at the call, what waits in the netlink socket included;
   * while nothing is fed (no engine, no interfaces yet, decoupled), when the RIB knows it.
   */
  settled(): Promise<void>;
  /** Audits now, whatever the period; what is wrong is repaired. Changes go on being followed meanwhile. */
  audit(): Promise<AuditReport>;
  /**
   * The kernel's tables that are followed, by number, in the order in which they are asked: local (255) first, then 1
   * to 7 others. Changing them dumps afresh; the engine goes on with what it has until that is complete.
   */
  setTables(tables: readonly number[]): void;
  /** Seconds between two audits; 0: none but those asked for. */
  setAudit(seconds: number): void;
  /** Called with every report, of background audits and of those asked for. */
  onAudit(listener: (report: AuditReport) => void): void;
}
