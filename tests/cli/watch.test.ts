/** `--watch` of build and deploy as processes of their own: again after every change, also one that comes during a build. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import test from 'ava';
import { execa } from 'execa';
import { startControlServer } from '../../runtime/control/server.js';
import { readBundle } from '../../runtime/deploy/bundle.js';
import { MillError } from '../../runtime/errors.js';
import { packageRoot } from '../../runtime/paths.js';

const cli = join(packageRoot, 'dist/runtime/cli/main.js');

const directory = mkdtempSync(join(tmpdir(), 'netmill-watch-'));
test.after.always(() => rmSync(directory, { recursive: true, force: true }));

const policy = (name: string, port: string) =>
  `import { router } from 'netmill'\nimport { port } from './port.js'\nexport default router('${name}', { interfaces: { wan: { port }, lan: { port: '${port}' } } })\n`;

interface Line {
  readonly ok: boolean;
  readonly files: { readonly source: string };
  readonly diagnostics: readonly { readonly code: string }[];
}

test('a policy is built again after each change of any of its files', async (t) => {
  t.timeout(120_000);
  const path = join(directory, 'r.ts');
  const imported = join(directory, 'port.ts');
  writeFileSync(path, policy('first', 'xdp:eth1'));
  writeFileSync(imported, `export const port = 'xdp:eth0'\n`);
  const child = execa(
    process.execPath,
    [
      join(packageRoot, 'dist/runtime/cli/main.js'),
      'build',
      path,
      '-o',
      join(directory, 'out'),
      '--watch',
      '--json',
    ],
    { reject: false, buffer: false, stdin: 'ignore', stderr: 'ignore' },
  );
  t.teardown(() => child.kill('SIGKILL'));
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const next = async () => JSON.parse((await lines.next()).value as string) as Line;

  const first = await next();
  t.true(first.ok, JSON.stringify(first));
  const source = () => readFileSync(first.files.source, 'utf8');
  t.regex(source(), /xdp:eth0/);

  writeFileSync(imported, `export const port = 'xdp:eth7'\n`);
  t.true((await next()).ok);
  t.regex(source(), /xdp:eth7/);

  writeFileSync(path, policy('first', 'xdp:'));
  const wrong = await next();
  t.false(wrong.ok);
  t.true(wrong.diagnostics.length > 0);
  t.regex(source(), /xdp:eth7/, 'a wrong policy changes nothing');

  // The second change comes while the first is being built.
  writeFileSync(path, policy('first', 'xdp:eth2'));
  setTimeout(() => writeFileSync(path, policy('first', 'xdp:eth3')), 600);
  for (let built = await next(); !/xdp:eth3/.test(source()); built = await next()) t.true(built.ok);
  t.notRegex(source(), /xdp:eth2/);
});

test('a policy is deployed again after a change, from the bundle that was built here', async (t) => {
  t.timeout(120_000);
  const path = join(directory, 'deployed.ts');
  const socket = join(directory, 'sock');
  const asked: unknown[] = [];
  const server = await startControlServer({
    path: socket,
    mode: 0o600,
    maxClients: 4,
    credentials: () => ({ uid: 0 }),
    handler: async (body) => {
      if (body.op !== 'deploy') throw new MillError('usage', body.op);
      const { plan } = readBundle(body.bundle!);
      asked.push({ path: body.path, spec: plan.ports[0]!.spec });
      if (asked.length === 2) throw new MillError('engine', 'no such device');
      return { generation: asked.length, previous: 0, policyHash: plan.policyHash, milliseconds: {} };
    },
  });
  t.teardown(() => server.stop());
  const text = (spec: string) =>
    `import { router } from 'netmill'\nexport default router('r', { interfaces: { wan: { port: '${spec}' } } })\n`;
  writeFileSync(path, text('xdp:eth0'));
  const child = execa(process.execPath, [cli, '-s', socket, 'deploy', path, '--watch'], {
    reject: false,
    buffer: false,
    stdin: 'ignore',
    all: true,
  });
  t.teardown(() => child.kill('SIGKILL'));
  const lines = createInterface({ input: child.all! })[Symbol.asyncIterator]();
  const until = async (wanted: RegExp) => {
    for (let line = ''; !wanted.test(line); ) line = (await lines.next()).value as string;
  };
  await until(/^generation 1 runs/);
  writeFileSync(path, text('xdp:eth1'));
  await until(/no such device/);
  writeFileSync(path, text('xdp:'));
  await until(/error NM\d+/);
  writeFileSync(path, text('xdp:eth2'));
  await until(/^generation 3 runs/);
  t.deepEqual(
    asked,
    ['xdp:eth0', 'xdp:eth1', 'xdp:eth2'].map((spec) => ({ path, spec })),
  );
});
