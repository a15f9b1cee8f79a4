/** Would a policy cut off who must reach the router, with what its sets hold? Asked of a bundle, whose policy is beside its C. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { TooComplex } from '../../codegen/analysis/diagram.js';
import { renderText } from '../../codegen/diagnostics/text.js';
import { lockoutGuard } from '../../codegen/findings/lockout.js';
import { lower } from '../../codegen/lower.js';
import { policyFile, policyFromJson } from '../../codegen/policy-json.js';
import type { Contents } from '../../codegen/sets/contents.js';
import { MillError } from '../errors.js';

export interface BundleGuard {
  /** False: nobody must, and contents need not be looked at. */
  readonly asks: boolean;
  /** @throws MillError `policy` with what a build would say */
  check(contents: Contents): void;
}

export function bundleGuard(dir: string): BundleGuard {
  const path = join(dir, policyFile);
  if (!existsSync(path))
    throw new MillError('policy', `${dir} has no ${policyFile}`, 'build it with this netmill');
  const policy = policyFromJson(readFileSync(path, 'utf8'));
  if (policy.router.mustReach.length === 0) return { asks: false, check: () => undefined };
  try {
    const guard = lockoutGuard(lower(policy));
    return {
      asks: true,
      check: (contents) => {
        const wrong = guard.check(contents).filter((one) => one.severity === 'error');
        const [first] = wrong;
        if (first === undefined) return;
        const details = renderText(wrong, { root: policy.root, files: policy.files, colour: false });
        throw new MillError('policy', `${first.code}: ${first.message}`, undefined, details);
      },
    };
  } catch (error) {
    // The build has said so, and let it pass.
    if (error instanceof TooComplex) return { asks: false, check: () => undefined };
    throw error;
  }
}
