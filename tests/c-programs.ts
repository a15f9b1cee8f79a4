/**
 * Tests written in C: programs that exit 0 when all is well. Each `ok …` line that they print is one test passed, each `skip …` line one
 * that could not be run here; a program that says nothing is one test. Built by make, run two at a time, since most of them
 * wait, each bounded in time.
 */
import { spawn } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import { createInterface } from 'node:readline';
import { Lanes } from './lanes.js';

interface Suite {
  readonly make: readonly string[];
  /** Where the programs are when they are built. */
  readonly build: string;
  readonly program: RegExp;
}

const suites: readonly Suite[] = [
  { make: ['-j2', '-C', 'runtime/engine', 'tests'], build: 'runtime/engine/build/tests', program: /_test$/ },
];

const secondsEach = 120;

/** Those that take longest begin first, so that none is left over at the end. */
const long = ['xdp_test', 'own_test', 'services_test', 'dpdk_test', 'xdp_rings_test', 'xdp_kinds_test'];
const place = (name: string) => (long.includes(name) ? long.indexOf(name) : long.length);

export interface Outcome {
  readonly title: string;
  readonly result: 'passed' | 'failed' | 'skipped';
  readonly output: readonly string[];
}

interface Ran {
  readonly code: number | null;
  readonly lines: readonly string[];
}

async function run(root: string, command: string, args: readonly string[], seconds: number): Promise<Ran> {
  const child = spawn(command, args, { cwd: root, stdio: ['ignore', 'pipe', 'pipe'] });
  const timer = setTimeout(() => child.kill('SIGKILL'), seconds * 1000);
  const lines: string[] = [];
  for (const stream of [child.stdout, child.stderr]) {
    createInterface({ input: stream }).on('line', (line) => lines.push(line));
  }
  const code = await new Promise<number | null>((done) => {
    child.once('error', () => done(127));
    child.once('close', done);
  });
  clearTimeout(timer);
  return { code, lines };
}

async function runProgram(root: string, program: string): Promise<readonly Outcome[]> {
  const name = basename(program);
  const { code, lines } = await run(root, program, [], secondsEach);
  const told = lines.filter((line) => /^(ok|skip)\b/.test(line));
  const outcomes = (code === 0 && !told.length ? ['ok'] : told).map((line): Outcome => {
    const title = line.replace(/^(ok|skip)\s*/, '');
    const result = line.startsWith('skip') ? 'skipped' : 'passed';
    return { title: title ? `${name}: ${title}` : name, result, output: [] };
  });
  if (code === 0) return outcomes;
  const why = code === null ? `killed by a signal, or after ${secondsEach} s` : `exit code ${code}`;
  const missed = lines.slice(0, -30).filter((line) => line.includes(': expected '));
  return [
    ...outcomes,
    { title: `${name}: ${why}`, result: 'failed', output: [...missed, ...lines.slice(-30)] },
  ];
}

/** @param wanted parts of program names; empty: all */
export async function* runPrograms(root: string, wanted: readonly string[]): AsyncIterable<Outcome> {
  for (const suite of suites) {
    const made = await run(root, 'make', ['-s', ...suite.make], 300);
    if (made.code !== 0) {
      yield { title: `make ${suite.make.join(' ')}`, result: 'failed', output: made.lines.slice(-30) };
      continue;
    }
    const directory = join(root, suite.build);
    const programs = existsSync(directory)
      ? readdirSync(directory).filter((name) => suite.program.test(name))
      : [];
    const lanes = new Lanes(2);
    const outcomes = programs
      .filter((name) => !wanted.length || wanted.some((part) => name.includes(part)))
      .sort((a, b) => place(a) - place(b) || a.localeCompare(b))
      .map((name) => lanes.run(() => runProgram(root, join(directory, name))));
    for (const outcome of outcomes) yield* await outcome;
  }
}
