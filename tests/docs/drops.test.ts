/** docs/cli.md names every reason to drop a packet as `netmill status` does. `UPDATE_GOLDENS=1` writes its table. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { packageRoot } from '../../codegen/load/compiler.js';
import { dropReasons } from '../../runtime/control/drops.js';

const file = join(packageRoot, 'docs/cli.md');
const head = '| reason | |\n| --- | --- |\n';

test('docs/cli.md says why packets are dropped', (t) => {
  const text = readFileSync(file, 'utf8');
  const at = text.indexOf(head, text.indexOf('\n## Why packets go nowhere\n')) + head.length;
  const rows = dropReasons.map((one) => `| \`${one.name}\` | ${one.text} |\n`).join('');
  const written = /^(?:\|.*\n)*/.exec(text.slice(at))![0].length;
  const expected = text.slice(0, at) + rows + text.slice(at + written);
  t.true(at > head.length);
  if (process.env.UPDATE_GOLDENS) writeFileSync(file, expected);
  else t.is(text, expected, 'UPDATE_GOLDENS=1 npx ava dist/tests/docs/drops.test.js');
});
