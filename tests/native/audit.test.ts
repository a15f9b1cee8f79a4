/**
 * Audits find what went wrong behind everybody's back and repair it; and find nothing while all is well, changes in
 * full flow included. What goes wrong is done from outside: see sabotage.c.
 */
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { ExecutionContext } from 'ava';
import type { AuditReport, CompiledRoute, RibStatus } from '../../runtime/native.js';
import { scaled, systemTest } from '../support/system-test.js';
import { agree } from './agree.js';
import { handful, runAll } from './changes.js';
import { kernelTable, type Remote, ribTable, seeded } from './remote.js';
import { followed, type Scene } from './scene.js';

const root = fileURLToPath(new URL('../../..', import.meta.url));

function sabotage({ lab }: Scene, ...args: readonly (string | number)[]): void {
  const program = join(lab.directory, 'sabotage');
  const include = ['runtime', 'runtime/engine', 'runtime/engine/include'].map((d) => `-I${join(root, d)}`);
  const source = join(root, 'tests/native/sabotage.c');
  execFileSync('gcc', ['-D_GNU_SOURCE', '-O1', ...include, '-o', program, source]);
  execFileSync(program, args.map(String));
}

async function audit(remote: Remote): Promise<AuditReport> {
  await remote.call('rib', 'settled');
  return remote.call<AuditReport>('rib', 'audit');
}

async function sound(t: ExecutionContext, remote: Remote): Promise<void> {
  t.like(await audit(remote), { compiled: true, divergences: 0, repaired: 0, last: [] });
}

const legs = ['via fd00:1::2', 'via fd00:2::2'] as const;
/** Routes of one prefix and metric, in this order. */
const inOrder = (prefix: string, ...ways: readonly string[]): string[] =>
  ways.map((way) => `route append ${prefix} ${way}`);
const gone = (prefix: string): string[] => [...legs, 'dev v3'].map((way) => `route del ${prefix} ${way}`);

systemTest('an audit takes over routes that no message told of', async (t) => {
  await followed(async (scene, remote) => {
    const { router } = scene;
    await router.ip(
      'route add 10.40.0.0/16 via 10.1.0.2',
      'route add 10.41.0.0/16 via 10.1.0.2',
      'route add fd41::/32 via fd00:1::2',
      ...inOrder('fd43::/32', legs[0], legs[1], 'dev v3'),
      ...inOrder('fd44::/32', 'dev v3', legs[0], legs[1]),
    );
    await sound(t, remote);
    sabotage(scene, 'deafen', await remote.call<number>('agent', 'pid'));
    await router.ip(
      'route del 10.40.0.0/16',
      'route replace 10.41.0.0/16 via 10.1.1.2',
      'route add 10.42.0.0/16 via 10.1.0.2',
      'route append fd41::/32 via fd00:2::2 metric 2048',
      ...gone('fd43::/32'),
      ...inOrder('fd43::/32', 'dev v3', legs[0], legs[1]),
      ...gone('fd44::/32'),
      ...inOrder('fd44::/32', legs[0], 'dev v3', legs[1]), // of which a dump tells the legs alone
    );
    const report = await audit(remote);
    t.like(report, { compiled: true, divergences: 6, repaired: 6 });
    const wrong = new Map(report.last.map((one) => [one.prefix, one]));
    t.like(wrong.get('10.40.0.0/16'), { between: 'kernel-rib', expected: 'no route' });
    t.regex(wrong.get('10.41.0.0/16')?.expected ?? '', /via 10\.1\.1\.2 dev v1/);
    t.regex(wrong.get('10.41.0.0/16')?.got ?? '', /via 10\.1\.0\.2 dev v0/);
    t.is(wrong.get('10.42.0.0/16')?.got, 'no route');
    const between = /^fd44.* -@v3/; // which a dump passes over
    for (const family of [4, 6] as const) {
      const rib = await ribTable(remote, family);
      t.deepEqual(
        rib.filter((route) => !between.test(route)),
        await kernelTable(router, family),
      );
      t.is(rib.filter((route) => between.test(route)).length, family === 6 ? 1 : 0);
    }
    t.true(await agree(t, remote, ['fd43::1', 'fd44::1'], "IPv6's two kinds of routes"));
    await sound(t, remote);
    t.like(await remote.call<RibStatus>('rib', 'status'), { audits: 3, divergences: 6, repaired: 6 });
  });
});

systemTest('an audit repairs the compiled FIB', async (t) => {
  await followed(async (scene, remote) => {
    const { router, engine } = scene;
    const lookup = (address: string) => remote.call<CompiledRoute>('link', 'lookup', address);
    await router.ip(
      'neigh replace 10.1.0.2 lladdr 02:00:00:00:00:99 dev v0 nud permanent',
      'route add 10.40.0.0/16 via 10.1.0.2',
      'route add 10.40.7.0/24 via 10.1.1.2',
    );
    await sound(t, remote);
    sabotage(scene, 'route', engine.pid, '10.40.255.1'); // the last /24 of the /16: a boundary
    t.is((await lookup('10.40.255.1')).kind, 'none');
    const route = await audit(remote);
    t.like(route, { compiled: true, divergences: 1, repaired: 1 });
    t.like(route.last[0], { prefix: '10.40.0.0/16', between: 'rib-fib', got: 'no route' });
    t.is((await lookup('10.40.255.1')).legs[0]?.mac, '02:00:00:00:00:99');
    await sound(t, remote);

    sabotage(scene, 'mac', engine.pid, '02:00:00:00:00:99');
    t.is((await lookup('10.40.1.1')).legs[0]?.mac, '02:00:00:00:00:cc');
    const mac = await audit(remote);
    t.is(mac.divergences, mac.repaired);
    t.true(mac.last.some(({ prefix }) => prefix === '10.40.0.0/16'));
    t.is((await lookup('10.40.1.1')).legs[0]?.mac, '02:00:00:00:00:99');
    await sound(t, remote);
  });
});

systemTest('audits among random changes find nothing wrong', async (t) => {
  await followed(async ({ router }, remote) => {
    const random = seeded(31);
    const many = Array.from(
      { length: scaled(20_000) }, // so that a dump takes a while
      (_, i) => `route add blackhole 20.${i >> 8}.${i & 255}.0/24`,
    );
    await router.ip(...many);
    const lines = Array.from({ length: scaled(150) }, () => handful(random, true)).flat();
    let over = false;
    const changes = runAll(router, lines).finally(() => {
      over = true;
    });
    for (let audits = 0; !over || audits === 0; audits++) {
      const { last } = await remote.call<AuditReport>('rib', 'audit');
      t.deepEqual(last, []);
      if (last.length > 0) break;
    }
    await changes;
    await sound(t, remote);
  });
});

systemTest('audits come by themselves when a period is set', async (t) => {
  await followed(async (scene, remote) => {
    await remote.call('rib', 'setAudit', 1);
    sabotage(scene, 'deafen', await remote.call<number>('agent', 'pid'));
    await scene.router.ip('route add 10.42.0.0/16 via 10.1.0.2');
    let status = await remote.call<RibStatus>('rib', 'status');
    for (let i = 0; i < 100 && status.repaired === 0; i++) {
      await new Promise((resolve) => setTimeout(resolve, 100));
      status = await remote.call<RibStatus>('rib', 'status');
    }
    t.like(status, { divergences: 1, repaired: 1 });
    const reports = await remote.call<AuditReport[]>('agent', 'audits');
    t.true(reports.some(({ last }) => last[0]?.prefix === '10.42.0.0/16'));
  });
});
