/**
 * What the readers of other formats make and the writer turns into TypeScript: a policy in the order and with the
 * comments of its source. Comments are lines without their marks; an empty one is a blank line.
 */
import type {
  Action,
  Address,
  EventMode,
  Fallback,
  Family,
  HeaderMatch,
  LookupMethod,
  Offload,
  Origin,
  Prefix,
  ServiceMatch,
  WaivableCode,
} from '../../dsl/model.js';

/** Networks of a rule: those of a DraftObject, or as they are. */
export type DraftNets =
  /** `family`: those of one family alone. */
  | { readonly kind: 'object'; readonly name: string; readonly family?: Family }
  /** `notes[i]`: a comment on `prefixes[i]`. */
  | {
      readonly kind: 'nets';
      readonly prefixes: readonly Prefix[];
      readonly notes?: readonly (string | undefined)[];
    };

export type DraftService =
  | { readonly kind: 'object'; readonly name: string }
  | { readonly kind: 'service'; readonly alternatives: readonly ServiceMatch[] };

export type DraftAction =
  | { readonly kind: 'allow' | 'deny' }
  | Extract<Action, { kind: 'reject' }>
  | { readonly kind: 'nexthop'; readonly gateways: readonly Address[] };

export interface DraftRule {
  readonly kind: 'rule';
  readonly action: DraftAction;
  readonly from?: DraftNets;
  readonly to?: DraftNets;
  readonly service?: DraftService;
  /** One range of TTLs, one test of flags or what `'established'` stands for. */
  readonly header?: Pick<HeaderMatch, 'dscp' | 'ttl' | 'length' | 'flags' | 'fragment'>;
  readonly log: boolean;
  /** DSCP with which packets leave. */
  readonly marks?: number;
  readonly id?: string;
  readonly why?: string;
  readonly counter?: string;
  readonly owner?: string;
  readonly expires?: string;
  /** Comment on its line. */
  readonly comment?: string;
  readonly origin: Origin;
  /** How the source's own tools call it; else by its line. */
  readonly called?: string;
}

/** A rule, or a line of comment between rules. */
export type DraftEntry = DraftRule | { readonly kind: 'comment'; readonly text: string };

/** Something with a name of its own, declared before the lists. */
export type DraftObject = {
  readonly name: string;
  readonly comments: readonly string[];
} & (
  | Extract<DraftNets, { kind: 'nets' }>
  | Extract<DraftService, { kind: 'service' }>
  /** `set('blocked', { file: './blocked.txt' })`, with what it holds at first. */
  | {
      readonly kind: 'set';
      readonly set: string;
      readonly family: Family;
      readonly prefixes: readonly Prefix[];
    }
);

/** Rules that several lists have: `const name = [ … ]`. */
export interface DraftFragment {
  readonly name: string;
  readonly entries: readonly DraftEntry[];
}

export interface DraftList {
  readonly constant: string;
  readonly name: string;
  readonly default: 'allow' | 'deny';
  readonly neighbourDiscovery: 'builtin' | 'explicit';
  readonly comments: readonly string[];
  /** Entries of its own, and fragments by name, in order. */
  readonly parts: readonly (DraftEntry | { readonly kind: 'fragment'; readonly name: string })[];
}

export interface DraftFace {
  readonly name: string;
  /** Constant of the ACL of either side. */
  readonly in?: string;
  readonly out?: string;
  /** Absent: untagged. */
  readonly vlan?: number;
}

export interface DraftPort {
  readonly name: string;
  readonly spec: string;
  readonly fallback?: Fallback;
  readonly faces: readonly DraftFace[];
}

/** A value with the comments of its source. */
export interface Commented<T> {
  readonly value: T;
  readonly above: readonly string[];
  readonly after?: string;
}

export interface DraftSettings {
  readonly offloads?: Commented<readonly Offload[]>;
  readonly events?: Commented<EventMode>;
  readonly lookup?: Commented<LookupMethod>;
  readonly pidfile?: Commented<string>;
  readonly socket?: Commented<string>;
  readonly maxClients?: Commented<number>;
  readonly routeDumpFile?: Commented<string>;
  readonly arpMaxTries?: Commented<number>;
}

export interface Draft {
  readonly router: string;
  /** What was read: `netmap-rt.conf and netmap-rt-acl.conf`. */
  readonly sources: string;
  /** What the source leaves open and how it was read, a sentence each. */
  readonly assumptions: readonly string[];
  /** Comments that belong to nothing in particular. */
  readonly comments: readonly string[];
  readonly objects: readonly DraftObject[];
  readonly fragments: readonly DraftFragment[];
  readonly lists: readonly DraftList[];
  readonly ports: Commented<readonly DraftPort[]>;
  readonly settings: DraftSettings;
}

/** Rules that never match, as in the source: what to waive about them, and the reason. */
export type Waivers = ReadonlyMap<DraftRule, { readonly code: WaivableCode; readonly reason: string }>;
