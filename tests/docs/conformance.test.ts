/** docs/conformance.md names every clause that has a test, and every difference. `UPDATE_GOLDENS=1` writes its tables. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { packageRoot } from '../../codegen/load/compiler.js';
import { tables } from '../system/conformance/table.js';

const file = join(packageRoot, 'docs/conformance.md');

/** The text with the table below each heading in place of what stands there. */
function withTables(text: string): string {
  return Object.entries(tables).reduce((all, [heading, table]) => {
    const at = all.indexOf(`\n## ${heading}\n`);
    if (at < 0) throw new Error(`no heading '${heading}'`);
    const from = all.indexOf('\n| ', at) + 1;
    const to = all.indexOf('\n\n', from);
    return all.slice(0, from) + table + (to < 0 ? '\n' : all.slice(to));
  }, text);
}

test('docs/conformance.md says what the suite tests', (t) => {
  const text = readFileSync(file, 'utf8');
  const expected = withTables(text);
  if (process.env.UPDATE_GOLDENS) writeFileSync(file, expected);
  else t.is(text, expected, 'UPDATE_GOLDENS=1 npx ava dist/tests/docs/conformance.test.js');
  t.true(Object.values(tables).every((table) => text.includes(table.split('\n')[0]!)));
});
