/** The rest of the addon: kernel settings and their errors, overruns, neighbours, dumps to files, and quiet exits. */
import { closeSync, openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import test, { type ExecutionContext } from 'ava';
import { execa } from 'execa';
import { type Link, type Neighbour, native, type RibRoute, type RibStatus } from '../../runtime/native.js';
import { Lab } from '../support/netns.js';
import { scaled, systemTest } from '../support/system-test.js';
import { runAll, topology } from './changes.js';
import { startEngine } from './engine.js';
import { kernelTable, type Remote, RemoteError, ribTable, startAgent } from './remote.js';

async function refused(
  t: ExecutionContext,
  remote: Remote,
  code: string,
  method: string,
  ...args: unknown[]
): Promise<string> {
  const error = await t.throwsAsync(remote.call('kernel', method, ...args), { instanceOf: RemoteError });
  const { about } = error as RemoteError;
  t.is(about.code, code, about.message);
  return about.message;
}

test('the addon says which ABI it was built for', (t) => {
  const header = readFileSync(
    fileURLToPath(new URL('../../../runtime/shm/limits.h', import.meta.url)),
    'utf8',
  );
  t.is(native().abi, Number(/MILL_ABI_VERSION (\d+)u/.exec(header)?.[1]));
  t.true(native().layout > 0);
});

test('a descriptor that is no socket has no peer', (t) => {
  const file = openSync('/dev/null', 'r');
  try {
    const error = t.throws(() => native().peerCredentials(file)) as NodeJS.ErrnoException;
    t.is(error.syscall, 'getsockopt');
  } finally {
    closeSync(file);
  }
});

test('an engine that is not there is an error with a code', async (t) => {
  const error = await t.throwsAsync(native().connectEngine('/nonexistent/engine.sock'));
  t.like(error as NodeJS.ErrnoException, { code: 'ENOENT', syscall: 'connect' });
});

systemTest('kernel settings are made, and refusals carry code and reason', async (t) => {
  const lab = await Lab.create();
  try {
    const { router } = await topology(lab);
    const remote = startAgent(lab, router);
    await remote.call('rib', 'start');
    const links = await remote.call<Link[]>('rib', 'links');
    const v0 = links.find((l) => l.name === 'v0')!;
    t.deepEqual(
      v0.addresses.filter((a) => !a.startsWith('fe80')),
      ['10.1.0.1/24', 'fd00::1/64'],
    );
    t.is(v0.kind, 'veth');
    await remote.call('kernel', 'addAddress', v0.ifindex, '10.5.0.1/24');
    await remote.call('kernel', 'addRoute', '10.6.0.0/16', '10.5.0.9');
    await remote.call('kernel', 'setMtu', v0.ifindex, 1400);
    await remote.call('rib', 'settled');
    t.is((await remote.call<RibRoute>('rib', 'lookup', '10.6.1.1')).nexthops[0]?.gateway, '10.5.0.9');
    t.is((await remote.call<Link[]>('rib', 'links')).find((l) => l.name === 'v0')?.mtu, 1400);
    t.true((await remote.call<number>('agent', 'linkChanges')) > 0);
    await refused(t, remote, 'EEXIST', 'addAddress', v0.ifindex, '10.5.0.1/24');
    await refused(t, remote, 'EEXIST', 'addRoute', '10.6.0.0/16', '10.5.0.9');
    t.regex(await refused(t, remote, 'ENETUNREACH', 'addRoute', '10.7.0.0/16', '203.0.113.9'), /gateway/);
    await refused(t, remote, 'ENODEV', 'addAddress', 99999, '10.8.0.1/24');
    t.regex(await refused(t, remote, 'EINVAL', 'addRoute', '10.7.0.1/16', '10.5.0.9'), /10\.7\.0\.0\/16/);
    await refused(t, remote, 'ENOENT', 'replaceRoute', '10.7.0.0/16', '10.5.0.9');
    await remote.call('kernel', 'replaceRoute', '10.6.0.0/16', '10.5.0.8');
    await remote.call('rib', 'settled');
    t.is((await remote.call<RibRoute>('rib', 'lookup', '10.6.1.1')).nexthops[0]?.gateway, '10.5.0.8');
    await remote.call('kernel', 'deleteRoute', '10.6.0.0/16', '10.5.0.8');
    await remote.call('kernel', 'deleteAddress', v0.ifindex, '10.5.0.1/24');
    await remote.call('kernel', 'setUp', v0.ifindex, false);
    await remote.call('rib', 'settled');
    t.is(await remote.call('rib', 'lookup', '10.6.1.1'), undefined);
    t.false((await remote.call<Link[]>('rib', 'links')).find((l) => l.name === 'v0')?.up);
  } finally {
    await lab.close();
  }
});

systemTest(
  'a reader that was too slow dumps afresh',
  async (t) => {
    const lab = await Lab.create();
    try {
      const { router } = await topology(lab);
      const remote = startAgent(lab, router, '4096');
      await remote.call('rib', 'start');
      await remote.call('rib', 'settled');
      const count = scaled(20_000);
      const lines = Array.from(
        { length: count },
        (_, i) => `route add 20.${i >> 8}.${i & 255}.0/24 via 10.1.${i % 4}.2`,
      );
      await router.ip(...lines);
      let status = await remote.call<RibStatus>('rib', 'status');
      for (let i = 0; i < 50 && status.overruns === 0; i++) {
        await router.ip('route flush root 20.0.0.0/8', ...lines);
        status = await remote.call<RibStatus>('rib', 'status');
      }
      t.true(status.overruns > 0, 'no overrun could be provoked');
      await remote.call('rib', 'settled');
      for (const family of [4, 6] as const)
        t.deepEqual(await ribTable(remote, family), await kernelTable(router, family));
    } finally {
      await lab.close();
    }
  },
  { seconds: 120 },
);

systemTest('neighbours in use are asked for, and unresolved ones a few times only', async (t) => {
  const lab = await Lab.create();
  try {
    const { router } = await topology(lab);
    const engine = await startEngine(lab, router, 'engine');
    const remote = startAgent(lab, router);
    await remote.call('rib', 'start');
    await remote.call('agent', 'connect', engine.socket);
    const links = await remote.call<Link[]>('rib', 'links');
    const v0 = links.find((l) => l.name === 'v0')!;
    await remote.call('rib', 'setInterfaces', [{ ifindex: v0.ifindex, slot: 0 }]);
    await remote.call('agent', 'attach');
    await router.ip('route add 10.40.0.0/16 via 10.1.0.2', 'route add 10.41.0.0/16 via 10.1.0.77');
    const state = async (address: string) =>
      (await remote.call<Neighbour[]>('rib', 'neighbours')).find((n) => n.address === address);
    for (let i = 0; i < 40 && (await state('10.1.0.2'))?.state !== 'reachable'; i++) await delay(100);
    t.like(await state('10.1.0.2'), { state: 'reachable', used: true });
    const lookup = await remote.call<{ kind: string }>('link', 'lookup', '10.40.1.1');
    t.is(lookup.kind, 'forward');
    await remote.call('rib', 'resolve', v0.ifindex, '10.1.0.88');
    for (let i = 0; i < 40 && (await state('10.1.0.88')) === undefined; i++) await delay(100);
    t.truthy(await state('10.1.0.88'));
    t.is((await state('10.1.0.77'))?.mac, undefined);
    await router.ip('neigh replace 10.1.0.2 lladdr 02:00:00:00:00:99 dev v0 nud stale');
    // stale → delay is not announced, what follows after five seconds is
    for (let i = 0; i < 90 && (await state('10.1.0.2'))?.state === 'stale'; i++) await delay(100);
    t.not((await state('10.1.0.2'))?.state, 'stale');
  } finally {
    await lab.close();
  }
});

systemTest('a table goes to a file whole, or not at all', async (t) => {
  const lab = await Lab.create();
  try {
    const { router } = await topology(lab);
    const remote = startAgent(lab, router);
    await remote.call('rib', 'start');
    await runAll(
      router,
      Array.from({ length: 3000 }, (_, i) => `route add 20.${i >> 8}.${i & 255}.0/24 via 10.1.0.2`),
    );
    await remote.call('rib', 'settled');
    const path = join(lab.directory, 'dump');
    const count = await remote.call<number>('rib', 'dump', path);
    const lines = readFileSync(path, 'utf8').trimEnd().split('\n');
    t.is(lines.length, count);
    t.true(lines.includes('20.1.2.0/24 unicast via 10.1.0.2 dev v0 proto boot'));
    const missing = await t.throwsAsync(remote.call('rib', 'dump', '/nonexistent/dump'));
    t.like((missing as RemoteError).about, { code: 'ENOENT', syscall: 'open' });
    const small = join(lab.directory, 'small');
    await execa('mkdir', [small]);
    await execa('mount', ['-t', 'tmpfs', '-o', 'size=16k', 'tmpfs', small]);
    try {
      const other = startAgent(lab, router);
      await other.call('rib', 'start');
      await other.call('rib', 'settled');
      const full = await t.throwsAsync(other.call('rib', 'dump', join(small, 'dump')));
      t.is((full as RemoteError).about.code, 'ENOSPC');
      t.is((await execa('ls', ['-A', small])).stdout, '');
      other.kill();
    } finally {
      await execa('umount', ['-l', small]);
    }
  } finally {
    await lab.close();
  }
});

systemTest('the process ends when link and RIB were let go', async (t) => {
  const lab = await Lab.create();
  try {
    const { router } = await topology(lab);
    const engine = await startEngine(lab, router, 'engine');
    const script = `
      const { native } = await import(${JSON.stringify(new URL('../../runtime/native.js', import.meta.url).href)});
      const addon = native();
      const rib = addon.createRib({ receiveBuffer: 1 << 20, arpMaxTries: 1, audit: 0, tables: [255, 254] });
      const link = await addon.connectEngine(${JSON.stringify(engine.socket)});
      link.onNotice(() => undefined);
      rib.onLinks(() => undefined);
      rib.start();
      rib.setInterfaces([]);
      rib.attach(link);
      await rib.settled();
      if (process.argv[1] === 'release') { rib.stop(); link.release(); }
      if (process.argv[1] === 'exit') process.exit(0);
      console.log('over');
    `;
    for (const mode of ['release', 'exit', 'neither']) {
      const child = router.start(process.execPath, [
        '--input-type=module',
        '-e',
        script
          .replace('commit(1, 0)', mode === 'release' ? 'commit(1, 0)' : 'discard(1)')
          .replaceAll('generation":1', `generation":${mode === 'release' ? 1 : 2}`),
        mode,
      ]);
      const result = await Promise.race([child, delay(10_000)]);
      if (result === undefined) child.kill('SIGKILL');
      t.is(result?.exitCode, 0, `${mode}: ${result?.stderr}`);
    }
  } finally {
    await lab.close();
  }
});
