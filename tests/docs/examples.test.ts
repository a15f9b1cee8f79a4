/** What README and docs show passes, as a reader copies it: policies `netmill check`, tests of policies the compiler. */
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import test from 'ava';
import { execa } from 'execa';
import { front, frontOfFiles, summary, withWan } from '../codegen/policy.js';

const documents = ['README.md', ...readdirSync('docs').map((name) => `docs/${name}`)].filter((name) =>
  name.endsWith('.md'),
);

/** Blocks marked `ts`, with the line they begin on. */
function examples(text: string): { readonly line: number; readonly code: string }[] {
  return [...text.matchAll(/^```ts\n(.*?)^```$/gms)].map((match) => ({
    line: text.slice(0, match.index).split('\n').length,
    code: match[1]!,
  }));
}

const compiles = test.macro(async (t, code: string) => {
  const whole = /export default router\(/.test(code);
  const result = whole
    ? await frontOfFiles({ 'policy.ts': code }, { today: '2026-01-01' })
    : await front(`${code}\n${withWan('')}`);
  t.deepEqual(result.ok ? result.policy.warnings.map(summary) : result.diagnostics.map(summary), []);
});

const hasRightTypes = test.macro(async (t, code: string) => {
  const directory = `dist/tests/docs/example-${process.pid}`;
  mkdirSync(directory, { recursive: true });
  t.teardown(() => rmSync(directory, { recursive: true }));
  writeFileSync(`${directory}/example.test.ts`, code);
  const options = ['--noEmit', '--strict', '--skipLibCheck', '--module', 'nodenext', '--target', 'es2023'];
  const { stdout } = await execa('node_modules/.bin/tsc', [...options, `${directory}/example.test.ts`], {
    reject: false,
  });
  t.is(stdout, '');
});

for (const document of documents) {
  for (const { line, code } of examples(readFileSync(document, 'utf8')))
    test.serial(`${document}:${line}`, code.includes("from 'netmill/test'") ? hasRightTypes : compiles, code);
}
