/** `netmill init` and `netmill test`, in repositories of policies, with Node's test runner and with ava. */
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { execa } from 'execa';
import { parse } from 'yaml';
import { packageRoot } from '../../codegen/package-root.js';
import { schemas } from '../../runtime/cli/schemas.js';
import { netmill } from './netmill.js';

const scratch = realpathSync(mkdtempSync(join(tmpdir(), 'netmill-repositories-')));
test.after.always(() => rmSync(scratch, { recursive: true, force: true }));

test.serial('what init makes passes check, its tests, and the compiler', async (t) => {
  t.timeout(180_000);
  const repository = join(scratch, 'made');
  const made = await netmill(['init', repository]);
  t.is(made.code, 0, made.err);
  const check = await netmill(['check', repository]);
  t.is(check.code, 0, check.out);
  t.regex(check.out, /^[^\n]*routers\/edge\.ts: router edge, 4 interfaces: nothing is wrong\n$/);
  const ran = await execa('npm', ['test', '--', '--min', '100'], { cwd: repository, reject: false });
  t.is(ran.exitCode, 0, `${ran.stdout}\n${ran.stderr}`);
  t.regex(ran.stdout, /edge +13 of 13 \(100 %\) +12 of 12 \(100 %\)/);
  const types = await execa('node_modules/typescript/bin/tsc', ['-p', repository], { reject: false });
  t.is(types.stdout, '');
  const ci = parse(readFileSync(join(repository, '.github/workflows/policy.yml'), 'utf8'));
  const steps = ci.jobs.policy.steps.map((one: { run?: string }) => one.run ?? '').join('\n');
  t.regex(steps, /^npx netmill check \. --format github$[\s\S]*^npx netmill test --format github$/m);
  const { name, devDependencies } = JSON.parse(readFileSync(join(repository, 'package.json'), 'utf8'));
  t.is(name, 'made');
  t.deepEqual(devDependencies, { netmill: `file:${packageRoot}` });
  t.regex(readFileSync(join(repository, 'lib/waivers.ts'), 'utf8'), /\.waive\(\.\.\.accepted\.ssh\)/);
});

test.serial('init takes netmill from where it is told', async (t) => {
  const repository = join(scratch, 'elsewhere');
  t.is((await netmill(['init', repository, '--package', 'file:./vendor/"1".tgz'])).code, 0);
  const { devDependencies } = JSON.parse(readFileSync(join(repository, 'package.json'), 'utf8'));
  t.deepEqual(devDependencies, { netmill: 'file:./vendor/"1".tgz' });
});

test.serial('init says when a directory cannot be made', async (t) => {
  const ran = await netmill(['init', '/proc/netmill/policies']);
  t.is(ran.code, 71);
  t.regex(ran.err, /the repository \/proc\/netmill\/policies: expected a directory to write to/);
});

test.serial('init leaves a directory alone that has something in it', async (t) => {
  const directory = join(scratch, 'full');
  mkdirSync(directory);
  writeFileSync(join(directory, 'notes.txt'), 'mine');
  const ran = await netmill(['init', directory]);
  t.is(ran.code, 64);
  t.regex(ran.err, /is not empty: it has notes\.txt/);
  t.false(existsSync(join(directory, 'package.json')));
});

const policy = `import { acl, allow, nets, router, tcp } from 'netmill';
const wan = acl('in', { default: 'deny' }, [
  allow({ to: nets('192.0.2.0/24'), service: tcp(80) }),
]);
export default router('r', { interfaces: { wan: { port: 'xdp:eth0', fallback: 'drop', in: wan } } });
`;
const asks = (from: string, check: string) => `${from}
import { load, simulate } from 'netmill/test';
const r = await load('routers/r.ts');
${check}
`;
const node = (fate: string) =>
  asks(
    "import assert from 'node:assert/strict';\nimport test from 'node:test';",
    `test('web', () => { assert.equal(simulate(r, 'in wan tcp 9.9.9.9:1 > 192.0.2.1:80 syn').fate, '${fate}'); });`,
  );
