/** Mutation testing: the tests run once for every mutant that does something else than its policy, and should fail. */
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import type { CheckedPolicy } from '../../codegen/checked.js';
import type { Ir } from '../../codegen/ir.js';
import { type Difference, differenceOf } from '../../codegen/mutate/difference.js';
import { type Mutant, mutantsOf } from '../../codegen/mutate/mutants.js';
import { writeInstead } from '../../codegen/testing/instead.js';

export interface Subject {
  /** Absolute path of the policy file. */
  readonly path: string;
  readonly policy: CheckedPolicy;
  readonly ir: Ir;
}

export interface Survivor {
  readonly subject: Subject;
  readonly mutant: Mutant;
  readonly difference: Difference;
}

export interface MutationResult {
  /** Without those that are equivalent. */
  readonly mutants: number;
  readonly found: number;
  readonly equivalent: number;
  readonly survivors: readonly Survivor[];
}

/**
 * @param directory for policies that tests get instead
 * @param passes do the tests pass with these policies?
 */
export async function mutate(
  subjects: readonly Subject[],
  directory: string,
  passes: (instead: string) => Promise<boolean>,
  progress: (done: number, all: number) => void,
): Promise<MutationResult> {
  const all = subjects.flatMap((subject) =>
    mutantsOf(subject.policy).map((mutant) => ({
      subject,
      mutant,
      difference: differenceOf(subject.ir, mutant),
    })),
  );
  const different = all.filter((one) => one.difference.kind !== 'equivalent');
  const survived = new Set<Survivor>();
  let done = 0;
  await inParallel(different, async (one, number) => {
    const policies = new Map(subjects.map(({ path, policy }) => [path, policy]));
    policies.set(one.subject.path, one.mutant.policy);
    if (await passes(writeInstead(join(directory, String(number)), policies))) survived.add(one);
    progress(++done, different.length);
  });
  return {
    mutants: different.length,
    found: different.length - survived.size,
    equivalent: all.length - different.length,
    survivors: different.filter((one) => survived.has(one)),
  };
}

async function inParallel<T>(
  all: readonly T[],
  work: (one: T, number: number) => Promise<void>,
): Promise<void> {
  let next = 0;
  const worker = async () => {
    for (let number = next++; number < all.length; number = next++) await work(all[number]!, number);
  };
  await Promise.all(Array.from({ length: availableParallelism() }, worker));
}
