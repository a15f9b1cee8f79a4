import { existsSync, mkdirSync, realpathSync, statSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { Command, Option, UsageError } from 'clipanion';
import { collect } from '../../codegen/coverage/collect.js';
import { coverageOf } from '../../codegen/coverage/coverage.js';
import { coverageVariable } from '../../codegen/coverage/record.js';
import { renderText } from '../../codegen/diagnostics/text.js';
import { lower } from '../../codegen/lower.js';
import { makeScratch, removeScratch } from '../../codegen/scratch.js';
import { MillError } from '../errors.js';
import { exits } from '../exit-codes.js';
import { type MutationResult, mutate, type Subject } from '../policy-tests/mutation.js';
import { runTests } from '../policy-tests/run.js';
import { type Runner, runnerFor, testFilesOf } from '../policy-tests/runner.js';
import { categories } from './command.js';
import { policiesOf, policyName } from './policies.js';
import { onlyDescription, ReportCommand } from './report-command.js';
import { type Covered, type Tested, testJson, testKinds, testSuites } from './test-report.js';
import { coverageText, mutationText } from './test-text.js';

const minutes = 60_000;

export class TestCommand extends ReportCommand {
  static override paths = [['test']];
  static override usage = Command.Usage({
    category: categories.policy,
    description: "run a policy repository's tests, and tell which rules and branches they reach",
    details:
      'Test files are those named *.test.ts or *.test.js below the directory (here, when none is named). They are run by --runner, by ava if package.json names it, else by node --test, where TypeScript works. Exit code 1 when a test fails, 2 when a mutant survives, 3 when less is reached than --min says.',
    examples: [
      ['All of a repository', '$0 test'],
      ['With mutants: some test must fail for each', '$0 test --mutate'],
      ['With a runner of your own', "$0 test --runner 'npx vitest run'"],
    ],
  });

  where = Option.Rest({ name: 'DIR_OR_FILE' });
  only = Option.Array('--only', { description: onlyDescription });
  runner = Option.String('--runner', { description: 'shell command that runs the test files it is given' });
  mutate = Option.Boolean('--mutate', false, {
    description:
      'run them again for every small mistake that changes what the policy does: some test must fail',
  });
  min = Option.String('--min', { description: 'percentage of rules, and of branches, that must be reached' });

  async run(): Promise<number> {
    const format = this.chosenFormat;
    const least = this.least();
    if (process.env[coverageVariable] !== undefined)
      throw new MillError('usage', 'netmill test runs inside of netmill test', 'give another --runner');
    const paths = (this.where.length > 0 ? this.where : ['.']).map((path) => resolve(path));
    const directory = isDirectory(paths[0]!) ? realpathSync(paths[0]!) : packageOf(dirname(paths[0]!));
    const files = testFilesOf(paths);
    const runner = runnerFor(directory, files, this.runner);
    const scratch = makeScratch('test');
    try {
      const tested = await this.test(runner, directory, files, scratch);
      if (format === 'json') this.print(JSON.stringify(testJson(tested), null, 2));
      if (format === 'text') this.say(tested);
      this.printReport(format, testSuites(tested), testKinds);
      return exitOf(tested, least);
    } finally {
      removeScratch(scratch);
    }
  }

  private least(): number {
    const value = this.min === undefined ? 0 : Number(this.min);
    if (value >= 0 && value <= 100 && this.min !== '') return value;
    throw new UsageError(`expected --min 0 to 100, got '${this.min}'`);
  }

  private async test(
    runner: Runner,
    directory: string,
    files: readonly string[],
    scratch: string,
  ): Promise<Tested> {
    const [coverage, cache] = ['coverage', 'cache'].map((name) => join(scratch, name)) as [string, string];
    for (const one of [coverage, cache]) mkdirSync(one);
    const output = this.chosenFormat === 'text' ? this.context.stdout : this.context.stderr;
    const started = performance.now();
    const { passed } = await runTests(runner, {
      directory,
      cache,
      coverage,
      output,
      milliseconds: 10 * minutes,
    });
    const milliseconds = performance.now() - started;
    const covered = await this.covered(directory, coverage);
    const base = { directory, runner: runner.name, files, passed, covered };
    if (!passed || !this.mutate) return base;
    const limit = Math.max(10_000, 10 * milliseconds);
    const passes = async (instead: string) =>
      (await runTests(runner, { directory, cache, instead, milliseconds: limit })).passed;
    return { ...base, mutation: await this.mutation(covered, join(scratch, 'mutants'), passes) };
  }

  private async mutation(
    covered: readonly Covered[],
    scratch: string,
    passes: (instead: string) => Promise<boolean>,
  ): Promise<MutationResult> {
    const subjects = covered.filter((one) => one.isRead).map((one) => one.subject);
    return mutate(subjects, scratch, passes, (done, all) => {
      if (done % 10 === 0 || done === all) this.progress(`${done} of ${all} mutants`);
    });
  }

  /** Of the policies that the tests have read, and those of the repository that they have not. */
  private async covered(directory: string, coverage: string): Promise<readonly Covered[]> {
    const reached = collect(coverage);
    const known = existsSync(join(directory, 'routers')) ? policiesOf([directory]) : [];
    const all = [...new Set([...known, ...reached.map((one) => one.policy)])]
      .filter((path) => existsSync(path))
      .filter((path) => !this.only || this.only.includes(policyName(path)));
    if (all.length === 0 && this.only) policiesOf([directory], this.only);
    const covered: Covered[] = [];
    for (const path of all) {
      const subject = await loaded(path);
      const found = reached.find((one) => one.policy === path && one.hash === subject.policy.policyHash);
      covered.push({ subject, isRead: found !== undefined, coverage: coverageOf(subject.ir, found) });
    }
    return covered;
  }

  private say(tested: Tested): void {
    this.print(coverageText(tested));
    if (tested.mutation) this.print(mutationText(tested.mutation));
  }
}

function exitOf({ passed, mutation, covered }: Tested, least: number): number {
  if (!passed) return exits.testFailed;
  if (mutation && mutation.survivors.length > 0) return exits.mutantSurvived;
  const shares = covered.flatMap(({ coverage }) => [coverage.rules, coverage.branches]);
  const isEnough = shares.every(({ reached, all }) => 100 * reached >= least * all);
  return isEnough ? exits.ok : exits.notReached;
}

/** @throws MillError `policy` with what is wrong */
async function loaded(path: string): Promise<Subject> {
  const { loadAndCheck } = await import('../../codegen/front.js');
  const result = await loadAndCheck(path, { expired: 'warning' });
  if (result.ok) return { path, policy: result.policy, ir: lower(result.policy) };
  const { diagnostics, root, files } = result;
  const details = renderText(diagnostics, { root, files, colour: false });
  throw new MillError('policy', `${path} is refused`, 'correct the policy', details);
}

function isDirectory(path: string): boolean {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
}

/** Where the nearest package.json is: runners are started there. */
function packageOf(directory: string): string {
  const real = realpathSync(directory);
  for (let at = real; at !== dirname(at); at = dirname(at))
    if (existsSync(join(at, 'package.json'))) return at;
  return real;
}
