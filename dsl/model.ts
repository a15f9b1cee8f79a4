/**
 * What a policy file evaluates to: plain, frozen, tagged data. The builders make these values, `codegen/`
 * reads them; nothing here knows how either works. Every value that an operator writes carries an Origin.
 */
import type { PuntRates } from './punt.js';

/**
 * Where the operator wrote something: 1-based line and column. `file` is an absolute path while a policy is loaded
 * and relative to the policy's root directory in a CheckedPolicy; what netmill adds by itself has `builtin`.
 */
export interface Origin {
  readonly file: string;
  readonly line: number;
  readonly column: number;
  /** Way from the call that stands there into its arguments: `[1, 'interfaces', 'wan']`. The loader resolves it. */
  readonly path?: readonly (string | number)[];
}

/** A mistake that a builder found. The value that it made stands for nothing: no policy with problems is built. */
export interface Problem {
  readonly code: string;
  readonly message: string;
  readonly expected?: string;
  readonly got?: string;
  readonly fix?: string;
  readonly origin: Origin;
}

export type Family = 4 | 6;

/** An address, or a prefix: `bits` is the address as an unsigned integer of 32 or 128 bits, host bits zero. */
export interface Prefix {
  readonly family: Family;
  readonly bits: bigint;
  readonly length: number;
}

/** One address. An interface address keeps its host bits: see InterfaceAddress. */
export interface Address {
  readonly family: Family;
  readonly bits: bigint;
}

export interface InterfaceAddress extends Address {
  readonly length: number;
}

/** One of the gateways of a rule. */
export interface Gateway extends Address {
  /** Its part of the flows, beside the others of its family and choice: 1 to 256. */
  readonly weight: number;
  /** 0: asked for first; those of the next number stand in when none of these answers. */
  readonly choice: number;
}

/** `nets(…)` or `hosts({…})`: a set of prefixes. `labels[i]` names `prefixes[i]` when it came from `hosts`. */
export interface NetSet {
  readonly kind: 'nets';
  /** Name of the variable that it was written for, filled in by the loader. */
  readonly name?: string;
  readonly prefixes: readonly Prefix[];
  readonly labels: readonly (string | undefined)[];
  readonly origin: Origin;
}

/** `set('blocked')`: networks that change while the router runs. What it holds is no part of the policy. */
export interface RuntimeSet {
  readonly kind: 'set';
  readonly name: string;
  /** What it can hold; a rule that names `.v4` of it asks for IPv4 alone. */
  readonly families: readonly Family[];
  /** What it holds at first: absolute while a policy is loaded, then relative to the policy's root directory. */
  readonly file?: string;
  readonly origin: Origin;
}

/** Inclusive range of ports, 0 to 65535. */
export interface PortRange {
  readonly from: number;
  readonly to: number;
}

/** One alternative of a service. ICMP types stand per family: 'too-big' is ICMPv4 3/4 and ICMPv6 2. */
export type ServiceMatch =
  | {
      readonly l4: 'tcp' | 'udp';
      readonly dports: readonly PortRange[];
      /** Absent: every source port, and none. */
      readonly sports?: readonly PortRange[];
    }
  /** By number, whatever comes behind: all of them, also where `tcp` and the others are among them. */
  | { readonly l4: 'ip'; readonly protocols: readonly number[] }
  | {
      readonly l4: 'icmp';
      readonly types: readonly { readonly family: Family; readonly type: number; readonly code?: number }[];
    };

export interface Service {
  readonly kind: 'service';
  /** Name of the variable that it was written for, filled in by the loader. */
  readonly name?: string;
  readonly alternatives: readonly ServiceMatch[];
  readonly origin: Origin;
}

/** `predicate(name, p => …)`. The function is run by the simulation; the forwarder gets C made from its syntax. */
export interface Predicate {
  readonly kind: 'predicate';
  readonly name: string;
  readonly test: (packet: never) => boolean;
  readonly origin: Origin;
}

export type FlagName = 'fin' | 'syn' | 'rst' | 'psh' | 'ack' | 'urg' | 'ece' | 'cwr';
export type FragmentPart = 'any' | 'none' | 'first' | 'later';

/** Flags of which those of `mask` are those of `value`. */
export interface FlagTest {
  readonly mask: number;
  readonly value: number;
}

/** Ethernet addresses as numbers of 48 bits, of which those of `mask` are those of `value`. */
export interface MacTest {
  readonly mask: number;
  readonly value: number;
}

/** Of each part that is given, one of its values must hold; absent parts are not tested. */
export interface HeaderMatch {
  readonly dscp?: readonly PortRange[];
  readonly ttl?: readonly PortRange[];
  /** Bytes of the IP packet. */
  readonly length?: readonly PortRange[];
  readonly fragment?: FragmentPart;
  /** Of a TCP header that can be read. */
  readonly flags?: readonly FlagTest[];
  readonly fromMac?: readonly MacTest[];
  readonly toMac?: readonly MacTest[];
  /** Priority of the outermost tag, 0 without one. */
  readonly pcp?: readonly PortRange[];
}

