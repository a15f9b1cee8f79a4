/** Sets that change at run time, from the policy to its analysis: what is right for any contents, and what is refused. */
import test from 'ava';
import { lockoutGuard } from '../../../codegen/findings/lockout.js';
import { lower } from '../../../codegen/lower.js';
import { makePlan } from '../../../codegen/plan/plan.js';
import { contentsOf } from '../../../codegen/sets/contents.js';
import { prove, simulate } from '../../../codegen/testing/test.js';
import { network, parseInterfaceAddress } from '../../../dsl/address.js';
import { nets, tcp } from '../../../dsl/index.js';
import { frontOfFiles, summary } from '../policy.js';

const head = "import { acl, allow, deny, nets, nexthop, pbr, predicate, router, set, tcp } from 'netmill'\n";

function router(rules: string, more = ''): string {
  return `${head}const blocked = set('blocked', { file: './blocked.txt' })
const list = acl('list', { default: 'deny' }, [${rules}])
export default router('r', {
  interfaces: { wan: { port: 'eth0', in: list, fallback: 'drop', address: ['198.51.100.1/24'] } },
  ${more}
})`;
}

const reach = "mustReach: { admins: { in: 'wan', from: nets('203.0.113.0/28'), service: tcp(22) } }";

async function loaded(text: string, blocked = '9.9.9.0/24\n2001:db8:9::/48\n') {
  const result = await frontOfFiles({ 'policy.ts': text, 'blocked.txt': blocked });
  if (!result.ok) throw new Error(JSON.stringify(result.diagnostics.map(summary)));
  return { policy: result.policy, ir: lower(result.policy) };
}

async function refused(text: string, blocked = '') {
  const result = await frontOfFiles({ 'policy.ts': text, 'blocked.txt': blocked });
  return result.ok ? [] : result.diagnostics.map((one) => `${one.origin.file} ${summary(one)}`);
}

const held = (...texts: readonly string[]) =>
  new Map([['blocked', contentsOf(texts.map((text) => network(parseInterfaceAddress(text)!)))]]);

test('a rule before which a set stands is not dead, whatever the set holds', async (t) => {
  const { policy } = await loaded(router("deny({ from: blocked }), allow({ from: nets('9.9.9.0/24') })"));
  t.deepEqual(policy.warnings.map(summary), []);
  const dead = await refused(router('deny({ from: blocked }), allow({ from: blocked, service: tcp(22) })'));
  t.regex(dead.join(), /NM3001/);
});

test('simulate takes what the file says, and what the packet says', async (t) => {
  const policy = await loaded(router("deny({ from: blocked }), allow({ to: nets('203.0.113.0/24') })"));
  const fate = (text: string) => simulate(policy, `in wan tcp ${text}`).fate;
  t.is(fate('9.9.9.9:1 > 203.0.113.1:2 syn'), 'denied');
  t.is(fate('9.9.8.9:1 > 203.0.113.1:2 syn'), 'routed');
  t.is(fate('9.9.8.9:1 > 203.0.113.1:2 syn from-set blocked'), 'denied');
  t.is(fate('9.9.9.9:1 > 203.0.113.1:2 syn not-from-set blocked'), 'routed');
});

test('prove holds for all contents, and shows what they must be otherwise', async (t) => {
  const policy = await loaded(router('deny({ from: blocked }), deny({ service: tcp(23) }), allow()'));
  const other = { in: 'wan', from: nets('192.0.2.0/24'), to: nets('203.0.113.0/24') } as const;
  const whole = prove(policy, { ...other, service: tcp(23), is: 'denied' });
  t.true(whole.holds, whole.text);
  t.true(whole.packets > 0n);
  const some = prove(policy, { ...other, service: tcp(22), is: 'routed' });
  t.false(some.holds);
  t.regex(some.counterexample ?? '', / from-set blocked$/);
  t.is(simulate(policy, some.counterexample!).fate, 'denied');
});

test('a difference that some contents make is a difference', async (t) => {
  const [a, b] = await Promise.all([
    loaded(router('deny({ from: blocked }), allow()')),
    loaded(router('deny({ to: blocked }), allow()')),
  ]);
  const plan = makePlan(a.policy, b.policy);
  t.true(
    plan.packets.some(({ example }) => / from-set blocked/.test(example)),
    plan.packets.map((one) => one.example).join('\n'),
  );
  t.true(plan.packets.some(({ example }) => / to-set blocked/.test(example)));
  const other = await loaded(router('deny({ from: blocked }), allow()'), '1.1.1.1\n');
  t.deepEqual(makePlan(a.policy, other.policy).packets, [], 'what it holds is no part of the policy');
});

