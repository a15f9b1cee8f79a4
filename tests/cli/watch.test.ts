/** `netmill build --watch` as its own process: it builds again after every change, also one that comes during a build. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import test from 'ava';
import { execa } from 'execa';
import { packageRoot } from '../../runtime/paths.js';

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
