/**
 * Imported from netmap-rt.conf and netmap-rt-acl.conf.
 *
 * What is not said there was taken to be so:
 * - The fields of a line of the ACL are interface;vlan;source;destination;protocol;destination port;action
 *   [log].
 * - The first line that takes a packet decides.
 * - A packet that no line takes passes.
 * - A line is asked where packets come in. Its interface is the device itself or the one that carries it;
 *   its VLAN is that of the packet.
 * - A line for a port with VLANs takes what is untagged.
 * - A line without a port takes all fragments of its protocol, one with a port only what has ports: not
 *   later fragments.
 * - A nexthop line takes packets of the family of its gateway.
 * - Neighbour Discovery is asked about like everything else.
 * - The interfaces have the same names here as there.
 * - When netmill does not run, the kernel routes, and knows nothing of these ACLs: ix0.
 * - When netmill does not run, ports with VLANs drop: ix1.
 */
import { acl, allow, deny, nets, nexthop, proto, router, tcp, udp } from 'netmill';

// The border router as netmap-rt ran it. Every setting that it has is here.

// What must not be used in netmap mode.
const offloads = { off: ['txcsum', 'rxcsum', 'tso', 'lro'] } as const;

const everywhere = [
  // Everywhere

  deny({ service: udp('0-19') }).log(), // chargen and friends
  deny({ service: proto('gre') }), // GRE: nobody here speaks it
];

// Blackholes, and mail by way of the scrubber.
export const fromIx0 = acl('from-ix0', { default: 'allow', neighbourDiscovery: 'explicit' }, [
  everywhere,

  // From outside
  deny({ from: nets('10.0.0.0/8') }), // RFC 1918
  deny({ from: nets('10.99.0.0/16') }).allowShadow('nor does netmap-rt-acl.conf:9'), // never matched: the line for 10.0.0.0/8 has it
]);

export const fromIx1 = acl('from-ix1', { default: 'allow', neighbourDiscovery: 'explicit' }, [
  everywhere,
  deny({ from: nets('10.0.0.0/8') }),
]);

export const fromVlan101 = acl('from-vlan101', { default: 'allow', neighbourDiscovery: 'explicit' }, [
  everywhere,

  // Customers
  nexthop('198.51.100.9', { to: nets('203.0.113.0/24'), service: tcp(25) }).log(),
  allow({ from: nets('2001:db8:20::/48') }),
  allow({ from: nets('192.0.2.0/24') }),
  allow({ service: proto('ipv6-icmp') }), // Neighbour Discovery
  deny().log(),

  // End of the list: everything else passes.
]);

export default router('border', {
  // ix0: transit, ix1: peering, vlan101: customers
  interfaces: {
    ix0: { port: 'xdp:ix0', offloads, in: fromIx0, fallback: 'kernel' },
    ix1: {
      port: 'xdp:ix1',
      offloads,
      in: fromIx1,
      fallback: 'drop',
      vlans: { vlan101: { id: 101, in: fromVlan101 } },
    },
  },
  engine: {
    lookup: 'dxr',
    // event_backend - netmap event backend: kqueue or poll
    events: 'poll',
  },
  daemon: {
    // pidfile - Set the pidfile path.
    pidfile: '/var/run/netmap-rt.pid',
    socket: { path: '/var/run/netmap-rt.sock' }, // monitoring looks here
    // Consoles of the night shift, and some to spare.
    maxClients: 10,
    routeDumpFile: '/var/db/netmap-rt-dump',
    arpMaxTries: 5,
  },
});
