import assert from 'node:assert/strict';
import test from 'node:test';
import { icmp, nets, tcp } from 'netmill';
import { load, prove, simulate } from 'netmill/test';
import { admins, mailRelay, office, servers } from '../lib/networks.js';
import { web } from '../lib/services.js';

const edge = await load('routers/edge.ts');

/** For all packets; fails with one that fares otherwise. */
function holds(question: Parameters<typeof prove>[1]): void {
  const proof = prove(edge, question);
  assert.ok(proof.holds, proof.text);
}

/** For one packet, as netmill explain shows it. */
function fate(packet: string, expected: string): void {
  assert.equal(simulate(edge, packet).fate, expected, packet);
}

test('nobody outside uses our addresses', () => {
  // Neighbour Discovery stands before every rule.
  holds({ in: 'wan', from: office, except: { service: icmp() }, is: 'denied' });
  const { treatment = '' } = simulate(edge, 'in wan tcp 10.20.0.10:1234 > 203.0.113.10:443 syn');
  assert.match(treatment, /logged/);
  fate('in wan tcp 10.21.0.1:1234 > 203.0.113.10:443 syn', 'routed');
  fate('in wan tcp [2001:db8:21::1]:80 > [2001:db8:20::10]:1234 ack', 'routed');
});

test('the web is public, and nothing else of the servers', () => {
  fate('in wan tcp 9.9.9.9:1234 > 203.0.113.10:443 syn', 'routed');
  fate('in wan udp 9.9.9.9:1234 > 203.0.113.10:443', 'routed');
  holds({ in: 'wan', to: servers, except: [{ service: web }, { service: icmp() }], is: 'denied' });
  fate('in wan tcp 9.9.9.9:1234 > 203.0.112.10:443 syn', 'denied');
});

test('the office gets answers, and no questions', () => {
  fate('in wan tcp 9.9.9.9:443 > 10.20.0.10:1234 syn ack', 'routed');
  fate('in wan tcp 9.9.9.9:443 > 10.20.0.10:1234 rst', 'routed');
  fate('in wan tcp 9.9.9.9:443 > 10.20.0.10:1234 syn', 'denied');
  fate('in wan udp 9.9.9.9:53 > 10.20.0.10:1234', 'routed');
  fate('in wan udp 9.9.9.9:123 > 10.20.0.10:1234', 'routed');
  fate('in wan udp 9.9.9.9:1234 > 10.20.0.10:1234', 'denied');
  fate('in wan tcp 9.9.9.9:443 > 10.21.0.10:1234 ack', 'denied');
  fate('in wan tcp [2001:db8:99::1]:443 > [2001:db8:21::10]:1234 ack', 'denied');
  fate('in wan icmp 9.9.9.9 > 10.20.0.10 too-big', 'routed');
});

test('the office may do everything, as itself', () => {
  holds({ in: 'lan.office', from: admins, to: servers, service: tcp(22), is: 'allowed' });
  fate('in lan.office tcp 10.20.0.10:1234 > 9.9.9.9:443 syn', 'routed');
  fate('in lan.office tcp [2001:db8:20::10]:1234 > [2001:db8:99::1]:443 syn', 'routed');
  fate('in lan.office tcp 10.21.0.10:1234 > 9.9.9.9:443 syn', 'denied');
  fate('in lan.office tcp [2001:db8:21::10]:1234 > [2001:db8:99::1]:443 syn', 'denied');
});

test('what hides its ports is refused where rules read ports', () => {
  fate('in lan.office tcp 10.20.0.10 > 9.9.9.9 cut-short', 'denied');
});

test('mail goes through the filter', () => {
  const ours = nets('10.20.0.1', '10.20.255.255');
  const internet = nets('9.0.0.0/8');
  const mail = { in: 'lan.office', from: office.v4, to: internet, service: tcp(25) };
  holds({ ...mail, except: { from: ours }, is: `via ${mailRelay}` });
});

test('guests see the Internet, not us', () => {
  holds({ in: 'lan.guests', to: office, except: { service: icmp() }, is: 'denied' });
  holds({ in: 'lan.guests', to: servers, service: tcp(22), is: 'denied' });
  fate('in lan.guests tcp 10.30.0.10:1234 > 9.9.9.9:443 syn', 'routed');
  fate('in lan.guests tcp 10.30.0.10:1234 > 10.21.0.10:443 syn', 'routed');
  fate('in lan.guests tcp 10.30.0.10:1234 > 203.0.112.10:22 syn', 'routed');
  fate('in lan.guests tcp 10.31.0.10:1234 > 9.9.9.9:443 syn', 'denied');
});
