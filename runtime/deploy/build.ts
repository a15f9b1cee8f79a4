/** Builds a policy in a process of its own: the event loop keeps serving, and the memory of a build goes away with it. */
import { fork } from 'node:child_process';
import { setPriority } from 'node:os';
import { fileURLToPath } from 'node:url';
import { type ErrorData, MillError } from '../errors.js';

/** What the child reports, by IPC. */
export type BuildMessage =
  | { readonly kind: 'step'; readonly text: string }
  | { readonly kind: 'done'; readonly dir: string }
  | { readonly kind: 'refused'; readonly diagnostics: string; readonly summary: string }
  | { readonly kind: 'failed'; readonly error: ErrorData };

export interface BuildRequest {
  readonly policy: string;
  readonly outDir: string;
  readonly generation: number;
  readonly signal: AbortSignal;
  readonly onStep: (text: string) => void;
  /** Accepts rules past their date, with a warning: a router that starts again must come up on any day. */
  readonly starting?: boolean;
}

/** Resolves with the directory of the bundle. @throws MillError `policy` with the diagnostics */
export type BuildPolicy = (request: BuildRequest) => Promise<string>;

const BUILD_NICE = 10;
const TIMEOUT_MS = 120_000;

export const buildInChild: BuildPolicy = (request) =>
  new Promise((resolve, reject) => {
    const script = fileURLToPath(new URL('./build-child.js', import.meta.url));
    const child = fork(
      script,
      [request.policy, request.outDir, String(request.generation), request.starting ? 'warning' : 'error'],
      {
        signal: AbortSignal.any([request.signal, AbortSignal.timeout(TIMEOUT_MS)]),
        stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
        execArgv: ['--max-old-space-size=2048'],
      },
    );
    // A build never takes the processor from what forwards.
    if (child.pid !== undefined) setPriority(child.pid, BUILD_NICE);
    let stderr = '';
    let result: BuildMessage | undefined;
    child.stderr!.on('data', (chunk: Buffer) => {
      stderr = (stderr + chunk.toString()).slice(-16_384);
    });
    child.on('message', (message: BuildMessage) => {
      if (message.kind === 'step') request.onStep(message.text);
      else result = message;
    });
    child.on('error', (error) => reject(new MillError('system', `the build was stopped: ${error.message}`)));
    child.on('close', (code, by) => {
      const ending = by === null ? `exited with code ${code}` : `was ended by ${by}`;
      if (result?.kind === 'done') resolve(result.dir);
      else reject(buildError(result, `the build ${ending} without a result`, stderr));
    });
  });

function buildError(result: BuildMessage | undefined, ending: string, stderr: string): MillError {
  if (result?.kind === 'refused') {
    return new MillError(
      'policy',
      result.summary,
      'correct the policy: nothing has changed',
      result.diagnostics,
    );
  }
  if (result?.kind === 'failed') {
    const { code, message, fix, details } = result.error;
    return new MillError(code, message, fix, details);
  }
  return new MillError('internal', ending, undefined, stderr);
}
