/**
 * A predicate after its arrow function's syntax tree was checked: the only form that the evaluator and the
 * C back end read. Every arithmetic value is an unsigned integer below 2^32, every operation total.
 */
import type { Family, Origin, Prefix } from '../../dsl/model.js';

/** Packet fields that a predicate may read as numbers. Ports and flags are 0 where the header is absent. */
export type NumberField =
  | 'len' // bytes of the IP packet, as its header says
  | 'ttl' // TTL or hop limit
  | 'dscp'
  | 'proto' // IP protocol, or IPv6 next header after extension headers
  | 'family' // 4 or 6
  | 'sport'
  | 'dport'
  | 'icmpType'
  | 'icmpCode'
  | 'vlan' // id of the innermost tag, 0 when untagged
  | 'pcp'; // priority of the outermost tag, 0 when untagged

export type FlagField = 'fin' | 'syn' | 'rst' | 'psh' | 'ack' | 'urg' | 'ece' | 'cwr';

export type Compare = '==' | '!=' | '<' | '<=' | '>' | '>=';
export type Arithmetic = '+' | '-' | '*' | '&' | '|' | '^' | '%';

export type NumberExpr =
  | { readonly kind: 'number'; readonly value: number }
  | { readonly kind: 'field'; readonly field: NumberField }
  | {
      readonly kind: 'arithmetic';
      readonly op: Arithmetic;
      readonly left: NumberExpr;
      readonly right: NumberExpr;
    };

export type BoolExpr =
  | { readonly kind: 'constant'; readonly value: boolean }
  | { readonly kind: 'not'; readonly of: BoolExpr }
  | { readonly kind: 'and' | 'or'; readonly left: BoolExpr; readonly right: BoolExpr }
  | { readonly kind: 'compare'; readonly op: Compare; readonly left: NumberExpr; readonly right: NumberExpr }
  | { readonly kind: 'tcpFlag'; readonly flag: FlagField }
  | { readonly kind: 'fragment' } // any fragment but a whole packet
  | { readonly kind: 'laterFragment' } // any fragment but the first
  | { readonly kind: 'transport' } // the TCP, UDP or ICMP header was read
  /** Of the frame's address, the bits of `mask` are those of `value`. */
  | {
      readonly kind: 'mac';
      readonly field: 'fromMac' | 'toMac';
      readonly mask: number;
      readonly value: number;
    }
  /** `p.src.within(customers)`; false for the other family. */
  | { readonly kind: 'within'; readonly field: 'src' | 'dst'; readonly prefixes: readonly Prefix[] }
  /** Is in a set that changes at run time; false for families that are not among these. */
  | {
      readonly kind: 'member';
      readonly field: 'src' | 'dst';
      readonly set: string;
      readonly families: readonly Family[];
    };

export interface PredicateExpr {
  readonly name: string;
  readonly expr: BoolExpr;
  /** The arrow function's text, cited above the C made from it. */
  readonly source: string;
  readonly origin: Origin;
}
