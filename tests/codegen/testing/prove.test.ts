/** What operators' tests ask, asked of a policy of which the answers are known. */
import { join } from 'node:path';
import test from 'ava';
import { equivalent, type LoadedPolicy, load, packets, prove, simulate } from 'netmill/test';
import { nets, service, tcp, udp } from '../../../dsl/index.js';
import { withFiles } from '../policy.js';

const policy = `import { acl, allow, deny, nets, nexthop, pbr, predicate, router, tcp, udp } from 'netmill'
const servers = nets('192.0.2.0/25', '2001:db8:1::/64')
const spoofed = predicate('late', (p) => p.ttl < 3)
export default router('r', { interfaces: {
  wan: { port: 'xdp:eth0', fallback: 'drop', address: ['198.51.100.2/30'], in: acl('in', {}, [
    deny({ from: servers }),
    deny({ when: spoofed }),
    allow({ to: servers, service: tcp(80, 443) }),
    allow({ to: nets('198.51.100.2'), service: tcp(179) }).id('bgp'),
  ]) },
  lan: { port: 'xdp:eth1', fallback: 'drop', vlans: { guests: { id: 7, pbr: pbr('out', [
    nexthop('198.51.100.1', { service: udp(53) }),
  ]) } } },
  vault: { port: 'xdp:eth2', fallback: 'drop', out: acl('to-vault', {}, [allow({ from: servers, service: tcp(636) })]) },
} })
`;

let edge: LoadedPolicy;
let changed: LoadedPolicy;
let open: LoadedPolicy;
let tunnels: readonly LoadedPolicy[];

const tunnel = (match: string) => `import { acl, allow, proto, router } from 'netmill'
const list = acl('tunnels', {}, [allow({ ${match} }).expires('2020-12-31')])
export default router('t', { interfaces: { wan: { port: 'eth0', fallback: 'drop', in: list } } })
`;
let treated: LoadedPolicy;
let ways: LoadedPolicy;

test.before(async (t) => {
  t.timeout(120_000);
  const files = {
    'edge.ts': policy,
    'changed.ts': policy.replace('tcp(80, 443)', 'tcp(80, 8443)'),
    'gre.ts': tunnel("service: proto('gre')"),
    'esp.ts': tunnel("service: proto('esp')"),
    'short.ts': tunnel("service: proto('esp'), length: [0, 1400]"),
    'treated.ts': policy
      .replace('service: tcp(80, 443) })', "service: tcp(80, 443) }).police('1 Gbit/s').mirror('lan')")
      .replace('deny({ from: servers })', 'reject({ from: servers })')
      .replace('deny,', 'deny, reject,')
      .replace('service: tcp(636) })', "service: tcp(636) }).dscp('ef')"),
    'ways.ts': policy.replace(
      'service: udp(53) })',
      "service: udp(53) }), nexthop({ '198.51.100.1': 2, '198.51.100.5': 1 }, { service: udp(123) }).or('198.51.100.9').orDrop()",
    ),
    'open.ts': policy.replace('tcp(636)', 'tcp(636, 389)'),
  };
  await withFiles(files, async (directory) => {
    edge = await load(join(directory, 'edge.ts'));
    changed = await load(join(directory, 'changed.ts'));
    treated = await load(join(directory, 'treated.ts'));
    ways = await load(join(directory, 'ways.ts'));
    open = await load(join(directory, 'open.ts'));
    tunnels = await Promise.all(['gre', 'esp', 'short'].map((name) => load(join(directory, `${name}.ts`))));
  });
});

const servers = nets('192.0.2.0/25', '2001:db8:1::/64');

test('one packet', (t) => {
  t.is(simulate(edge, 'in wan tcp 9.9.9.9:1234 > 192.0.2.10:443 syn').fate, 'routed');
  t.is(simulate(edge, 'in wan tcp 9.9.9.9:1234 > 192.0.2.10:443 syn ttl 2').fate, 'denied');
  t.is(simulate(edge, 'in lan.guests udp 10.0.0.1:1234 > 9.9.9.9:53').fate, 'via 198.51.100.1');
  t.throws(() => simulate(edge, 'in nowhere udp 10.0.0.1:1 > 9.9.9.9:53'), { message: /wan, lan.guests/ });
  t.throws(() => simulate(edge, 'in wan udp 10.0.0.1:1'), { message: /expected '>'/ });
});

const holds = test.macro((t, question: Parameters<typeof prove>[1]) => {
  const proof = prove(edge, question);
  t.true(proof.holds, proof.text);
});

const inside = { from: nets('10.0.0.0/8'), to: nets('9.0.0.0/8') };
test('sources of our own are denied', holds, { in: 'wan', from: servers.v4, is: 'denied' });
test('all of UDP is denied', holds, { in: 'wan', service: udp(), is: 'denied' });
test('a half of a network is denied', holds, { in: 'wan', to: nets('192.0.2.128/25'), is: 'denied' });
test('DNS is diverted', holds, {
  in: 'lan.guests',
  service: udp(53),
  ...inside,
  out: 'wan',
  is: 'via 198.51.100.1',
});
test('the router hears guests', holds, {
  in: 'lan.guests',
  ...inside,
  to: nets('198.51.100.2'),
  is: 'host',
});

