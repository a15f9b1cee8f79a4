/**
 * What the kernel does to routes without saying so, or says without doing it. Each case makes it happen and compares at
 * once, before a dump could have helped: tables, answers for every prefix's boundary addresses, compiled FIB. Then the
 * dump that verifies must have had nothing to correct.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { AuditReport, RibStatus } from '../../runtime/native.js';
import { systemTest } from '../support/system-test.js';
import { sameEverywhere } from './agree.js';
import { followed } from './scene.js';

interface Case {
  readonly sysctl?: Readonly<Record<string, number>>;
  readonly before: readonly string[];
  /** Lines for `ip` in the router, or, after `peer:`, at the other end. */
  readonly event: readonly string[];
}

const four = 'route add 10.40.0.0/16 via 10.1.0.2';
const six = 'route add fd40::/32 via fd00:0::2';
const nexthops = ['nexthop add id 10 via 10.1.0.2 dev v0', 'nexthop add id 60 via fd00:0::2 dev v0'];
const spare = ['nexthop add id 11 via 10.1.1.2 dev v1', 'nexthop add id 61 via fd00:1::2 dev v1'];
const groups = ['nexthop add id 19 group 10,2/11', 'nexthop add id 69 group 60/61'];

const cases: Readonly<Record<string, Case>> = {
  'a nexthop object is deleted': {
    before: [
      ...nexthops,
      'route add 10.40.0.0/16 nhid 10',
      'route add fd40::/32 nhid 60',
      'route add 10.40.1.0/24 nhid 10',
    ],
    event: ['nexthop del id 10', 'nexthop del id 60'],
  },
  'a nexthop object is deleted, whose way another route of the same metric goes': {
    before: [
      ...nexthops,
      'route add fd40::/32 nhid 60',
      'route append fd40::/32 via fd00:0::2 dev v0',
      'route append fd40::/32 via fd00:1::2 dev v1',
      'route add 10.40.0.0/16 nhid 10',
      'route append 10.40.0.0/16 via 10.1.0.2 dev v0',
    ],
    event: ['nexthop del id 60', 'nexthop del id 10'],
  },
  'a group loses a member, and another one its last': {
    before: [
      ...nexthops,
      ...spare,
      ...groups,
      'nexthop add id 18 group 10',
      'route add 10.40.0.0/16 nhid 19',
      'route add fd40::/32 nhid 69',
      'route add 10.41.0.0/16 nhid 18',
    ],
    event: ['nexthop del id 10', 'nexthop del id 61'],
  },
  'nexthop objects are replaced under routes that stand behind others': {
    before: [
      ...nexthops,
      ...spare,
      ...groups,
      'route add throw 10.40.0.0/16',
      'route append 10.40.0.0/16 nhid 10',
      'route add 10.41.0.0/16 via 10.1.1.2',
      'route append 10.41.0.0/16 nhid 19',
      'route add fd40::/32 dev v1',
      'route append fd40::/32 nhid 60',
      'route add fd41::/32 dev v1',
      'route append fd41::/32 nhid 69',
      'route add fd42::/32 nhid 61',
      'route append fd42::/32 nhid 60',
    ],
    // The last one, though in the same words, does replace; IPv6 then has two that are equal.
    event: [
      'nexthop replace id 10 via 10.1.0.3 dev v0',
      'nexthop replace id 60 via fd00:0::3 dev v0',
      'route replace fd42::/32 nhid 60',
    ],
  },
  'the carrier is lost under plain routes': {
    before: [four, six, 'route add 10.40.1.0/24 via 10.1.1.2'],
    event: ['peer: link set w0 down'],
  },
  'the carrier is lost under nexthop objects': {
    before: [
      ...nexthops,
      ...spare,
      ...groups,
      'route add 10.40.0.0/16 nhid 19',
      'route add 10.41.0.0/16 nhid 10',
      'route add fd40::/32 nhid 69',
      'route add fd41::/32 nhid 60',
    ],
    event: ['peer: link set w0 down'],
  },
  'the carrier is lost where routes without one do not count': {
    sysctl: {
      'net.ipv4.conf.v0.ignore_routes_with_linkdown': 1,
      'net.ipv6.conf.v0.ignore_routes_with_linkdown': 1,
    },
    before: [
      four,
      six,
      'route add 10.40.0.0/16 via 10.1.1.2 metric 20',
      'route add 10.0.0.0/8 via 10.1.2.2',
      'route add 10.43.0.0/16 via 10.1.0.2',
      'route add fd40::/32 via fd00:1::2 metric 2048',
      'route add fd43::/32 via fd00:0::2',
      'route add fd00::/8 via fd00:2::2',
    ],
    event: ['peer: link set w0 down'],
  },
  'a link is set down': {
    sysctl: { 'net.ipv6.route.skip_notify_on_dev_down': 0 },
    before: [four, six, ...nexthops, 'route add 10.41.0.0/16 nhid 10', 'route add fd41::/32 nhid 60'],
    event: ['link set v0 down'],
  },
  'a link is set down, and IPv6 says nothing of it': {
    sysctl: { 'net.ipv6.route.skip_notify_on_dev_down': 1 },
    before: [four, six, ...nexthops, 'route add 10.41.0.0/16 nhid 10', 'route add fd41::/32 nhid 60'],
    event: ['link set v0 down'],
  },
  'a link is set down, and routes do not tell of nexthop objects': {
    sysctl: { 'net.ipv4.nexthop_compat_mode': 0 },
    before: [
      ...nexthops,
      ...spare,
      ...groups,
      'route add 10.41.0.0/16 nhid 19',
      'route add fd41::/32 nhid 69',
    ],
    event: ['link set v0 down'],
  },
  'an address is deleted that routes prefer as their source': {
    before: [
      'addr add 10.7.0.1/32 dev v3',
      'route add 10.40.0.0/16 via 10.1.0.2 src 10.7.0.1',
      'route add 10.41.0.0/16 via 10.1.0.2 src 10.1.1.1',
    ],
    event: ['addr del 10.7.0.1/32 dev v3'],
  },
  'an address is deleted that is there in another way': {
    before: [
      'addr add 10.7.0.1/24 dev v3',
      'addr add 10.7.0.1/32 dev v3',
      'addr add 10.7.0.2 peer 10.7.9.1/32 dev v0',
      'addr add 10.7.0.2 peer 10.7.9.2/32 dev v0',
      'addr add 10.7.0.3/32 dev v0',
      'addr add 10.7.0.3/32 dev v3',
      'addr add 10.8.0.1/24 dev lo',
      'addr add 10.8.0.2/24 dev lo', // inside lo's local prefix
      'route add 10.40.0.0/16 via 10.1.0.2 src 10.7.0.1',
      'route add 10.41.0.0/16 via 10.1.0.2 src 10.7.0.2',
      'route add 10.42.0.0/16 via 10.1.0.2 src 10.7.0.3',
      'route add 10.43.0.0/16 via 10.1.0.2 src 10.8.0.2',
      'addr add 10.1.1.1/32 dev v1',
      'route add 10.44.0.0/16 via 10.1.1.2',
    ],
    event: [
      'addr del 10.7.0.1/32 dev v3',
      'addr del 10.7.0.2 peer 10.7.9.1/32 dev v0',
      'addr del 10.7.0.3/32 dev v0',
      'addr del 10.8.0.2/24 dev lo',
      'addr del 10.1.1.1/32 dev v1',
    ],
  },
  'routes of the same way differ in scope, metrics and being onlink': {
    before: [
      'route add 10.40.0.0/16 via 10.1.0.2 dev v0',
      'route append 10.40.0.0/16 via 10.1.0.2 dev v0 mtu 1400',
      'route append 10.40.0.0/16 via 10.1.0.2 dev v0 mtu 1300',
      'route append 10.40.0.0/16 via 10.1.0.2 dev v0 onlink',
      'route add 10.41.0.0/16 nexthop via 10.1.0.2 dev v0 nexthop via 10.1.1.2 dev v1',
      'route append 10.41.0.0/16 nexthop via 10.1.0.2 dev v0 onlink nexthop via 10.1.1.2 dev v1',
      'route add 10.42.0.0/16 dev v1',
      'route append 10.42.0.0/16 dev v1 scope host',
    ],
    event: ['route del 10.40.0.0/16 mtu 1400', 'route replace 10.41.0.0/16 via 10.1.2.2', 'link set v1 down'],
  },
  'the last address of a link is deleted': {
    before: [four, 'route add 10.41.0.0/16 nexthop via 10.1.0.2 nexthop via 10.1.1.2'],
    event: ['addr del 10.1.0.1/24 dev v0'],
  },
  'a route came after its leg lost the last address, and another leg is set down': {
    before: [
      'route add 10.40.0.0/16 nexthop via 10.1.0.2 nexthop via 10.1.1.2',
      'addr del 10.1.0.1/24 dev v0',
      'route add 10.1.0.0/24 dev v0',
      'route add 10.40.0.0/16 metric 20 nexthop via 10.1.0.2 nexthop via 10.1.1.2',
      'route add 10.41.0.0/16 nexthop via 10.1.0.2 nexthop via 10.1.1.2',
      'route add 10.42.0.0/16 nexthop via 10.1.0.3 nexthop via 10.1.1.2',
    ],
    event: ['link set v1 down'],
  },
  'a leg lost the last address of its link, and gets one again': {
    before: [
      'route add 10.40.0.0/16 nexthop via 10.1.0.2 nexthop via 10.1.1.2',
      'addr del 10.1.0.1/24 dev v0',
    ],
    event: ['addr add 10.7.0.1/24 dev v0'],
  },
  'the living leg of a route is deleted, and the dead one stays': {
    before: [
      'route add fd40::/32 metric 50 nexthop via fd00:0::2 nexthop via fd00:1::2',
      'route add fd40::/32 metric 60 via fd00:2::2',
    ],
    event: ['link set v0 down', 'route del fd40::/32 metric 50 via fd00:1::2 dev v1'],
  },
  'a link comes up without a carrier, and IPv6 has dead legs over it': {
    before: [
      'route add fd40::/32 metric 50 nexthop via fd00:0::2 nexthop via fd00:1::2',
      'route add fd40::/32 metric 60 via fd00:2::2',
      'route add fd41::/32 metric 50 nexthop via fd00:0::3 nexthop via fd00:1::3',
      'link set v0 down',
    ],
    event: [
      'route del fd40::/32 metric 50 via fd00:1::2 dev v1',
      'peer: link set w0 down',
      'link set v0 up',
      'link set v1 down',
    ],
  },
  'a leg loses its carrier, where that counts, and the other one is set down': {
    sysctl: {
      'net.ipv4.conf.v0.ignore_routes_with_linkdown': 1,
      'net.ipv6.conf.v0.ignore_routes_with_linkdown': 1,
    },
    before: [
      'route add 10.40.0.0/16 nexthop via 10.1.0.2 nexthop via 10.1.1.2',
      'route add 10.40.0.0/16 metric 20 via 10.1.2.2',
      'route add fd40::/32 metric 50 nexthop via fd00:0::2 nexthop via fd00:1::2',
      'route add fd40::/32 metric 60 via fd00:2::2',
    ],
    event: ['peer: link set w0 down', 'link set v1 down'],
  },
  'a leg goes, and another route of the metric stands before the next': {
    before: [
      'route add fd40::/32 via fd00:0::2',
      'route append fd40::/32 dev v2',
      'route append fd40::/32 via fd00:1::2',
      'route add fd41::/32 nexthop via fd00:0::2 nexthop via fd00:1::2 weight 3',
      'route append fd41::/32 dev v2',
      'route add fd42::/32 dev v2',
      'route append fd42::/32 via fd00:0::3',
      'route append fd42::/32 dev v1',
      'route replace fd42::/32 nexthop via fd00:0::2 nexthop via fd00:1::2',
    ],
    event: [
      'route del fd40::/32 via fd00:0::2',
      'route del fd41::/32 via fd00:0::2',
      'route del fd42::/32 dev v2',
    ],
  },
  'a leg dies, and another route of the metric stands before the next': {
    before: [
      'route add fd40::/32 via fd00:0::2',
      'route append fd40::/32 dev v2',
      'route append fd40::/32 via fd00:1::2',
      'route add fd41::/32 nexthop via fd00:0::2 nexthop via fd00:1::2',
      'route append fd41::/32 dev v2',
    ],
    event: ['link set v0 down'],
  },
  'a link is set down, and what stands between the legs of another route stays': {
    before: [
      'route add fd40::/32 via fd00:0::2',
      'route append fd40::/32 dev v1',
      'route append fd40::/32 via fd00:2::2',
      'route add fd41::/32 dev v1',
      'route append fd41::/32 via fd00:0::2',
      'route append fd41::/32 via fd00:2::2',
      'route append fd41::/32 dev v1 metric 2000',
      'route add fd42::/32 via fd00:1::2',
      'route append fd42::/32 dev v1',
      'route append fd42::/32 via fd00:1::3',
      'route add fd43::/32 via fd00:0::2',
      'route append fd43::/32 dev v1',
      'route append fd43::/32 via fd00:1::2',
    ],
    // Dumps tell of what stands between only when a leg is gone.
    event: [
      'link set v1 down',
      'route del fd40::/32 via fd00:0::2',
      'route del fd41::/32 via fd00:0::2',
      'route del fd43::/32 via fd00:0::2',
    ],
  },
  'a link that left a route is set down again': {
    before: [
      'route add fd40::/32 via fd00:0::2',
      'route append fd40::/32 dev v1',
      'route append fd40::/32 via fd00:2::2',
      'route add fd41::/32 via fd00:0::2',
      'route append fd41::/32 dev v1',
      'route append fd41::/32 via fd00:2::2',
      'link set v1 down',
      'route del fd40::/32 via fd00:0::2',
      'link set v1 up',
    ],
    event: ['link set v1 down', 'route del fd41::/32 via fd00:2::2'],
  },
  'one of several legs loses its carrier': {
    before: [
      'route add 10.40.0.0/16 nexthop via 10.1.0.2 weight 3 nexthop via 10.1.1.2',
      'route add fd40::/32 nexthop via fd00:0::2 nexthop via fd00:1::2',
    ],
    event: ['peer: link set w0 down'],
  },
  'one of several legs is set down, and another one': {
    before: [
      'route add 10.40.0.0/16 nexthop via 10.1.0.2 nexthop via 10.1.1.2 nexthop via 10.1.2.2',
      'route add fd40::/32 nexthop via fd00:0::2 nexthop via fd00:1::2 nexthop via fd00:2::2',
    ],
    event: ['link set v0 down', 'link set v1 down'],
  },
  'ways of every other kind, and their link is set down': {
    before: [
      ...nexthops,
      ...spare,
      'nexthop add id 19 group 10,3/11 type resilient buckets 32',
      'nexthop add id 17 via 192.0.2.7 dev v0 onlink',
      'route add 10.40.0.0/16 via inet6 fd00:0::2 dev v0',
      'route add 10.41.0.0/16 nexthop via inet6 fd00:0::2 dev v0 nexthop via 10.1.1.2 dev v1',
      'route add 10.42.0.0/16 nhid 60',
      'route add 10.43.0.0/16 nhid 19',
      'route add 10.44.0.0/16 via 192.0.2.9 dev v0 onlink',
      'route add fd44::/32 via 2001:db8::9 dev v0 onlink',
      'route add 10.45.0.0/16 nhid 17',
      'route add 10.46.0.0/16 tos 0x10 via 10.1.0.2',
      'route add 10.46.0.0/16 via 10.1.1.2',
      'route add 10.46.7.0/24 tos 0x10 via 10.1.0.2',
      'route add fd46::/32 dev v1 pref low',
      'route append fd46::/32 dev v2',
      'route append fd46::/32 dev v0 pref high',
    ],
    event: [
      'nexthop replace id 19 group 10/11,2 type resilient buckets 32',
      'nexthop replace id 11 via 10.1.2.2 dev v2',
      'link set v0 down',
    ],
  },
  'an interface is removed': {
    before: [
      four,
      six,
      ...nexthops,
      'route add 10.41.0.0/16 nhid 10',
      'route add fd41::/32 nexthop via fd00:0::2 nexthop via fd00:1::2',
      'route add 10.42.0.0/16 nexthop via 10.1.0.2 nexthop via 10.1.1.2', // goes whole
    ],
    event: ['link del v0'],
  },
};

