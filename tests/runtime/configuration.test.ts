/** What the engine is told of a policy: faces in the kernel, rings, slots. */
import test from 'ava';
import { allotGateways, dealRings, engineConfiguration } from '../../runtime/deploy/configuration.js';
import { resolveFaces, tapName } from '../../runtime/deploy/faces.js';
import { hasNetmap } from '../../runtime/deploy/has-netmap.js';
import { backendSpec, deviceOf } from '../../runtime/deploy/plan.js';
import { MillError } from '../../runtime/errors.js';
import type { Link } from '../../runtime/native.js';
import { link, manifest, plan, rule, slots } from './fixtures.js';

const eth0 = link({ ifindex: 2, name: 'eth0' });
const eth1 = link({ ifindex: 3, name: 'eth1' });
const vlan = (change: Partial<Link>): Link =>
  link({ ifindex: 4, name: 'eth1.100', kind: 'vlan', parent: 3, vlan: { id: 100, tpid: 0x8100 }, ...change });

const hasFace = test.macro((t, name: string, links: readonly Link[], expected: unknown) => {
  t.deepEqual(resolveFaces(plan(), links).get(name), expected as never);
});

test('the face of an untagged interface is the device', hasFace, 'wan', [eth0, eth1], {
  kind: 'netdev',
  device: 'eth0',
});
test('the face of a VLAN is the kernel device over the port', hasFace, 'lan.office', [eth0, eth1, vlan({})], {
  kind: 'netdev',
  device: 'eth1.100',
});
test(
  'a VLAN device of another number is not it',
  hasFace,
  'lan.office',
  [eth0, eth1, vlan({ vlan: { id: 101, tpid: 0x8100 } })],
  {
    kind: 'tap',
    device: 'lan.office',
  },
);
test(
  'a VLAN device of another protocol is not it',
  hasFace,
  'lan.office',
  [eth0, eth1, vlan({ vlan: { id: 100, tpid: 0x88a8 } })],
  {
    kind: 'tap',
    device: 'lan.office',
  },
);
test('a VLAN device over another port is not it', hasFace, 'lan.office', [eth0, eth1, vlan({ parent: 2 })], {
  kind: 'tap',
  device: 'lan.office',
});
test(
  'the tap of an engine before is taken again',
  hasFace,
  'lan.office',
  [eth0, eth1, link({ ifindex: 9, name: 'lan.office', kind: 'tun' })],
  {
    kind: 'tap',
    device: 'lan.office',
  },
);

const noFace = test.macro((t, links: readonly Link[], expected: RegExp) => {
  t.throws(() => resolveFaces(plan(), links), { instanceOf: MillError, message: expected });
});

test('a device that does not exist is refused', noFace, [eth1], /wan: the kernel has no device eth0/);
test(
  'a name that another device has is refused',
  noFace,
  [eth0, eth1, link({ ifindex: 9, name: 'lan.office' })],
  /another device named lan.office/,
);

test('a port with a tap may not fall back to the kernel', (t) => {
  const made = manifest();
  const ports = made.ports.map((port) => ({ ...port, fallback: 'kernel' as const }));
  t.throws(() => resolveFaces(plan({ ports }), [eth0, eth1]), { message: /port lan cannot fall back/ });
  t.notThrows(() => resolveFaces(plan({ ports }), [eth0, eth1, vlan({})]));
});

test('a face may not have the name of the far end of a tap port', (t) => {
  const made = manifest();
  const ports = made.ports.map((port) => (port.name === 'lan' ? { ...port, spec: 'tap:lan.office' } : port));
  t.throws(() => resolveFaces(plan({ ports }), [eth0]), {
    instanceOf: MillError,
    message: /interface lan.office has the device lan.office, and port lan makes one of this name/,
  });
});

const named = test.macro((t, name: string, expected: RegExp) => {
  t.regex(tapName(name), expected);
  t.true(tapName(name).length <= 15);
  t.is(tapName(name), tapName(name));
});

test('a short name is kept', named, 'lan.office', /^lan\.office$/);
test('a name of 15 characters is kept', named, 'abcdefghijklmno', /^abcdefghijklmno$/);
test('a long name keeps its beginning', named, 'metropolitan.customer-a', /^metropolit-[0-9a-f]{4}$/);
test('long names that begin alike differ', (t) => {
  t.not(tapName('metropolitan.customer-a'), tapName('metropolitan.customer-b'));
});

