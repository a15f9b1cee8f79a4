/** What the daemon answers, by request. Counters are numbers: exact up to 2^53, which is nine million terabytes. */
import type { Traced } from '../../codegen/trace/trace.js';
import type { DeployResult } from '../deploy/deployer.js';
import type { Plan } from '../deploy/plan.js';
import type { FpmStatus } from '../fpm.js';
import type { AuditReport, CompiledRoute, Neighbour, RibRoute } from '../native.js';

export interface Traffic {
  readonly packets: number;
  readonly bytes: number;
}

/** A set that changes at run time. */
export interface SetReply {
  readonly name: string;
  readonly families: readonly (4 | 6)[];
  /** The fewest that say what it holds. */
  readonly prefixes: Readonly<Record<4 | 6, number>>;
  /** Of memory. */
  readonly bytes: number;
  /** Absent: it holds what it held at first. */
  readonly changedAt?: string;
  readonly policy: string;
  /** file:line:column */
  readonly origin: string;
}

export interface SetChangeReply extends SetReply {
  /** False: it held that already. */
  readonly changed: boolean;
  /** Prefixes before. */
  readonly before: number;
  readonly milliseconds: number;
}

/** A second, over the last few seconds. */
export interface Rate {
  readonly packets: number;
  readonly bits: number;
}

export interface StatusReply {
  readonly version: string;
  readonly router: string;
  readonly daemon: { readonly pid: number; readonly since: string };
  readonly engine: { readonly pid: number; readonly upSeconds: number; readonly adopted: number };
  readonly generation: {
    readonly running: number;
    readonly retained: readonly number[];
    readonly policyHash: string;
    readonly source: string;
    readonly deployedAt: string | undefined;
    /** The structure in which routes are looked up, and who decided it. */
    readonly lookup: Plan['lookup'] | undefined;
    readonly lookupReason: Plan['lookupReason'] | undefined;
  };
  readonly acl: { readonly enabled: boolean; readonly eventsLost: number };
  /** When workers sleep. */
  readonly events: Plan['eventMode'];
  readonly workers: readonly {
    readonly number: number;
    readonly tid: number;
    readonly core: number;
    readonly generation: number;
    readonly bursts: number;
  }[];
  readonly ports: readonly {
    readonly name: string;
    readonly spec: string;
    /** Its name now; empty without one. */
    readonly device: string;
    readonly open: boolean;
    readonly up: boolean;
    readonly mac: string;
    readonly fallback: string;
    /** Of an `xdp:` port: native or generic, zero-copy or copy, polled or not polled (as it should be), queues 4 5. */
    readonly mode: readonly string[];
    readonly rx: Traffic;
    readonly tx: Traffic;
    readonly rxRate: Rate;
    readonly txRate: Rate;
    readonly rxDropped: number;
    /** Of these: frames larger than a buffer. */
    readonly rxTooLong: number;
    readonly txFull: number;
  }[];
  readonly fib: FibReply;
  readonly drops: readonly { readonly reason: string; readonly text: string; readonly packets: number }[];
}

export interface FibReply {
  readonly coupled: boolean;
  readonly synced: boolean;
  readonly routes4: number;
  readonly routes6: number;
  readonly neighbours: number;
  readonly pending: number;
  readonly messages: number;
  readonly batches: number;
  readonly overruns: number;
  readonly resyncs: number;
  /** Prefixes that a dump found changed without a message. */
  readonly corrections: number;
  readonly audits: number;
  /** Prefixes that audits found wrong, and those of them that they set right. */
  readonly divergences: number;
  readonly repaired: number;
  readonly decoupledSince?: string;
  /** Of all routes, those that zebra told by FPM. */
  readonly fpmRoutes: number;
  /** Where the policy has a listener. */
  readonly fpm?: FpmStatus;
  /** By what the kernel's rules (`ip rule`) make it go another way than netmill; empty: nothing. */
  readonly rules: readonly string[];
  /** Of `fib audit`. */
  readonly audit?: AuditReport;
}

export interface InterfaceReply {
  readonly name: string;
  readonly port: string;
  readonly spec: string;
  readonly encapsulation: string;
  readonly device: string;
  readonly face: 'none' | 'netdev' | 'tap';
  readonly ifindex: number;
  readonly mac: string;
  readonly mtu: number;
  readonly up: boolean;
  readonly carrier: boolean;
  readonly addresses: readonly string[];
  /** Those of them that the engine does not use: it is asking whether somebody else has one, or somebody has. */
  readonly unused: Readonly<Record<string, 'tentative' | 'duplicate'>>;
  readonly rx: Traffic;
  readonly tx: Traffic;
  readonly said: Readonly<Record<string, number>>;
  /** Of its port, as `status` has it. */
  readonly mode: readonly string[];
}

