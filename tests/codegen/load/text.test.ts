/** Diagnostics as people and machines read them. */
import test from 'ava';
import type { Diagnostic } from '../../../codegen/diagnostics/diagnostic.js';
import { toJson } from '../../../codegen/diagnostics/json.js';
import { renderText } from '../../../codegen/diagnostics/text.js';

const files = [
  {
    path: 'edge1.ts',
    text: "let limit = 19\nconst odd = predicate('odd', p =>\n  p.l4 === 'udp' && p.dport <= limit)\n",
  },
];
const one: Diagnostic = {
  code: 'NM2104',
  severity: 'error',
  origin: { file: 'edge1.ts', line: 3, column: 32 },
  end: { line: 3, column: 37 },
  message: "'limit' can change after the policy is built, so it cannot be compiled into the forwarder.",
  related: [
    { origin: { file: 'edge1.ts', line: 1, column: 5 }, message: "'limit' is declared with 'let' here." },
  ],
  fix: "declare it with 'const'.",
};

test('text has place, excerpt, mark, related places and the fix', (t) => {
  const text = renderText([one], { root: '/policies/routers', files, colour: false, cwd: '/policies' });
  t.is(
    text,
    `routers/edge1.ts:3:32 - error NM2104: 'limit' can change after the policy is built, so it cannot be compiled into the forwarder.
3   p.l4 === 'udp' && p.dport <= limit)
                                 ~~~~~
   routers/edge1.ts:1:5  'limit' is declared with 'let' here.
  Fix: declare it with 'const'.

1 error`,
  );
});

test('colour only when told', (t) => {
  const options = { root: '/', files, cwd: '/' };
  t.false(renderText([one], { ...options, colour: false }).includes('\u001b'));
  t.true(renderText([one], { ...options, colour: true }).includes('\u001b['));
});

test('a stretch over several lines is marked to the end of its first', (t) => {
  const long = { ...one, origin: { file: 'edge1.ts', line: 2, column: 13 }, end: { line: 3, column: 5 } };
  const [, , mark] = renderText([long], { root: '/', files, colour: false, cwd: '/' }).split('\n');
  t.is(mark, `  ${' '.repeat(12)}${'~'.repeat("predicate('odd', p =>".length)}`);
});

test('json keeps every part', (t) => {
  t.deepEqual(toJson([one]), [
    {
      code: 'NM2104',
      severity: 'error',
      message: one.message,
      file: 'edge1.ts',
      line: 3,
      column: 32,
      endLine: 3,
      endColumn: 37,
      related: [{ file: 'edge1.ts', line: 1, column: 5, message: "'limit' is declared with 'let' here." }],
      fix: "declare it with 'const'.",
    },
  ]);
});
