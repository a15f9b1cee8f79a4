/**
 * The RIB under ASan and UBSan: fuzz/netlink_fuzz.cc (parsers and feed), fuzz/resync_oracle.cc (a dump while events go on),
 * fuzz/rib_lines.cc (against lists, linear.ts).
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { readdir } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import test from 'ava';
import { execa } from 'execa';
import fc from 'fast-check';
import { answersTo } from '../support/lines.js';
import { scaled } from '../support/system-test.js';
import { ADDRESSES, LinearKernel, operations } from './linear.js';

const root = fileURLToPath(new URL('../../..', import.meta.url));
const directory = mkdtempSync(join(tmpdir(), 'netmill-fuzz-'));
const programs = ['netlink_fuzz', 'resync_oracle', 'rib_lines'];

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
    '-g1', // lines, for the sanitizers' traces: the rest would be a third of the time
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

test.serial(
  'random operations: the RIB answers like lists that are searched from one end to the other',
  async (t) => {
    t.timeout(120_000);
    let asked = 0;
    await fc.assert(
      fc.asyncProperty(operations, async (all) => {
        const kernel = new LinearKernel();
        const [lines, expected] = [[...kernel.start], [] as string[]];
        for (const operation of all) {
          lines.push(...kernel.apply(operation));
          for (const address of [...ADDRESSES[4], ...ADDRESSES[6]]) {
            lines.push(`ask ${address}`);
            expected.push(`${address}: ${kernel.answer(address)}`);
          }
        }
        const asks = lines.flatMap((line, at) => (line.startsWith('ask ') ? [at] : []));
        const answers = await answersTo(join(directory, 'rib_lines'), lines);
        asked += answers.length;
        for (const [i, one] of expected.entries()) {
          const got = `${lines[asks[i]!]!.slice(4)}: ${answers[i]}`;
          if (got === one) continue;
          const before = lines.slice(0, asks[i]).filter((line) => !line.startsWith('ask '));
          throw new Error(`expected ${one}\ngot ${got}\nafter\n${before.join('\n')}`);
        }
      }),
      { seed: 1, numRuns: scaled(100), includeErrorInReport: true },
    );
    t.true(asked > scaled(10_000), `${asked} answers`);
  },
);
