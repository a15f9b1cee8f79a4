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
import fc from 'fast-check';
import { fromBits, toBits } from '../native/agree.js';
import { answersTo } from '../support/lines.js';
import { scaled } from '../support/system-test.js';

const root = fileURLToPath(new URL('../../..', import.meta.url));
const folder = resolve(root, 'tests/engine/fib');
const shared = resolve(root, '../shared/data');

/** What is asked below; everything is built plain. */
const sanitized = {
  'address,undefined': ['fib_oracle', 'fib_cases', 'fib_room', 'fib_paths'],
  thread: ['fib_stress'],
} as const;

test.before(async (t) => {
  t.timeout(300_000);
  const make = (...args: readonly string[]) => execa('make', ['-s', '-j2', '-C', folder, ...args]);
  await make();
  for (const [sanitizer, programs] of Object.entries(sanitized))
    await make(`SAN=${sanitizer}`, ...programs.map((name) => `build-${sanitizer}/${name}`));
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
/** Few different addresses, so that prefixes nest and touch, of every length. */
const prefix = fc
  .tuple(
    fc.constantFrom(
      '10.1.0.0',
      '10.1.128.0',
      '10.1.255.255',
      '10.2.0.1',
      'fd01::',
      'fd01:0:8000::',
      'fd01::ffff:1:0',
      'fd01:ffff::1',
    ),
    fc.nat(128),
  )
  .map(([address, length]) => ({ address, length: address.includes(':') ? length : length % 33 }));

const change = fc.record({ prefix, group: fc.nat(9) });

const asked = [
  ...[
    '10.0.255.255',
    '10.1.0.0',
    '10.1.0.1',
    '10.1.127.255',
    '10.1.128.0',
    '10.1.255.254',
    '10.1.255.255',
    '10.2.0.0',
  ],
  ...['10.2.0.1', '10.2.0.2', '192.0.2.1', 'fd00::1', 'fd01::', 'fd01::1', 'fd01:0:7fff::', 'fd01:0:8000::'],
  ...[
    'fd01::ffff:0:ffff',
    'fd01::ffff:1:0',
    'fd01::ffff:1:1',
    'fd01:fffe::',
    'fd01:ffff::',
    'fd01:ffff::1',
    'fd01:ffff::2',
  ],
];

/** The group of the longest of these that covers the address, 0 for none. */
function scan(routes: ReadonlyMap<string, number>, address: string): number {
  let [best, group] = [-1, 0];
  for (const [text, one] of routes) {
    const [network, length] = text.split(' ') as [string, string];
    if (network.includes(':') !== address.includes(':') || Number(length) <= best) continue;
    const drop = BigInt((network.includes(':') ? 128 : 32) - Number(length));
    if (toBits(network) >> drop === toBits(address) >> drop) [best, group] = [Number(length), one];
  }
  return group;
}

/** Host bits cleared, so that the same prefix has one name. */
function nameOf({ address, length }: { readonly address: string; readonly length: number }): string {
  const six = address.includes(':');
  const drop = BigInt((six ? 128 : 32) - length);
  const bits = (toBits(address) >> drop) << drop;
  return `${fromBits(bits, six ? 6 : 4)} ${length}`;
}

test.serial(
  'random changes: every lookup method answers like a list that is searched from one end to the other',
  async (t) => {
    t.timeout(120_000);
    let answered = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(change, { minLength: 1, maxLength: 30 }), async (changes) => {
        const routes = new Map<string, number>();
        const [lines, expected] = [['new'], [] as string[]];
        for (const { prefix: to, group } of changes) {
          const name = nameOf(to);
          if (group === 0) routes.delete(name);
          else routes.set(name, group);
          lines.push(group === 0 ? `del ${name}` : `set ${name} ${group}`);
          for (const address of asked) {
            lines.push(`ask ${address}`);
            expected.push(String(scan(routes, address)));
          }
        }
        const answers = await answersTo(resolve(folder, 'build/fib_lines'), lines);
        answered += answers.length;
        const wrong = expected.findIndex((one, i) => one !== answers[i]);
        const address = asked[wrong % asked.length];
        if (wrong >= 0)
          throw new Error(`${address}: expected group ${expected[wrong]}, got ${answers[wrong]}`);
      }),
      { seed: 1, numRuns: scaled(100), includeErrorInReport: true },
    );
    t.true(answered > scaled(10_000), `${answered} answers`);
  },
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
