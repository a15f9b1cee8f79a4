/**
 * The engine behind the addon: its compiled FIB must say what the RIB means, through random changes, freezing,
 * daemons and engines that die; and the link must carry configurations there and back.
 */
import { unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Link, RibRoute, RibStatus } from '../../runtime/native.js';
import { until } from '../support/netns.js';
import { scaled, systemTest } from '../support/system-test.js';
import { type Answer, agree, differences } from './agree.js';
import { addressesOf, handful, runAll } from './changes.js';
import { buildForwarder, pipeConfiguration, refusingMemory, startEngine } from './engine.js';
import { type Remote, RemoteError, seeded } from './remote.js';
import { follow, inPlace, type Place } from './scene.js';

async function connected(place: Place, name: string): Promise<Remote> {
  const engine = await startEngine(place.lab, place.router, name);
  return follow(place, engine.socket);
}

for (const seed of [11, 12]) {
  systemTest(
    `the compiled FIB follows random changes, seed ${seed}`,
    (t) =>
      inPlace(async (scene) => {
        const remote = await connected(scene, 'engine');
        const random = seeded(seed);
        const history: string[] = [];
        for (let round = 0; round < scaled(60); round++) {
          const lines = handful(random, true);
          if (random(6) === 0) await scene.peer.ip(`link set w${random(4)} ${random(2) ? 'up' : 'down'}`);
          history.push(...lines);
          await runAll(scene.router, lines);
          if (!(await agree(t, remote, addressesOf(random), history.slice(-40).join('\n')))) return;
        }
        t.true((await remote.call<RibStatus>('rib', 'status')).synced);
      }),
    { seconds: 180 },
  );
}

systemTest('a frozen FIB keeps what it has, and coupling applies the difference', (t) =>
  inPlace(async (scene) => {
    const remote = await connected(scene, 'engine');
    const ask = async () => (await remote.call<Answer[]>('agent', 'ask', ['10.9.8.1']))[0]!;
    await scene.router.ip('route add 10.9.8.0/24 via 10.1.0.2');
    await remote.call('rib', 'settled');
    t.is((await ask()).compiled.legs[0]?.nexthop, '10.1.0.2');
    await remote.call('rib', 'decouple');
    await scene.router.ip('route replace 10.9.8.0/24 via 10.1.1.2', 'route add 10.10.0.0/16 via 10.1.1.2');
    await remote.call('rib', 'settled');
    const frozen = await remote.call<RibStatus>('rib', 'status');
    t.false(frozen.coupled);
    t.true(frozen.pending >= 2);
    t.is((await ask()).compiled.legs[0]?.nexthop, '10.1.0.2');
    t.is((await ask()).rib?.nexthops[0]?.gateway, '10.1.1.2');
    await remote.call('rib', 'couple');
    t.true(await agree(t, remote, ['10.9.8.1', '10.10.1.1'], 'after couple'));
    await remote.call('rib', 'decouple');
    await scene.router.ip('route del 10.9.8.0/24');
    await remote.call('rib', 'recouple');
    t.true(await agree(t, remote, ['10.9.8.1', '10.10.1.1'], 'after recouple'));
    await remote.call('rib', 'decouple');
    await remote.call('rib', 'audit');
    t.is((await remote.call<RibStatus>('rib', 'status')).pending, 0, 'to look is no change');
  }),
);

systemTest("the operator's routes win, follow their gateway and go when told", (t) =>
  inPlace(async (scene) => {
    const remote = await connected(scene, 'engine');
    await scene.router.ip('route add 10.9.8.0/24 via 10.1.0.2', 'route add 10.20.0.0/16 via 10.1.2.2');
    t.true(await remote.call('rib', 'addLocal', '10.9.8.0/24', '10.20.1.1'));
    t.true(await agree(t, remote, ['10.9.8.1'], 'recursive'));
    const rib = await remote.call<RibRoute>('rib', 'lookup', '10.9.8.1');
    t.is(rib.source, 'local');
    t.is(rib.nexthops[0]?.gateway, '10.1.2.2');
    await scene.router.ip('route replace 10.20.0.0/16 via 10.1.1.2');
    t.true(await agree(t, remote, ['10.9.8.1'], 'moved'));
    t.is((await remote.call<RibRoute>('rib', 'lookup', '10.9.8.1')).nexthops[0]?.gateway, '10.1.1.2');
    await remote.call('rib', 'recouple');
    t.is((await remote.call<RibRoute>('rib', 'lookup', '10.9.8.1')).source, 'local');
    t.true(await remote.call('rib', 'deleteLocal', '10.9.8.0/24'));
    t.false(await remote.call('rib', 'deleteLocal', '10.9.8.0/24'));
    t.true(await agree(t, remote, ['10.9.8.1'], 'deleted'));
    t.is((await remote.call<RibRoute>('rib', 'lookup', '10.9.8.1')).source, 'kernel');

    t.true(await remote.call('rib', 'addLocal', '10.30.0.0/16', '10.20.1.1'));
    t.false(await remote.call('rib', 'addLocal', '10.31.0.0/16', '10.30.0.1'), 'by another of the operator');
    await scene.router.ip('route del 10.20.0.0/16');
    await remote.call('rib', 'settled');
    t.is(await remote.call('rib', 'lookup', '10.30.0.1'), undefined, 'no way to the gateway any more');
    const { ifindex } = (await remote.call<Link[]>('rib', 'links')).find(({ name }) => name === 'v1')!;
    t.false(await remote.call('rib', 'addLocal', 'fd77::/32', 'fe80::77'), 'on no link');
    t.true(await remote.call('rib', 'addLocal', 'fd77::/32', 'fe80::77', ifindex));
    t.true(await agree(t, remote, ['fd77::1'], 'a gateway on a link'));
    const [hop] = (await remote.call<RibRoute>('rib', 'lookup', 'fd77::1')).nexthops;
    t.like(hop, { gateway: 'fe80::77', ifindex });
  }),
);

