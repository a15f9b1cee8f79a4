// The router between us and the Internet. netmill check tells what is wrong, netmill plan what a change does.
import { acl, allow, deny, nexthop, pbr, router, tcp } from 'netmill';
import { admins, guests, mailRelay, office, servers, upstream } from '../lib/networks.js';
import { pings, reply, web } from '../lib/services.js';
import { accepted } from '../lib/waivers.js';

const fromWan = acl('from-wan', { default: 'deny', log: true }, [
  deny({ from: office }).log({ rate: '10/s' }).why('our own addresses do not come from outside'),
  allow({ to: servers, service: web }).id('web').why('public web'),
  // Replies: netmill keeps no connections, so what answers is let in by its flags.
  allow({ to: office, when: reply }).id('replies').why('answers to what the office asked'),
  allow({ service: pings }).why('errors and pings'),
]);

const fromOffice = acl('from-office', { default: 'deny' }, [
  allow({ from: admins, service: tcp(22) })
    .id('ssh')
    .waive(...accepted.ssh)
    .why('administrators'),
  allow({ from: office }),
]);

const fromGuests = acl('from-guests', { default: 'deny' }, [
  deny({ to: office }).why('guests see the Internet, not us'),
  deny({ to: servers, service: tcp(22) }).why('nor may they log in'),
  allow({ from: guests }),
]);

const mail = pbr('mail', [
  nexthop(mailRelay, { from: office.v4, service: tcp(25) }).why('through the filter'),
]);

export default router('edge', {
  interfaces: {
    wan: { port: 'xdp:eth0', address: ['198.51.100.2/29'], in: fromWan, fallback: 'drop' },
    lan: {
      port: 'xdp:eth1',
      fallback: 'drop',
      vlans: {
        office: { id: 100, address: ['10.20.0.1/16', '2001:db8:20::1/64'], in: fromOffice, pbr: mail },
        guests: { id: 200, address: ['10.30.0.1/16'], in: fromGuests },
        servers: { id: 300, address: ['203.0.113.1/24'] },
      },
    },
  },
  routes: { '0.0.0.0/0': upstream },
  mustReach: { ssh: { in: 'lan.office', from: admins, service: tcp(22) } },
});
