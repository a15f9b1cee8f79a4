/** What `netmill test` found, for people. */
import { placeOf } from '../../codegen/report/report.js';
import type { Origin } from '../../dsl/model.js';
import type { MutationResult, Subject } from '../policy-tests/mutation.js';
import { policyName } from './policies.js';
import { percent, survivorText, type Tested, whyText } from './test-report.js';
import { count, table } from './text.js';

export function coverageText({ covered, passed, runner }: Tested): string {
  const rows = covered.map(({ subject, coverage }) => [
    policyName(subject.path),
    percent(coverage.rules),
    percent(coverage.branches),
  ]);
  const columns = [{ title: 'POLICY' }, { title: 'RULES REACHED' }, { title: 'BRANCHES REACHED' }];
  const missing = covered.flatMap(({ subject, isRead, coverage }) =>
    isRead
      ? coverage.missing.flatMap((one) => [
          `  ${at(one.origin, subject)}  ${one.text}`,
          `      ${whyText(one)}`,
        ])
      : [`  ${policyName(subject.path)}: no test asks anything of it`],
  );
  return [
    ...(passed ? [] : [`tests failed (${runner})`]),
    covered.length === 0 ? 'the tests have read no policy' : table(columns, rows).trimEnd(),
    ...(missing.length > 0 ? ['not reached:', ...missing] : []),
    '',
  ].join('\n');
}

export function mutationText({ mutants, found, equivalent, survivors }: MutationResult): string {
  const same = equivalent === 0 ? '' : `; ${count(equivalent)} more change nothing for any packet`;
  return [
    `mutants ${count(mutants)}, found by tests ${count(found)}, survived ${count(survivors.length)}${same}`,
    ...survivors.flatMap((one) => [
      `  ${at(one.mutant.origin, one.subject)}  "${one.mutant.list}"`,
      ...survivorText(one)
        .split('\n')
        .map((line) => `      ${line}`),
    ]),
    '',
  ].join('\n');
}

function at(origin: Origin, { policy }: Subject): string {
  const place = placeOf(origin, policy.root);
  return place ? `${place.file}:${place.line}` : 'built in';
}
