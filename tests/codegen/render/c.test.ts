/** C from policies that were written to make it wrong: gcc and clang-format are content with all of it. */
import test from 'ava';
import { generate } from '../../../codegen/compile.js';
import { comment } from '../../../codegen/view/text.js';
import { accepted, front, withWan } from '../policy.js';
import { assemblyOf, gccSays, misformatted } from './generated.js';

async function sourceOf(text: string): Promise<string> {
  return generate(accepted(await front(text))).source;
}

const rows: Readonly<Record<string, string>> = {
  'no rules at all': withWan(''),
  'an empty ACL': withWan("in: acl('a', {}, []),"),
  'an ACL that allows all': withWan("in: acl('a', { default: 'allow' }, [deny()]),"),
  'rules of one family': withWan("in: acl('a', {}, [allow({ from: nets('10.0.0.0/8') })]),"),
  'an empty PBR list': withWan("pbr: pbr('way', []),"),
  'a PBR list that never matches': withWan(
    "pbr: pbr('way', [nexthop('192.0.2.1', { from: nets('10.0.0.0/8'), when: predicate('six', (p) => p.family === 6) }).waive('NM3018', 'x')]),",
  ),
  'an ACL whose nexthop never matches, and a PBR list that does': withWan(
    "in: acl('a', {}, [nexthop('192.0.2.1', { when: predicate('no', (p) => p.ttl > 255) }).waive('NM3018', 'x')]), pbr: pbr('way', [nexthop('192.0.2.1')]),",
  ),
  'predicates that are decided bit by bit': withWan(
    "in: acl('a', {}, [deny({ when: predicate('no', (p) => (p.len & 4) === 3 || p.len + p.ttl !== p.ttl + p.len) }).waive('NM3018', 'x'), allow({ when: predicate('yes', (p) => (p.dscp | 3) !== 4 && ((p.ttl ^ 1) & 1) <= 1) })]),",
  ),
  'a host and everything': withWan(
    "in: acl('a', {}, [allow({ from: nets('0.0.0.0/0', '::1/128'), to: nets('::/0', '1.2.3.4') })]),",
  ),
  'names that are words of C': withWan(
    "in: acl('int', {}, [allow({ when: predicate('return', (p) => p.ttl > 1) })]),",
  ),
  'names that differ in their dashes': withWan(
    "in: acl('a-b', {}, [allow({ when: predicate('x-y', (p) => p.ttl > 1) }), allow({ when: predicate('x_y', (p) => p.ttl > 0) })]), pbr: pbr('a_b', [nexthop('192.0.2.1')]),",
  ),
  'names that end in a family': `
    const a = nets('10.0.0.0/8', '2001:db8::/32'), aIpv4 = nets('10.0.0.0/9', '2001:db8::/33')
    const p = predicate('a', (p) => p.src.within(a)), other = predicate('a-ipv4', (p) => p.dst.within(aIpv4))
    const rules = [deny({ from: a, to: aIpv4, service: tcp(80) }).log(), allow({ when: p }), allow({ when: other })]
    const lists = (name: string) => ({ in: acl(name, {}, rules), out: acl(name + '-out', {}, rules), pbr: pbr(name, [nexthop('192.0.2.1', { from: a.v4 })]) })
    export default router('r', { interfaces: {
      'a-ipv6': { port: 'xdp:e0', fallback: 'drop', ...lists('a-ipv6') },
      a: { port: 'xdp:e1', fallback: 'drop', ...lists('a') },
      a_ipv4: { port: 'xdp:e2', fallback: 'drop', ...lists('a_ipv4'), out: acl('a-out-ipv4', {}, rules) },
      b: { port: 'xdp:e3', fallback: 'drop', ...lists('a-ipv4-holds') },
    } })`,
  'words that would end a comment': withWan(
    "in: acl('a', {}, [allow({ service: tcp(1) }).why('*/ int x; /* ??/ \\\\ // ä') /* x */, deny({ service: udp(1, 5, '7-9', 77, 99, '100-200', 400, 500) })]),",
  ),
  'lines that would go on': withWan(
    "in: acl('a', {}, [allow({ when: predicate('p', (p) => {\n  // 日本語/\n  // ????/\n  // \\\n  return p.ttl > 1;\n}) })]),",
  ),
  'names as long as they may be': withWan(
    `in: acl('${'a'.repeat(63)}', { log: true }, [nexthop('2001:db8:1111:2222:3333:4444:5555:6666', { from: nets('2001:db8::/32'), to: nets('2001:db8:${'1:'.repeat(5)}1/128'), service: tcp(1, 22, 333, 4444, 55555), when: predicate('${'b'.repeat(63)}', (p) => p.ttl > 1) }).log()]),`,
  ),
  'long names of interfaces': `
    const a = acl('${'l'.repeat(60)}', {}, [nexthop('192.0.2.1', { service: tcp(5) }), allow()])
    const b = pbr('${'m'.repeat(60)}', [nexthop('192.0.2.1')])
    export default router('r', { interfaces: { ${'abcdefghijklmnop'.repeat(2).slice(0, 31)}: { port: 'xdp:e0', in: a, pbr: b, fallback: 'drop' },
      u: { port: 'xdp:e1', fallback: 'drop', pbr: b, qinq: { outer: 4094, inner: { ${'z'.repeat(29)}: { id: 4094, in: a, pbr: b } } } } } })`,
  'headers of all kinds': withWan(
    "in: acl('a', {}, [allow({ dscp: ['ef', 10], ttl: [1, 5] }), deny({ flags: ['syn', '!ack', '!rst'], length: [0, 60] }), deny({ flags: ['established', 'psh'], fragment: 'none' }), deny({ fragment: 'later', service: proto('gre') }), allow({ fromMac: ['02:00:00:00:00:01', '00:1b:21:00:00:00/24'], toMac: 'group', pcp: [5, 6], when: predicate('hop', (p) => p.ttl > 1 && p.pcp < 7) })]),",
  ),
  'pairs of ports and other protocols': withWan(
    "in: acl('a', {}, [allow({ service: tcp('bgp', { from: '1024-65535' }) }), allow({ service: service(udp(53, 123, '3000-3999', { from: ['domain', 'ntp', '1024-4999', 5353] }), tcp({ from: 20 }), tcp(22), proto('gre', 'ospf', 255)) }), allow({ service: proto('esp') })]),",
  ),
  'many networks': withWan(
    `in: acl('a', {}, [allow({ from: nets(${[...Array(40)].map((_, i) => `'10.${i * 2}.0.0/16', '2001:db8:${i * 2}::/48'`).join(', ')}) })]),`,
  ),
  'a long predicate': withWan(
    `in: acl('a', {}, [allow({ when: predicate('long', (p) => ${[...Array(12)]
      .map(
        (_, i) =>
          `(p.ttl * ${i + 2} + p.len % ${i + 3} > p.dscp * ${i} + 17 && (p.vlan === ${i} || !p.fragment))`,
      )
      .join(' || ')}) })]),`,
  ),
  'a deep predicate': withWan(
    `in: acl('a', {}, [allow({ when: predicate('deep', (p) => !(((((p.ttl + p.len) * 3 & 255) + p.dscp) * 5 % 97 + p.vlan) * 3 % 251 > ((p.len & 1023) * 7 + (p.ttl ^ 85) * 11 + (p.dscp | 3) * 13) % 241)) })]),`,
  ),
};

