/** What README and docs show as policies passes `netmill check`: a reader copies it. */
import { readdirSync, readFileSync } from 'node:fs';
import test from 'ava';
import { front, frontOfFiles, summary, withWan } from '../codegen/policy.js';

const documents = ['README.md', ...readdirSync('docs').map((name) => `docs/${name}`)].filter((name) =>
  name.endsWith('.md'),
);

/** Blocks marked `ts`, with the line they begin on; what is no policy is marked `typescript`. */
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

for (const document of documents) {
  for (const { line, code } of examples(readFileSync(document, 'utf8')))
    test(`${document}:${line}`, compiles, code);
}
