/**
 * What a predicate sees of a packet. Ports and flags exist only after `p.l4` was tested: TypeScript then narrows
 * the type, so reading `p.dport` of something that may be ICMP does not compile.
 */
import type { Nets } from './nets.js';
import type { RuntimeNets } from './set.js';

export interface AddressField {
  /** Is the address in one of these networks? False for the other family. */
  within(networks: Nets | RuntimeNets): boolean;
}

interface AnyPacket {
  /** Bytes of the IP packet, as its header says. */
  readonly len: number;
  /** TTL or hop limit. */
  readonly ttl: number;
  readonly dscp: number;
  /** IP protocol, or the IPv6 next header after extension headers. */
  readonly proto: number;
  readonly family: 4 | 6;
  /** Id of the innermost VLAN tag, 0 when untagged. */
  readonly vlan: number;
  /** Priority of the outermost VLAN tag, 0 when untagged. */
  readonly pcp: number;
  /** Any fragment; ports, flags and ICMP type are 0 in all but the first. */
  readonly fragment: boolean;
  readonly src: AddressField;
  readonly dst: AddressField;
}

export interface TcpFlags {
  readonly fin: boolean;
  readonly syn: boolean;
  readonly rst: boolean;
  readonly psh: boolean;
  readonly ack: boolean;
  readonly urg: boolean;
  readonly ece: boolean;
  readonly cwr: boolean;
}

export interface TcpPacket extends AnyPacket {
  readonly l4: 'tcp';
  readonly sport: number;
  readonly dport: number;
  readonly flags: TcpFlags;
}

export interface UdpPacket extends AnyPacket {
  readonly l4: 'udp';
  readonly sport: number;
  readonly dport: number;
}

export interface IcmpPacket extends AnyPacket {
  readonly l4: 'icmp';
  readonly icmpType: number;
  readonly icmpCode: number;
}

export interface OtherPacket extends AnyPacket {
  readonly l4: 'other';
}

export type Packet = TcpPacket | UdpPacket | IcmpPacket | OtherPacket;
