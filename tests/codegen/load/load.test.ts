/** Loading: modules, packages, determinism, limits, and the places of what was written. */
import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import test from 'ava';
import { loadAndCheck } from '../../../codegen/front.js';
import { packageRoot, ts } from '../../../codegen/load/compiler.js';
import { accepted, diagnosticsOf, front, frontOfFiles, summary, withFiles, withWan } from '../policy.js';

const small = { milliseconds: 1500, megabytes: 64 };
const plain = `import { router } from 'netmill'
export default router('r', { interfaces: { wan: { port: 'eth0' } } })
`;

test.beforeEach((t) => {
  t.timeout(120_000);
});

test('files, packages of TypeScript types and JavaScript, and JSON make one policy', async (t) => {
  const policy = accepted(
    await frontOfFiles({
      'policy.ts': `import { acl, predicate, router } from 'netmill'
import { bogons, noBogons } from 'fragments'
import { mgmt } from './lib/nets.js'
import { ssh } from './lib/rules'
import settings from './settings.json'
const odd = predicate('odd', (p) => p.src.within(bogons) && p.ttl < 3)
export default router('r', { interfaces: { wan: { port: 'eth0', mtu: settings.mtu, fallback: 'drop', in: acl('in', {}, [noBogons(), ssh(mgmt)]) } } })
void odd`,
      'settings.json': '{ "mtu": 1400 }',
      'lib/nets.ts': `import { nets } from 'netmill'\nexport const mgmt = nets('192.0.2.0/28')\n`,
      'lib/rules.ts': `import { allow, tcp, type Nets } from 'netmill'\nexport const ssh = (from: Nets) => allow({ from, service: tcp(22) })\n`,
      'node_modules/fragments/package.json': `{ "name": "fragments", "type": "module", "exports": { ".": { "types": "./types/index.d.ts", "default": "./lib/index.js" } } }`,
      'node_modules/fragments/types/index.d.ts': `import { type Nets, type RuleDraft } from 'netmill'\nexport declare const bogons: Nets\nexport declare function noBogons(): RuleDraft[]\n`,
      'node_modules/fragments/lib/index.js': `import { deny, nets, predicate } from 'netmill'
export const bogons = nets('0.0.0.0/8', 'fc00::/7')
const least = 5
export const noBogons = () => [deny({ from: bogons }).why('bogons'), deny({ when: predicate('low', (p) => p.ttl < least) })]
`,
    }),
  );
  t.deepEqual(
    policy.files.map((file) => file.path),
    ['policy.ts', 'lib/nets.ts', 'lib/rules.ts', 'node_modules/fragments/lib/index.js', 'settings.json'],
  );
  const [wan] = policy.router.interfaces;
  t.is(wan!.mtu, 1400);
  t.deepEqual(
    wan!.in!.rules.map(({ origin }) => `${origin.file}:${origin.line}:${origin.column}`),
    [
      'node_modules/fragments/lib/index.js:4:32',
      'node_modules/fragments/lib/index.js:4:70',
      'lib/rules.ts:2:36',
    ],
  );
  t.deepEqual(
    policy.predicates.map((one) => one.name),
    ['builtin-on-link', 'low'],
  );
  t.is(wan!.in!.rules[2]!.match.from!.name, 'mgmt');
});

test('a CommonJS package is refused', async (t) => {
  const result = await frontOfFiles({
    'policy.ts': `import { x } from 'old'\n${plain}void x`,
    'node_modules/old/package.json': '{ "name": "old", "main": "index.js" }',
    'node_modules/old/index.d.ts': 'export declare const x: number',
    'node_modules/old/index.js': 'exports.x = 1',
  });
  t.deepEqual(diagnosticsOf(result).map(summary), ['1:19 NM1005']);
});

test('rules made in a loop and by nested functions have the place of their call', async (t) => {
  const policy = accepted(
    await front(`const one = (port: number) =>
  deny({ service: tcp(port) })
const many = (ports: number[]) => ports.map((port) => one(port))
${withWan(`in: acl('a', {}, [many([1, 2]), [...[3].map(
  (port) => allow({ service: udp(port) }).log().why('x'))]])`)}`),
  );
  t.deepEqual(
    policy.router.interfaces[0]!.in!.rules.map(({ origin }) => `${origin.line}:${origin.column}`),
    ['3:3', '3:3', '7:13'],
  );
});

test('interfaces, ports and routes have their own places, through constants and spreads', async (t) => {
  const { router } = accepted(
    await front(`const common = { mtu: 1400 }
const office = { id: 5, ...common }
export default router('r', {
  interfaces: {
    wan: { port: 'eth0' },
    lan: { port: 'eth1', vlans: { office } },
  },
  routes: { '10.0.0.0/8': '192.0.2.1' },
})`),
  );
  t.deepEqual(
    [...router.interfaces, ...router.routes].map(({ origin }) => `${origin.line}:${origin.column}`),
    ['6:5', '7:35', '9:27'],
  );
});

