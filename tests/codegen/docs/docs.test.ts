/** Pages of policies: the same every time, with everything in them that a rule says, and nothing that becomes markup. */
import { join } from 'node:path';
import test from 'ava';
import type { CheckedPolicy } from '../../../codegen/checked.js';
import { commentOf } from '../../../codegen/docs/comments.js';
import { toHtml } from '../../../codegen/docs/html.js';
import { toMarkdown } from '../../../codegen/docs/markdown.js';
import { pageOf } from '../../../codegen/docs/page.js';
import { loadAndCheck } from '../../../codegen/front.js';
import { packageRoot } from '../../../codegen/load/compiler.js';
import { accepted, front, patient } from '../policy.js';

const nasty = '<script>alert(1)</script> & "q" | `c` *b* [l](x)';
const text = `const inside = nets('10.0.0.0/8', '2001:db8::/32')
// What is asked before everything else.
const odd = predicate('odd', (p) => p.ttl < 3 && p.len > 100)
export default router('r', { interfaces: {
  wan: { port: 'xdp:eth0', address: ['198.51.100.2/30'], fallback: 'drop', in: acl('in', { default: 'deny', log: true }, [
    // Ours do not come from there,
    // whatever they say.
    deny({ from: inside.v4 }).log({ rate: '5/s' }).why(${JSON.stringify(nasty)}), // see NET-1
    deny({ from: inside.v6, when: odd }).id('odd').count('odds'),
    allow({ service: tcp(443, '8000-8099'), to: inside }).expires('2027-03-31'),
    allow({ service: tcp(), to: inside }),
    allow({ service: udp(53), to: inside }),
  ]) },
  lan: { port: 'xdp:eth1', fallback: 'drop', vlans: { office: { id: 7, address: ['10.0.0.1/24'], pbr: pbr('out', [
    nexthop('198.51.100.1', { service: udp(53) }),
  ]) } } },
} })`;

let policy: CheckedPolicy;
let html: string;
let markdown: string;
test.before(async (t) => {
  t.timeout(120_000);
  policy = accepted(await front(text));
  html = toHtml(pageOf(policy));
  markdown = toMarkdown(pageOf(policy));
});

