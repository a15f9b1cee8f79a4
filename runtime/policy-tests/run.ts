/** One run of the tests, in processes of their own. */
import { spawn } from 'node:child_process';
import { coverageVariable } from '../../codegen/coverage/record.js';
import { cacheVariable } from '../../codegen/testing/hooks.js';
import { insteadVariable } from '../../codegen/testing/instead.js';
import { MillError } from '../errors.js';
import type { Runner } from './runner.js';

export interface RunOptions {
  readonly directory: string;
  /** Directory for compiled TypeScript. */
  readonly cache: string;
  /** Directory for records of what is reached. */
  readonly coverage?: string;
  /** See codegen/testing/instead.ts. */
  readonly instead?: string;
  /** Hears what the tests print; absent: nobody does. */
  readonly output?: NodeJS.WritableStream;
  /** Killed after so long, which counts as failed. */
  readonly milliseconds: number;
}

export interface RunResult {
  readonly passed: boolean;
  readonly timedOut: boolean;
}

/** @throws MillError `system` when the runner cannot be started */
export function runTests(runner: Runner, options: RunOptions): Promise<RunResult> {
  const { output, milliseconds } = options;
  const more = options.instead === undefined ? [] : runner.hurried;
  return new Promise((resolve, reject) => {
    const child = spawn(runner.command, [...runner.arguments, ...more], {
      cwd: options.directory,
      env: environment(options),
      stdio: ['ignore', output ? 'pipe' : 'ignore', output ? 'pipe' : 'ignore'],
      // A group of its own: runners have children, too.
      detached: true,
    });
    let timedOut = false;
    const limit = setTimeout(() => {
      timedOut = true;
      killGroup(child.pid);
    }, milliseconds);
    for (const stream of [child.stdout, child.stderr])
      stream?.on('data', (part: Buffer) => output?.write(part));
    const interrupted = () => killGroup(child.pid);
    process.once('exit', interrupted);
    const settle = () => {
      clearTimeout(limit);
      process.off('exit', interrupted);
    };
    child.on('error', (error) => {
      settle();
      reject(new MillError('system', `${runner.name} cannot be started: ${error.message}`));
    });
    child.on('close', (code) => {
      settle();
      resolve({ passed: code === 0, timedOut });
    });
  });
}

function killGroup(pid: number | undefined): void {
  try {
    if (pid !== undefined) process.kill(-pid, 'SIGKILL');
  } catch {
    // It has ended by itself.
  }
}

function environment({ cache, coverage, instead }: RunOptions): NodeJS.ProcessEnv {
  // Within a test of Node's runner, tests started by another one would not run.
  const { NODE_TEST_CONTEXT: _, ...inherited } = process.env;
  return {
    ...inherited,
    [cacheVariable]: cache,
    ...(coverage !== undefined && { [coverageVariable]: coverage }),
    ...(instead !== undefined && { [insteadVariable]: instead }),
  };
}
