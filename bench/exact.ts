/**
 * Is a long list first-match exact? A million packets of every filter set, judged by the tables (with the vectors of the
 * processor and without) and by a scan of the rules: how many were judged otherwise.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { buildProgram, compileSet, judge } from './acl-program.js';
import { filterSets } from './acl-sets.js';
import type { Bench } from './result.js';

const packets = 1_000_000;

export const exact: Bench = async function* (wants, say) {
  const directory = mkdtempSync(join(tmpdir(), 'netmill-exact-'));
  try {
    const program = await buildProgram(directory, false);
    for (const { name, family, filters } of filterSets().filter((one) => wants(one.name))) {
      say(`exact: ${name}`);
      const set = await compileSet(directory, name, filters(), family);
      const judged = await judge(program, set, { packets, runs: 0, checked: packets });
      const ours = [judged.differences + judged.plain_differences];
      yield { case: name, unit: 'packets judged otherwise, of 1 M', better: 'lower', ours, bar: 0 };
    }
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
};
