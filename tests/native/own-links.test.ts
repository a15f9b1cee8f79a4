/**
 * The engine's own links beside the kernel's: addresses, connected and static routes, neighbours. No dump sweeps them, no
 * audit takes them for wrong, and they go when they are not named any more.
 */
import type { ExecutionContext } from 'ava';
import type { AuditReport, CompiledRoute, Link, Neighbour, OwnLink, RibRoute } from '../../runtime/native.js';
import { systemTest } from '../support/system-test.js';
import type { Remote } from './remote.js';
import { followed, mapInterfaces, OURS } from './scene.js';

/** Slots of the kernel's interfaces come first. */
const SLOT = OURS.length;
const IFINDEX = 2 ** 31 + SLOT;
const lan: OwnLink = {
  slot: SLOT,
  name: 'engine:lan',
  mac: '02:00:00:00:00:01',
  mtu: 1400,
  up: true,
  addresses: ['10.70.0.1/24', 'fd70::1/64', 'fe80::70/64'],
};
const routes = [
  { prefix: '10.71.0.0/16', gateway: '10.70.0.9' },
  { prefix: 'fd71::/32', gateway: 'fd70::9' },
];
const mac = '02:00:00:00:00:99';

/** The map of interfaces, with the own link's. */
async function mapAll(remote: Remote): Promise<void> {
  const links = await remote.call<Link[]>('rib', 'links');
  const map = [...OURS, lan.name].map((name, slot) => ({
    ifindex: links.find((link) => link.name === name)!.ifindex,
    slot,
  }));
  await remote.call('rib', 'setInterfaces', map);
}

interface Said {
  readonly address: string;
  readonly rib?: RibRoute;
  readonly compiled: CompiledRoute;
}

async function ask(remote: Remote, ...addresses: string[]): Promise<readonly Said[]> {
  await remote.call('rib', 'settled');
  return remote.call<Said[]>('agent', 'ask', addresses);
}

/** `route compiled/gateway` of each address, as in `connected glean`. */
async function ways(remote: Remote, ...addresses: string[]): Promise<string[]> {
  return (await ask(remote, ...addresses)).map(({ rib, compiled }) =>
    [
      rib?.source === 'engine' ? rib.protocol : (rib?.source ?? 'nothing'),
      compiled.kind,
      compiled.legs[0]?.nexthop ?? '',
    ]
      .join(' ')
      .trim(),
  );
}

const asked = [
  '10.70.0.1',
  '10.70.0.255',
  '10.70.0.7',
  '10.71.2.3',
  'fd70::1',
  'fd70::',
  'fd70::7',
  'fd71::7',
];
const unresolved = [
  'connected local',
  'connected broadcast',
  'connected glean',
  'static resolve 10.70.0.9',
  'connected local',
  'connected local',
  'connected glean',
  'static resolve fd70::9',
];

async function sound(t: ExecutionContext, remote: Remote): Promise<void> {
  await remote.call('rib', 'settled');
  t.like(await remote.call<AuditReport>('rib', 'audit'), { compiled: true, divergences: 0, last: [] });
}

systemTest('an own link has local, broadcast, connected and static routes', async (t) => {
  await followed(async ({ router }, remote) => {
    await remote.call('rib', 'setOwn', [lan], routes);
    await mapAll(remote);
    t.deepEqual(await ways(remote, ...asked), unresolved);
    t.is((await ask(remote, '10.71.2.3'))[0]!.compiled.legs[0]!.interface, SLOT);
    await sound(t, remote);
    await router.ip('route add 10.80.0.0/16 via 10.1.0.2'); // the kernel's table is followed as ever
    await remote.call('rib', 'recouple');
    t.deepEqual(await ways(remote, ...asked), unresolved);
    await remote.call('rib', 'setTables', [255, 100, 254]); // everything of the kernel is dumped afresh
    t.deepEqual(await ways(remote, ...asked), unresolved);
    t.deepEqual(await ways(remote, '10.80.0.1'), ['kernel resolve 10.1.0.2']);
    await sound(t, remote);
  });
});

systemTest('neighbours on an own link come from the engine', async (t) => {
  await followed(async (_, remote) => {
    const state = 'reachable';
    const all = ['10.70.0.7', '10.70.0.9', 'fd70::9'].map((address) => ({ slot: SLOT, address, mac, state }));
    await remote.call('rib', 'setOwn', [lan], routes);
    await mapAll(remote);
    await remote.call('rib', 'setOwnNeighbours', all);
    const [host, four, six] = await ask(remote, '10.70.0.7', '10.71.2.3', 'fd71::7');
    for (const { compiled } of [host!, four!, six!])
      t.deepEqual([compiled.kind, compiled.legs[0]?.mac], ['forward', mac]);
    await remote.call('rib', 'recouple'); // the kernel's neighbours are dumped and swept
    await sound(t, remote);
    t.deepEqual(await ways(remote, '10.70.0.7', '10.71.2.3'), [
      'connected forward 10.70.0.7',
      'static forward 10.70.0.9',
    ]);
    await remote.call('rib', 'setOwnNeighbours', [{ ...all[1], mac: undefined, state: 'failed' }]);
    t.deepEqual(await ways(remote, '10.70.0.7', '10.71.2.3', 'fd71::7'), [
      'connected glean',
      'static resolve 10.70.0.9',
      'static resolve fd70::9',
    ]);
    const known = await remote.call<Neighbour[]>('rib', 'neighbours');
    t.deepEqual(
      known.filter((one) => one.ifindex === IFINDEX).map((one) => [one.address, one.state]),
      [['10.70.0.9', 'failed']],
    );
  });
});

systemTest('an own link that is down, changed or not named any more', async (t) => {
  await followed(async ({ router }, remote) => {
    await router.ip('route add 10.64.0.0/10 via 10.1.0.2', 'route add 10.70.0.0/24 via 10.1.1.2');
    await remote.call('rib', 'setOwn', [lan], routes);
    await mapAll(remote);
    t.deepEqual(await ways(remote, '10.70.0.7'), ['connected glean']); // before the kernel's, as connected
    await remote.call('rib', 'setOwn', [{ ...lan, up: false }], routes);
    t.deepEqual(await ways(remote, '10.70.0.1', '10.70.0.7', '10.71.2.3'), [
      'connected local',
      'kernel resolve 10.1.1.2',
      'kernel resolve 10.1.0.2',
    ]);
    const moved = { ...lan, addresses: ['10.72.0.1/25'] };
    await remote.call('rib', 'setOwn', [moved], [{ prefix: '10.71.0.0/16', gateway: '10.72.0.2' }]);
    t.deepEqual(await ways(remote, '10.72.0.5', '10.71.2.3', '10.70.0.1'), [
      'connected glean',
      'static resolve 10.72.0.2',
      'kernel resolve 10.1.1.2',
    ]);
    const changes = await remote.call<number>('agent', 'linkChanges');
    await remote.call('rib', 'setOwn', [moved], [{ prefix: '10.71.0.0/16', gateway: '10.72.0.2' }]);
    await remote.call('rib', 'settled');
    t.is(await remote.call('agent', 'linkChanges'), changes); // telling it again changes nothing
    await remote.call('rib', 'setOwn', [], []);
    await mapInterfaces(remote);
    t.deepEqual(await ways(remote, '10.72.0.1', '10.71.2.3'), [
      'kernel resolve 10.1.0.2',
      'kernel resolve 10.1.0.2',
    ]);
    await sound(t, remote);
  });
});
