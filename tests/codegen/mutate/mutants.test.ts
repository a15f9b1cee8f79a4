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
    'out:6 gateway 10.128.0.9 becomes 10.128.0.8: differs',
    'out:6 it is dropped: differs',
  ]);
});

const treating = `export default router('r', { interfaces: {
  wan: { port: 'xdp:eth0', fallback: 'drop', in: acl('in', {}, [
    allow({ service: tcp(80) }).police('1 Mbit/s').mirror('lan').dscp('ef').log(),
    allow({ service: tcp(443) }).sample(100).dscp(0),
    reject({ service: tcp(113) }),
    deny({ service: tcp(80) }).log().allowShadow('never asked'),
    allow({ from: nets('10.0.0.0/8', '2001:db8::/32') }),
  ]) },
  lan: { port: 'xdp:eth1', fallback: 'drop' },
} })`;

test('what rules do besides is changed, too, and a simulated packet shows it', async (t) => {
  t.timeout(120_000);
  const policy = accepted(await front(treating));
  const ir = lower(policy);
  const found = mutantsOf(policy)
    .filter((one) => one.mutation === 'treat')
    .map((mutant) => {
      const difference = differenceOf(ir, mutant);
      const about = `${mutant.origin.line - 3} ${mutant.change}`;
      if (difference.kind !== 'differs') return `${about}: ${difference.kind}`;
      const { example, fate, mutantFate } = difference;
      const fresh = { policy: mutant.policy, ir: lower(mutant.policy) };
      t.not(fate, mutantFate);
      t.not(simulate({ policy, ir }, example).treatment, simulate(fresh, example).treatment, example);
      t.is(simulate({ policy, ir }, example).fate, simulate(fresh, example).fate);
      return `${about}: ${fate}`;
    });
  const limit = 'policed to 1 Mbit/s, burst 15000 bytes; copied to lan; logged, at most 10/s';
  t.deepEqual(found, [
    // What is for the router does not leave with a DSCP.
    `1 its limit is twice as high: host; ${limit}`,
    `1 it is copied nowhere: host; ${limit}`,
    `1 DSCP 46 becomes 0: routed; ${limit}; DSCP 46`,
    `1 it is not logged: host; ${limit}`,
    '2 no samples are logged: host; logged, one in 100',
    '2 DSCP 0 becomes 8: routed; logged, one in 100; DSCP 0',
    '3 nobody is told of what is rejected: denied; answered with a TCP reset, or ICMP admin-prohibited',
    '4 it is not logged: equivalent',
  ]);
});
