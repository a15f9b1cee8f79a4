/** Deploys and rollbacks, one after the other, and what stays when one fails. */
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { pino } from 'pino';
import type { BuildPolicy } from '../../runtime/deploy/build.js';
import { createDeployer, type Deployer } from '../../runtime/deploy/deployer.js';
import { type GenerationStore, openStore } from '../../runtime/deploy/store.js';
import { checkCores, onlineCores } from '../../runtime/deploy/workers.js';
import { MillError } from '../../runtime/errors.js';
import type { Rib } from '../../runtime/native.js';
import { openSets } from '../../runtime/sets/sets.js';
import { type FakeEngine, fakeEngine, link, manifest, scratch, writeBundle } from './fixtures.js';

const eth0 = link({ ifindex: 2, name: 'eth0' });
const eth1 = link({ ifindex: 3, name: 'eth1' });

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
  'a worker on a processor that is not there changes nothing',
  unchanged,
  ({ dir, deployer }) => deployer.deploy(version(dir, 'b', { workers: [{}, { core: 4095 }] }), quiet),
  /this machine has no processor 4095; it has 0/,
);
test(
  'a worker with a ring that is not there changes nothing',
  unchanged,
  ({ dir, deployer }) => deployer.deploy(version(dir, 'b', { workers: [{ rings: { lan: [1, 2] } }] }), quiet),
  /port lan has no ring 2; it has rings 0 to 1/,
);
test('how many rings an exchanged port has is known only then', async (t) => {
  const { dir, deployer } = bed(t);
  await deployer.deploy(version(dir, 'a'), quiet);
  const ports = manifest().ports.map((port) =>
    port.name === 'lan' ? { ...port, spec: 'pipe:lan/4' } : port,
  );
  const more = { ports, workers: [{ rings: { lan: [3] } }] };
  t.like(await deployer.deploy(version(dir, 'b', more), quiet), { generation: 2 });
});
test('processors that are online are named in ranges', (t) => {
  t.notThrows(() => checkCores({ workers: [{ core: 0, rings: undefined }] }, '0-3,8'));
  t.notThrows(() => checkCores({ workers: [{ core: 8, rings: undefined }] }, '0-3,8'));
  t.throws(() => checkCores({ workers: [{ core: 5, rings: undefined }] }, '0-3,8'), {
    message: /it has 0-3,8/,
  });
  t.notThrows(() => checkCores({ workers: [{ core: 5, rings: undefined }] }, onlineCores('/nonexistent')));
});
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

test('who goes before the policy is built has changed nothing', async (t) => {
  const asking = new AbortController();
  const builds: string[] = [];
  const { dir, engine, store, deployer } = bed(t, ({ outDir, signal }) => {
    builds.push(outDir);
    asking.abort();
    t.true(signal.aborted, 'the build hears of it');
    return Promise.resolve(writeBundle(join(outDir, 'made')));
  });
  const policy = join(dir, 'edge.ts');
  writeFileSync(policy, '');
  const deploy = () => deployer.deploy(policy, quiet, undefined, undefined, asking.signal);
  await t.throwsAsync(deploy(), { message: 'who asked for it has gone: nothing has changed' });
  await t.throwsAsync(deploy(), { message: 'who asked for it has gone: nothing has changed' });
  t.is(builds.length, 1, 'the second one is not even built');
  t.deepEqual([engine.said, store.records()], [[], []]);
  t.like(await deployer.deploy(version(dir, 'a'), quiet), { previous: 0 });
});

test('what the engine refuses is told without the name of its call, and what runs then', async (t) => {
  const { dir, engine, deployer } = bed(t);
  const busy = () =>
    Object.assign(new Error('EBUSY: xdp:eth0: not free, prepare'), { code: 'EBUSY', syscall: 'prepare' });
  const refused = async () => {
    engine.fail.prepare = busy();
    const error = await t.throwsAsync<MillError>(deployer.deploy(version(dir, 'b'), quiet));
    return [error?.message, error?.fix];
  };
  t.deepEqual(await refused(), ['EBUSY: xdp:eth0: not free', 'nothing has changed: nothing runs']);
  await deployer.deploy(version(dir, 'a'), quiet);
  t.is((await refused())[1], `nothing has changed: generation ${engine.running} goes on`);
});

test('what was built before a start keeps its number', async (t) => {
  const { dir, store, deployer } = bed(t);
  const number = store.nextNumber([]);
  const built = { dir: version(dir, 'a'), number };
  t.like(await deployer.deploy(join(dir, 'policy.ts'), quiet, built), { generation: number });
});
