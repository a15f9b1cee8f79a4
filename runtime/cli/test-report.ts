/** What `netmill test` found, as JSON and as findings. */
import { relative } from 'node:path';
import type { Coverage, NotReached, Share } from '../../codegen/coverage/coverage.js';
import { type Finding, type Level, type Place, placeOf, type Suite } from '../../codegen/report/report.js';
import type { MutationResult, Subject, Survivor } from '../policy-tests/mutation.js';

export interface Covered {
  readonly subject: Subject;
  /** Some test has read the policy. */
  readonly isRead: boolean;
  readonly coverage: Coverage;
}

export interface Tested {
  readonly directory: string;
  readonly runner: string;
  /** Absolute. */
  readonly files: readonly string[];
  readonly passed: boolean;
  readonly covered: readonly Covered[];
  readonly mutation?: MutationResult;
}

export function testJson({ runner, files, passed, covered, mutation }: Tested): unknown {
  return {
    passed,
    runner,
    files: files.map((file) => relative(process.cwd(), file)),
    coverage: covered.map(({ subject, coverage: { router, rules, branches, missing } }) => ({
      policy: policyPath(subject),
      router,
      rules,
      branches,
      missing: missing.map((one) => ({
        ...missingPlace(subject, one),
        kind: one.kind,
        text: one.text,
        why: one.why,
        ...(one.by !== undefined && { by: one.by }),
        ...(one.example !== undefined && { example: one.example }),
      })),
    })),
    ...(mutation && {
      mutation: {
        mutants: mutation.mutants,
        found: mutation.found,
        equivalent: mutation.equivalent,
        survivors: mutation.survivors.map(survivorJson),
      },
    }),
  };
}

function survivorJson({ subject, mutant, difference }: Survivor) {
  return {
    policy: policyPath(subject),
    ...placeOf(mutant.origin, subject.policy.root),
    list: mutant.list,
    mutation: mutant.mutation,
    change: mutant.change,
    ...(difference.kind === 'differs' && {
      example: difference.example,
      fate: difference.fate,
      mutantFate: difference.mutantFate,
    }),
  };
}

function policyPath({ path }: Subject): string {
  return relative(process.cwd(), path);
}

function missingPlace({ policy }: Subject, { origin }: NotReached): Place | undefined {
  return placeOf(origin, policy.root);
}

export const testKinds = {
  'test/failed': 'Tests failed.',
  'test/not-reached': 'No test reaches a rule, or a branch of a predicate.',
  'test/survivor': 'No test fails when the policy is changed here.',
} as const;

export function testSuites(tested: Tested): readonly Suite[] {
  const run: Suite = {
    name: `tests (${tested.runner})`,
    findings: tested.passed
      ? []
      : [finding('test/failed', 'error', `tests failed: ${tested.runner}`, undefined)],
  };
  const policies = tested.covered.map(({ subject, coverage }): Suite => {
    const survivors = (tested.mutation?.survivors ?? []).filter((one) => one.subject === subject);
    return {
      name: policyPath(subject),
      findings: [
        ...coverage.missing.map((one) =>
          finding(
            'test/not-reached',
            levelOf(one),
            `${one.text}\n${whyText(one)}`,
            missingPlace(subject, one),
          ),
        ),
        ...survivors.map((one) =>
          finding(
            'test/survivor',
            'error',
            `no test fails when ${survivorText(one)}`,
            placeOf(one.mutant.origin, subject.policy.root),
          ),
        ),
      ],
    };
  });
  return [run, ...policies];
}

function finding(kind: string, level: Level, message: string, place: Place | undefined): Finding {
  return { kind, level, message, related: [], ...(place && { place }) };
}

/** What no test can reach is no fault of the tests. */
function levelOf({ why }: NotReached): Level {
  return why === 'not asked' ? 'warning' : 'note';
}

export function whyText({ kind, why, by, example }: NotReached): string {
  switch (why) {
    case 'not asked':
      return `no test asks about such a packet${example === undefined ? '' : `: ${example}`}`;
    case 'shadowed':
      if (kind === 'branch') return 'no packet: rules before it take them all';
      return `shadowed: ${by === undefined ? 'the rules before it' : by} ${by === undefined ? 'take' : 'takes'} its packets`;
    case 'empty':
      return kind === 'branch'
        ? 'no packet: the rules that ask have none of these'
        : 'empty: no packet matches it';
    case 'stopped':
      return 'no packet: all of them are stopped before its list is asked';
    case 'undecided':
      return 'the analysis did not decide whether a packet can';
  }
}

export function survivorText({ mutant, difference }: Survivor): string {
  const change = mutant.change;
  if (difference.kind !== 'differs') return change;
  return `${change}\n${difference.example} is ${difference.fate}, and then ${difference.mutantFate}`;
}

export function percent({ reached, all }: Share): string {
  return all === 0 ? 'none' : `${reached} of ${all} (${Math.floor((100 * reached) / all)} %)`;
}