test('what does not hold, with a packet', (t) => {
  const proof = prove(edge, {
    in: 'wan',
    to: servers,
    service: tcp(443),
    from: nets('203.0.113.0/24'),
    is: 'allowed',
  });
  t.false(proof.holds);
  t.is(proof.fate, 'denied');
  t.is(proof.place, 'edge.ts:7');
  t.regex(proof.counterexample!, /^in wan tcp 203\.0\.113\.10:40000 > 192\.0\.2\.10:443 syn ttl [012]$/);
  t.is(simulate(edge, proof.counterexample!).fate, 'denied', 'the packet says so itself');
});

test('exceptions are not asked about', (t) => {
  const asked = { in: 'wan', to: servers, is: 'denied' } as const;
  t.false(prove(edge, asked).holds);
  t.true(
    prove(edge, { ...asked, except: { service: tcp(80, 443) } }).holds === false,
    'Neighbour Discovery passes',
  );
  const except = [{ service: tcp(80, 443) }, { to: nets('2001:db8:1::/64') }];
  t.true(prove(edge, { ...asked, except }).holds);
  t.false(
    prove(edge, { ...asked, except: [{ service: service(tcp(80)) }, { to: nets('2001:db8:1::/64') }] }).holds,
  );
});

test('packets are asked for by everything that rules match', (t) => {
  const web = {
    in: 'wan',
    out: 'wan',
    to: servers,
    from: nets('203.0.113.0/24', '2001:db8:9::/48'),
    service: tcp(443),
  } as const;
  const late = prove(edge, { ...web, ttl: [3, 255], is: 'allowed' });
  t.true(late.holds, late.text);
  t.true(prove(edge, { ...web, ttl: [0, 2], is: 'denied' }).holds);
  t.false(prove(edge, { ...web, ttl: [2, 3], is: 'denied' }).holds);
  t.true(prove(edge, { ...web, except: { ttl: [0, 2] }, is: 'allowed' }).holds);
  const parts = [
    { flags: ['syn', '!ack'] },
    { flags: 'established' },
    { dscp: ['ef', 'af21'] },
    { length: [60, 1500] },
    { fragment: 'first' },
    { pcp: [5, 6] },
    { fromMac: '02:00:00:00:00:01' },
    { toMac: '02:00:00:00:00:02' },
  ] as const;
  const all = prove(edge, { ...web, ttl: 64, is: 'allowed' });
  for (const part of parts) {
    const proof = prove(edge, { ...web, ttl: 64, ...part, is: 'allowed' });
    t.true(proof.holds && proof.packets > 0n && proof.packets < all.packets, JSON.stringify(part));
    const rest = prove(edge, { ...web, ttl: 64, except: part, is: 'allowed' });
    t.is(proof.packets + rest.packets, all.packets, JSON.stringify(part));
  }
});

test('what nobody can ask is refused, not left out', (t) => {
  const asked = { in: 'wan', is: 'denied', tll: 3 } as never;
  t.throws(() => prove(edge, asked), {
    message: /cannot be asked for by 'tll': expected from, to, service, dscp, ttl/,
  });
  t.throws(() => prove(edge, { in: 'wan', is: 'denied', except: { in: 'wan' } as never }), {
    message: /by 'in'/,
  });
});

test('a question about nothing proves nothing', (t) => {
  const asked = nets('10.0.0.0/8');
  t.throws(() => prove(edge, { in: 'wan', from: asked, except: { from: asked }, is: 'denied' }), {
    message: 'no packet is asked about',
  });
});

test('a policy is equivalent to itself, and not to another', (t) => {
  t.true(equivalent(edge, edge).equivalent);
  const found = equivalent(edge, changed);
  t.false(found.equivalent);
  // From the router's own address nothing is taken: what no rule lets pass any more was dropped before.
  t.deepEqual([...new Set(found.changes.map((one) => one.effect))].sort(), ['allowed', 'denied', 'dropped']);
  for (const { effect, old, new: fresh } of found.changes)
    if (effect === 'dropped') t.deepEqual([old.fate, fresh.fate].sort(), ['denied', 'martian']);
  t.regex(found.text, /in wan tcp .* is denied in one and routed in the other/);
});

test('policies that differ in a protocol, or in a header alone, are not equivalent', (t) => {
  const [gre, esp, short] = tunnels as [LoadedPolicy, LoadedPolicy, LoadedPolicy];
  t.regex(equivalent(gre, esp).text, /in wan proto (47|50) .* is (denied|routed) in one/);
  t.regex(equivalent(esp, short).text, /in wan proto 50 .* len \d+ is (host|routed) in one and denied/);
  t.true(equivalent(esp, esp).equivalent);
});

test('one packet of every kind', (t) => {
  const kinds = packets(edge, { in: 'wan', service: tcp(), from: nets('10.0.0.0/8') });
  t.deepEqual([...new Set(kinds.map((one) => one.fate))].sort(), ['denied', 'host', 'martian', 'routed']);
  for (const { packet, fate } of kinds) t.is(simulate(edge, packet).fate, fate, packet);
});

