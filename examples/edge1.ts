/**
 * The reference policy: every part of the language once. Interfaces, addresses and names are made up.
 */
import {
  acl,
  allow,
  deny,
  hosts,
  icmp,
  nets,
  nexthop,
  pbr,
  predicate,
  proto,
  reject,
  router,
  rulesFromFile,
  service,
  tcp,
  udp,
} from 'netmill';

// objects: the exported name is the object's name; the type carries the address family
export const mgmt = nets('192.0.2.0/28', '2001:db8:99::/64');
export const customers = nets('10.20.0.0/16', '2001:db8:20::/48');
export const bogons = nets('0.0.0.0/8', '127.0.0.0/8', '169.254.0.0/16', '240.0.0.0/4', 'fc00::/7');
export const servers = hosts({ web1: '203.0.113.10', web2: '203.0.113.11', web6: '2001:db8:ff::10' });
export const upstream = hosts({ upstream: '198.51.100.1' });
export const web = service(tcp(80, 443), udp(443));

export const tinySyn = predicate(
  'tiny-syn',
  (p) => p.l4 === 'tcp' && p.flags.syn && !p.flags.ack && (p.len < 40 || p.ttl < 3),
);

const limitUdp = 19;
export const oddDns = predicate(
  'odd-dns',
  (p) => p.l4 === 'udp' && (p.sport === 53 || p.dport <= limitUdp) && !p.src.within(customers),
);

const antispoof = (inside: typeof customers) => [
  deny({ from: inside }).log({ rate: '10/s' }).why('spoofed inside source'),
];

export const fromWan = acl('from-wan', { default: 'deny', log: true }, [
  antispoof(customers),
  deny({ from: bogons }),
  deny({ service: udp('0-19') }).log(), // ;;;;udp;0-19;drop log
  deny({ flags: ['syn', 'fin'] }).why('no TCP sends this'),
  deny({ fragment: 'later', to: servers }),
  deny({ when: tinySyn }).count('tiny_syn'),
  deny({ when: oddDns }).log({ rate: '1/s' }),
  allow({ to: servers, service: web }).why('public web, NET-88'),
  allow({ from: mgmt, service: tcp(22) })
    .owner('noc@example.net')
    .ticket('NET-101')
    .expires('2027-03-31'),
  allow({ service: icmp('echo-request', 'too-big') }).police('2 Mbit/s', { burst: '30 kB' }),
  reject({ service: tcp('ident') }).why('mail servers that ask back need not wait'),
  deny({ service: tcp('bgp'), ttl: [0, 254] }).why('generalised TTL security (RFC 5082)'),
  allow({ from: upstream, service: tcp('bgp') }).why('eBGP'),
  allow({ from: upstream, service: tcp({ from: 'bgp' }), flags: 'established' }),
  allow({ from: upstream, service: proto('gre', 'esp'), dscp: ['ef', 'cs6'], length: [0, 1400] }),
  allow({ to: customers, service: udp('ntp', { from: 'ntp' }), fromMac: '02:00:00:00:00:fe', pcp: [0, 1] }),
  rulesFromFile('./edge1.csv'),
  nexthop('198.51.100.9', { to: customers.v4, service: tcp(25) }).log(), // scrub mail
]);

// what the public servers may hear, wherever it comes from
export const toDmz = acl('to-dmz', { default: 'deny' }, [
  allow({ to: servers, service: web }),
  allow({ to: servers, from: mgmt }).dscp('cs2').mirror('ids', { oneIn: 10 }).sample(1000),
  allow({ service: icmp() }),
]);

export const tenantPath = pbr('tenant-path', [
  nexthop('198.51.100.9', { from: customers.v4, service: web }),
  nexthop('2001:db8:0:2::1', { from: customers.v6, service: udp(443) }),
]);

export default router('edge1', {
  interfaces: {
    wan: {
      port: 'xdp:ix0',
      address: ['198.51.100.2/30', '2001:db8:0:1::2/64'],
      in: fromWan,
      urpf: 'loose',
      fallback: 'drop',
    },
    lan: {
      port: 'xdp:ix1',
      fallback: 'drop',
      vlans: {
        office: {
          id: 100,
          address: ['10.20.0.1/24', '2001:db8:20:1::1/64'],
          pbr: tenantPath,
          urpf: 'strict',
        },
        dmz: { id: 200, address: ['203.0.113.1/24', '2001:db8:ff::1/64'], out: toDmz },
      },
    },
    ids: { port: 'xdp:ix3', host: 'none', fallback: 'drop' }, // sees copies
    metro: {
      port: 'xdp:ix2',
      fallback: 'drop',
      qinq: {
        outer: 300,
        tpid: 0x88a8,
        inner: {
          custA: { id: 10, address: ['10.30.0.1/30'], pbr: tenantPath },
          custB: { id: 11, address: ['10.30.0.5/30'] },
        },
      },
    },
  },
  routes: { '0.0.0.0/0': '198.51.100.1', '::/0': '2001:db8:0:1::1' },
});
