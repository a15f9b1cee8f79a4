/**
 * `npm test`: every test there is. Unit tests first, several files at a time; then tests written in C; then system tests. The last line
 * is `N passed, N failed, N skipped`; a test file that crashes or says nothing counts as failed. Arguments select files by part of their
 * path.
 */
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, relative, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { runPrograms } from './c-programs.js';
import { Lanes } from './lanes.js';

const root = fileURLToPath(new URL('../..', import.meta.url));
/** What tests have built once for all of them (support/netmill.ts). */
const bundles = mkdtempSync(join(tmpdir(), 'nmbundles-'));
process.once('exit', () => rmSync(bundles, { recursive: true, force: true }));
const ava = resolve(root, 'node_modules/ava/entrypoints/cli.mjs');

/**
 * System tests that mind no packet that is late: they run two at a time, the longest first, so that none is left over at the
 * end. Those that send as much as the machine can carry, or hold times against a limit, run alone.
 */
const patient = [
  'wrong-policies',
  'commands',
  'treatments',
  'own-host',
  'daemons',
  'conformance',
  'bifurcated',
  'fpm',
  'gateways',
  'sets',
  'vlan',
  'vlan-mtu',
  'tap',
  'fib',
  'drops',
  'drops-out',
  'devices',
  'kernel-oracle',
  'urpf',
  'host',
  'harness',
  'nftables',
  'netmap',
] as const;

interface Counts {
  passed: number;
  failed: number;
  skipped: number;
}

/** Compiled tests whose source still exists: `dist/` may hold leftovers of renamed ones. */
function testFiles(): string[] {
  const all = readdirSync(resolve(root, 'tests'), { recursive: true, encoding: 'utf8' });
  return all
    .filter((file) => file.endsWith('.test.ts'))
    .map((file) => resolve(root, 'dist/tests', file.replace(/\.ts$/, '.js')))
    .filter((file) => existsSync(file) || fail(`${relative(root, file)} is missing: npm run build:ts`))
    .sort();
}

function fail(message: string): never {
  process.stderr.write(`${message}\n0 passed, 1 failed, 0 skipped\n`);
  process.exit(1);
}

/** One line of TAP; true when it told the outcome of a test. */
function countLine(line: string, counts: Counts): boolean {
  const outcome = /^(not )?ok \d+ - (.*)$/.exec(line);
  if (!outcome) return false;
  const title = outcome[2]!;
  if (outcome[1]) counts.failed += 1;
  else if (/# (SKIP|TODO)/i.test(title)) counts.skipped += 1;
  else counts.passed += 1;
  return true;
}

function shown(line: string): string {
  if (/^(TAP version|1\.\.|# (tests|pass|fail|skip)|# .* hook$)/.test(line) || line === '') return '';
  const mark = line
    .replace(/^ok \d+ - (.*?) *# SKIP.*/, '  skipped  $1')
    .replace(/^not ok \d+ - /, '  FAILED   ')
    .replace(/^ok \d+ - /, '  passed   ');
  return `${mark}\n`;
}

/**
 * @param minutes after which a run that hangs is killed
 * @param say is given the lines to show as they come
 */
async function runAva(
  files: readonly string[],
  flags: readonly string[],
  minutes: number,
  say: (text: string) => void,
): Promise<Counts> {
  const counts: Counts = { passed: 0, failed: 0, skipped: 0 };
  const child = spawn(
    process.execPath,
    [ava, '--tap', ...flags, ...files.map((file) => relative(root, file))],
    {
      cwd: root,
      stdio: ['ignore', 'pipe', 'inherit'],
      env: { ...process.env, NO_COLOR: '1', FORCE_COLOR: '0', NETMILL_TEST_BUNDLES: bundles },
    },
  );
  const limit = setTimeout(() => killTree(child.pid!), minutes * 60_000);
  for await (const line of createInterface({ input: child.stdout })) {
    countLine(line, counts);
    say(shown(line));
  }
  const code = child.exitCode ?? (await new Promise<number | null>((done) => child.once('close', done)));
  clearTimeout(limit);
  if (code !== 0 && counts.failed === 0) {
    say(`  FAILED   ${files.map((file) => relative(root, file)).join(' ')}: ava ended with ${code}\n`);
    counts.failed += 1;
  }
  return counts;
}

/** One file whose tests come one after the other; what it says is shown when it is at its end, since another may run beside it. */
async function runSystem(file: string): Promise<Counts> {
  const started = Date.now();
  let told = '';
  const counts = await runAva([file], ['--serial', '--timeout=7m', '--no-worker-threads'], 8, (text) => {
    told += text;
  });
  process.stdout.write(`${told}  ${seconds(started)} s: ${relative(root, file)}\n`);
  return counts;
}

const seconds = (started: number) => Math.round((Date.now() - started) / 1000);

/** ava's workers do not die with it. */
function killTree(pid: number): void {
  const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean);
  for (const child of children) killTree(Number(child));
  process.kill(pid, 'SIGKILL');
}

async function runC(wanted: readonly string[], total: Counts): Promise<void> {
  for await (const { title, result, output } of runPrograms(root, wanted)) {
    process.stdout.write(`  ${result === 'failed' ? 'FAILED ' : result.padEnd(7)}  ${title}\n`);
    for (const line of output) process.stdout.write(`    ${line}\n`);
    total[result] += 1;
  }
}

async function main(wanted: readonly string[]): Promise<void> {
  const files = testFiles().filter((file) => !wanted.length || wanted.some((part) => file.includes(part)));
  const system = files.filter((file) => file.includes('/tests/system/'));
  const unit = files.filter((file) => !system.includes(file));
  const total: Counts = { passed: 0, failed: 0, skipped: 0 };
  const add = (counts: Counts) => {
    for (const key of ['passed', 'failed', 'skipped'] as const) total[key] += counts[key];
  };
  const started = Date.now();
  const phase = async (what: string, work: () => Promise<void>) => {
    const began = Date.now();
    await work();
    process.stdout.write(`  ${seconds(began)} s: ${what}\n`);
  };

  await phase('unit tests', async () => {
    const flags = ['--concurrency=2', '--timeout=5m', '--no-worker-threads'];
    if (unit.length) add(await runAva(unit, flags, 10, (text) => process.stdout.write(text)));
  });
  await phase('tests written in C', () => runC(wanted, total));
  const lanes = new Lanes(2);
  const inCompany = patient.flatMap((name) => system.filter((file) => file.endsWith(`/${name}.test.js`)));
  await phase('system tests, two at a time', async () => {
    for (const counts of await Promise.all(inCompany.map((file) => lanes.run(() => runSystem(file)))))
      add(counts);
  });
  await phase('system tests that run alone', async () => {
    for (const file of system.filter((file) => !inCompany.includes(file))) add(await runSystem(file));
  });
  process.stdout.write(`\n${files.length} files in ${seconds(started)} s\n`);
  process.stdout.write(`${total.passed} passed, ${total.failed} failed, ${total.skipped} skipped\n`);
  process.exitCode = total.failed || !total.passed ? 1 : 0;
}

await main(process.argv.slice(2));
