/**
 * The FIB in the engine: C programs of tests/engine/fib, each of which compares with something simpler and says
 * `ok …` or where it differs. Built plain, with ASan and UBSan, and with TSan for readers beside the writer.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gunzipSync } from 'node:zlib';
import test, { type ExecutionContext } from 'ava';
import { execa } from 'execa';

const root = fileURLToPath(new URL('../../..', import.meta.url));
const folder = resolve(root, 'tests/engine/fib');
const shared = resolve(root, '../shared/data');

test.before(async (t) => {
  t.timeout(300_000);
  for (const sanitizer of ['', 'address,undefined', 'thread'])
    await execa('make', ['-s', '-j2', '-C', folder, `SAN=${sanitizer}`]);
});

async function says(t: ExecutionContext, build: string, name: string, ...args: string[]): Promise<void> {
  t.timeout(120_000);
  const { stdout, stderr, exitCode } = await execa(resolve(folder, build, name), args, { reject: false });
  t.is(exitCode, 0, stderr);
  t.regex(stdout, /^ok /);
  for (const line of stdout.split('\n')) t.log(line);
}

for (const seed of ['1', '2', '3'])
  test.serial(
    `random routes agree with a linear scan, seed ${seed}`,
    says,
    'build',
    'fib_oracle',
    seed,
    '60',
  );
test.serial('random routes leave memory sound', says, 'build-address,undefined', 'fib_oracle', '4', '24');
test.serial('room, grace periods and use', says, 'build-address,undefined', 'fib_cases');
test.serial('what finds no room', says, 'build-address,undefined', 'fib_room', '1', '40');
test.serial('killed engines', says, 'build', 'fib_crash', '30');
test.serial('legs that are lost and come back', says, 'build-address,undefined', 'fib_paths');
test.serial('flows are spread by weight', says, 'build', 'fib_flows');
test.serial('flows and their answers are spread alike', says, 'build', 'fib_flows_symmetric');
test.serial('batches, the ring, killed producers and adoption', says, 'build', 'fib_queue');
test.serial('readers see the answer before or after a change', says, 'build', 'fib_stress', '2');
test.serial('readers and writer have no data race', says, 'build-thread', 'fib_stress', '3');

test.serial('a sample of a router’s tables agrees with sorted arrays', async (t) => {
  const scratch = mkdtempSync(join(tmpdir(), 'netmill-fib-'));
  t.teardown(() => rmSync(scratch, { recursive: true }));
  const files = ['bgp-v4.txt', 'bgp-v6.txt'].map((name) => {
    writeFileSync(join(scratch, name), gunzipSync(readFileSync(resolve(root, `examples/data/${name}.gz`))));
    return join(scratch, name);
  });
  await says(t, 'build', 'fib_bgp', '1', ...files);
});

type Body = (t: ExecutionContext) => Promise<void>;
const full = existsSync(join(shared, 'bgp-v4.txt.xz'))
  ? (title: string, body: Body) => test.serial(title, body)
  : (title: string, body: Body) => test.skip(`${title} (skipped: the full tables are not here)`, body);

full('a router’s whole tables agree with sorted arrays', async (t) => {
  const scratch = mkdtempSync(join(tmpdir(), 'netmill-fib-'));
  t.teardown(() => rmSync(scratch, { recursive: true }));
  const files = ['bgp-v4.txt', 'bgp-v6.txt'].map((name) => {
    const text = execFileSync('xz', ['-dc', join(shared, `${name}.xz`)], { maxBuffer: 1 << 26 });
    writeFileSync(join(scratch, name), text);
    return join(scratch, name);
  });
  await says(t, 'build', 'fib_bgp', '5', ...files);
});
