/** `netmill import` and `netmill export` as commands: files, exit codes and what it prints. */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { packageRoot } from '../../codegen/load/compiler.js';
import { schemas } from '../../runtime/cli/schemas.js';
import { netmill } from './netmill.js';

const directory = mkdtempSync(join(tmpdir(), 'netmill-import-test-'));
test.after.always(() => rmSync(directory, { recursive: true, force: true }));

let count = 0;
function file(text: string, name = `file-${++count}`): string {
  const path = join(directory, name);
  writeFileSync(path, text);
  return path;
}

const netmapRt = ['import', '--from', 'netmap-rt'] as const;

test('the example of the docs', async (t) => {
  t.timeout(60_000);
  const example = join(packageRoot, 'examples/netmap-rt');
  const out = join(directory, 'border.ts');
  const ran = await netmill([
    ...netmapRt,
    join(example, 'netmap-rt.conf'),
    ...[
      '--fields',
      'netmap-rt',
      '--vlan',
      'vlan101=ix1:101',
      '--port-lines',
      'untagged',
      '--name',
      'border',
      '-o',
      out,
    ],
  ]);
  t.is(ran.code, 0, ran.err);
  t.regex(ran.err, /ACLs from .*netmap-rt-acl\.conf/);
  t.regex(ran.out, /: 3 interfaces, 10 rules; 11 assumptions stand at its head/);
  const told = /^const everywhere[\s\S]*/m;
  const expected = readFileSync(join(example, 'border.ts'), 'utf8');
  t.is(
    told.exec(readFileSync(out, 'utf8'))![0],
    told
      .exec(expected)![0]
      .replaceAll(
        'nor does netmap-rt-acl',
        `nor does ${/nor does (.*?netmap-rt-acl)/.exec(readFileSync(out, 'utf8'))![1]}`,
      ),
  );

  const again = await netmill([...netmapRt, join(example, 'netmap-rt.conf'), '-o', out]);
  t.is(again.code, 64);
  t.regex(again.err, /border\.ts exists/);
});

