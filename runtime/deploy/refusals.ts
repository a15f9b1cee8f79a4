/** What a deploy or rollback is refused for before it begins, in the operator's words. */
import { errnoOf, MillError, messageOf } from '../errors.js';
import type { EngineLink, Native } from '../native.js';
import type { Bundle } from './bundle.js';
import type { StoredGeneration } from './store.js';

/** What a plan was made for. */
export interface Expected {
  readonly policyHash: string;
  /** Of the policy that runs; absent: whatever runs. */
  readonly againstHash?: string | undefined;
}

/** Plan and deploy are two moments: between them files may have been edited, and something else deployed. */
export function checkExpected(expect: Expected, policyHash: string, running: string | undefined): void {
  const short = (hash: string | undefined) => hash?.slice(0, 12) ?? 'nothing';
  const { againstHash } = expect;
  let wrong: string | undefined;
  if (expect.policyHash !== policyHash)
    wrong = `expected the policy of the plan, ${short(expect.policyHash)}; got ${short(policyHash)}`;
  else if (againstHash !== undefined && againstHash !== running)
    wrong = `expected ${short(againstHash)} to run, as when the plan was made; got ${short(running)}`;
  if (wrong !== undefined)
    throw new MillError('policy', wrong, 'make a new plan: netmill plan POLICY -o FILE');
}

/** Who stops a deploy by ^C means it. */
export function checkWanted(gone: AbortSignal | undefined): void {
  if (gone?.aborted) throw new MillError('unavailable', 'who asked for it has gone: nothing has changed');
}

export function checkAbi(bundle: Bundle, native: Pick<Native, 'abi' | 'layout'>): void {
  if (bundle.abi === native.abi && bundle.layout === native.layout) return;
  throw new MillError(
    'policy',
    `expected a bundle for ABI ${native.abi}, layout ${native.layout}; got ABI ${bundle.abi}, layout ${bundle.layout}`,
    'build it with the netmill that runs here',
  );
}

/** @param previous what runs; 0: nothing does yet */
export function refused(error: unknown, previous: number): unknown {
  if (error instanceof MillError) return error;
  const errno = errnoOf(error);
  if (errno === '') return error;
  // As Node has them: 'EBUSY: what is wrong, prepare'. Which call of the addon it was tells an operator nothing.
  const message = messageOf(error);
  const call = `, ${(error as NodeJS.ErrnoException).syscall}`;
  const said = message.endsWith(call) ? message.slice(0, -call.length) : message;
  const still = previous === 0 ? 'nothing runs' : `generation ${previous} goes on`;
  return new MillError('engine', said, `nothing has changed: ${still}`);
}

export function notRetained(
  generation: number,
  link: EngineLink,
  stored: StoredGeneration | undefined,
): MillError {
  const kept = link.retained.filter((g) => g > 0).join(', ') || 'none';
  const fix =
    stored === undefined ? 'see netmill generations' : `deploy it anew: netmill deploy ${stored.bundle.dir}`;
  return new MillError(
    'not-found',
    `the engine does not keep generation ${generation}; it keeps ${kept}`,
    fix,
  );
}
