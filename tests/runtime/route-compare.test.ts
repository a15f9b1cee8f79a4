/** When `route get` says that kernel, RIB and compiled FIB agree. */
import test from 'ava';
import { compareRoutes, isForwardable } from '../../runtime/control/route-compare.js';
import type { RouteGetReply, RouteReply } from '../../runtime/control/types.js';

type Hop = RouteReply['nexthops'][number];
type Compiled = RouteGetReply['compiled'];

const hop = (gateway: string | undefined, device: string, dead = false): Hop => ({
  gateway,
  device,
  weight: 1,
  dead,
});

const route = (nexthops: readonly Hop[], rest: Partial<RouteReply> = {}): RouteReply => ({
  prefix: '10.9.0.0/16',
  source: 'kernel',
  protocol: 'bird',
  type: 'unicast',
  metric: 0,
  group: 1,
  nexthops,
  since: undefined,
  use: { packets: 0, bytes: 0 },
  ...rest,
});

const compiled = (
  kind: Compiled['kind'],
  ...legs: readonly (readonly [string | undefined, string])[]
): Compiled => ({
  kind,
  group: 1,
  legs: legs.map(([nexthop, device]) => ({ kind, interface: device, device, nexthop, mac: undefined })),
});

const ports = new Set(['r1', 'r2']);
const differences = (kernel: RouteReply | undefined, rib: RouteReply | undefined, fib: Compiled) =>
  compareRoutes(kernel, rib, fib, ports);

const via1 = hop('10.0.1.2', 'r1');
const via2 = hop('10.0.2.2', 'r2');

test('all three go the same way', (t) => {
  t.deepEqual(differences(route([via1]), route([via1]), compiled('forward', ['10.0.1.2', 'r1'])), []);
  t.deepEqual(differences(undefined, undefined, compiled('none')), []);
});

test('the kernel names one of several legs', (t) => {
  const both = compiled('forward', ['10.0.1.2', 'r1'], ['10.0.2.2', 'r2']);
  t.deepEqual(differences(route([via2]), route([via1, via2]), both), []);
  t.is(differences(route([hop('10.0.3.2', 'r2')]), route([via1, via2]), both).length, 1);
});

test('dead legs are left out while others live, and only then', (t) => {
  const dead1 = { ...via1, dead: true };
  t.deepEqual(differences(route([via2]), route([dead1, via2]), compiled('forward', ['10.0.2.2', 'r2'])), []);
  t.deepEqual(
    differences(
      route([hop(undefined, 'r1')]),
      route([hop(undefined, 'r1', true)]),
      compiled('glean', [undefined, 'r1']),
    ),
    [],
    'a route over a link without a carrier, which counts all the same',
  );
  t.is(differences(route([via2]), route([dead1]), compiled('forward', ['10.0.1.2', 'r1'])).length, 1);
});

test('the kernel may name a leg that has lost its carrier', (t) => {
  const lost = route([{ ...via1, dead: true }, via2]);
  t.deepEqual(differences(route([via1]), lost, compiled('forward', ['10.0.2.2', 'r2'])), []);
  t.is(differences(route([via1]), lost, compiled('forward', ['10.0.1.2', 'r1'])).length, 1);
});

test('what differs is said', (t) => {
  t.deepEqual(differences(undefined, route([via1]), compiled('forward', ['10.0.2.2', 'r2'])), [
    'the kernel says unreachable, the RIB via 10.0.1.2 on r1',
    'the RIB says via 10.0.1.2 on r1, the compiled FIB via 10.0.2.2 on r2',
  ]);
  t.is(differences(route([via1]), route([via1]), compiled('blackhole')).length, 1);
});

test("of the operator's routes the kernel knows nothing", (t) => {
  const ours = route([via1], { source: 'local' });
  t.deepEqual(differences(undefined, ours, compiled('forward', ['10.0.1.2', 'r1'])), []);
});

test('a way over no port of the engine is the kernel’s', (t) => {
  const other = [hop('192.0.2.1', 'eth0')];
  t.deepEqual(differences(route(other), route(other), compiled('kernel', [undefined, ''])), []);
});

test('to what no router forwards', (t) => {
  for (const one of [
    '127.0.0.1',
    '224.0.0.5',
    'fe80::1',
    'ff02::1',
    '::',
    '224.0.0.0/8',
    'fe80::/64',
    'text',
  ])
    t.false(isForwardable(one), one);
  for (const one of ['10.9.1.1', '2001:db8::1', '0.0.0.0/0', '::/0', '10.0.0.0/8'])
    t.true(isForwardable(one), one);
});
