/**
 * The generated C against the evaluator: random policies, some 2,000 frames each in and beside the regions of their
 * rules. Both must agree in verdict, counters, events and every byte that leaves. The seed of a policy that differs
 * is in the message; `randomPolicy(seed)` makes it again.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { execa } from 'execa';
import fc from 'fast-check';
import { generate } from '../../codegen/compile.js';
import { check } from '../../codegen/check/check.js';
import { compilerFlags, includeFlags, runCompiler } from '../../codegen/compiler.js';
import type { Diagnostic } from '../../codegen/diagnostics/diagnostic.js';
import type { Ir } from '../../codegen/ir.js';
import { packageRoot } from '../../codegen/load/compiler.js';
import { loadPolicy } from '../../codegen/load/load.js';
import { builtinPredicate } from '../../codegen/predicate/builtin.js';
import type { PredicateExpr } from '../../codegen/predicate/expr.js';
import { selfTest } from '../../codegen/selftest/selftest.js';
import type { Router } from '../../dsl/model.js';
import { patient, withFiles } from '../codegen/policy.js';
import { conditions, conditionsPolicy, randomPolicy } from './random-policy.js';

const seed = 20261121;
const policies = 20;
let scratch: string;
let predicates: readonly PredicateExpr[];

test.before(async (t) => {
  t.timeout(300_000);
  await execa('make', ['-s', '-C', join(packageRoot, 'runtime/engine'), 'build/netmill-selftest']);
  scratch = mkdtempSync(join(tmpdir(), 'netmill-oracle-'));
  const loaded = await withFiles({ 'policy.ts': conditionsPolicy }, (directory) =>
    loadPolicy(join(directory, 'policy.ts'), patient),
  );
  predicates = [...loaded.predicates, builtinPredicate];
  t.is(loaded.predicates.length, conditions.length, JSON.stringify(loaded.diagnostics));
});

test.after.always(() => rmSync(scratch, { recursive: true, force: true }));

interface Built {
  readonly ir: Ir;
  readonly forwarder: string;
}

async function build(router: Router, name: string, change = (source: string) => source): Promise<Built> {
  const checked = { router, predicates, files: [], policyHash: 'ab'.repeat(32), warnings: [], root: scratch };
  const { ir, source } = generate(checked);
  const [c, forwarder] = [join(scratch, `${name}.c`), join(scratch, `${name}.so`)];
  writeFileSync(c, change(source));
  // Not -O2: gcc's time is what this test costs.
  const flags = [...compilerFlags({ optimise: '1' }), ...includeFlags()];
  const compiled = await runCompiler([...flags, c, '-o', forwarder]);
  if (compiled.kind !== 'done') throw new Error(JSON.stringify(compiled));
  return { ir, forwarder };
}

/** Rules that match nothing, and gateways on no interface, are welcome here; what the engine has no room for is not. */
const isError = (one: Diagnostic) =>
  one.severity === 'error' && !['NM3001', 'NM3004', 'NM4011'].includes(one.code);

test('random policies: the forwarder does what the evaluator says', async (t) => {
  t.timeout(600_000);
  let rules = 0;
  await fc.assert(
    fc.asyncProperty(fc.nat(), async (policySeed) => {
      const router = randomPolicy(policySeed);
      const wrong = [...router.problems, ...check(router, { today: '2026-01-01' }).filter(isError)];
      if (wrong.length > 0) throw new Error(JSON.stringify(wrong));
      const { ir, forwarder } = await build(router, `policy-${policySeed}`);
      rules += ir.rules.length;
      const found = await selfTest(ir, forwarder, { seed: policySeed });
      if (found.length > 0) throw new Error(JSON.stringify(found[0], undefined, 1));
    }),
    { seed, numRuns: policies, endOnFailure: true, includeErrorInReport: true },
  );
  t.true(rules > 5 * policies, `only ${rules} rules in ${policies} policies`);
});
