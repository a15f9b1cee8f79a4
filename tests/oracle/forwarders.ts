/** Compiled forwarders of policies that tests make up, and what the evaluator needs to judge them. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import type { CheckedPolicy } from '../../codegen/checked.js';
import { type Generated, generate } from '../../codegen/compile.js';
import { compilerFlags, includeFlags, linkFlags, runCompiler, tablesFlag } from '../../codegen/compiler.js';
import type { Ir } from '../../codegen/ir.js';
import { packageRoot } from '../../codegen/load/compiler.js';
import { loadPolicy } from '../../codegen/load/load.js';
import { builtinPredicate } from '../../codegen/predicate/builtin.js';
import type { PredicateExpr } from '../../codegen/predicate/expr.js';
import type { Router } from '../../dsl/model.js';
import { patient, withFiles } from '../codegen/policy.js';
import { conditions, conditionsPolicy, listedContents } from './conditions.js';

interface Built {
  readonly ir: Ir;
  readonly forwarder: string;
  readonly source: string;
}

interface How {
  /** What becomes of the C before it is compiled. */
  readonly change?: (source: string) => string;
  /** Rules that a list may have and still be tests. */
  readonly longest?: number;
}

export class Forwarders {
  private constructor(
    private readonly scratch: string,
    private readonly predicates: readonly PredicateExpr[],
  ) {}

  static async create(): Promise<Forwarders> {
    await execa('make', ['-s', '-C', join(packageRoot, 'runtime/engine'), 'build/netmill-selftest']);
    const { predicates, diagnostics } = await withFiles({ 'policy.ts': conditionsPolicy }, (directory) =>
      loadPolicy(join(directory, 'policy.ts'), patient),
    );
    if (predicates.length !== conditions.length) throw new Error(JSON.stringify(diagnostics));
    return new Forwarders(mkdtempSync(join(tmpdir(), 'netmill-oracle-')), [...predicates, builtinPredicate]);
  }

  close(): void {
    rmSync(this.scratch, { recursive: true, force: true });
  }

  generate(router: Router, longest?: number): Generated {
    const policyHash = 'ab'.repeat(32);
    const policy: CheckedPolicy = {
      router,
      predicates: this.predicates,
      contents: listedContents,
      files: [],
      policyHash,
      warnings: [],
      root: this.scratch,
    };
    return generate(policy, { longest });
  }

  /** @param name of its files */
  async build(router: Router, name: string, { change = (same) => same, longest }: How = {}): Promise<Built> {
    const { ir, source, tables } = this.generate(router, longest);
    const [c, forwarder] = [join(this.scratch, `${name}.c`), join(this.scratch, `${name}.so`)];
    writeFileSync(c, change(source));
    writeFileSync(`${c}.tables`, tables);
    // Not -O2: gcc's time is what these tests cost.
    const flags = [...compilerFlags({ optimise: '1' }), ...includeFlags(), tablesFlag(`${c}.tables`)];
    const compiled = await runCompiler([...flags, c, ...linkFlags(), '-o', forwarder]);
    if (compiled.kind !== 'done') throw new Error(JSON.stringify(compiled));
    return { ir, forwarder, source };
  }
}
