/** The smallest useful router: two ports, one list. */
import { acl, allow, deny, icmp, nets, router, tcp } from 'netmill';

const office = nets('192.0.2.0/24', '2001:db8:1::/48');

const fromOutside = acl('from-outside', {}, [
  deny({ from: office }).why('our own addresses, from outside'),
  allow({ to: office, service: tcp(22, 443) }),
  allow({ service: icmp() }),
]);

export default router('small', {
  interfaces: {
    outside: { port: 'xdp:eth0', in: fromOutside, fallback: 'drop' },
    inside: { port: 'xdp:eth1' },
  },
});
