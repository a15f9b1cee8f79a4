/**
 * The policy after lowering: everything has its local number and its name in C, and each rule says for each family
 * what it tests. Frozen, plain data; `match` keeps the operator's own terms for the evaluator.
 */
import type {
  Action,
  Encapsulation,
  Family,
  Gateway,
  Match,
  Origin,
  PortRange,
  Router,
  Treatment,
  Urpf,
  Waiver,
} from '../dsl/model.js';
import type { Lookup } from './lookup.js';
import type { BoolExpr, PredicateExpr } from './predicate/expr.js';
import type { Contents } from './sets/contents.js';

/** A set of addresses of one family: disjoint, sorted, inclusive. */
export interface AddressSet {
  readonly kind: 'addresses';
  readonly family: Family;
  /** Words joined by underscores; unique among sets of the family. */
  readonly name: string;
  readonly ranges: readonly { readonly from: bigint; readonly to: bigint }[];
  /** As prefixes, none inside another. */
  readonly prefixes: readonly { readonly bits: bigint; readonly length: number }[];
  readonly origin: Origin;
}

/** What a service is in one family, or in both: one of its parts suffices. */
export interface ServiceSet {
  readonly kind: 'service';
  /** Absent where ICMP, whose types are a family's own, is no part of it. */
  readonly family?: Family;
  readonly name: string;
  readonly tcp?: PortTest;
  readonly udp?: PortTest;
  readonly icmp?: IcmpTest;
  /** Other protocols, whatever their headers say. */
  readonly protocols?: readonly number[];
  readonly origin: Origin;
}

/** Without either part: every port, and later fragments, which have none. */
export interface PortTest {
  /** Destination ports, merged. */
  readonly ranges?: readonly PortRange[];
  /** Source ports, merged, with the destination ports for which they count; without `ranges`, for all. */
  readonly pairs?: readonly PortPair[];
}

export interface PortPair {
  readonly sources: readonly PortRange[];
  readonly ranges?: readonly PortRange[];
}

export interface IcmpTest {
  readonly types?: readonly { readonly type: number; readonly code?: number }[];
}

/** A rule's tests for packets of one family; absent parts are not tested. */
export interface Condition {
  readonly from?: AddressSet;
  readonly to?: AddressSet;
  readonly service?: ServiceSet;
  readonly when?: IrPredicate;
  /** Local number of the gateway, for nexthop rules. */
  readonly gateway?: number;
}

/** A predicate for packets of one family, or of both, simplified: the same truth value for every one of them. */
export interface IrPredicate {
  readonly name: string;
  /** Absent where it is the same in both. */
  readonly family?: Family;
  /** The C function's name. */
  readonly function: string;
  readonly source: PredicateExpr;
  readonly expr: BoolExpr;
  /** What its `within` tests, by setKey of their prefixes. */
  readonly sets: ReadonlyMap<string, AddressSet>;
  /** Sets that change at run time, by name. */
  readonly members: ReadonlyMap<string, IrSet>;
}

/** A set that changes at run time. */
export interface IrSet {
  readonly local: number;
  readonly name: string;
  readonly families: readonly Family[];
  /** What it holds at first, relative to the policy's root. */
  readonly file?: string;
  readonly enumerator: string;
  readonly origin: Origin;
}

export interface IrRule {
  readonly local: number;
  readonly id: string;
  /** Enumerator in C. */
  readonly enumerator: string;
  readonly list: string;
  readonly listKind: 'acl' | 'pbr';
  readonly direction: Direction;
  readonly position: number;
  readonly action: Action;
  readonly match: Match;
  readonly conditions: Readonly<Partial<Record<Family, Condition>>>;
  /** Its policy line, or `default deny`. */
  readonly text: string;
  readonly origin: Origin;
  readonly logPerSecond?: number;
  readonly treatment?: Treatment;
  /** As given by `.id()`. */
  readonly name?: string;
  readonly why?: string;
  readonly counter?: string;
  readonly owner?: string;
  readonly ticket?: string;
  readonly expires?: string;
  readonly waivers?: readonly Waiver[];
}

/** An ACL that judges both what comes in and what leaves is two lists, each with its own counters. */
export type Direction = 'in' | 'out';

export interface IrList {
  readonly kind: 'acl' | 'pbr';
  readonly direction: Direction;
  readonly name: string;
  /** Name in C, without its prefix. */
  readonly function: string;
  readonly rules: readonly IrRule[];
  /** ACLs only: the rule that stands for the default. */
  readonly fallback?: IrRule;
  /** Some rule of the family reads the transport header. What hides it is refused by an ACL; in a PBR list its fields are 0. */
  readonly readsTransport: Readonly<Record<Family, boolean>>;
  readonly origin: Origin;
}

export interface IrInterface {
  readonly local: number;
  readonly name: string;
  readonly function: string;
  readonly enumerator: string;
  readonly port: number;
  readonly encapsulation: Encapsulation;
  readonly acl?: IrList;
  readonly out?: IrList;
  readonly pbr?: IrList;
  readonly urpf?: Urpf;
  readonly origin: Origin;
}

export interface IrPort {
  readonly local: number;
  readonly name: string;
  readonly function: string;
  readonly enumerator: string;
  readonly spec: string;
  readonly interfaces: readonly IrInterface[];
  readonly origin: Origin;
}

/** Where rules divert packets of one family to: a gateway, or several. */
export interface IrGateway {
  readonly local: number;
  readonly family: Family;
  readonly gateways: readonly Gateway[];
  /** `192.0.2.1*3 192.0.2.2 or 192.0.2.9`: those of equal texts are one. */
  readonly text: string;
  readonly enumerator: string;
}

export interface Ir {
  readonly router: Router;
  readonly policy: string;
  readonly policyHash: string;
  readonly lookup: Lookup;
  readonly ports: readonly IrPort[];
  readonly interfaces: readonly IrInterface[];
  readonly lists: readonly IrList[];
  readonly rules: readonly IrRule[];
  readonly gateways: readonly IrGateway[];
  /** Sets that change at run time, which some rule asks. */
  readonly sets: readonly IrSet[];
  /** What they hold at first. */
  readonly contents: Contents;
  /** Those that rules name, by name: for the evaluator. */
  readonly predicates: ReadonlyMap<string, PredicateExpr>;
}
