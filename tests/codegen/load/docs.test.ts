/** docs/policy.md says what is true, where that can be checked. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { limits } from '../../../codegen/check/limits.js';
import { catalogue } from '../../../codegen/diagnostics/catalogue.js';
import { loadAndCheck } from '../../../codegen/front.js';
import { packageRoot } from '../../../codegen/load/compiler.js';
import { largestCost } from '../../../codegen/predicate/cost.js';
import { icmpTypes } from '../../../dsl/icmp.js';
import { accepted, frontOfFiles } from '../policy.js';

const text = readFileSync(join(packageRoot, 'docs/policy.md'), 'utf8');

test('every diagnostic stands in the table, and no other', (t) => {
  const listed = [...text.matchAll(/^\| (NM\d{4}) \| (.*) \|$/gm)].map((row) => [row[1]!, row[2]!]);
  t.deepEqual(listed, Object.entries(catalogue));
});

test('every ICMP name is told', (t) => {
  for (const name of Object.keys(icmpTypes)) t.true(text.includes(`\`${name}\``), name);
});

test('the limits are told', (t) => {
  const expected = `${limits.ports} ports, ${limits.interfaces} interfaces, ${limits.workers} workers, ${limits.rings} rings of a port, ${limits.rules.toLocaleString('en')} rules`;
  t.true(text.includes(expected), expected);
  t.true(text.includes(`may cost ${largestCost.toLocaleString('en')} steps`));
});

test('the first example is a policy', async (t) => {
  t.timeout(120_000);
  const example = /```ts\n(import[\s\S]*?)```/.exec(text)![1]!;
  t.is(accepted(await frontOfFiles({ 'policy.ts': example })).router.name, 'edge');
});

test('the reference policy is right', async (t) => {
  t.timeout(120_000);
  const { router, warnings } = accepted(
    await loadAndCheck(join(packageRoot, 'examples/edge1.ts'), { today: '2026-01-01' }),
  );
  t.deepEqual(warnings, []);
  t.deepEqual(
    router.interfaces.map((one) => one.name),
    ['wan', 'lan.office', 'lan.dmz', 'ids', 'metro.custA', 'metro.custB'],
  );
});
