/** The classifier against a scan of the rules, on ClassBench sets; the vector code and the plain one. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { buildProgram, compileSet, judge, type Program } from '../../../bench/acl-program.js';
import { asIpv6, type Filter, readSet } from '../../../bench/classbench.js';
import { drawnFilters, styles } from '../../../bench/drawn-filters.js';
import { buildClassifier } from '../../../codegen/classify/build.js';
import { type Entry, TooLarge } from '../../../codegen/classify/input.js';

let directory: string;
let program: Program;

test.before(async (t) => {
  t.timeout(120_000);
  directory = mkdtempSync(join(tmpdir(), 'netmill-sets-'));
  program = await buildProgram(directory, false);
});

test.after.always(() => rmSync(directory, { recursive: true, force: true }));

const few = { packets: 40_000, runs: 0, checked: 40_000 };

/** Every one another port and another network, so that rows of bits have several lines. */
const manyPorts: readonly Filter[] = Array.from({ length: 3000 }, (_, i) => ({
  from: i % 3 === 0 ? '0.0.0.0/0' : `${i % 200}.${i % 7}.${i & 255}.0/${20 + (i % 13)}`,
  to: i % 5 === 0 ? '0.0.0.0/0' : `${i % 199}.${i % 5}.0.0/${8 + (i % 12)}`,
  sources: i % 11 === 0 ? { from: i, to: i + 500 } : { from: 0, to: 65535 },
  ports: { from: i * 20, to: i * 20 + (i % 17) },
  ...(i % 4 === 0 ? {} : { proto: [6, 17, 47][i % 3]! }),
}));

const sets: Readonly<Record<string, () => readonly Filter[]>> = {
  acl1_1k: () => readSet('acl1_1k'),
  acl2_1k: () => readSet('acl2_1k'),
  fw1_1k: () => readSet('fw1_1k'),
  ipc1_1k: () => readSet('ipc1_1k'),
  'fw1_10k, its first 4,000': () => readSet('fw1_10k').slice(0, 4000),
  'as many ports as rules': () => manyPorts,
  // Bundles: of every address, and of few networks.
  'ports alone': () => drawnFilters(styles.ports, 1500, 3),
  'services of few networks': () => drawnFilters(styles.services, 3000, 3),
  // Bands of source ports.
  'ranges on both sides': () => drawnFilters(styles.ranges, 1500, 3),
  // One address alone: its class is the line.
  'destinations alone': () => drawnFilters(styles.destinations, 1000, 3),
  'one rule': () => readSet('acl1_1k').slice(0, 1),
  'no rule': () => [],
};

for (const [name, filters] of Object.entries(sets))
  test(`every packet of ${name} meets the rule that a scan finds`, async (t) => {
    t.timeout(120_000);
    const rules = filters();
    const set = await compileSet(directory, name.replaceAll(/\W+/g, '-'), rules);
    const { differences, plain_differences } = await judge(program, set, few);
    t.deepEqual([differences, plain_differences], [0, 0]);
  });

const ipv6: Readonly<Record<string, () => readonly Filter[]>> = {
  fw1_1k: () => asIpv6(readSet('fw1_1k')),
  'acl1_10k, its first 2,000': () => asIpv6(readSet('acl1_10k').slice(0, 2000)),
  // Hosts, so that upper halves have several lower ones.
  'a drawn set with hosts': () => drawnFilters(styles.ipc, 1500, 7, 6),
  'services of few networks': () => drawnFilters(styles.services, 1500, 3, 6),
  'sources alone': () => drawnFilters(styles.sources, 1000, 3, 6),
  'one rule': () => asIpv6(readSet('acl1_1k').slice(0, 1)),
};

for (const [name, filters] of Object.entries(ipv6))
  test(`every IPv6 packet of ${name} meets the rule that a scan finds`, async (t) => {
    t.timeout(120_000);
    const set = await compileSet(directory, `six-${name.replaceAll(/\W+/g, '-')}`, filters(), 6);
    const { differences, plain_differences } = await judge(program, set, few);
    t.deepEqual([differences, plain_differences], [0, 0]);
  });

test('tables that need more memory than is granted are not made', (t) => {
  t.timeout(60_000);
  const entries: readonly Entry[] = Array.from({ length: 2000 }, (_, i) => ({
    from: [{ bits: BigInt(i) << 12n, length: 20 }],
    to: [{ bits: BigInt(i) << 13n, length: 19 }],
    residual: false,
  }));
  t.throws(() => buildClassifier({ family: 4, entries, memory: 1000 }), { instanceOf: TooLarge });
});
