/** Parsers and feed of the RIB under ASan and UBSan: fuzz/netlink_fuzz.cc. */
import { mkdtempSync, rmSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { execa } from 'execa';
import { scaled } from '../support/system-test.js';

const root = fileURLToPath(new URL('../../..', import.meta.url));
const directory = mkdtempSync(join(tmpdir(), 'netmill-fuzz-'));
const program = join(directory, 'netlink_fuzz');

test.before(async (t) => {
  t.timeout(300_000);
  const native = join(root, 'runtime/native');
  const own = [...(await readdir(join(native, 'rib')))].filter(
    (name) => name.endsWith('.cc') && name !== 'compiled.cc',
  );
  const sources = [
    join(root, 'tests/native/fuzz/netlink_fuzz.cc'),
    ...['error', 'netlink_socket'].map((part) => join(native, `${part}.cc`)),
    ...own.map((name) => join(native, 'rib', name)),
  ];
  const include = [native, join(root, 'runtime')].map((d) => `-I${d}`);
  const flags = [
    '-std=c++17',
    '-g',
    '-O1',
    '-D_GNU_SOURCE',
    '-fsanitize=address,undefined',
    '-fno-sanitize-recover=all',
  ];
  await execa('g++', [...flags, ...include, '-o', program, ...sources, '-lmnl', '-lpthread']);
});

test.after.always(() => rmSync(directory, { recursive: true, force: true }));

for (const seed of ['1', '2', '3']) {
  test.serial(`malformed netlink messages do no harm, seed ${seed}`, async (t) => {
    t.timeout(120_000);
    const { stdout, stderr, exitCode } = await execa(program, [seed, String(scaled(100_000))], {
      reject: false,
    });
    t.is(exitCode, 0, `${stdout}\n${stderr.slice(0, 6000)}`);
    t.regex(stdout, /^ok /);
  });
}
