/** Mutants of a policy, and which of them any packet can tell from it. */
import test from 'ava';
import { lower } from '../../../codegen/lower.js';
import { differenceOf } from '../../../codegen/mutate/difference.js';
import { mutantsOf } from '../../../codegen/mutate/mutants.js';
import { simulate } from '../../../codegen/testing/test.js';
import { accepted, front } from '../policy.js';

const text = `const inside = nets('10.0.0.0/9', '2001:db8::/33')
export default router('r', { interfaces: {
  wan: { port: 'xdp:eth0', fallback: 'drop', in: acl('in', {}, [
    deny({ from: inside }),
    allow({ service: tcp(80), to: inside }),
    allow({ service: tcp(443), to: inside }),
    deny({ service: udp(53) }).count('dns'),
  ]) },
  lan: { port: 'xdp:eth1', fallback: 'drop', address: ['10.128.0.1/9'], pbr: pbr('out', [nexthop('10.128.0.9', { service: udp(53) })]) },
} })`;

test('each mistake is told from the policy by a packet, or by none', async (t) => {
  t.timeout(120_000);
  const policy = accepted(await front(text));
  const ir = lower(policy);
  const found = mutantsOf(policy).map((mutant) => {
    const difference = differenceOf(ir, mutant);
    if (difference.kind === 'differs') {
      const { example, fate, mutantFate } = difference;
      const fresh = { policy: mutant.policy, ir: lower(mutant.policy) };
      t.is(simulate({ policy, ir }, example).fate, fate);
      t.is(simulate(fresh, example).fate, mutantFate);
      t.not(fate, mutantFate);
    }
    return `${mutant.list}:${mutant.origin.line - 4} ${mutant.change}: ${difference.kind}`;
  });
  t.deepEqual(found, [
    'in:1 deny becomes allow: differs',
    'in:1 from 10.0.0.0/9 becomes 10.0.0.0/8: differs',
    'in:1 from 2001:db8::/33 becomes 2001:db8::/32: differs',
    'in:1 it changes places with the next rule (line 6): differs',
    'in:1 it is dropped: differs',
    'in:2 allow becomes deny: differs',
    'in:2 to 10.0.0.0/9 becomes 10.0.0.0/8: differs',
    'in:2 to 2001:db8::/33 becomes 2001:db8::/32: differs',
    // Both do the same, in either order.
    'in:2 it changes places with the next rule (line 7): equivalent',
    'in:2 it is dropped: differs',
    'in:3 allow becomes deny: differs',
    'in:3 to 10.0.0.0/9 becomes 10.0.0.0/8: differs',
    'in:3 to 2001:db8::/33 becomes 2001:db8::/32: differs',
    'in:3 it changes places with the next rule (line 8): equivalent',
    'in:3 it is dropped: differs',
    'in:4 deny becomes allow: differs',
    // The default denies it, too.
    'in:4 it is dropped: equivalent',
    'in:0 default deny becomes allow: differs',
    'out:6 it is dropped: differs',
  ]);
});