test('what leaves by an interface with an ACL of its own', (t) => {
  t.is(simulate(edge, 'in vault out vault tcp 192.0.2.1:1 > 10.0.0.1:636').fate, 'routed');
  t.is(simulate(edge, 'in vault out vault tcp 192.0.2.1:1 > 10.0.0.1:389').fate, 'denied');
  t.is(simulate(edge, 'out vault tcp 192.0.2.1:1 > 10.0.0.1:389').fate, 'denied');
  const asked = { in: 'vault', from: nets('192.0.2.0/25'), to: nets('10.0.0.0/8') } as const;
  t.true(prove(edge, { ...asked, service: tcp(636), is: 'allowed' }).holds, 'whichever way it goes');
  t.true(prove(edge, { ...asked, service: tcp(389), out: 'vault', is: 'denied' }).holds);
  t.true(prove(edge, { ...asked, service: tcp(389), out: 'wan', is: 'allowed' }).holds);
  const found = prove(edge, { ...asked, service: tcp(389), is: 'allowed' });
  t.regex(
    found.text,
    /^expected allowed, got denied for in vault out vault tcp .* by edge.ts:14 default of "to-vault"$/,
  );
  const kinds = packets(edge, { ...asked, service: tcp(389) });
  t.deepEqual(kinds.map((one) => one.fate).sort(), ['denied', 'routed']);
});

test('another ACL for what leaves is another policy', (t) => {
  const found = equivalent(edge, open);
  t.false(found.equivalent);
  t.deepEqual(
    [...new Set(found.changes.map((one) => `${one.effect} ${one.direction} ${one.interface}`))],
    ['allowed out vault'],
  );
  t.regex(found.changes[0]!.example, /^out vault tcp .*:389/);
  t.is(simulate(edge, found.changes[0]!.example).fate, 'denied');
  t.is(simulate(open, found.changes[0]!.example).fate, 'routed');
});

test('what is logged otherwise is another policy: of a rule, and of what no rule takes', async (t) => {
  const [rule, end] = ['deny({ from: servers })', "acl('in', {}, ["] as const;
  const logged = [
    policy.replace(rule, `${rule}.log({ rate: '5/s' })`),
    policy.replace(end, "acl('in', { log: true }, ["),
  ];
  for (const i of [0, 1]) {
    const found = await withFiles({ 'logged.ts': logged[i]! }, async (directory) =>
      equivalent(edge, await load(join(directory, 'logged.ts'))),
    );
    t.deepEqual([...new Set(found.changes.map((one) => one.effect))], ['treated']);
    for (const { old, new: fresh } of found.changes) {
      t.is(old.treatment, undefined);
      t.is(fresh.treatment, `logged, at most ${i === 0 ? 5 : 10}/s`);
    }
  }
});

test('what is answered, limited, copied or marked otherwise is another policy, though nothing else changes', (t) => {
  const found = equivalent(edge, treated);
  t.false(found.equivalent);
  const told = found.changes.map((one) => `${one.effect} ${one.direction} ${one.new.treatment ?? ''}`);
  t.deepEqual([...new Set(told)].sort(), [
    'treated in answered with a TCP reset, or ICMP admin-prohibited',
    'treated in policed to 1 Gbit/s, burst 6250000 bytes; copied to lan',
    'treated out DSCP 46',
  ]);
  t.true(equivalent(treated, treated).equivalent);
  const asked = { in: 'wan', from: servers.v4, is: 'denied' } as const;
  t.true(prove(treated, asked).holds, 'rejected is denied');
  const { steps } = simulate(treated, 'in wan tcp 9.9.9.9:1234 > 192.0.2.10:443 syn');
  t.is(steps[0]?.result, 'allow; policed to 1 Gbit/s, burst 6250000 bytes; copied to lan');
});

test('several gateways: what is said of them is what the rule says', (t) => {
  const ntp = {
    in: 'lan.guests',
    out: 'wan',
    from: nets('10.0.0.0/8'),
    to: nets('203.0.113.0/24'),
    service: udp(123),
  } as const;
  const way = '198.51.100.1*2 198.51.100.5 or 198.51.100.9';
  const whole = prove(ways, { ...ntp, is: `via ${way} or drop` });
  t.true(whole.holds, whole.text);
  t.true(prove(ways, { ...ntp, is: `via ${way}` }).holds, 'what happens when none answers need not be said');
  t.is(prove(ways, { ...ntp, is: 'via 198.51.100.1' }).fate, `via ${way} or drop`);
  const told = simulate(ways, 'in lan.guests udp 10.0.0.1:4000 > 203.0.113.9:123');
  t.is(told.fate, `via ${way} or drop`);
  t.is(
    told.steps.find((step) => step.stage === 'route')?.result,
    'to one of 198.51.100.1 (weight 2), 198.51.100.5 by its flow, else 198.51.100.9; if none of them can be reached, dropped',
  );
  t.false(equivalent(edge, ways).equivalent);
});
