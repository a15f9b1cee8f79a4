/** The RIB under ASan and UBSan: fuzz/netlink_fuzz.cc (parsers and feed), fuzz/resync_oracle.cc (a dump while events go on). */
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
const programs = ['netlink_fuzz', 'resync_oracle'];

test.before(async (t) => {
  t.timeout(300_000);
  const native = join(root, 'runtime/native');
  const rib = (await readdir(join(native, 'rib'))).filter(
    (name) => name.endsWith('.cc') && name !== 'compiled.cc',
  );
  const sources = [
    ...programs.map((name) => join(root, 'tests/native/fuzz', `${name}.cc`)),
    ...['error', 'netlink_socket'].map((part) => join(native, `${part}.cc`)),
    ...rib.map((name) => join(native, 'rib', name)),
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
  await execa('g++', [...flags, ...include, '-c', ...sources], { cwd: directory });
  const shared = (await readdir(directory)).filter(
    (name) => name.endsWith('.o') && !programs.includes(name.slice(0, -2)),
  );
  for (const program of programs)
    await execa('g++', [...flags, '-o', program, `${program}.o`, ...shared, '-lmnl', '-lpthread'], {
      cwd: directory,
    });
});

test.after.always(() => rmSync(directory, { recursive: true, force: true }));

async function run(program: string, ...args: readonly string[]) {
  return execa(join(directory, program), args, { reject: false });
}

for (const seed of ['1', '2']) {
  test.serial(`events and a dump read in any order leave the kernel's routes, seed ${seed}`, async (t) => {
    t.timeout(120_000);
    const { stdout, stderr, exitCode } = await run('resync_oracle', seed, String(scaled(3_000)));
    t.is(exitCode, 0, `${stdout}\n${stderr.slice(0, 6000)}`);
    t.regex(stdout, /^ok /);
  });
}

for (const seed of ['1', '2', '3']) {
  test.serial(`malformed netlink messages do no harm, seed ${seed}`, async (t) => {
    t.timeout(120_000);
    const { stdout, stderr, exitCode } = await run('netlink_fuzz', seed, String(scaled(100_000)));
    t.is(exitCode, 0, `${stdout}\n${stderr.slice(0, 6000)}`);
    t.regex(stdout, /^ok /);
  });
}
