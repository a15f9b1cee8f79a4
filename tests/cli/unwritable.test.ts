/** Files that cannot be written, or read: told with their name and what to do, and nothing is left half done. */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { execa } from 'execa';
import { packageRoot } from '../../runtime/paths.js';
import { netmill } from './netmill.js';

const cli = join(packageRoot, 'dist/runtime/cli/main.js');
const directory = mkdtempSync(join(tmpdir(), 'netmill-unwritable-'));
test.after.always(() => rmSync(directory, { recursive: true, force: true }));

const policy = join(directory, 'edge.ts');
const write = (port: string) =>
  writeFileSync(
    policy,
    `import { router } from 'netmill'\nexport default router('edge', { interfaces: { a: { port: '${port}' } } })\n`,
  );
write('xdp:eth0');

const told = test.macro(async (t, argv: readonly string[], code: number, expected: RegExp) => {
  const ran = await netmill(argv);
  t.is(ran.code, code);
  t.regex(ran.err, expected);
});

const notWritten = /was not written: EISDIR.*\n {2}fix: name another file: -o FILE\n/;
test(
  'a plan in the place of a directory',
  told,
  ['plan', policy, '--against', policy, '--no-build', '-o', directory],
  71,
  notWritten,
);
test(
  'a page below a file',
  told,
  ['docs', policy, '-o', join(policy, 'edge.html')],
  71,
  /the directory .*\n {2}fix: name another file: -o FILE\n/,
);
test('a policy below a file', told, ['check', join(policy, 'x.ts')], 66, /does not exist\n {2}fix: name/);
test(
  'a policy whose name is too long',
  told,
  ['build', join(directory, 'x'.repeat(300))],
  66,
  /does not exist/,
);

test('a build that cannot be written leaves the one before it as it was', async (t) => {
  const out = join(directory, 'out');
  t.is((await netmill(['build', policy, '-o', out])).code, 0);
  const texts = () => readdirSync(out).map((name) => [name, readFileSync(join(out, name), 'latin1')]);
  const before = texts();
  write('xdp:eth1');
  mkdirSync(join(out, 'forwarder.json.new'));
  const ran = await netmill(['build', policy, '-o', out]);
  t.is(ran.code, 71);
  t.regex(ran.err, /the forwarder was not written: EISDIR.*\n {2}fix: see that .*out and .* have room\n/);
  t.deepEqual(texts(), before);
});

test('standard output that is full is told, without a stack', async (t) => {
  const line = 'exec "$0" "$1" version >/dev/full';
  const ran = await execa('sh', ['-c', line, process.execPath, cli], { reject: false });
  t.deepEqual(
    [ran.exitCode, ran.stderr],
    [71, 'netmill: standard output cannot be written to: ENOSPC: no space left on device, write'],
  );
});