test('as JSON', async (t) => {
  t.timeout(60_000);
  const ran = await netmill([...netmapRt, file('interfaces = "ix0";'), '--name', 'r', '--json']);
  t.is(ran.code, 0, ran.err);
  const { ok, policy, assumptions, diagnostics } = schemas.import.parse(JSON.parse(ran.out));
  t.true(ok);
  t.regex(policy!, /export default router\('r'/);
  t.deepEqual(assumptions, ['The interfaces have the same names here as there.']);
  t.deepEqual(diagnostics, []);
});

const refuses = test.macro(async (t, code: number, expected: RegExp, argv: () => readonly string[]) => {
  const ran = await netmill(argv());
  t.is(ran.code, code, ran.err);
  t.regex(ran.err, expected);
  t.is(ran.out, '');
});

test('a format that is not known', refuses, 64, /reads netmap-rt, nftables/, () => [
  ...['import', '--from', 'ipfw', file('')],
]);
test('no format', refuses, 64, /say of what the files are: --from netmap-rt, nftables/, () => [
  ...['import', file('')],
]);
test('a file that is not there', refuses, 66, /does not exist\n {2}fix: name a file/, () => [
  ...netmapRt,
  '/nonexistent',
]);
test('an ACL file in place of the configuration', refuses, 65, /Fix: give netmap-rt.conf first/, () => [
  ...netmapRt,
  file(';;;;udp;0-19;drop log'),
]);
test(
  'an ACL file that is not here',
  refuses,
  66,
  /names the ACL file \/nonexistent\/acl, which is not here/,
  () => [...netmapRt, file('acl_conf = "/nonexistent/acl"; interfaces = "ix0";')],
);
test('fields that are none', refuses, 64, /--fields: 'sink' is not the name of a field/, () => [
  ...netmapRt,
  file('interfaces = "ix0";'),
  ...['--fields', 'sink;action'],
]);
test('a VLAN that is none', refuses, 64, /--vlan: 'vlan1=ix0' does not say/, () => [
  ...netmapRt,
  file('interfaces = "ix0";'),
  ...['--vlan', 'vlan1=ix0'],
]);
test('a default that is none', refuses, 64, /--default: expected allow or deny, got 'pass'/, () => [
  ...netmapRt,
  file('interfaces = "ix0";'),
  ...['--default', 'pass'],
]);
test(
  'mistakes, with their lines',
  refuses,
  65,
  /acl-1:2:7 - error NM6001: 'quick' is not an action\n2 ;;;;;;quick\n {8}~\n {2}expected deny/,
  () => [...netmapRt, file('interfaces = "ix0";'), file(';;;;;;drop\n;;;;;;quick\n', 'acl-1')],
);
test(
  'a policy that netmill would not build',
  refuses,
  65,
  /NM3024[\s\S]*makes no policy[\s\S]*--neighbour-discovery builtin/,
  () => [...netmapRt, file('interfaces = "ix0";'), file(';;;;tcp;80;pass\n;;;;;;drop\n')],
);

test('nothing is written when something is refused', async (t) => {
  const out = join(directory, 'never.ts');
  const ran = await netmill([...netmapRt, file('interfaces = "ix0";'), file('bad'), '-o', out, '--json']);
  t.is(ran.code, 65);
  t.deepEqual(schemas.import.parse(JSON.parse(ran.out)).diagnostics[0]!.code, 'NM6001');
  t.false(existsSync(out));
});

test('export, and import of what it wrote', async (t) => {
  t.timeout(120_000);
  const out = join(directory, 'exported');
  const policy = join(packageRoot, 'examples/netmap-rt/border.ts');
  const refused = await netmill(['export', '--format', 'netmap-rt', policy]);
  t.is(refused.code, 65);
  t.regex(refused.err, /border\.ts:\d+:5 - error NM6005: when netmap-rt ends[\s\S]*1 error/);
  t.is(refused.out, '');

  const ran = await netmill(['export', '--format', 'netmap-rt', policy, '--accept-fallback', '-o', out]);
  t.is(ran.code, 0, ran.err);
  t.regex(ran.out, /the same as .*border\.ts for all packets/);
  const conf = join(out, 'netmap-rt.conf');
  const options = ['--fields', 'netmap-rt', '--port-lines', 'untagged'];
  const back = await netmill([...netmapRt, conf, ...options, '--json']);
  t.is(back.code, 0, back.err);

  const json = await netmill(['export', '--format', 'netmap-rt', policy, '--accept-fallback', '--json']);
  const { texts } = schemas.export.parse(JSON.parse(json.out));
  t.is(texts!['netmap-rt.conf'], readFileSync(conf, 'utf8'));
});

test('a format to export to that is not known', refuses, 64, /writes netmap-rt, not 'ipfw'/, () => [
  ...['export', '--format', 'ipfw', 'examples/edge.ts'],
]);

test("Aerleon's example, with what it includes and defines", async (t) => {
  t.timeout(60_000);
  const example = join(packageRoot, 'examples/aerleon');
  const out = join(directory, 'campus.ts');
  const told = (text: string) => text.slice(text.indexOf('What is not said there'));
  const ran = await netmill([
    ...['import', '--from', 'aerleon', join(example, 'policies/campus.yaml')],
    ...['--definitions', join(example, 'def'), '--target', 'juniper', '--interface', 'eth1'],
    ...['--interface', 'eth2', '--attach', 'campus-in=eth1:in', '--attach', 'campus-out=eth1:out'],
    ...['--neighbour-discovery', 'builtin', '--today', '2026-11-21', '-o', out],
  ]);
  t.is(ran.code, 0, ran.err);
  t.regex(ran.out, /campus\.ts: 2 interfaces, 10 rules; 7 assumptions stand at its head/);
  t.is(told(readFileSync(out, 'utf8')), told(readFileSync(join(example, 'campus.ts'), 'utf8')));
});

test('what Aerleon says and netmill cannot is shown where it stands, in included files, too', async (t) => {
  const policy = file(
    'filters:\n  - header: { targets: { juniper: edge mixed } }\n    terms: [{ include: more.yaml }]\n',
    'edge.yaml',
  );
  file('terms:\n  - name: slow\n    policer: ten-megabit\n    action: accept\n', 'more.yaml');
  const ran = await netmill(['import', '--from', 'aerleon', policy, '--interface', 'eth1']);
  t.is(ran.code, 65);
  t.regex(
    ran.err,
    /more\.yaml:3:5 - error NM6003: 'policer' of a term has no counterpart\n3 {5}policer: ten-megabit/,
  );
  t.regex(ran.err, /Fix: delete it, and write \.police\('10 Mbit\/s'\) behind the rule/);
  const wrong = await netmill([
    ...['import', '--from', 'aerleon', policy, '--interface', 'eth1', '--attach', 'edge'],
  ]);
  t.is(wrong.code, 64);
  t.regex(wrong.err, /--attach: 'edge' does not say where a filter is attached/);
});

const place = { family: 'inet', table: 'f' };
const blocklist = JSON.stringify({
  nftables: [
    { set: { ...place, name: 'blocked', handle: 1, type: 'ipv4_addr', elem: ['9.9.9.9'] } },
    { chain: { ...place, name: 'fwd', handle: 2, type: 'filter', hook: 'forward', policy: 'accept' } },
    {
      rule: {
        ...place,
        chain: 'fwd',
        handle: 3,
        expr: [
          { match: { op: '==', left: { payload: { protocol: 'ip', field: 'saddr' } }, right: '@blocked' } },
          { drop: null },
        ],
      },
    },
  ],
});

test('sets that change at run time: their files stand beside the policy', async (t) => {
  t.timeout(60_000);
  const nftables = ['import', '--from', 'nftables', file(blocklist), '--interface', 'eth1'];
  const asked = [...nftables, '--run-time-set', 'blocked'];
  const out = join(directory, 'routers', 'new', 'edge.ts');
  const ran = await netmill([...asked, '-o', out]);
  t.is(ran.code, 0, ran.err);
  t.regex(readFileSync(out, 'utf8'), /set\('blocked', \{ family: 4, file: '\.\/blocked\.txt' \}\)/);
  t.is(readFileSync(join(out, '../blocked.txt'), 'utf8'), '9.9.9.9/32\n');
  const explained = await netmill(['explain', out, 'out eth1 tcp 9.9.9.9:1 > 10.0.0.1:80']);
  t.regex(explained.out, /fate: denied/, explained.err);

  const again = await netmill([...asked, '-o', join(out, '../other.ts')]);
  t.is(again.code, 64);
  t.regex(again.err, /blocked\.txt exists/);
  t.false(existsSync(join(out, '../other.ts')));
  const nowhere = await netmill(asked);
  t.is(nowhere.code, 64);
  t.regex(nowhere.err, /the policy reads blocked\.txt: name its file with -o/);
  const proc = await netmill([...nftables, '-o', '/proc/netmill/edge.ts']);
  t.is(proc.code, 71);
  t.regex(proc.err, /expected a directory to write to/);
});
