/** The netmill program within a test: what it prints, and how it ends. */
import { PassThrough } from 'node:stream';
import { runProgram } from '../../runtime/cli/program.js';

export interface Ran {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

export async function netmill(argv: readonly string[], input = ''): Promise<Ran> {
  const streams = { stdout: new PassThrough(), stderr: new PassThrough(), stdin: new PassThrough() };
  const text = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const)
    streams[name].on('data', (chunk) => (text[name] += String(chunk)));
  streams.stdin.end(input);
  const code = await runProgram(argv, streams as never);
  return { code, out: text.stdout, err: text.stderr };
}
