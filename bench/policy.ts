/** What a policy of many rules costs before it is built: loading, checking and exact analysis; the difference of two; an edit until it is active. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { CheckedPolicy } from '../codegen/checked.js';
import { loadAndCheck } from '../codegen/front.js';
import { makePlan } from '../codegen/plan/plan.js';
import { drawnPolicy, drawnRules } from './drawn-rules.js';
import { editToActive } from './edit.js';
import type { Measured } from './result.js';

const runs = 5;
const limits = { milliseconds: 120_000, megabytes: 2048 };

const checks = [
  { case: 'check.1k', rules: 1000, bar: 2 },
  { case: 'check.10k', rules: 10_000, bar: 15 },
] as const;

export async function* policy(
  wants: (one: string) => boolean,
  say: (text: string) => void,
): AsyncGenerator<Measured> {
  const directory = mkdtempSync(join(tmpdir(), 'netmill-bench-'));
  try {
    for (const { case: name, rules, bar } of checks) {
      if (!wants(name)) continue;
      const path = written(directory, name, drawnRules(rules));
      const ours: number[] = [];
      for (let run = 0; run < runs; run++) {
        say(`${name}: ${run + 1} of ${runs}`);
        const started = performance.now();
        await checked(path);
        ours.push((performance.now() - started) / 1000);
      }
      yield { case: name, unit: 's', better: 'lower', bar, ours };
    }
    if (wants('edit-to-active.100')) yield await editToActive(say);
    if (wants('diff.10k')) yield await difference(directory, say);
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

async function difference(directory: string, say: (text: string) => void): Promise<Measured> {
  const old = await checked(written(directory, 'old', drawnRules(10_000)));
  const fresh = await checked(written(directory, 'new', drawnRules(10_000, 1, 2)));
  const ours: number[] = [];
  for (let run = 0; run < runs; run++) {
    say(`diff.10k: ${run + 1} of ${runs}`);
    const started = performance.now();
    const { packets, undecided } = makePlan(old, fresh);
    ours.push((performance.now() - started) / 1000);
    if (packets.length === 0 || undecided.length > 0) throw new Error('the difference was not found');
  }
  return { case: 'diff.10k', unit: 's', better: 'lower', bar: 10, ours };
}

function written(directory: string, name: string, rules: ReturnType<typeof drawnRules>): string {
  const path = join(directory, `${name}.ts`);
  writeFileSync(path, drawnPolicy(name));
  writeFileSync(join(directory, `${name}.json`), JSON.stringify(rules));
  return path;
}

async function checked(path: string): Promise<CheckedPolicy> {
  const result = await loadAndCheck(path, { limits });
  if (result.ok) return result.policy;
  throw new Error(
    result.diagnostics
      .slice(0, 3)
      .map((one) => `${one.code} ${one.message}`)
      .join('\n'),
  );
}