for (const [name, text] of Object.entries(rows))
  test(`C of ${name}`, async (t) => {
    t.timeout(120_000);
    const source = await sourceOf(text);
    t.is(gccSays(source), '');
    t.deepEqual(misformatted(source), []);
    t.regex(source, /^[\x20-\x7e\t\n]*$/);
  });

test('a list of hundreds of rules becomes a table', async (t) => {
  t.timeout(120_000);
  const rules = [...Array(600)].map(
    (_, i) =>
      `allow({ from: nets('10.${i >> 8}.${i & 255}.0/24', '2001:db8:${i.toString(16)}::/48'), service: tcp(${i}) })`,
  );
  rules.splice(300, 0, "deny({ when: predicate('odd', (p) => p.ttl === 7) }).log()");
  const { source, tables } = generate(
    accepted(await front(withWan(`in: acl('long', {}, [${rules.join(',\n')}]),`))),
  );
  t.is(source.match(/static const struct mill_classifier /g)?.length, 2);
  t.is(gccSays(source, tables), '');
  t.deepEqual(misformatted(source), []);
});

// How jumps are written is the machine's own.
const onX64 = process.arch === 'x64' ? test : test.skip;
onX64('a short list has no jump for a rule', async (t) => {
  t.timeout(120_000);
  const jumps = async (count: number, last: string, options = '{}') => {
    const rules = Array.from(
      { length: count },
      (_, i) =>
        `${i % 2 ? 'deny' : 'allow'}({ from: nets('10.${i}.0.0/16', '192.0.2.${i}/32'), service: tcp(${80 + i}) })`,
    );
    const source = await sourceOf(withWan(`in: acl('a', ${options}, [${rules.join(', ')}, ${last}]),`));
    return assemblyOf(source, 'acl_a_ipv4').match(/^\tj(?!mp)\w+/gm)!.length;
  };
  const plain = 'deny({ service: udp(7) })';
  t.is(await jumps(9, plain), await jumps(3, plain));
  const logs = '{ log: true }';
  t.is(await jumps(9, plain, logs), await jumps(3, plain, logs), 'its default does more');
  t.true((await jumps(9, `${plain}.log()`)) > (await jumps(3, `${plain}.log()`)) + 6, 'tests have');
});