/** Absent fields are not tested. */
export interface Match {
  readonly from?: NetSet;
  readonly to?: NetSet;
  readonly fromSet?: RuntimeSet;
  readonly toSet?: RuntimeSet;
  readonly service?: Service;
  readonly header?: HeaderMatch;
  readonly when?: Predicate;
}

export type Action =
  | { readonly kind: 'allow' }
  | { readonly kind: 'deny' }
  /** Drops, and tells the source. `tcp`: segments of TCP are answered with a reset, or like everything else. */
  | {
      readonly kind: 'reject';
      readonly icmp: 'admin-prohibited' | 'port-unreachable';
      readonly tcp: 'reset' | 'icmp';
    }
  /**
   * Packets of a family without a gateway are not matched. When none can be reached, the packet goes on as if diverted
   * by nothing, or is dropped.
   */
  | { readonly kind: 'nexthop'; readonly gateways: readonly Gateway[]; readonly orDrop: boolean };

/** A rule's token bucket, one for all workers. */
export interface Police {
  readonly unit: 'bits' | 'packets';
  /** Units a second. */
  readonly rate: number;
  /** Bytes, or packets. */
  readonly burst: number;
}

/** What a rule does with packets besides its action; all lists judge them as they came in. */
export interface Treatment {
  readonly police?: Police;
  /** A copy, as received, to a port: of one packet in `oneIn`. */
  readonly mirror?: { readonly port: string; readonly oneIn: number };
  /** One packet in so many is logged, whatever the rate. */
  readonly sample?: number;
  /** What it leaves with. */
  readonly dscp?: number;
}

/** Events a second that may be logged; the burst is the same number, at least 1. */
export interface LogOptions {
  readonly perSecond: number;
}

/** A finding that is accepted, with the reason; after the day of `until` it is told again. */
export interface Waiver {
  readonly code: WaivableCode;
  readonly reason: string;
  readonly until?: string;
}

/** Findings of the analysis that an operator may have good reasons for. */
export type WaivableCode = 'NM3001' | 'NM3018' | 'NM3019' | 'NM3020' | 'NM3021' | 'NM3012';

export interface Rule {
  readonly kind: 'rule';
  readonly action: Action;
  readonly match: Match;
  readonly log?: LogOptions;
  readonly treatment?: Treatment;
  /** `.count(name)`: shown beside the rule's counters. */
  readonly counter?: string;
  readonly why?: string;
  readonly id?: string;
  /** Who answers for it. */
  readonly owner?: string;
  readonly ticket?: string;
  /** The last day for which it is meant: `2027-03-31`. */
  readonly expires?: string;
  /** Findings about this rule that are accepted. */
  readonly waivers?: readonly Waiver[];
  readonly origin: Origin;
}

/** Ordered, first match wins; what no rule takes gets `default`. */
export interface Acl {
  readonly kind: 'acl';
  readonly name: string;
  readonly default: 'allow' | 'deny';
  /** Log what the default takes. */
  readonly log: boolean;
  /** 'builtin': lowering puts the rules of dsl/builtin.ts before these, so that IPv6 neighbours can be resolved. */
  readonly neighbourDiscovery: 'builtin' | 'explicit';
  readonly rules: readonly Rule[];
  readonly origin: Origin;
}

/** Only nexthop rules; what no rule takes is routed by the FIB. */
export interface Pbr {
  readonly kind: 'pbr';
  readonly name: string;
  readonly rules: readonly Rule[];
  readonly origin: Origin;
}

/** How tagged frames reach a logical interface. */
export type Encapsulation =
  | { readonly kind: 'untagged' }
  | { readonly kind: 'vlan'; readonly id: number; readonly tpid: 0x8100 }
  | {
      readonly kind: 'qinq';
      readonly outer: { readonly tpid: 0x8100 | 0x88a8; readonly id: number };
      readonly inner: { readonly tpid: 0x8100; readonly id: number };
    };

/** Who answers for the interface in the kernel: found or made by itself, a tap, or nobody. */
export type HostFace = 'auto' | 'tap' | 'none';
export type Fallback = 'kernel' | 'drop';
/** Where the interrupts of a port's queues run: on the cores of their workers, or where they are. */
export type Affinity = 'worker' | 'leave';
export type Offload = 'rxcsum' | 'txcsum' | 'tso' | 'gso' | 'gro' | 'lro' | 'rxvlan' | 'txvlan';

/** What a packet's source must have: a way back by the interface where it came in, or any way. */
export type Urpf = 'strict' | 'loose';