test('the same text gives the same policy anywhere', async (t) => {
  const text = `${withWan("in: acl('a', {}, [deny({ service: tcp(1) })])")}`;
  const [a, b] = [accepted(await front(text)), accepted(await front(text))];
  t.is(a.policyHash, b.policyHash);
  t.not(a.root, b.root);
  const plainText = (value: unknown) =>
    JSON.stringify(value, (_, one) => (typeof one === 'bigint' ? String(one) : one));
  t.is(plainText(a.router), plainText(b.router));
  t.is(plainText(a.predicates), plainText(b.predicates));
  t.not(accepted(await front(`${text}\n`)).policyHash, a.policyHash);
});

const undetermined = test.macro({
  async exec(t, expression: string, place: string) {
    const result = await front(`const x = ${expression}\n${withWan('')}\nvoid x`);
    t.deepEqual(diagnosticsOf(result).map(summary), [place]);
  },
  title: (_, expression) => `${expression} is refused`,
});
test(undetermined, 'Math.random()', '2:16 NM5004');
test(undetermined, 'Date.now()', '2:16 NM5004');
test(undetermined, 'new Date()', '2:11 NM5004');
test(undetermined, 'Date()', '2:11 NM5004');
test(undetermined, '(() => { throw new Error("no") })()', '2:26 NM5001');
test(undetermined, 'eval("1")', '2:11 NM5001');
test(undetermined, 'allow.constructor("return process")()', '2:17 NM5001');

test('a date that is written is the same everywhere', async (t) => {
  const policy = accepted(await front(withWan('mtu: new Date("2026-06-01").getMonth() + 1000')));
  t.is(policy.router.interfaces[0]!.mtu, 1005);
});

test('a policy that does not end is stopped', async (t) => {
  const result = await front(`for (;;) {}\n${withWan('')}`, { limits: small });
  t.deepEqual(
    diagnosticsOf(result).map((one) => one.code),
    ['NM5002'],
  );
});

test('a policy that waits for ever is stopped', async (t) => {
  const result = await front(`await new Promise(() => {})\n${withWan('')}`, { limits: small });
  t.deepEqual(
    diagnosticsOf(result).map((one) => one.code),
    ['NM5002'],
  );
});

test('a policy that eats memory is stopped', async (t) => {
  const text = `const all: number[][] = []\nfor (;;) all.push(new Array(100000).fill(1.5))\n${withWan('')}`;
  const result = await front(text, { limits: { milliseconds: 30_000, megabytes: 64 } });
  t.deepEqual(
    diagnosticsOf(result).map((one) => one.code),
    ['NM5003'],
  );
});

test('a file that is not there', async (t) => {
  const result = await loadAndCheck('/nowhere/policy.ts');
  t.deepEqual(
    diagnosticsOf(result).map((one) => one.code),
    ['NM1006'],
  );
});

test('a predicate of a checked policy can be run', async (t) => {
  const { router } = accepted(
    await front(
      `const p = predicate('p', (p) => p.len < 40)\n${withWan("in: acl('a', {}, [deny({ when: p })])")}`,
    ),
  );
  const when = router.interfaces[0]!.in!.rules[0]!.match.when!;
  t.true(when.test({ len: 39 } as never));
  t.false(when.test({ len: 40 } as never));
});

test("an operator's own test runner gives the same places through source maps", async (t) => {
  const text = `import { deny, router } from 'netmill'
type Unused = string

export const rule = deny()
export default router('r', { interfaces: { wan: { port: 'eth0' } } })
`;
  const stdout = await withFiles({ 'package.json': '{ "type": "module" }' }, async (directory) => {
    const out = ts.transpileModule(text.replace("'netmill'", `'${join(packageRoot, 'dist/dsl/index.js')}'`), {
      fileName: 'policy.ts',
      compilerOptions: {
        module: ts.ModuleKind.ESNext,
        target: ts.ScriptTarget.ES2022,
        inlineSourceMap: true,
      },
    });
    writeFileSync(join(directory, 'policy.js'), out.outputText);
    writeFileSync(
      join(directory, 'run.js'),
      `import { rule } from './policy.js'\nconst { file, line, column } = rule.data.origin\nconsole.log(file.split('/').at(-1), line, column)`,
    );
    return (await promisify(execFile)(process.execPath, ['--enable-source-maps', join(directory, 'run.js')]))
      .stdout;
  });
  t.is(stdout, 'policy.ts 4 21\n');
});