test('rings go round, and none is left over', (t) => {
  const workers = dealRings(plan({ workers: [{}, {}, {}] }));
  for (const port of [0, 1]) {
    const all = workers.map((worker) => worker.rings[port]!);
    t.is(
      all.reduce((sum, mask) => sum | mask, 0),
      0xffff,
    );
    t.is(
      all.reduce((sum, mask) => sum + mask, 0),
      0xffff,
      'a ring has two owners',
    );
  }
});

test('a worker gets the rings that it names', (t) => {
  const workers = dealRings(plan({ workers: [{}, { core: 3, rings: { wan: [0, 5] } }] }));
  t.is(workers[1]!.core, 3);
  t.is(workers[1]!.rings[0]! & 0b100001, 0b100001);
  t.is(workers[0]!.rings[0]! & 0b100001, 0);
});

test('gateways keep their slots, and new ones get free ones', (t) => {
  const kept = [{ '10.0.0.1': 0, '10.0.0.2': 1 }, { '10.0.0.3': 2 }];
  t.deepEqual(allotGateways(['10.0.0.9', '10.0.0.2', '10.0.0.3', '10.0.0.9'], kept), {
    '10.0.0.9': 3,
    '10.0.0.2': 1,
    '10.0.0.3': 2,
  });
  t.deepEqual(allotGateways(['10.0.0.9'], [{ '10.0.0.2': 1 }]), { '10.0.0.9': 0 });
});

test('more gateways than there are slots are refused', (t) => {
  const many = Array.from({ length: 1025 }, (_, i) => `10.0.${i >> 8}.${i & 255}`);
  t.throws(() => allotGateways(many, []), { instanceOf: MillError });
});

const opensAs = test.macro(
  (
    t,
    spec: string,
    expected: string,
    fallback: 'kernel' | 'drop',
    wish: { busyPoll?: boolean; affinity?: 'worker' | 'leave' } = {},
  ) => {
    const port = { spec, busyPoll: false, affinity: 'auto' as const, queues: [], ...wish };
    t.is(backendSpec(port, fallback, true), expected);
    t.is(backendSpec(port, fallback, false), spec.includes(':') ? spec : `xdp:${spec}`);
  },
);
test('a device alone is netmap’s where there is netmap', opensAs, 'ix0', 'netmap:ix0', 'kernel');
test('what the policy says stays', opensAs, 'xdp:ix0', 'xdp:ix0', 'kernel');
test('what is to stay shut is not', opensAs, 'ix0', 'xdp:ix0', 'drop');
test('what its workers poll is not', opensAs, 'ix0', 'xdp:ix0', 'kernel', { busyPoll: true });
test('what is to have its interrupts at its workers is not', opensAs, 'ix0', 'xdp:ix0', 'kernel', {
  affinity: 'worker',
});
test('what is to have them left alone may be', opensAs, 'ix0', 'netmap:ix0', 'kernel', { affinity: 'leave' });
test('a name that ends as a ring of another device is not', opensAs, 'ix0-2', 'xdp:ix0-2', 'kernel');

test('there is netmap when its device can be opened', (t) => {
  t.is(hasNetmap('/dev/null'), true);
  t.is(hasNetmap('/dev/none'), false);
});

test('the device of a port', (t) => {
  const specs = ['ix0', 'ix0-2', 'xdp:ix0', 'netmap:ix0-2/R', 'netmap:ix0~2', 'netmap:vale0:p', 'pipe:p'];
  t.deepEqual(specs.map(deviceOf), ['ix0', 'ix0-2', 'ix0', 'ix0', 'ix0', undefined, undefined]);
});

test('the configuration names ports by slot and rules by identity', (t) => {
  const made = plan({ rules: [rule(0, 'b'.repeat(16)), rule(1, 'c'.repeat(16))], gateways: ['10.0.0.1'] });
  const faces = resolveFaces(made, [eth0, eth1]);
  const state = slots();
  state.portSlot('gone');
  const config = engineConfiguration({
    plan: made,
    generation: 5,
    faces,
    gateways: { '10.0.0.1': 7 },
    keepRules: [],
    hasNetmap: false,
    state,
  });
  t.deepEqual(
    config.ports.map((p) => [p.slot, p.spec]),
    [
      [1, 'xdp:eth0'],
      [2, 'xdp:eth1'],
    ],
  );
  t.deepEqual(
    config.interfaces.map((i) => [i.name, i.port, i.host, i.hostName]),
    [
      ['wan', 1, 'netdev', 'eth0'],
      ['lan.office', 2, 'tap', 'lan.office'],
    ],
  );
  t.deepEqual([config.ruleSlots, config.gatewaySlots], [[0, 1], [7]]);
  t.deepEqual(config.puntRates, [10_000, 5000, 2500, 2500, 20_000, 1000, 7]);
});