export interface CounterReply {
  readonly interfaces: readonly {
    readonly name: string;
    readonly rx: Traffic;
    readonly tx: Traffic;
    readonly rxRate: Rate;
    readonly txRate: Rate;
    /** For the host stack, by class. `full`: its queue was; `policed`: over its rate. Packets, like drops. */
    readonly punt: Readonly<Record<string, Traffic & { readonly full: number; readonly policed: number }>>;
    readonly drops: Readonly<Record<string, number>>;
    /** Messages of the engine's own that left there, by kind: ARP, Neighbour Discovery, ICMP. */
    readonly said: Readonly<Record<string, number>>;
  }[];
  readonly named: readonly { readonly name: string; readonly packets: number; readonly bytes: number }[];
}

export interface RuleReply {
  readonly list: string;
  /** An ACL on both sides of interfaces is two lists. */
  readonly direction: 'in' | 'out';
  /** As `.id()` gave it, else the hash that stands for it. */
  readonly id: string;
  readonly text: string;
  readonly action: string;
  readonly origin: string;
  readonly counter: string | undefined;
  readonly owner: string | undefined;
  readonly ticket: string | undefined;
  /** The last day for which it is meant: `2027-03-31`. */
  readonly expires: string | undefined;
  /** What it does besides: limits, copies, marks, in words. */
  readonly treatment: readonly string[];
  readonly packets: number;
  readonly bytes: number;
  /** Of them, dropped over its limit. */
  readonly policed: Traffic;
}

export interface AclReply {
  readonly enabled: boolean;
  readonly generation: number;
  readonly rules: readonly RuleReply[];
}

export interface NeighbourReply extends Neighbour {
  readonly device: string;
  readonly interface: string | undefined;
}

/** A route with names in place of numbers. */
export interface RouteReply extends Omit<RibRoute, 'nexthops' | 'age'> {
  readonly nexthops: readonly {
    readonly gateway: string | undefined;
    readonly device: string;
    readonly weight: number;
    readonly dead: boolean;
  }[];
  /** When it came, or came to be so. */
  readonly since: string | undefined;
  /** Of its path group: routes that go the same way are counted together. */
  readonly use: Traffic;
  /** A local route that leads nowhere now: it waits for its gateway or device. */
  readonly waiting?: true;
}

/** `netmill route top`: what packets went by, the most first. */
export interface TopReply {
  /** Between the two looks. */
  readonly seconds: number;
  readonly rows: readonly (Pick<RouteReply, 'group' | 'type' | 'nexthops' | 'use'> & {
    /** One of the prefixes that go this way, where it is known. */
    readonly prefix: string | undefined;
    /** Prefixes and gateways that go this way. */
    readonly uses: number;
    readonly rate: Rate;
  })[];
}

export interface RouteGetReply {
  readonly address: string;
  readonly kernel: RouteReply | undefined;
  readonly rib: RouteReply | undefined;
  readonly compiled: Omit<CompiledRoute, 'legs'> & {
    readonly legs: readonly {
      readonly kind: string;
      readonly interface: string;
      readonly device: string;
      readonly nexthop: string | undefined;
      readonly mac: string | undefined;
    }[];
  };
  readonly agree: boolean;
  /** Where they differ; empty when they agree. */
  readonly differences: readonly string[];
  /** They cannot have begun to differ before: then the RIB's route came, or the FIB was decoupled. */
  readonly differSince?: string | undefined;
}

/** What the running forwarder did with a packet, in a process of its own. */
export interface TraceReply extends Omit<Traced, 'took'> {
  readonly packet: string;
  readonly interface: string;
  readonly generation: number;
  readonly aclEnabled: boolean;
  /** Where the engine's FIB sends its destination. */
  readonly compiled: RouteGetReply['compiled'];
  /** Where the rule that diverts it sends it. */
  readonly diverted?: {
    /** `192.0.2.1*3 192.0.2.2 or drop` */
    readonly way: string;
    /** Those of its gateways that share the flows now; no legs: none answers. */
    readonly compiled: RouteGetReply['compiled'];
  };
}

export interface GenerationReply {
  readonly generation: number;
  readonly state: 'running' | 'retained' | 'stored';
  readonly source: string;
  readonly policyHash: string;
  /** Where its bundle is kept. */
  readonly directory: string;
  readonly builtAt: string;
  readonly committedAt: string | undefined;
  readonly note: string | undefined;
}

export type { DeployResult };
