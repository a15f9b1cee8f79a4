/** Flows of a policy as the filters of a device. */
import test from 'ava';
import { flowText, hardwareFlows } from '../../codegen/flows.js';
import type { FlowSpec } from '../../dsl/index.js';
import { icmp, nets, router, service, tcp, udp } from '../../dsl/index.js';
import type { PortConfig } from '../../dsl/model.js';

const becomes = test.macro((t, flows: readonly FlowSpec[], expected: readonly string[]) => {
  const made = router('r', { interfaces: { wan: { port: 'xdp:ix0', queues: [5, 3], flows } } });
  t.deepEqual(hardwareFlows(made.ports[0] as PortConfig).map(flowText), expected);
});

test('everything', becomes, [{}], ['ipv4 any > any to queue 3', 'ipv6 any > any to queue 3']);
test(
  'queues take turns, by their numbers',
  becomes,
  [{ to: nets('10.0.0.0/8') }, { to: nets('11.0.0.0/8') }, { to: nets('12.0.0.0/8'), queue: 5 }],
  [
    'ipv4 any > 10.0.0.0/8 to queue 3',
    'ipv4 any > 11.0.0.0/8 to queue 5',
    'ipv4 any > 12.0.0.0/8 to queue 5',
  ],
);
test(
  'each prefix with each of the other side, of one family',
  becomes,
  [{ from: nets('10.0.0.0/8', '2001:db8::/32'), to: nets('192.0.2.0/24', '198.51.100.0/24') }],
  ['ipv4 10.0.0.0/8 > 192.0.2.0/24 to queue 3', 'ipv4 10.0.0.0/8 > 198.51.100.0/24 to queue 3'],
);
test(
  'each port of a service',
  becomes,
  [{ to: nets('10.0.0.1'), service: service(udp(53, 123), tcp(53, { from: 53 })) }],
  [
    'udp any > 10.0.0.1/32:53 to queue 3',
    'udp any > 10.0.0.1/32:123 to queue 3',
    'tcp any:53 > 10.0.0.1/32:53 to queue 3',
  ],
);
test(
  'all of a protocol',
  becomes,
  [{ service: udp() }, { service: icmp() }],
  [
    'udp any > any to queue 3',
    'udp any > any to queue 3',
    'protocol 1 any > any to queue 5',
    'protocol 58 any > any to queue 5',
  ],
);