test('both directions of a flow have one hash when the policy says so', async (t) => {
  t.timeout(120_000);
  const policy = (flowHash: string) =>
    `export default router('r', { engine: { flowHash: '${flowHash}' }, interfaces: { a: { port: 'xdp:e0' } } })`;
  const source = await sourceOf(policy('symmetric'));
  t.regex(source, /^#define MILL_SYMMETRIC_FLOWS\n(?:.*\n)*#include "netmill\/forward.h"$/m);
  t.is(gccSays(source), '');
  t.deepEqual(misformatted(source), []);
  t.notRegex(await sourceOf(policy('directed')), /SYMMETRIC/);
});

const fields: Readonly<Record<string, boolean>> = {
  "service: tcp(80), when: predicate('p', (p) => p.l4 === 'tcp' && p.sport < 1024)": false,
  "service: icmp('echo-request')": false,
  "service: tcp(), flags: 'syn'": true,
  "when: predicate('p', (p) => p.ttl > 9 || (p.l4 === 'tcp' && p.flags.ack))": true,
  "when: predicate('p', (p) => p.l4 === 'icmp' && p.icmpType + 1 < 9)": true,
};
for (const [match, asked] of Object.entries(fields))
  test(`TCP flags and ICMP types are ${asked ? '' : 'not '}read for ${match}`, async (t) => {
    t.timeout(120_000);
    const source = await sourceOf(withWan(`in: acl('a', {}, [allow({ ${match} })]),`));
    t.is(/^#define MILL_PORTS_ALONE$/m.test(source), !asked);
  });

test('the policy’s lookup method is the one that is compiled in', async (t) => {
  t.timeout(120_000);
  const policy = (lookup: string) =>
    `export default router('r', { engine: { lookup: '${lookup}' }, interfaces: { a: { port: 'xdp:e0' } } })`;
  for (const lookup of ['radix', 'dxr']) {
    const source = await sourceOf(policy(lookup));
    const macro = `MILL_LOOKUP_${lookup.toUpperCase()}`;
    t.true(source.includes(`/* lookup ${lookup}, as the policy says */\n#define ${macro}\n#include`));
    t.is(gccSays(source), '');
    t.deepEqual(misformatted(source), []);
  }
  t.notRegex(await sourceOf(policy('auto')), /MILL_LOOKUP/);
});

test('text in comments', (t) => {
  t.is(comment('a */ b /* c ??/ d…\n e\tf ü'), 'a * / b / * c ? ?/ d...  e f ?');
  t.is(comment('/*/ **/'), '/ * / ** /');
  t.is(comment('日本語/ ????/'), '? ? ?/ ? ? ? ?/');
});