test('nobody who must reach the router is cut off by the file of a set', async (t) => {
  const text = router('deny({ from: blocked }), allow({ service: tcp(22) })', reach);
  t.deepEqual(await refused(text, '203.0.113.16/28\n'), []);
  const [found] = await refused(text, '203.0.113.9\n');
  t.regex(found ?? '', /NM3023/);
});

test('nor by what is put into it later: in a set, outside of one, and in predicates', async (t) => {
  const denies = lockoutGuard(
    (await loaded(router('deny({ from: blocked }), allow({ service: tcp(22) })', reach))).ir,
  );
  const codes = (guard: typeof denies, ...texts: readonly string[]) =>
    guard.check(held(...texts)).map((one) => one.code);
  t.deepEqual(codes(denies), []);
  t.deepEqual(codes(denies, '9.0.0.0/8', '203.0.113.16/28', '203.0.112.0/24'), []);
  t.deepEqual(codes(denies, '9.0.0.0/8', '203.0.113.15/32'), ['NM3023']);
  t.deepEqual(codes(denies, '0.0.0.0/0'), ['NM3023']);
  t.regex(
    denies.check(held('203.0.113.4/30'))[0]!.message,
    /tcp 203\.0\.113\.[4-7]:\d+ > 198\.51\.100\.1:22 .*from-set blocked/,
  );
  const admits = lockoutGuard(
    (await loaded(router('allow({ from: blocked, service: tcp(22) })', reach), '203.0.113.0/24\n')).ir,
  );
  t.deepEqual(codes(admits, '203.0.113.0/29', '203.0.113.8/29'), []);
  t.deepEqual(codes(admits, '203.0.113.0/29', '203.0.113.9/32'), ['NM3023']);
  t.deepEqual(codes(admits), ['NM3023']);
  const predicate = `${head}const blocked = set('blocked', { file: './blocked.txt' })
const strange = predicate('strange', (p) => !p.dst.within(blocked) && p.src.within(blocked))
const list = acl('list', { default: 'allow' }, [deny({ when: strange })])
export default router('r', { interfaces: { wan: { port: 'eth0', in: list, fallback: 'drop', address: ['198.51.100.1/24'] } }, ${reach} })`;
  const both = lockoutGuard((await loaded(predicate)).ir);
  t.deepEqual(codes(both, '203.0.113.1/32'), ['NM3023']);
  t.deepEqual(codes(both, '203.0.113.1/32', '198.51.100.1/32'), []);
});

test('what is wrong with a set is told with its place', async (t) => {
  const place = async (text: string, blocked = '') => (await refused(text, blocked)).join('; ');
  t.regex(
    await place(router('deny({ from: blocked })'), '9.9.9.9\n 9.9.9.x # no\n'),
    /blocked\.txt 2:2 NM3033/,
  );
  t.regex(
    await place(router('deny({ from: blocked })').replace('./blocked.txt', './none.txt')),
    /policy\.ts 2:\d+ NM3032/,
  );
  t.regex(await place(router('deny({ from: blocked })').replace('./blocked.txt', '/etc/passwd')), /NM3032/);
  t.regex(await place(router("deny({ from: blocked }), deny({ to: set('blocked') })")), /NM3031/);
  t.regex(await place(router("deny({ from: set('9blocked') })")), /NM3010/);
  t.regex(await place(router("deny({ from: set('other', { size: 3 } as never) })")), /NM4017/);
  t.regex(await place(router("deny({ from: set('other', { family: 5 as never }) })")), /NM4014/);
});

test('families: a set of one goes with gateways of that one', async (t) => {
  const via = (to: string) => `${head}const both = set('both')
const four = set('four', { family: 4 })
const via = pbr('via', [nexthop('198.51.100.9', { to: ${to} })])
export default router('r', { interfaces: { wan: { port: 'eth0', pbr: via, fallback: 'drop', address: ['198.51.100.1/24'] } } })`;
  t.deepEqual(await refused(via('four')), []);
  t.deepEqual(await refused(via('both.v4')), []);
  t.regex((await refused(via('both'))).join(), /NM1002|NM3004/);
});
