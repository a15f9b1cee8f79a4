/** What a classifier is made from: entries in order of precedence, each a product of addresses and one test of ports. */
import type { Family, PortRange } from '../../dsl/model.js';

export interface Prefix {
  readonly bits: bigint;
  readonly length: number;
}

/** What a test takes of one protocol; without `proto` of every protocol, without `ranges` whatever its header says. */
export interface Alternative {
  readonly proto?: number;
  /** Of the selector: the destination port, or ICMP type and code as one number. */
  readonly ranges?: readonly PortRange[];
}

/** Protocol and ports. `sources` must hold besides one of the alternatives. */
export interface PortTest {
  readonly alternatives: readonly Alternative[];
  /** Source ports; when not said, every one. */
  readonly sources?: readonly PortRange[];
}

export interface Entry {
  /** Disjoint prefixes; when not said, every address. */
  readonly from?: readonly Prefix[];
  readonly to?: readonly Prefix[];
  /** When not said: every protocol and port. Equal tests are one object. */
  readonly test?: PortTest;
  /** Takes the packet only if a predicate holds besides. */
  readonly residual: boolean;
}

export interface ClassifierInput {
  readonly family: Family;
  readonly entries: readonly Entry[];
  /** Bytes that the tables may take. */
  readonly memory: number;
}

/** Classes are numbered in 16 bits. */
export const mostClasses = 0xffff;

/** The list needs larger tables than there are, or than the policy grants. */
export class TooLarge extends Error {}
