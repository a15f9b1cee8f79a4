/**
 * The router of the demo: three customers behind one port, two providers, 58,000 routes of the kernel. Desks are
 * untagged, the office is VLAN 100, guests are VLAN 200.
 */
import { acl, allow, deny, icmp, nets, nexthop, pbr, predicate, router, service, tcp, udp } from 'netmill';

export const desks = nets('10.10.0.0/24', '2001:db8:10::/64');
export const office = nets('10.20.0.0/24', '2001:db8:20::/64');
export const guests = nets('10.30.0.0/24', '2001:db8:30::/64');
export const inside = nets('10.0.0.0/8', '2001:db8::/32');
export const web = service(tcp(80, 443), udp(443));

/** Connection attempts as scanners make them: no options, about to expire. */
export const scan = predicate(
  'scan',
  (p) => p.l4 === 'tcp' && p.flags.syn && !p.flags.ack && (p.len < 40 || p.ttl < 8),
);

export const fromGuests = acl('from-guests', { default: 'deny' }, [
  deny({ service: udp('0-19') })
    .log({ rate: '2/s' })
    .why('small services'),
  deny({ when: scan }).why('scan'),
  deny({ to: inside }).why('guests see the Internet, not us'),
  allow({ from: guests }),
]);

/** Guests' web traffic leaves by the cheap provider, whatever BGP prefers. */
export const cheap = pbr('cheap', [
  nexthop('203.0.113.2', { from: guests.v4, service: web }),
  nexthop('2001:db8:b::2', { from: guests.v6, service: web }),
]);

export const fromProviders = acl('from-providers', { default: 'deny' }, [
  deny({ from: inside, to: inside }).why('our own addresses, from outside'),
  allow({ to: inside }),
  allow({ service: icmp() }),
]);

export default router('edge', {
  interfaces: {
    lan: {
      port: 'xdp:lan',
      address: ['10.10.0.1/24', '2001:db8:10::1/64'],
      fallback: 'drop', // the kernel here knows no VLANs
      vlans: {
        office: { id: 100, address: ['10.20.0.1/24', '2001:db8:20::1/64'] },
        guests: { id: 200, address: ['10.30.0.1/24', '2001:db8:30::1/64'], in: fromGuests, pbr: cheap },
      },
    },
    ispA: { port: 'xdp:isp-a', fallback: 'kernel' },
    ispB: { port: 'xdp:isp-b', fallback: 'kernel' },
  },
});
