import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { pino } from 'pino';
import type { BuildPolicy } from '../../runtime/deploy/build.js';
import { readBundle } from '../../runtime/deploy/bundle.js';
import { allotGateways, dealRings, engineConfiguration } from '../../runtime/deploy/configuration.js';
import { createDeployer, type Deployer } from '../../runtime/deploy/deployer.js';
import { resolveFaces, tapName } from '../../runtime/deploy/faces.js';
import { type GenerationStore, openStore } from '../../runtime/deploy/store.js';
import { MillError } from '../../runtime/errors.js';
import type { Link, Rib } from '../../runtime/native.js';
import { openSets } from '../../runtime/sets/sets.js';
import { type FakeEngine, fakeEngine, link, manifest, plan, rule, slots, writeBundle } from './fixtures.js';

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
});

function scratch(t: ExecutionContext): string {
  const dir = mkdtempSync(join(tmpdir(), 'netmill-deploy-'));
  t.teardown(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

test('a bundle whose code is not its manifest’s is refused', (t) => {
  const dir = writeBundle(join(scratch(t), 'b'));
  writeFileSync(join(dir, 'fwd-1-x.so'), 'other code');
  t.throws(() => readBundle(dir), { instanceOf: MillError, message: /not what its manifest describes/ });
});

test('a directory that is no bundle is refused', (t) => {
  t.throws(() => readBundle(scratch(t)), { instanceOf: MillError, message: /no bundle: .* is missing/ });
});

test('a bundle without its code is refused', (t) => {
  const dir = writeBundle(join(scratch(t), 'b'));
  rmSync(join(dir, 'fwd-1-x.so'));
  t.throws(() => readBundle(dir), { instanceOf: MillError, message: /fwd-1-x.so is missing/ });
});

test('a manifest of another shape is refused in one line', (t) => {
  const dir = writeBundle(join(scratch(t), 'b'));
  writeFileSync(join(dir, 'forwarder.json'), '{"version":2}');
  const error = t.throws<MillError>(() => readBundle(dir));
  t.regex(error?.message ?? '', /is no manifest of this netmill: abi: .* \(and \d+ more\)$/);
});

test('a manifest that was edited after the build is refused', (t) => {
  const path = join(writeBundle(join(scratch(t), 'b')), 'forwarder.json');
  writeFileSync(path, readFileSync(path, 'utf8').replace('"spec": "xdp:', '"spec": "pipe:'));
  const error = t.throws<MillError>(() => readBundle(join(path, '..')));
  t.regex(error?.message ?? '', /it was changed after the build: its digest is [0-9a-f]{64}, not /);
  t.regex(error?.fix ?? '', /build the policy again/);
});

test('numbers of generations only grow, whatever was removed', (t) => {
  const dir = scratch(t);
  const bundle = readBundle(writeBundle(join(dir, 'b')));
  const store = openStore(join(dir, 'generations'));
  const number = store.nextNumber([]);
  store.add(bundle, { generation: number, source: '/x', builtAt: '', gateways: {} });
  store.remove(number);
  t.is(openStore(join(dir, 'generations')).nextNumber([]), number + 1);
  t.is(openStore(join(dir, 'generations')).nextNumber([41]), 42);
});

test('what is half written is no generation', (t) => {
  const dir = scratch(t);
  const store = openStore(dir);
  writeBundle(join(dir, '.draft-3'));
  writeBundle(join(dir, '4'));
  t.is(store.find(4), undefined);
  t.deepEqual(store.records(), []);
});

interface Bed {
  readonly dir: string;
  readonly engine: FakeEngine;
  readonly store: GenerationStore;
  readonly deployer: Deployer;
  readonly gateways: Parameters<Rib['setGateways']>[0][number][][];
  readonly reconciled: string[][];
}

function bed(t: ExecutionContext, build?: BuildPolicy, change: Partial<GenerationStore> = {}): Bed {
  const dir = scratch(t);
  const engine = fakeEngine();
  const store = { ...openStore(join(dir, 'generations')), ...change };
  const gateways: Bed['gateways'] = [];
  const reconciled: string[][] = [];
  const deployer = createDeployer({
    native: { abi: 1, layout: 7 },
    rib: {
      links: () => [eth0, eth1],
      setAudit: () => undefined,
      setTables: () => undefined,
      setGateways: (all) => void gateways.push([...all]),
      settled: async () => undefined,
    },
    store,
    sets: openSets(join(dir, 'sets'), pino({ level: 'silent' })),
    interfaces: {
      reconcile: async (wishes) => void reconciled.push(wishes.map((wish) => wish.plan.policyHash[0]!)),
      restore: () => undefined,
    },
    build: build ?? (async () => t.fail('nothing is to be built') as never),
    link: () => engine,
    log: pino({ level: 'silent' }),
    signal: new AbortController().signal,
  });
  return { dir, engine, store, deployer, gateways, reconciled };
}

const quiet = (): void => undefined;
const version = (dir: string, letter: string, more = {}): string =>
  writeBundle(join(dir, letter), { policyHash: letter.repeat(64), ...more }, `code ${letter}`);

test('deploys swap one after the other, and the interfaces follow', async (t) => {
  const { dir, engine, deployer, reconciled } = bed(t);
  t.like(await deployer.deploy(version(dir, 'a'), quiet), { generation: 1, previous: 0 });
  t.like(await deployer.deploy(version(dir, 'b'), quiet), { generation: 2, previous: 1 });
  t.deepEqual(engine.said, ['prepare 1', 'commit 1 in place of 0', 'prepare 2', 'commit 2 in place of 1']);
  t.deepEqual(reconciled, [['a'], ['a'], ['a', 'b'], ['b']]);
});

test('deploys that come together wait for each other', async (t) => {
  const { dir, engine, deployer } = bed(t);
  await Promise.all(['a', 'b', 'c'].map((letter) => deployer.deploy(version(dir, letter), quiet)));
  t.deepEqual(
    engine.said.filter((line) => line.startsWith('commit')),
    ['commit 1 in place of 0', 'commit 2 in place of 1', 'commit 3 in place of 2'],
  );
});

const unchanged = test.macro(async (t, spoil: (bed: Bed) => Promise<unknown>, expected: RegExp) => {
  const made = bed(t, async () => {
    throw new MillError('policy', 'the policy was refused');
  });
  await made.deployer.deploy(version(made.dir, 'a'), quiet);
  await t.throwsAsync(spoil(made), { message: expected });
  t.is(made.engine.running, 1);
  t.is(made.deployer.active?.bundle.plan.policyHash[0], 'a');
  t.deepEqual(
    made.store.records().map((record) => record.generation),
    [1],
  );
  t.like(await made.deployer.deploy(version(made.dir, 'd'), quiet), { previous: 1 });
});

test(
  'a policy that is refused changes nothing',
  unchanged,
  ({ dir, deployer }) => {
    writeFileSync(join(dir, 'policy.ts'), '');
    return deployer.deploy(join(dir, 'policy.ts'), quiet);
  },
  /the policy was refused/,
);
test(
  'a source that does not exist changes nothing',
  unchanged,
  ({ deployer }) => deployer.deploy('/nonexistent', quiet),
  /does not exist/,
);
test(
  'a bundle for another ABI changes nothing',
  unchanged,
  ({ dir, deployer }) => deployer.deploy(version(dir, 'b', { abi: 2 }), quiet),
  /expected a bundle for ABI 1/,
);
test(
  'a bundle of another layout changes nothing',
  unchanged,
  ({ dir, deployer }) => deployer.deploy(version(dir, 'b', { layout: 8 }), quiet),
  /layout 7; got ABI 1, layout 8/,
);
test(
  'another policy than that of the plan changes nothing',
  unchanged,
  ({ dir, deployer }) => deployer.deploy(version(dir, 'b'), quiet, undefined, { policyHash: 'c'.repeat(64) }),
  /expected the policy of the plan, cccccccccccc; got bbbbbbbbbbbb/,
);
test(
  'a plan that was made against what runs no more changes nothing',
  unchanged,
  ({ dir, deployer }) =>
    deployer.deploy(version(dir, 'b'), quiet, undefined, {
      policyHash: 'b'.repeat(64),
      againstHash: 'c'.repeat(64),
    }),
  /expected cccccccccccc to run, as when the plan was made; got aaaaaaaaaaaa/,
);
test('what was planned is deployed', async (t) => {
  const { dir, deployer } = bed(t);
  await deployer.deploy(version(dir, 'a'), quiet);
  const expect = { policyHash: 'b'.repeat(64), againstHash: 'a'.repeat(64) };
  t.like(await deployer.deploy(version(dir, 'b'), quiet, undefined, expect), { generation: 2 });
});
test(
  'an engine that cannot prepare changes nothing',
  unchanged,
  ({ dir, deployer, engine }) => {
    engine.fail.prepare = Object.assign(new Error('no such device'), { code: 'ENODEV' });
    return deployer.deploy(version(dir, 'b'), quiet);
  },
  /no such device/,
);
test(
  'a commit that fails changes nothing',
  unchanged,
  ({ dir, deployer, engine }) => {
    engine.fail.commit = Object.assign(new Error('another one runs'), { code: 'EAGAIN' });
    return deployer.deploy(version(dir, 'b'), quiet);
  },
  /another one runs/,
);

test('what was prepared for a commit that fails is discarded, and the interfaces go back', async (t) => {
  const { dir, engine, deployer, reconciled } = bed(t);
  await deployer.deploy(version(dir, 'a'), quiet);
  engine.fail.commit = new Error('no');
  await t.throwsAsync(deployer.deploy(version(dir, 'b'), quiet));
  t.is(engine.said.at(-1), 'discard 2');
  t.deepEqual(reconciled.at(-1), ['a']);
});

test('rollback commits the generation before, with its interfaces and gateways', async (t) => {
  const { dir, engine, deployer, gateways, reconciled } = bed(t);
  await deployer.deploy(version(dir, 'a', { gateways: ['10.0.0.1'] }), quiet);
  await deployer.deploy(version(dir, 'b', { gateways: ['10.0.0.2*3 10.0.0.3 or 10.0.0.4'] }), quiet);
  t.like(await deployer.rollback(undefined, 'test'), { generation: 1, previous: 2 });
  t.is(engine.said.at(-1), 'commit 1 in place of 2');
  t.deepEqual(reconciled.at(-1), ['a']);
  t.deepEqual(
    gateways
      .at(-1)!
      .map(
        (g) => `${g.slot} ${JSON.stringify(g.choices.map((one) => one.map((h) => [h.address, h.weight])))}`,
      )
      .sort(),
    ['0 [[["10.0.0.1",1]]]', '1 [[["10.0.0.2",3],["10.0.0.3",1]],[["10.0.0.4",1]]]'],
  );
});

test('rollback names a generation that the engine keeps', async (t) => {
  const { dir, deployer } = bed(t);
  for (const letter of ['a', 'b', 'c', 'd']) await deployer.deploy(version(dir, letter), quiet);
  t.like(await deployer.rollback(2, 'test'), { generation: 2, previous: 4 });
  const error = await t.throwsAsync(deployer.rollback(1, 'test'), {
    message: /does not keep generation 1; it keeps 4, 3/,
  });
  t.regex((error as MillError).fix!, /netmill deploy .*\/generations\/1/);
  await t.throwsAsync(deployer.rollback(2, 'test'), { message: /runs already/ });
});

test('a rollback that fails keeps what runs and what could be rolled back to', async (t) => {
  const { dir, engine, deployer } = bed(t);
  await deployer.deploy(version(dir, 'a'), quiet);
  await deployer.deploy(version(dir, 'b'), quiet);
  engine.fail.commit = new Error('no');
  await t.throwsAsync(deployer.rollback(undefined, 'test'));
  t.is(engine.running, 2);
  t.false(engine.said.includes('discard 1'), 'the retained generation was thrown away');
  t.like(await deployer.rollback(undefined, 'test'), { generation: 1 });
});

test('a daemon that comes back goes on with what runs, without a deploy', async (t) => {
  const made = bed(t);
  await made.deployer.deploy(version(made.dir, 'a'), quiet);
  const said = made.engine.said.length;
  t.true(await made.deployer.resume(1));
  t.false(await made.deployer.resume(9));
  t.is(made.engine.said.length, said);
});

test('a built policy is deployed under its own path, and the build goes away', async (t) => {
  let out = '';
  const { dir, store, deployer } = bed(t, async ({ outDir }) => {
    out = outDir;
    return writeBundle(join(outDir, 'made'));
  });
  const policy = join(dir, 'edge.ts');
  writeFileSync(policy, '');
  await deployer.deploy(policy, quiet);
  t.is(store.records()[0]?.source, policy);
  t.false(existsSync(out));
  t.true(existsSync(join(dir, 'generations/1/forwarder.c')));
});

test('a generation that runs and cannot be noted runs all the same, and so does a rollback', async (t) => {
  const full = () => {
    throw Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' });
  };
  const { dir, deployer } = bed(t, undefined, { update: full });
  await deployer.deploy(version(dir, 'a'), quiet);
  t.like(await deployer.deploy(version(dir, 'b'), quiet), { generation: 2 });
  t.is(deployer.active?.record.generation, 2);
  t.like(await deployer.rollback(undefined, 'test'), { generation: 1, previous: 2 });
  t.is(deployer.active?.record.generation, 1);
});

test('what does not fit on the disk leaves nothing behind', (t) => {
  const dir = scratch(t);
  const store = openStore(join(dir, 'generations'));
  const bundle = readBundle(version(dir, 'a'));
  const files = [...bundle.files, 'missing'];
  const record = { generation: 7, source: dir, builtAt: new Date().toISOString(), gateways: {} };
  const error = t.throws<MillError>(() => store.add({ ...bundle, files }, record));
  t.is(error?.code, 'system');
  t.regex(error?.message ?? '', /cannot be kept in .*generations: ENOENT/);
  t.deepEqual(readdirSync(join(dir, 'generations')), []);
});

test('what was built before a start keeps its number', async (t) => {
  const { dir, store, deployer } = bed(t);
  const number = store.nextNumber([]);
  const built = { dir: version(dir, 'a'), number };
  t.like(await deployer.deploy(join(dir, 'policy.ts'), quiet, built), { generation: number });
});