test('everything that a rule says stands in its row', (t) => {
  const row = (number: number) =>
    markdown.split('\n').find((line) => line.match(`^\\| <a id="acl-in\\.[^"]*"></a>${number} \\|`)) ?? '';
  t.regex(row(1), /\*\*deny\*\* \| from \[`inside`\]\(#net-inside\) \| logged, at most 5\/s \|/);
  t.regex(row(1), /Ours do not come from there, whatever they say\. see NET-1 \| policy\.ts:9 \|$/);
  t.regex(row(2), /when \[`odd`\]\(#predicate-odd\) \| id odd; counted as odds \|/);
  t.regex(row(3), /to .* service `tcp 443, tcp 8000-8099` \| expires 2027-03-31 \|/);
  t.true(
    markdown.includes(
      '| <a id="acl-in..default"></a>– | **deny** | everything else | logged |  | policy.ts:6 |',
    ),
  );
});

test('networks of one name are one row', (t) => {
  t.true(
    markdown.includes('| <a id="net-inside"></a>**inside** | `10.0.0.0/8`, `2001:db8::/32` | policy.ts:2 |'),
  );
});

test('what rules do, protocols and messages are said in words', async (t) => {
  t.timeout(120_000);
  const treated = pageOf(
    accepted(
      await front(`export default router('r', { interfaces: { wan: { port: 'xdp:eth0', fallback: 'drop', in: acl('in', { neighbourDiscovery: 'explicit', default: 'allow' }, [
    allow({ service: icmp('echo-request', { family: 6, type: 135 }, { family: 4, type: 42 }) }).police('2 Mbit/s'),
    reject({ service: service(proto('gre', 200), tcp({ from: 179 })) }),
  ]) } } })`),
    ),
  );
  const rows = toMarkdown(treated)
    .split('\n')
    .filter((line) => line.startsWith('| <a id="acl-in.'));
  t.regex(
    rows[0]!,
    /`icmp echo-request, icmp neighbour-solicitation, icmp IPv4 type 42` \| policed to 2 Mbit\/s, burst \d+ bytes \|/,
  );
  t.regex(
    rows[1]!,
    /`gre, protocol 200, tcp from 179` \| answered with a TCP reset, or ICMP admin-prohibited \|/,
  );
});

test('findings lead to the rule that they are about, and every cell of a card says what it is', (t) => {
  t.regex(html, /<tr id="acl-in\.odd" class="deny"><td data-label="#"><span><a href="#acl-in\.odd">2<\/a>/);
  const told = policy.warnings.filter((one) => one.origin.line === 11);
  t.true(told.length > 0);
  t.is(html.match(/<a href="#acl-in\.rule\.[0-9a-f]{16}">policy\.ts:11<\/a>/g)?.length, told.length);
});

test('what an operator wrote does not become markup', (t) => {
  t.false(html.includes('<script>'));
  t.true(html.includes('&lt;script&gt;alert(1)&lt;/script&gt; &amp; &quot;q&quot; | `c` *b* [l](x)'));
  t.true(markdown.includes('\\<script\\>alert(1)\\</script\\> \\& "q" \\| \\`c\\` \\*b\\* \\[l\\](x)'));
});

test('the HTML is whole by itself, and every element is closed', (t) => {
  t.notRegex(html, /<(script|link|img|iframe)\b|\bsrc=|@import|url\(/);
  const open: string[] = [];
  for (const [, end, name, , closed] of html.matchAll(/<(\/?)([a-z][a-z0-9]*)((?:\s[^<>]*?)?)(\/?)>/g)) {
    if (name === 'meta' || closed === '/') continue;
    if (end === '/') t.is(open.pop(), name);
    else open.push(name!);
  }
  t.deepEqual(open, []);
});

test('links lead to sections of the page', (t) => {
  const ids = new Set([...html.matchAll(/ id="([^"]+)"/g)].map(([, id]) => id));
  const links = [...html.matchAll(/href="#([^"]+)"/g)].map(([, id]) => id!);
  t.true(links.length > 8);
  t.deepEqual(
    links.filter((id) => !ids.has(id)),
    [],
  );
});

test('links to rules hold when others come before them', async (t) => {
  t.timeout(120_000);
  const more = text.replace("default: 'deny', log: true }, [", "$&\n    deny({ to: nets('192.0.2.0/24') }),");
  const idsIn = (page: string) => [...page.matchAll(/<tr id="(acl-in[^"]+)"/g)].map(([, id]) => id!);
  const [before, after] = [html, toHtml(pageOf(accepted(await front(more))))].map(idsIn) as [
    string[],
    string[],
  ];
  t.is(new Set(after).size, 7);
  t.deepEqual(
    before.filter((id) => !after.includes(id)),
    [],
  );
});

test('the picture shows interfaces, and where PBR sends packets', (t) => {
  t.regex(html, /<g class="face">.*lan\.office.*VLAN 7.*10\.0\.0\.1\/24.*pbr: out/);
  t.regex(html, /<g class="way">.*198\.51\.100\.1.*PBR out/);
  t.is(html.match(/<path class="diverts"/g)?.length, 1);
  t.is(html.match(/<path class="leaves"/g)?.length, 1);
  t.regex(markdown, /f1\("lan\.office<br>VLAN 7<br>10\.0\.0\.1\/24<br>pbr: out"\)/);
  t.regex(markdown, /f1 -\.-> g0\n {2}g0 -\.-> f0/);
});

test('comments above a line and behind it, and no code', (t) => {
  t.is(
    commentOf(policy, policy.predicates.find((one) => one.name === 'odd')!.origin),
    'What is asked before everything else.',
  );
  t.is(commentOf(policy, { file: 'policy.ts', line: 10, column: 1 }), undefined);
});

test('the page of an example does not depend on when it is made', async (t) => {
  t.timeout(120_000);
  const path = join(packageRoot, 'examples/edge1.ts');
  const [one, other] = await Promise.all(
    [0, 1].map(async () =>
      toHtml(pageOf(accepted(await loadAndCheck(path, { limits: patient, notes: true })))),
    ),
  );
  t.is(one, other);
  t.false(one!.includes(packageRoot));
});
