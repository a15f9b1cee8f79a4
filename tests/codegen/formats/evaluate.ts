/** Policies that an import has written, evaluated in this process: much faster than the loader, which tests have too. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { check } from '../../../codegen/check/check.js';
import type { CheckedPolicy } from '../../../codegen/checked.js';
import { packageRoot } from '../../../codegen/load/compiler.js';
import { builtinPredicate } from '../../../codegen/predicate/builtin.js';
import type { Router } from '../../../dsl/model.js';

const dsl = pathToFileURL(join(packageRoot, 'dist/dsl/index.js')).href;
let count = 0;

/** @throws Error with what is wrong in it; rules that never match are not */
export async function evaluatePolicy(text: string): Promise<Router> {
  const directory = mkdtempSync(join(tmpdir(), 'netmill-imported-'));
  try {
    const path = join(directory, `policy-${++count}.mjs`);
    writeFileSync(path, text.replace(`from 'netmill'`, `from '${dsl}'`).replaceAll(' as const', ''));
    const { default: router } = (await import(pathToFileURL(path).href)) as { readonly default: Router };
    const wrong = [...router.problems, ...check(router, { today: '2026-01-01', expired: 'error' })].filter(
      (one) => one.code !== 'NM4011',
    );
    if (wrong.length > 0) throw new Error(`${wrong.map((one) => one.message).join('\n')}\n${text}`);
    return router;
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

export function asChecked(router: Router, policyHash = 'ab'.repeat(32)): CheckedPolicy {
  return { router, predicates: [builtinPredicate], files: [], policyHash, warnings: [], root: '/' };
}
