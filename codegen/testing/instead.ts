/**
 * Policies that tests get in the place of a file: `netmill test --mutate` gives mutants of it. They are evaluated and checked already,
 * so a test run under a mutant starts at once.
 */
import { mkdirSync, readFileSync, realpathSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { CheckedPolicy } from '../checked.js';
import { policyFromJson, policyToJson } from '../policy-json.js';

/** Environment variable: a file that names, by the absolute path of each policy, the file of what to take instead. */
export const insteadVariable = 'NETMILL_INSTEAD';

export function policyInstead(path: string): CheckedPolicy | undefined {
  const index = process.env[insteadVariable];
  if (index === undefined) return undefined;
  const files = JSON.parse(readFileSync(index, 'utf8')) as Readonly<Record<string, string>>;
  const file = files[realpathSync(path)];
  return file === undefined ? undefined : policyFromJson(readFileSync(join(dirname(index), file), 'utf8'));
}

/** @returns what to set the variable to */
export function writeInstead(directory: string, policies: ReadonlyMap<string, CheckedPolicy>): string {
  mkdirSync(directory, { recursive: true });
  const files = [...policies].map(([path, policy], number) => {
    writeFileSync(join(directory, `${number}.json`), policyToJson(policy));
    return [path, `${number}.json`];
  });
  const index = join(directory, 'index.json');
  writeFileSync(index, JSON.stringify(Object.fromEntries(files)));
  return index;
}
