/**
 * Imported from policies/campus.yaml, def/campus.yaml.
 *
 * What is not said there was taken to be so:
 * - Filters are those of target juniper.
 * - Option 'established' of UDP means the destination ports 1024-65535: an ACL does not know whether it is
 *   an answer.
 * - What is logged is logged ten times a second at most.
 * - What is rejected is answered with ICMP's 'administratively prohibited', TCP, too.
 * - A list that tests ports, flags or ICMP types drops packets that hide them.
 * - The interfaces have the same names here as there.
 * - When netmill does not run, the kernel routes, and knows nothing of these ACLs: eth1.
 */
import { acl, allow, deny, icmp, nets, reject, router, tcp, udp } from 'netmill';

export const bogons = nets(
  '0.0.0.0/8', // this network
  '127.0.0.0/8', // loopback
  '192.0.2.0/24',
  '2001:db8:dead::/48',
);

export const campus = nets(
  '203.0.113.128/26', // LABS
  '203.0.113.0/25', // everything else
  '2001:db8:100::/48',
);

export const mail = tcp(25, 587);

export const mailServers = nets(
  '203.0.113.25', // mail1
  '2001:db8:100::25', // mail1
);

// CAMPUS without LABS
export const campusExceptLabs = nets('203.0.113.0/25', '2001:db8:100::/48');

export const labs = nets('203.0.113.128/26');

// The campus behind one router: what comes in from its provider, and what leaves.
// What the Internet may send to the campus.
export const campusIn = acl('campus-in', { default: 'deny' }, [
  deny({ from: bogons }).id('bogons').why('nobody has these'),
  deny({ from: campus }).id('spoofed'),
  allow({ to: campus, service: tcp(), flags: 'established' })
    .id('established')
    .why('answers to what the campus began'),
  allow({ to: mailServers, service: mail }).id('mail').count('mail'),
  // NTP is not here: the campus has its own clock.
  allow({ to: campusExceptLabs, service: udp('1024-65535', { from: 53 }) }).id('names'),
  allow({
    service: icmp(
      { family: 4, type: 8 },
      { family: 4, type: 0 },
      { family: 4, type: 3 },
      { family: 4, type: 11 },
    ),
  }).id('echo'),
  allow({ from: nets('198.51.100.0/24'), to: labs })
    .id('conference')
    .why('until the visitors are gone')
    .owner('noc@campus.example')
    .expires('2031-06-30'),
  deny().id('the-rest').log(),
]);

// What the campus may send.
export const campusOut = acl('campus-out', { default: 'deny' }, [
  allow({ from: campus }).id('own-sources'),
  reject({}, { tcp: 'icmp' }).id('others'),
]);

export default router('campus', {
  interfaces: {
    eth1: { port: 'xdp:eth1', in: campusIn, out: campusOut, fallback: 'kernel' },
    eth2: { port: 'xdp:eth2', fallback: 'kernel' },
  },
});
