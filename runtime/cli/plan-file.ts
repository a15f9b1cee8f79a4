/** What `netmill plan -o` writes and `netmill deploy --plan` keeps to. */
import { readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { z } from 'zod';
import type { Planned } from '../../codegen/plan/plan.js';
import { MillError } from '../errors.js';
import { makeWritable } from '../folders.js';
import { writeNamed } from '../write-named.js';

const hash = z.string().regex(/^[0-9a-f]{64}$/);

const planFile = z.object({
  version: z.literal(1),
  policyHash: hash,
  /** Of the policy that ran when the plan was made; absent: the plan was made against something else. */
  againstHash: hash.optional(),
});

export function writePlan(path: string, planned: Planned, againstRunning: boolean): void {
  const { againstHash, ...rest } = planned;
  const bound = { version: 1, ...rest, ...(againstRunning && { againstHash }) };
  const fix = 'name another file: -o FILE';
  makeWritable(dirname(path), 'the directory', fix);
  writeNamed(path, `${JSON.stringify(bound, null, 2)}\n`, fix);
}

/** @throws MillError `policy` when it is no plan */
export function readPlan(path: string): { readonly policyHash: string; readonly againstHash?: string } {
  let found: unknown;
  try {
    found = JSON.parse(readFileSync(path, 'utf8'));
  } catch {
    found = undefined;
  }
  const parsed = planFile.safeParse(found);
  if (!parsed.success)
    throw new MillError(
      'policy',
      `${path} is not a plan of this netmill`,
      'make one: netmill plan POLICY -o FILE',
    );
  const { policyHash, againstHash } = parsed.data;
  return { policyHash, ...(againstHash !== undefined && { againstHash }) };
}