const ava = asks(
  "import test from 'ava';",
  "test('web', (t) => { t.is(simulate(r, 'in wan tcp 9.9.9.9:1 > 192.0.2.1:80 syn').fate, 'routed'); });",
);

/** Without `netmill init`: what somebody may have. */
function repository(name: string, tests: string, about: object = {}): string {
  const directory = join(scratch, name);
  for (const one of ['routers', 'tests', 'node_modules'])
    mkdirSync(join(directory, one), { recursive: true });
  writeFileSync(join(directory, 'package.json'), JSON.stringify({ type: 'module', ...about }));
  writeFileSync(join(directory, 'routers/r.ts'), policy);
  writeFileSync(join(directory, 'tests/r.test.js'), tests);
  symlinkSync(process.cwd(), join(directory, 'node_modules/netmill'));
  symlinkSync(join(process.cwd(), 'node_modules/ava'), join(directory, 'node_modules/ava'));
  return directory;
}

test.serial('mutants that no test finds are listed with a packet', async (t) => {
  t.timeout(180_000);
  const directory = repository('survivors', node('routed'));
  const ran = await netmill(['test', directory, '--mutate', '--json']);
  t.is(ran.code, 2, ran.err);
  const told = JSON.parse(ran.out);
  const read = schemas.test.safeParse(told);
  t.true(read.success, JSON.stringify(read.error?.issues));
  t.like(told, { passed: true, runner: 'node --test' });
  t.like(told.coverage[0], { rules: { reached: 1, all: 2 }, branches: { reached: 0, all: 0 } });
  // Flipped and dropped, the rule denies what the test asks about.
  t.like(told.mutation, { mutants: 4, found: 2, equivalent: 0 });
  const [widened, fallback] = told.mutation.survivors;
  t.like(widened, {
    line: 3,
    change: 'to 192.0.2.0/24 becomes 192.0.2.0/23',
    example: 'in wan tcp 198.51.100.10:40000 > 192.0.3.10:80 syn',
    fate: 'denied',
    mutantFate: 'routed',
  });
  t.is(fallback.change, 'default deny becomes allow');
});

test.serial('ava runs what its users have written', async (t) => {
  t.timeout(180_000);
  const directory = repository('ava', ava, { devDependencies: { ava: '7' } });
  const ran = await netmill(['test', directory, '--min', '100']);
  t.is(ran.code, 3, ran.out + ran.err);
  t.regex(ran.out, /1 test passed/);
  t.regex(ran.out, /r +1 of 2 \(50 %\)/);
  t.regex(ran.out, /routers\/r\.ts:2 {2}default of "in"\n +no test asks about such a packet: in wan /);
});

test.serial('a test that fails is annotated, and ends with 1', async (t) => {
  t.timeout(180_000);
  const directory = repository('failing', node('denied'));
  const ran = await netmill(['test', join(directory, 'tests/r.test.js'), '--mutate', '--format', 'github']);
  t.is(ran.code, 1, ran.err);
  t.regex(ran.out, /^::error title=test\/failed::tests failed/m);
  t.regex(
    ran.out,
    /^::warning file=[^,]*routers\/r\.ts,line=2,col=\d+,title=test\/not-reached::default of "in"/m,
  );
});

test.serial('a runner of another kind is a shell command', async (t) => {
  t.timeout(180_000);
  const directory = repository('shell', node('routed'));
  const ran = await netmill(['test', directory, '--runner', 'node --test --test-reporter=tap']);
  t.is(ran.code, 0, ran.out + ran.err);
  t.regex(ran.out, /^# pass 1$/m);
  t.regex(ran.out, /r +1 of 2/);
});

test.serial('a directory without tests is told', async (t) => {
  const directory = join(scratch, 'empty');
  mkdirSync(directory);
  const ran = await netmill(['test', directory]);
  t.is(ran.code, 66);
  t.regex(ran.err, /there is no test in/);
});

test.serial('a percentage is a number', async (t) => {
  t.is((await netmill(['test', '--min', 'all'])).code, 64);
});
