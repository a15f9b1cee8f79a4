/** Where a deploy's bundle comes from: a directory that is one, or a policy file that is built. */
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { MillError } from '../errors.js';
import type { BuildPolicy } from './build.js';
import { type Bundle, readBundle } from './bundle.js';

export interface BundleRequest {
  readonly source: string;
  /** A bundle made from `source` already. */
  readonly built?: string | undefined;
  readonly number: number;
  readonly build: BuildPolicy;
  readonly signal: AbortSignal;
  readonly onStep: (text: string) => void;
}

/** Uses the bundle that `source` is, or a build of it that goes away afterwards. */
export async function withBundle<T>(request: BundleRequest, use: (bundle: Bundle) => Promise<T>): Promise<T> {
  const { source, built, number, signal, onStep } = request;
  if (built !== undefined) return use(readBundle(built));
  if (isDirectory(source)) return use(readBundle(source));
  const outDir = mkdtempSync(join(tmpdir(), 'netmill-build-'));
  try {
    const dir = await request.build({ policy: source, outDir, generation: number, signal, onStep });
    return await use(readBundle(dir));
  } finally {
    rmSync(outDir, { recursive: true, force: true });
  }
}

function isDirectory(path: string): boolean {
  const found = statSync(path, { throwIfNoEntry: false });
  if (found === undefined)
    throw new MillError('not-found', `${path} does not exist`, 'give a policy file or a bundle directory');
  return found.isDirectory();
}
