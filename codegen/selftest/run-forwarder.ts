/** Runs a forwarder in netmill-selftest, a process of its own: what it reads and writes is protocol.ts's and observe.ts's. */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { packageRoot } from '../package-root.js';

const runnerPath = join(packageRoot, 'runtime/engine/build/netmill-selftest');

export interface Ran {
  readonly code: number | null;
  readonly output: Buffer;
  readonly errors: string;
}

/** The program bounds its own time; killed all the same when it does not. */
export function runForwarder(soPath: string, input: Buffer, runner = runnerPath): Promise<Ran> {
  return new Promise((resolve) => {
    const child = spawn(runner, [soPath], {
      stdio: ['pipe', 'pipe', 'pipe'],
      timeout: 60_000,
      killSignal: 'SIGKILL',
    });
    const output: Buffer[] = [];
    let errors = '';
    child.stdout.on('data', (part: Buffer) => output.push(part));
    child.stderr.on('data', (part: Buffer) => {
      if (errors.length < 10_000) errors += part.toString();
    });
    child.on('error', (error) => resolve({ code: null, output: Buffer.alloc(0), errors: error.message }));
    child.on('close', (code) => resolve({ code, output: Buffer.concat(output), errors }));
    child.stdin.on('error', () => {}); // it ended before it read everything: its exit code tells why
    child.stdin.end(input);
  });
}