/** A logical interface: what routes, ACLs and counters name. `lan.office` is VLAN `office` of port `lan`. */
export interface LogicalInterface {
  readonly name: string;
  /** Name of the PortConfig that carries it. */
  readonly port: string;
  readonly encapsulation: Encapsulation;
  readonly addresses: readonly InterfaceAddress[];
  /** Bytes of an IP packet; absent: the kernel's. */
  readonly mtu?: number;
  /** Judges what comes in. */
  readonly in?: Acl;
  /** Judges what is forwarded and would leave by it. */
  readonly out?: Acl;
  readonly pbr?: Pbr;
  readonly urpf?: Urpf;
  readonly host: HostFace;
  readonly origin: Origin;
}

/** Packets that a device puts into one of the queues that netmill takes of it. Absent parts: any. */
export interface Flow {
  readonly from?: NetSet;
  readonly to?: NetSet;
  readonly service?: Service;
  /** Absent: the queues take turns. */
  readonly queue?: number;
  readonly origin: Origin;
}

export interface PortConfig {
  readonly name: string;
  /** `xdp:eth0`, `netmap:ix0`, `dpdk:0000:03:00.0`, `pipe:name`, `pcap:in.pcap,out.pcap`, `tap:name`, or a bare device name. */
  readonly spec: string;
  readonly offloadsOff: readonly Offload[];
  readonly fallback?: Fallback;
  readonly busyPoll?: boolean;
  /** Absent: `'worker'`, but where workers spin and do not poll the device themselves. */
  readonly affinity?: Affinity;
  /** Receive queues of the device that netmill takes, ascending, ring 0 being the first; absent: all. */
  readonly queues?: readonly number[];
  /** What comes to them. */
  readonly flows: readonly Flow[];
  readonly origin: Origin;
}

export interface StaticRoute {
  readonly prefix: Prefix;
  readonly gateway: Address;
  readonly origin: Origin;
}

/** Packets that the policy must not deny. */
export interface Reach {
  readonly name: string;
  /** Name of the logical interface on which they come in. */
  readonly in: string;
  readonly from?: NetSet;
  /** Absent: the addresses of that interface. */
  readonly to?: NetSet;
  readonly service?: Service;
  /** What it sends besides. */
  readonly header?: HeaderMatch;
  readonly origin: Origin;
}

export type EventMode = 'poll' | 'busy' | 'adaptive';
/** How addresses are looked up. `flat`: DIR-24-8 and its IPv6 counterpart. `auto`: the build chooses, by the size of the kernel's tables. */
export type LookupMethod = 'auto' | 'flat' | 'radix' | 'dxr';

/** Whether both directions of a flow take the same leg where a route has several. */
export type FlowHash = 'directed' | 'symmetric';

/** A worker thread pinned to a core, and the receive rings it owns; without `rings` they are dealt out. */
export interface WorkerConfig {
  readonly core?: number;
  /** `{ wan: [0, 1] }`: ring numbers by port name. */
  readonly rings?: Readonly<Record<string, readonly number[]>>;
}

export interface EngineConfig {
  readonly workers: readonly WorkerConfig[];
  readonly lookup: LookupMethod;
  readonly events: EventMode;
  readonly flowHash: FlowHash;
  /** Megabytes (2^20 bytes) that the tables of all lists may take. */
  readonly aclMemory: number;
  /** Packets a second that the host stack gets of each class. */
  readonly punt: PuntRates;
}

export interface FpmConfig {
  /** A loopback address. */
  readonly host: string;
  readonly port: number;
  /** Seconds. */
  readonly grace: number;
}

/** What netmap-rt.conf had for the daemon itself. */
export interface DaemonConfig {
  readonly pidfile: string;
  readonly socket: { readonly path: string; readonly mode: number };
  readonly maxClients: number;
  readonly routeDumpFile: string;
  readonly arpMaxTries: number;
  /** Seconds between two audits, 0: none by itself. */
  readonly audit: number;
  /** Where zebra may tell its routes by FPM. */
  readonly fpm?: FpmConfig;
  /** The kernel's tables that make up the FIB, by number, in the order in which they are asked; local first. */
  readonly tables: readonly number[];
}

export interface Router {
  readonly kind: 'router';
  readonly name: string;
  readonly ports: readonly PortConfig[];
  readonly interfaces: readonly LogicalInterface[];
  readonly routes: readonly StaticRoute[];
  readonly mustReach: readonly Reach[];
  /** All that were made up to here, used by a rule or not. */
  readonly sets: readonly RuntimeSet[];
  readonly engine: EngineConfig;
  readonly daemon: DaemonConfig;
  /** Everything the builders found wrong up to here; empty in a CheckedPolicy. */
  readonly problems: readonly Problem[];
  readonly origin: Origin;
}