for (const [title, { sysctl, before, event }] of Object.entries(cases)) {
  systemTest(`${title}: the compiled FIB follows at once`, async (t) => {
    await followed(async ({ router, peer }, remote) => {
      const compare = async (when: string) => {
        await router.sysctl({ 'net.ipv4.nexthop_compat_mode': 1 }); // so that `ip route` tells all
        await sameEverywhere(t, router, remote, when);
        await router.sysctl(sysctl ?? {});
      };
      await router.sysctl(sysctl ?? {});
      await router.ip(...before);
      await compare('before');
      for (const line of event) {
        if (line.startsWith('peer: ')) {
          await peer.ip(line.slice('peer: '.length));
          await delay(100); // the kernel's own linkwatch
        } else await router.ip(line);
      }
      await compare('after');
      await delay(400); // the dump that verifies
      t.like(await remote.call<AuditReport>('rib', 'audit'), { compiled: true, divergences: 0, last: [] });
      t.like(await remote.call<RibStatus>('rib', 'status'), { corrections: 0, overruns: 0 });
    });
  });
}

systemTest('routes come to count again with the carrier, and with the setting', async (t) => {
  await followed(async ({ router, peer }, remote) => {
    const setting = (value: number) =>
      router.sysctl({
        'net.ipv4.conf.all.ignore_routes_with_linkdown': value,
        'net.ipv6.conf.v0.ignore_routes_with_linkdown': value,
      });
    await router.ip(four, six, 'route add 10.0.0.0/8 via 10.1.2.2', 'route add fd00::/8 via fd00:2::2');
    await peer.ip('link set w0 down');
    await delay(100);
    await sameEverywhere(t, router, remote, 'it does not matter');
    await setting(1);
    await sameEverywhere(t, router, remote, 'it matters');
    await setting(0);
    await sameEverywhere(t, router, remote, 'it does not matter any more');
    await setting(1);
    await peer.ip('link set w0 up');
    await delay(100);
    await sameEverywhere(t, router, remote, 'the carrier is back');
  });
});
