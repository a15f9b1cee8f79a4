/** What becomes of one frame, as the evaluator says it and as a forwarder is seen to do it. */
import type { Address } from '../../dsl/model.js';
import type { PuntClass } from '../../dsl/punt.js';
import type { Path } from './paths.js';

/** Why a packet went nowhere: the order of enum mill_drop in runtime/shm/state.h. */
export const dropReasons = [
  'truncated-frame',
  'other-mac',
  'unknown-vlan',
  'ip-header',
  'ip-checksum',
  'martian-source',
  'martian-destination',
  'acl',
  'blackhole',
  'no-route',
  'unresolved',
  'egress-down',
  'too-big',
  'tx-full',
  'punt-full',
  'punt-policed',
  'host-refused',
  'link-local',
  'acl-out',
  'policed',
  'mirror-full',
  'ttl-expired',
  'no-gateway',
  'urpf',
  'l4-header',
] as const;

export type DropReason = (typeof dropReasons)[number];

export type Fate =
  /** `tells`: the ICMP error to the source, `resets`: what resets its connection, as IP packets. */
  | {
      readonly verdict: 'drop';
      readonly reason: DropReason;
      readonly tells?: Uint8Array;
      readonly resets?: Uint8Array;
    }
  /** To the host stack, as received. */
  | { readonly verdict: 'punt'; readonly class: PuntClass; readonly frame: Uint8Array }
  /** Sent by interface `iface`. */
  | { readonly verdict: 'forward'; readonly iface: number; readonly frame: Uint8Array }
  /** Kept until the neighbour answers: ready to be sent but for its link header. */
  | {
      readonly verdict: 'defer';
      readonly path: Path;
      readonly neighbour: Address;
      readonly frame: Uint8Array;
    }
  /** To be cut up, its TTL already lowered. */
  | { readonly verdict: 'fragment'; readonly path: Path; readonly frame: Uint8Array };

/** All numbers are local ones of the IR. */
export interface Outcome {
  /** Interface that the frame counts for. */
  readonly iface: number;
  /** Offset of the network header in the frame. */
  readonly network: number;
  /** Rules that took the packet, in order: at most one each of the `in` ACL, a PBR list and the `out` ACL. */
  readonly rules: readonly number[];
  /** Those of them that ask for an event. */
  readonly logs: readonly number[];
  /** What their limits were asked, in order. */
  readonly policed: readonly { readonly rule: number; readonly conforms: boolean }[];
  /** Copies, by port; lost where there is no room. */
  readonly copies: readonly { readonly port: number; readonly oneIn: number; readonly lost: boolean }[];
  readonly samples: readonly { readonly rule: number; readonly oneIn: number }[];
  readonly fate: Fate;
}
