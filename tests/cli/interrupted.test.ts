/** Commands that somebody stops: as by ^C without a terminal, and nothing of them is left. */
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import test from 'ava';
import { execa } from 'execa';
import { packageRoot } from '../../runtime/paths.js';

const cli = join(packageRoot, 'dist/runtime/cli/main.js');
const directory = mkdtempSync(join(tmpdir(), 'netmill-interrupted-'));
test.after.always(() => rmSync(directory, { recursive: true, force: true }));

/** Takes seconds to build, so that there is time to stop it. */
const policy = join(directory, 'edge.ts');
writeFileSync(
  policy,
  `import { acl, deny, router, tcp } from 'netmill'
const rules = Array.from({ length: 3000 }, (_, i) => deny({ service: tcp(2 * i) }))
const long = acl('long', { default: 'allow' }, rules)
export default router('edge', { interfaces: { a: { port: 'xdp:eth0', fallback: 'drop', in: long } } })
`,
);

const asRoot = process.getuid?.() === 0 ? test : test.skip;
asRoot('a netmilld that is stopped while it starts does not go on in the background', async (t) => {
  const endless = join(directory, 'endless.ts');
  writeFileSync(endless, 'for (;;) {}\n');
  const rundir = join(directory, 'run');
  const lock = join(rundir, 'netmilld.lock');
  const argv = [join(packageRoot, 'dist/runtime/daemon-main.js'), endless, '--rundir', rundir];
  const running = execa(process.execPath, argv, { reject: false });
  for (let i = 0; i < 3000 && !existsSync(lock); i++) await sleep(10);
  t.true(existsSync(lock));
  running.kill('SIGINT');
  const { exitCode, stderr } = await running;
  t.deepEqual([exitCode, stderr], [69, 'netmilld: stopped before it was ready']);
  t.false(existsSync(lock));
});

for (const [what, ...argv] of [
  ['a build', 'build', policy, '-o', join(directory, 'out')],
  ['a plan', 'plan', policy, '--against', policy],
] as const)
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    test(`${what} that ${signal} stops leaves nothing behind`, async (t) => {
      const scratch = join(directory, `${argv[0]}-${signal}`);
      mkdirSync(scratch);
      const running = execa(process.execPath, [cli, ...argv], {
        env: { TMPDIR: scratch },
        reject: false,
        forceKillAfterDelay: false,
      });
      const building = () => readdirSync(scratch).some((name) => name.startsWith('netmill-build-'));
      for (let i = 0; i < 3000 && !building(); i++) await sleep(10);
      t.true(building());
      running.kill(signal);
      t.is((await running).signal, signal);
      t.deepEqual(
        readdirSync(scratch).filter((name) => name.startsWith('netmill-')),
        [],
      );
    });
