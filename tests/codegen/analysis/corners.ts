/**
 * A policy with everything once that drawn ones may lack: rules that are several sets of packets, so that what one part leaves the
 * next one takes; the same networks for both addresses; services whose ports hang together; addresses without a broadcast one.
 */
import {
  acl,
  allow,
  deny,
  icmp,
  nets,
  nexthop,
  pbr,
  proto,
  type RuleDraft,
  reject,
  router,
  service,
  set,
  tcp,
  udp,
} from '../../../dsl/index.js';
import type { Router } from '../../../dsl/model.js';
import { inside, onlyIf } from '../../oracle/conditions.js';

const listed4 = set('listed4', { family: 4 });

const rules: readonly RuleDraft[] = [
  deny({
    when: onlyIf("p.src.within(inside) !== (p.l4 === 'udp')"),
    to: nets('10.0.0.0/15', '2001:db8::/36'),
  }),
  allow({ service: service(tcp(80, { from: '1024-2047' }), udp({ from: 53 }), udp(53)), dscp: ['ef', 10] }),
  allow({ service: icmp({ family: 4, type: 3, code: 4 }, { family: 6, type: 1, code: 4 }, 'echo-request') }),
  deny({ when: onlyIf('p.dst.within(inside) && p.src.within(inside.v6)') }),
  deny({ from: listed4, ttl: [3, 9] }),
  deny({ when: onlyIf('!p.src.within(listed) && p.dst.within(listed.v6)'), fragment: 'none' }),
  allow({ when: onlyIf("p.src.within(listed4) || p.l4 === 'icmp'"), length: [60, 1500] }),
  deny({ flags: ['syn', '!ack'], service: tcp('8000-8099'), pcp: [5, 6] }),
  allow({ service: service(tcp(), proto('gre', 'ospf')), from: inside, fromMac: '02:00:00:00:00:00/40' }),
  deny({ fragment: 'later', when: onlyIf('p.fragment') }),
];

export const corners: Router = router('corners', {
  interfaces: {
    wan: {
      port: 'eth0',
      address: ['10.1.2.2/31', '198.18.0.1/30', '2001:db8::1/127'],
      fallback: 'drop',
      in: acl('corners', { default: 'allow', neighbourDiscovery: 'explicit' }, [
        ...rules,
        nexthop(['10.1.2.3', '2001:db8::9'], { to: nets('10.64.0.0/10', '2001:db8:1::/48') }),
      ]),
      pbr: pbr('ways', [
        nexthop(['10.1.2.3', '198.18.0.2'], {
          when: onlyIf("p.src.within(inside) !== (p.l4 === 'udp')"),
        }).orDrop(),
      ]),
    },
  },
});

const some = nets('10.64.0.0/10', '2001:db8:1::/48');

/** Rules that do more than letting pass and dropping, on every list that a packet may meet. */
export const treated: Router = router('treated', {
  interfaces: {
    wan: {
      port: 'eth0',
      address: ['198.18.0.1/30', '2001:db8::1/127'],
      fallback: 'drop',
      in: acl('inward', { default: 'deny', neighbourDiscovery: 'explicit' }, [
        reject({ service: tcp(113) }).sample(4),
        allow({ service: udp(53) })
          .police('9 Mbit/s')
          .dscp('ef'),
        nexthop(['10.1.2.3', '2001:db8::9'], { to: some }).mirror('eth1', { oneIn: 2 }),
        allow({ from: inside }).dscp('af11'),
        deny({ fragment: 'any' }).mirror('eth1').police('7 packets/s', { burst: '3 packets' }),
      ]),
      pbr: pbr('inward-ways', [nexthop('10.1.2.3', { dscp: 'cs1' }).dscp('cs2').sample(3)]),
      out: acl('outward', { default: 'allow', neighbourDiscovery: 'explicit' }, [
        deny({ to: some, flags: ['syn', '!ack'] }).sample(5),
        reject({ service: tcp(25) }, { tcp: 'icmp' }),
        allow({ dscp: 'ef' }).dscp('cs0'),
      ]),
    },
    lan: {
      port: 'eth1',
      address: ['10.2.0.1/24'],
      fallback: 'drop',
      out: acl('to-lan', { default: 'deny', neighbourDiscovery: 'explicit' }, [
        allow({ from: some }).police('100 packets/s'),
        allow({ service: udp(53) })
          .dscp('cs3')
          .mirror('eth0'),
        reject({ to: inside }),
      ]),
    },
  },
});
