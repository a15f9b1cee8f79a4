/** What a policy imports from 'netmill'. */
export type { ClassbenchOptions } from './bulk/classbench-rules.js';
export type { NetmapRtOptions } from './bulk/netmap-rt-rules.js';
export { type RulesFileOptions, rulesFromFile } from './bulk/rules-from-file.js';
export type { FlowSpec } from './flows.js';
export type { GatewaysSpec } from './gateways.js';
export type { DscpSpec, FlagSpec, HeaderSpec, MacSpec, NumberSpec } from './header.js';
export type { IcmpName } from './icmp.js';
export { type AclOptions, acl, pbr } from './lists.js';
export type {
  Acl,
  Affinity,
  EventMode,
  Fallback,
  Family,
  HostFace,
  LookupMethod,
  Offload,
  Pbr,
  Predicate,
  Router,
  Service,
} from './model.js';
export { hosts, type Nets, nets } from './nets.js';
export type {
  AddressField,
  IcmpPacket,
  OtherPacket,
  Packet,
  TcpFlags,
  TcpPacket,
  UdpPacket,
} from './packet.js';
export type { TcpPortName, UdpPortName } from './ports.js';
export { predicate } from './predicate.js';
export type { ProtocolName } from './protocols.js';
export {
  type DaemonSpec,
  type EngineSpec,
  type FaceSpec,
  type InterfaceSpec,
  type QinqSpec,
  type ReachSpec,
  type RouterSpec,
  router,
  type VlanSpec,
} from './router.js';
export {
  allow,
  deny,
  type LogRate,
  type MatchSpec,
  type NexthopDraft,
  nexthop,
  type RejectOptions,
  type RuleDraft,
  type RuleTree,
  reject,
} from './rules.js';
export {
  type IcmpNumber,
  icmp,
  type PortSpec,
  proto,
  type SourcePorts,
  service,
  tcp,
  udp,
} from './service.js';
export { type RuntimeNets, type SetSpec, set } from './set.js';
export type { DscpName, PoliceBurst, PoliceRate } from './treatment.js';
