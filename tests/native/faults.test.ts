/**
 * What goes wrong around the feed while routes change: daemons killed and stopped, tables flushed, interfaces that come
 * back, a reader too slow, clocks that differ. After each, kernel, RIB and compiled FIB must be the same.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { ExecutionContext } from 'ava';
import type { AuditReport, RibStatus } from '../../runtime/native.js';
import { routeStorm } from '../support/routes.js';
import { scaled, systemTest } from '../support/system-test.js';
import { agree, sameEverywhere } from './agree.js';
import { startEngine } from './engine.js';
import type { Remote } from './remote.js';
import { follow, followed, inPlace, mapInterfaces, type Place } from './scene.js';

const many = (verb: string, count: number): string[] =>
  Array.from({ length: count }, (_, i) => `route ${verb} 20.${i >> 8}.${i & 255}.0/24 via 10.1.${i % 4}.2`);

const some = ['route add 10.40.0.0/16 via 10.1.0.2', 'route add fd40::/32 via fd00:1::2'];

async function sound(t: ExecutionContext, { router }: Place, remote: Remote, message: string): Promise<void> {
  const report = await remote.call<AuditReport>('rib', 'audit');
  t.like(report, { compiled: true, divergences: 0, last: [] }, message);
  await sameEverywhere(t, router, remote, message);
}

systemTest(
  'a daemon killed while routes change leaves nothing that the next one does not put right',
  async (t) => {
    await inPlace(async (place) => {
      const engine = await startEngine(place.lab, place.router, 'engine');
      await place.router.ip(...some);
      const count = scaled(4000);
      for (let i = 0; i < 3; i++) {
        const remote = await follow(place, engine.socket);
        const changes = place.router.ip(...many('replace', count), ...many('del', count));
        await delay(20 + 30 * i);
        remote.kill();
        await changes;
      }
      await sound(t, place, await follow(place, engine.socket), 'killed');
    });
  },
);

systemTest('a daemon that stood still, and lost messages, catches up', async (t) => {
  await inPlace(async (place) => {
    const engine = await startEngine(place.lab, place.router, 'engine');
    const remote = await follow(place, engine.socket, String(208 << 10));
    const pid = await remote.call<number>('agent', 'pid');
    const count = scaled(8000);
    process.kill(pid, 'SIGSTOP');
    await place.router.ip(...many('add', count), ...some);
    await place.router.ip(...many('del', count - 7));
    process.kill(pid, 'SIGCONT');
    await remote.call('rib', 'settled');
    t.true((await remote.call<RibStatus>('rib', 'status')).overruns > 0, 'nothing was lost');
    await sound(t, place, remote, 'continued');
  });
});

systemTest(
  'what the kernel says too fast is caught up with, while links are lost and come back',
  async (t) => {
    await inPlace(async (place) => {
      const { lab, router, peer } = place;
      const engine = await startEngine(lab, router, 'engine');
      const remote = await follow(place, engine.socket, String(16 << 10));
      const before = await remote.call<RibStatus>('rib', 'status');
      const storm = routeStorm(router, { device: 'v0', gateway: '10.1.0.2' }, scaled(150_000), 7);
      let over = false;
      const mark = storm.finally(() => (over = true));
      const ways = Array.from({ length: 200 }, (_, i) => `route replace 10.200.${i}.0/24 via 10.1.1.2`);
      for (let i = 0; !over || i < 4; i++) {
        await router.ip(
          ...ways,
          'nexthop replace id 7 via 10.1.2.2 dev v2',
          'route replace 10.250.0.0/16 nhid 7',
        );
        if (i % 2) await router.ip('link set v1 down', 'link set v1 up');
        await peer.ip('link set w2 down', 'link set w2 up');
        await delay(20);
      }
      const { left, refused } = await mark;
      t.is(refused, 0);
      await router.ip(...ways.slice(0, 100), 'link set v2 down');
      await remote.call('rib', 'settled');
      const after = await remote.call<RibStatus>('rib', 'status');
      t.true(after.overruns > before.overruns, 'nothing was lost');
      const report = await remote.call<AuditReport>('rib', 'audit');
      t.like(report, { compiled: true, divergences: 0, last: [] });
      t.true(report.prefixes > left, `${report.prefixes} prefixes, ${left} of the storm alone`);
      await agree(
        t,
        remote,
        ['10.200.0.1', '10.200.150.1', '10.250.1.1', '32.1.1.1', '40.7.7.7'],
        'after the storm',
      );
    });
  },
);

systemTest('a flushed table and an interface that comes back are followed', async (t) => {
  await followed(async (scene, remote) => {
    const { router, peer, lab } = scene;
    await router.ip(...some, ...many('add', scaled(2000)));
    await router.ip('route flush root 20.0.0.0/8');
    await sound(t, scene, remote, 'flushed');
    await router.ip('link del v0');
    await lab.link(
      { node: router, device: 'v0', addresses: ['10.1.0.1/24', 'fd00:0::1/64'] },
      { node: peer, device: 'w0', addresses: ['10.1.0.2/24', 'fd00:0::2/64'] },
    );
    await remote.call('rib', 'settled');
    await mapInterfaces(remote);
    await router.ip('route add 10.40.0.0/16 via 10.1.0.2');
    await sound(t, scene, remote, 'another v0');
  });
});

systemTest('nexthop groups are replaced under routes that name them', async (t) => {
  await followed(async (scene, remote) => {
    const { router } = scene;
    await router.ip(
      'nexthop add id 1 via 10.1.0.2 dev v0',
      'nexthop add id 2 via 10.1.1.2 dev v1',
      'nexthop add id 3 via 10.1.2.2 dev v2',
      'nexthop add id 9 group 1/2',
      'route add 10.40.0.0/16 nhid 9',
    );
    for (const members of ['2/3', '1,3/2', '3', '1/2/3', '1,7/3,2'])
      await router.ip(`nexthop replace id 9 group ${members}`).then(() => sound(t, scene, remote, members));
    await router.ip('nexthop replace id 1 via 10.1.3.2 dev v3');
    await sound(t, scene, remote, 'a member is another');
  });
});
