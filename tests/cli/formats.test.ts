/** What check, build, plan and explain print for other programs: JSON by its schema, SARIF, JUnit, annotations. */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { toGithub } from '../../codegen/report/github.js';
import { toJunit } from '../../codegen/report/junit.js';
import type { Report } from '../../codegen/report/report.js';
import { type SchemaName, schemas, schemaText } from '../../runtime/cli/schemas.js';
import { netmill } from './netmill.js';

const directory = mkdtempSync(join(tmpdir(), 'netmill-formats-'));
test.after.always(() => rmSync(directory, { recursive: true, force: true }));

// One policy at a time: each is evaluated within a limit of time.
const policy = (rules: string) => `import { acl, allow, deny, nets, router, tcp } from 'netmill';
const wan = acl('from-wan', { default: 'deny' }, [
${rules}
]);
export default router('r', { interfaces: { wan: { port: 'xdp:eth0', fallback: 'drop', in: wan } } });
`;

const right = join(directory, 'routers/right.ts');
const wrong = join(directory, 'routers/wrong.ts');
mkdirSync(join(directory, 'routers'));
writeFileSync(join(directory, 'routers/helper.ts'), 'export const port = 80;\n');
writeFileSync(right, policy('  allow({ service: tcp(80) }).why(\'a <web> & "more"\'),'));
writeFileSync(wrong, policy('  deny(),\n  allow({ service: tcp(80) }),'));

const fits = test.macro(async (t, name: SchemaName, code: number, ...argv: readonly string[]) => {
  const ran = await netmill([...argv, '--json']);
  t.is(ran.code, code, ran.err);
  const read = schemas[name].safeParse(JSON.parse(ran.out));
  t.true(read.success, JSON.stringify(read.error?.issues));
});

test.serial('check of one policy', fits, 'check', 65, 'check', wrong);
test.serial('check of one policy with a warning', async (t) => {
  const warned = join(directory, 'two-on-a-core.ts');
  writeFileSync(
    warned,
    `import { router } from 'netmill'
export default router('r', { engine: { workers: [{ core: 1 }, { core: 1 }] }, interfaces: { a: { port: 'pipe:a', host: 'none' } } })
`,
  );
  const ran = await netmill(['check', warned]);
  t.is(ran.code, 0, ran.out);
  t.regex(ran.out, /1 warning\n[^\n]*: router r, 1 interface: it can be built, with the warnings above\n$/s);
});
test.serial('check of a directory', fits, 'check', 65, 'check', directory, '--notes');
test.serial('check of what is not there', fits, 'error', 66, 'check', join(directory, 'none.ts'));
test.serial('build', fits, 'build', 0, 'build', right, '-o', join(directory, 'out'));
test.serial('plan', fits, 'plan', 0, 'plan', right, '--against', 'examples/edge.ts', '--no-build');
test.serial('explain', fits, 'explain', 0, 'explain', right, 'in wan tcp 9.9.9.9:1 > 203.0.113.1:80 syn');

for (const name of Object.keys(schemas) as SchemaName[])
  test(`schemas/${name}.json is that of the program`, (t) => {
    const file = `schemas/${name}.json`;
    if (process.env.UPDATE_GOLDENS) writeFileSync(file, schemaText(name));
    t.is(readFileSync(file, 'utf8'), schemaText(name), 'UPDATE_GOLDENS=1 writes it anew');
  });

test('no schema is left of a command that has gone', (t) => {
  t.deepEqual(
    readdirSync('schemas').sort(),
    Object.keys(schemas)
      .map((name) => `${name}.json`)
      .sort(),
  );
});

test.serial('SARIF names the place from the working directory, and every kind once', async (t) => {
  const ran = await netmill(['check', directory, '--format', 'sarif']);
  t.is(ran.code, 65);
  const [run] = JSON.parse(ran.out).runs;
  t.deepEqual(
    run.tool.driver.rules.map((one: { id: string }) => one.id),
    ['NM3001'],
  );
  const [found] = run.results;
  t.like(found, { ruleId: 'NM3001', level: 'error' });
  const { artifactLocation, region } = found.locations[0].physicalLocation;
  t.regex(artifactLocation.uri, /routers\/wrong\.ts$/);
  t.like(region, { startLine: 4, startColumn: 3, endLine: 4 });
  t.is(found.relatedLocations[0].physicalLocation.region.startLine, 3);
});

test.serial('JUnit has a suite for each policy, and a failure for each error', async (t) => {
  const ran = await netmill(['check', directory, '--format', 'junit']);
  t.is(ran.code, 65);
  t.regex(ran.out, /<testsuites name="netmill check" tests="\d+" failures="1">/);
  t.is(ran.out.match(/<testsuite /g)?.length, 2);
  t.is(ran.out.match(/<failure type="NM3001"/g)?.length, 1);
});

test.serial('annotations stand at the line', async (t) => {
  const ran = await netmill(['check', wrong, '--format', 'github']);
  t.is(ran.code, 65);
  t.regex(
    ran.out,
    /^::error file=[^,]*wrong\.ts,line=4,endLine=4,col=3,endColumn=8,title=NM3001::this rule/m,
  );
});

test.serial('a plan is annotated at the lines that decide from now on', async (t) => {
  const old = join(directory, 'old.ts');
  writeFileSync(old, policy('  deny({ service: tcp(80) }),'));
  const ran = await netmill(['plan', right, '--against', old, '--no-build', '--format', 'github']);
  t.is(ran.code, 0, ran.err);
  t.regex(ran.out, /^::warning file=[^,]*right\.ts,line=3,col=1,title=plan\/allowed::denied becomes host/m);
});

const only: Report = {
  command: 'check',
  kinds: {},
  suites: [
    {
      name: 'a "b".ts',
      findings: [
        {
          kind: 'NM1',
          level: 'warning',
          message: '100 %\n<a> & \u0001',
          place: { file: 'a,b:c.ts', line: 1, column: 2 },
          related: [],
        },
      ],
    },
  ],
};

test('what has a meaning in XML is escaped', (t) => {
  const text = toJunit(only);
  t.true(text.includes('<testsuite name="a &quot;b&quot;.ts" tests="1" failures="0">'));
  t.true(text.includes('<system-out>100 %\n&lt;a&gt; &amp; \ufffd</system-out>'));
});

test('what has a meaning in an annotation is escaped', (t) => {
  t.is(toGithub(only), '::warning file=a%2Cb%3Ac.ts,line=1,col=2,title=NM1::100 %25%0A<a> & \u0001\n');
});

test.serial('of several policies one is named', async (t) => {
  const ran = await netmill(['check', directory, '--only', 'right']);
  t.is(ran.code, 0);
  t.regex(ran.out, /routers\/right\.ts: router r/);
  t.notRegex(ran.out, /wrong\.ts/);
});

test.serial('a name that no policy has is told with those that there are', async (t) => {
  const ran = await netmill(['check', directory, '--only', 'wight']);
  t.is(ran.code, 66);
  t.regex(ran.err, /there is no policy wight\n {2}fix: --only takes one of right, wrong/);
});

test.serial('an unknown format is a usage error', async (t) => {
  const ran = await netmill(['check', right, '--format', 'xml']);
  t.is(ran.code, 64);
  t.regex(ran.err, /expected --format text, json, sarif, junit, github, got 'xml'/);
});
