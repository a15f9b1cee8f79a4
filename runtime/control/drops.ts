/** Why packets went nowhere, for operators; the order is that of enum mill_drop in runtime/shm/state.h. */

export interface DropReason {
  readonly name: string;
  readonly text: string;
}

export const dropReasons: readonly DropReason[] = [
  { name: 'truncated-frame', text: 'shorter than its Ethernet header and tags' },
  { name: 'other-mac', text: 'unicast to another station' },
  { name: 'unknown-vlan', text: 'tags that no interface has' },
  { name: 'ip-header', text: 'IP version, header length or total length wrong' },
  { name: 'ip-checksum', text: 'IPv4 header checksum wrong' },
  { name: 'martian-source', text: 'source address that cannot be one' },
  { name: 'martian-destination', text: 'destination address that may not be forwarded' },
  { name: 'acl', text: 'denied by an ACL' },
  { name: 'blackhole', text: 'blackhole route' },
  { name: 'no-route', text: 'no route, or one that refuses; the engine has told the source, if it may' },
  { name: 'unresolved', text: 'the neighbour did not answer, or its queue was full' },
  { name: 'egress-down', text: 'the egress interface has no port or no carrier' },
  {
    name: 'too-big',
    text: 'larger than the MTU, and could not be fragmented; the source is told where the engine may',
  },
  { name: 'tx-full', text: 'the transmit ring was full' },
  { name: 'punt-full', text: 'the host queue of its class was full' },
  { name: 'punt-policed', text: 'over the rate allowed to the host' },
  { name: 'host-refused', text: 'the host stack did not take it' },
  { name: 'link-local', text: 'IPv6 link-local address may not be forwarded' },
  { name: 'acl-out', text: 'denied by the ACL of the interface that it would have left by' },
  { name: 'policed', text: 'over the limit of the rule that took it' },
  { name: 'mirror-full', text: 'copies lost: no room at the mirror port; the packets themselves went on' },
  { name: 'ttl-expired', text: 'its time to live was over; the source is told where it may be' },
  { name: 'no-gateway', text: 'no gateway of its rule answers, and the rule says to drop' },
  { name: 'urpf', text: 'from a source to which no route leads back as its interface asks' },
  { name: 'l4-header', text: 'transport header cut short or hidden, and an ACL reads it' },
];
