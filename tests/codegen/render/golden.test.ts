/** The generated C of the examples, word for word, and from whatever directory it is built. */
import { cpSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { generate } from '../../../codegen/compile.js';
import { loadAndCheck } from '../../../codegen/front.js';
import { packageRoot } from '../../../codegen/load/compiler.js';
import { accepted, patient, withFiles } from '../policy.js';
import { gccSays, misformatted } from './generated.js';

const goldens = join(packageRoot, 'generated/examples');
const examples = [
  { name: 'edge1', policy: 'examples/edge1.ts' },
  { name: 'small', policy: 'generated/examples/small/small.ts' },
];

async function sourceOf(path: string): Promise<string> {
  return generate(accepted(await loadAndCheck(path, { limits: patient, today: '2026-01-01' }))).source;
}

for (const { name, policy } of examples) {
  test(`the C of ${name} is the one that was reviewed`, async (t) => {
    t.timeout(120_000);
    const source = await sourceOf(join(packageRoot, policy));
    const golden = join(goldens, name, 'forwarder.c');
    if (process.env.UPDATE_GOLDENS === '1') {
      mkdirSync(join(goldens, name), { recursive: true });
      writeFileSync(golden, source);
    }
    t.true(existsSync(golden), 'write it with UPDATE_GOLDENS=1');
    t.is(source, readFileSync(golden, 'utf8'));
    t.deepEqual(misformatted(source), []);
    t.is(gccSays(source), '');
  });

  test(`the C of ${name} does not depend on where the policy is`, async (t) => {
    t.timeout(120_000);
    const elsewhere = await withFiles({}, (directory) => {
      const copy = join(directory, `${name}.ts`);
      cpSync(join(packageRoot, policy), copy);
      const rules = join(packageRoot, policy.replace(/ts$/, 'csv'));
      if (existsSync(rules)) cpSync(rules, join(directory, `${name}.csv`));
      return sourceOf(copy);
    });
    t.is(elsewhere, await sourceOf(join(packageRoot, policy)));
  });
}