systemTest('what the engine had no room for comes when it has', (t) =>
  inPlace(async (scene) => {
    const refuse = join(scene.lab.directory, 'refuse');
    const environment = refusingMemory(scene.lab, refuse);
    const engine = await startEngine(scene.lab, scene.router, 'engine', [], environment);
    const remote = await follow(scene, engine.socket);
    await scene.router.ip('route add 10.9.8.0/24 via 10.1.0.2');
    // Who is found to be a neighbour only now needs room, too.
    const gateways = ['10.1.0.2', '10.1.1.2', '10.1.2.2'];
    for (const gateway of gateways) await scene.router.pings(1, gateway);
    await until('all neighbours to be known', async () => {
      const answers = await remote.call<Answer[]>('agent', 'ask', gateways);
      return answers.every(({ compiled }) => compiled.legs[0]?.kind === 'forward');
    });
    t.true(await agree(t, remote, ['10.9.8.1'], 'before'));
    await writeFile(refuse, '');
    const nets = Array.from({ length: 3000 }, (_, i) => `10.${100 + (i >> 8)}.${i & 255}`);
    await scene.router.ip(
      ...nets.map((net) => `route add ${net}.0/24 via 10.1.1.2`),
      'route replace 10.9.8.0/24 via 10.1.2.2',
    );
    const ends = nets.map((net) => `${net}.1`);
    const missing = await differences(remote, ends);
    t.true(missing.length > 1000, `${missing.length} are missing`);
    const unsaid = await differences(remote, ['10.9.8.1', ...gateways]);
    t.deepEqual(unsaid, [], 'what needs no room is done');
    await unlink(refuse);
    await until('the missing routes', async () => (await differences(remote, ends)).length === 0, 20_000);
    t.deepEqual(await differences(remote, ends), []);
  }),
);

systemTest('another daemon takes the engine over after a kill', (t) =>
  inPlace(async (scene) => {
    const random = seeded(21);
    const engine = await startEngine(scene.lab, scene.router, 'engine');
    for (let i = 0; i < scaled(5); i++) {
      const remote = await follow(scene, engine.socket);
      await runAll(scene.router, handful(random, true));
      t.true(await agree(t, remote, addressesOf(random), `daemon ${i}`));
      remote.kill();
      await runAll(scene.router, handful(random, true));
    }
  }),
);

systemTest('configurations go to the engine and come back, and a dead engine is adopted', (t) =>
  inPlace(async (scene) => {
    const forwarder = buildForwarder(scene.lab);
    const engine = await startEngine(scene.lab, scene.router, 'engine');
    const remote = await follow(scene, engine.socket);
    await t.throwsAsync(remote.call('link', 'runningConfiguration'), { instanceOf: RemoteError });
    t.is(await remote.call('state', 'portSlot', 'left'), 0);
    t.is(await remote.call('state', 'interfaceSlot', 'left'), 0);
    t.is(await remote.call('state', 'interfaceSlot', 'right'), 1);
    t.is(await remote.call('state', 'interfaceSlot', 'left'), 0);
    t.deepEqual(await remote.call('state', 'ruleSlots', ['ab', 'cd'], []), [0, 1]);
    t.deepEqual(await remote.call('state', 'ruleSlots', ['cd', 'ef'], ['ab']), [1, 2]);

    for (const generation of [1, 2]) {
      await remote.call('agent', 'prepare', pipeConfiguration(generation), forwarder);
      await remote.call('link', 'commit', generation, generation - 1);
    }
    t.deepEqual(await remote.call('link', 'runningConfiguration'), pipeConfiguration(2));
    const refused = await t.throwsAsync(remote.call('link', 'commit', 2, 1), { instanceOf: RemoteError });
    t.truthy((refused as RemoteError).about.code);
    t.is((refused as RemoteError).about.syscall, 'commit');

    await scene.router.ip('route add 10.9.8.0/24 via 10.1.0.2');
    t.true(await agree(t, remote, ['10.9.8.1'], 'before'));
    await remote.call('link', 'setAcl', false);
    await engine.kill();
    for (
      let i = 0;
      i < 100 &&
      !(await remote.call<{ kind: string }[]>('agent', 'notices')).some((n) => n.kind === 'closed');
      i++
    );
    const successor = await startEngine(scene.lab, scene.router, 'successor', ['--adopt']);
    await remote.call('agent', 'adopt', successor.socket);
    await remote.call('agent', 'releaseOld');
    await remote.call('agent', 'attach');
    const facts = await remote.call<{
      running: number;
      retained: number[];
      adopted: number;
      aclEnabled: boolean;
    }>('agent', 'facts');
    t.like(facts, { running: 2, retained: [1], adopted: 1, aclEnabled: false });
    t.deepEqual(await remote.call('link', 'runningConfiguration'), pipeConfiguration(2));
    t.true(await agree(t, remote, ['10.9.8.1', '10.1.0.2', '10.1.0.1'], 'after adoption'));
    await remote.call('link', 'stop');
  }),
);
