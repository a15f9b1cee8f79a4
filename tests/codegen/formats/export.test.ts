/** import(export(policy)) is the policy, for all packets, by the exact analysis; and what cannot be exported is told. */
import test from 'ava';
import fc from 'fast-check';
import { exportedFields, exportNetmapRt } from '../../../codegen/formats/netmap-rt/export.js';
import { draftOf } from '../../../codegen/formats/netmap-rt/read-back.js';
import { differences } from '../../../codegen/formats/netmap-rt/verify.js';
import { writePolicy } from '../../../codegen/formats/write.js';
import { type AclFields, parseFields } from '../../../dsl/formats/netmap-rt-acl.js';
import {
  acl,
  allow,
  deny,
  icmp,
  nets,
  nexthop,
  pbr,
  proto,
  router,
  service,
  tcp,
  udp,
} from '../../../dsl/index.js';
import type { InterfaceSpec } from '../../../dsl/interfaces.js';
import type { Problem, Router, Service } from '../../../dsl/model.js';
import { accepted, front, withWan } from '../policy.js';
import { asChecked, evaluatePolicy } from './evaluate.js';

const withSourcePorts = parseFields(
  'source;source port;destination;destination port;protocol;vlan;interface;action',
) as AclFields;

const prefixes = [
  '20.0.0.0/8',
  '20.1.0.0/16',
  '20.1.2.3',
  '0.0.0.0/0',
  '2001:db8::/32',
  '2001:db8:1::/48',
  '::/0',
];
const set = fc
  .array(fc.constantFrom(...prefixes), { minLength: 1, maxLength: 3 })
  .map((texts) => nets(...(texts as '20.0.0.0/8'[])));
const port = fc.constantFrom(80, '0-19', '53-1024', '1025-65535', '0-1024');
const ports = fc.array(port, { maxLength: 2 }) as fc.Arbitrary<80[]>;
const portService = fc
  .record({
    l4: fc.constantFrom('tcp', 'udp'),
    ports,
    sources: fc.option(ports, { nil: undefined, freq: 1 }),
  })
  .map(({ l4, ports, sources }) => {
    const given = sources === undefined || sources.length === 0 ? ports : [...ports, { from: sources }];
    return l4 === 'tcp' ? tcp(...given) : udp(...given);
  });
const alternative: fc.Arbitrary<Service> = fc.oneof(
  { arbitrary: portService, weight: 3 },
  { arbitrary: fc.constantFrom(icmp(), proto('gre', 'esp'), proto(1), proto('tcp'), proto(58)), weight: 1 },
);
const anyService = fc.array(alternative, { minLength: 1, maxLength: 3 }).map((parts) => service(...parts));
const maybe = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { nil: undefined });

const match = fc
  .record({ from: maybe(set), to: maybe(set), service: maybe(anyService) })
  .map((given) => Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined)));
const hop = fc
  .record({
    match,
    gateways: fc.constantFrom<readonly string[]>(
      ['20.9.9.9'],
      ['2001:db8:9::9'],
      ['20.9.9.9', '2001:db8:9::9'],
    ),
  })
  .map(({ match, gateways }) => nexthop(gateways as ['20.9.9.9'], match as object));
const rule = fc.oneof(
  match.map((one) => allow(one)),
  match.map((one) => deny(one).log().why('drawn')),
  hop,
);

const options = { neighbourDiscovery: 'explicit' } as const;
const lists = fc.record({
  one: fc.record({
    rules: fc.array(rule, { maxLength: 6 }),
    default: fc.constantFrom('allow' as const, 'deny' as const),
  }),
  two: fc.array(rule, { maxLength: 6 }),
  closing: fc.array(
    match.map((one) => deny(one)),
    { maxLength: 3 },
  ),
  way: fc.array(hop, { maxLength: 4 }),
  shape: fc.nat(4),
});

const drawn: fc.Arbitrary<Router> = lists.map(({ one, two, closing, way, shape }) => {
  const [first, second] = [
    acl('first', { ...options, default: one.default }, one.rules),
    acl('second', { ...options, default: 'allow', log: true }, two),
  ];
  const diverted = {
    in: acl('closing', { ...options, default: 'allow' }, closing),
    pbr: pbr('way', way),
  } as const;
  const faces = [
    {
      ix0: { port: 'xdp:ix0', in: first, fallback: 'kernel' },
      ix1: { port: 'xdp:ix1', in: first, fallback: 'kernel' },
    },
    { wan: { port: 'xdp:ix0', in: first, fallback: 'kernel' }, lan: { port: 'ix1' } },
    {
      ix0: {
        port: 'xdp:ix0',
        in: first,
        fallback: 'drop',
        vlans: { a: { id: 7, in: second }, b: { id: 8 } },
      },
    },
    {
      ix0: { port: 'xdp:ix0', in: second, fallback: 'kernel' },
      ix1: { port: 'xdp:ix1', ...diverted, fallback: 'kernel' },
    },
    { ix0: { port: 'xdp:ix0', host: 'auto', fallback: 'drop', vlans: { a: { id: 7, ...diverted } } } },
  ] as const;
  return router('drawn', { interfaces: faces[shape] as Readonly<Record<string, InterfaceSpec>> });
});

async function back(
  router: Router,
  fields: AclFields,
  change = (acl: string) => acl,
): Promise<readonly Problem[]> {
  const made = exportNetmapRt(router, { fields, acceptsFallback: true });
  if (!made.ok) throw new Error(made.problems.map((one) => one.message).join('\n'));
  const { conf, acl } = made.files;
  const draft = draftOf({ conf, ...(acl !== undefined && { acl: change(acl) }) }, fields, 'drawn');
  if (!draft.ok) throw new Error(`${draft.problems.map((one) => one.message).join('\n')}\n${conf}\n${acl}`);
  const imported = await evaluatePolicy(writePolicy(draft.value).text);
  return differences(asChecked(router), asChecked(imported));
}

/** A PBR list takes what hides its ports, an ACL drops it: that difference alone is real, and it is found. */
const hidden = (one: Problem) => / cut-short/.test(one.message);

test('drawn policies come back as they were', async (t) => {
  t.timeout(240_000);
  let [same, lost, without] = [0, 0, 0];
  await fc.assert(
    fc.asyncProperty(drawn, async (policy) => {
      const found = await back(policy, withSourcePorts);
      const [other] = found.filter((one) => !(hidden(one) && policy.interfaces.some((face) => face.pbr)));
      if (other) throw new Error(`${other.message}: ${other.expected} here, ${other.got} there`);
      same += found.length === 0 ? 1 : 0;
      // The oracle of this test: what has lost a line is found out, where the line did something.
      const lines = (acl: string) => acl.split('\n').filter((line) => /;/.test(line));
      const first = (acl: string) =>
        acl
          .split('\n')
          .filter((line) => line !== lines(acl)[0])
          .join('\n');
      if ((await back(policy, withSourcePorts, first)).length > found.length) lost++;
      else without++;
    }),
    { seed: 20261121, numRuns: 60, endOnFailure: true, includeErrorInReport: true },
  );
  t.true(same > 40, `${same} without any difference`);
  t.true(lost > 20, `${lost} of ${lost + without} noticed a lost line`);
});

/** @param expected `LINE CODE MESSAGE` of each reason; line 2 is the first */
const refuses = test.macro(
  async (t, text: string, expected: readonly string[], fields: AclFields = exportedFields) => {
    t.timeout(60_000);
    const { router } = accepted(await front(text));
    const made = exportNetmapRt(router, { fields, acceptsFallback: false });
    t.false(made.ok);
    const problems = made.ok ? [] : made.problems;
    t.deepEqual(
      problems.map((one) => `${one.origin.line} ${one.message}`),
      expected,
    );
    for (const one of problems) t.truthy(one.fix);
  },
);

test(
  'every reason of a policy is told, with its line',
  refuses,
  `const odd = predicate('odd', (p) => p.ttl < 3)
const wan = acl('wan', { default: 'deny' }, [
  deny({ when: odd }),
  allow({ service: icmp('echo-request') }),
  allow({ service: tcp(80) }).log({ rate: '1/s' }),
])
export default router('r', {
  interfaces: {
    wan: { port: 'eth0', address: ['192.0.2.1/24'], mtu: 1400, in: wan, fallback: 'drop', offloads: { off: ['gro'] } },
    metro: { port: 'eth1', host: 'tap', qinq: { outer: 300, inner: { a: { id: 10 } } } },
    p: { port: 'pipe:p' },
  },
  engine: { workers: 2, lookup: 'flat' },
  routes: { '0.0.0.0/0': '192.0.2.9' },
})`,
  [
    '3 netmap-rt has no built-in rules for Neighbour Discovery, which "wan" has',
    '4 a line of netmap-rt cannot test a predicate',
    '5 a line of netmap-rt cannot test ICMP types',
    "6 netmap-rt's log has no rate",
    '8 netmap-rt.conf cannot say engine.workers',
    "8 netmap-rt.conf cannot say lookup: 'flat'",
    "10 when netmap-rt ends, the kernel routes without these lists: 'wan' is to drop then",
    "10 the addresses of 'wan' are not in netmap-rt.conf: it takes those of the kernel",
    "10 netmap-rt.conf has no MTU for 'wan'",
    '10 netmap-rt.conf cannot switch off gro',
    "11 netmap-rt.conf cannot say host: 'tap' of 'metro'",
    "11 netmap-rt.conf has one list of offloads for all interfaces: 'metro' has another",
    "11 'metro.a' has two tags, which netmap-rt.conf cannot say",
    "12 netmap-rt cannot open 'pipe:p'",
    "15 netmap-rt's files have no routes",
  ],
);

/** One rule, and one reason. */
const refusesRule = test.macro(async (t, rule: string, expected: string) => {
  t.timeout(60_000);
  const text = `const net = nets('20.0.0.0/8')
export default router('r', { interfaces: {
  wan: { port: 'xdp:ix0', fallback: 'kernel', in: acl('in', { default: 'allow', neighbourDiscovery: 'explicit' }, [
    ${rule}
  ]) },
  lan: { port: 'xdp:ix1', fallback: 'kernel' },
} })`;
  const { router } = accepted(await front(text));
  const made = exportNetmapRt(router, { fields: exportedFields, acceptsFallback: false });
  const problems = made.ok ? [] : made.problems;
  t.deepEqual(
    problems.map((one) => `${one.code} ${one.origin.line} ${one.message}`),
    [`NM6005 5 ${expected}`],
  );
  t.truthy(problems[0]?.fix);
});

test(
  'a set',
  refusesRule,
  "deny({ from: set('blocked'), to: net })",
  'a line of netmap-rt cannot test a set that changes at run time',
);
test('reject', refusesRule, 'reject({ from: net })', "netmap-rt has no action 'reject'");
for (const [call, name] of [
  ["police('1 Mbit/s')", 'police'],
  ["mirror('lan')", 'mirror'],
  ['sample(10)', 'sample'],
  ["dscp('ef')", 'dscp'],
])
  test(
    `.${name}()`,
    refusesRule,
    `allow({ from: net }).${call}`,
    `a line of netmap-rt has nothing like .${name}()`,
  );
for (const [key, value] of [
  ['dscp', "'ef'"],
  ['ttl', '[1, 5]'],
  ['length', '[0, 100]'],
  ['fragment', "'later'"],
  ['flags', "'established'"],
  ['fromMac', "'02:00:00:00:00:01'"],
  ['toMac', "'group'"],
  ['pcp', '5'],
])
  test(
    `a test of ${key}`,
    refusesRule,
    `deny({ from: net, ${key}: ${value} })`,
    `a line of netmap-rt cannot test '${key}'`,
  );

test('an ACL for what leaves', async (t) => {
  t.timeout(60_000);
  const list =
    "acl('out', { default: 'allow', neighbourDiscovery: 'explicit' }, [deny({ from: nets('20.0.0.0/8') })])";
  const text = `export default router('r', { interfaces: {
  wan: { port: 'xdp:ix0', fallback: 'kernel', out: ${list} }, lan: { port: 'xdp:ix1', fallback: 'kernel' },
} })`;
  const { router } = accepted(await front(text));
  const made = exportNetmapRt(router, { fields: exportedFields, acceptsFallback: false });
  t.deepEqual(made.ok ? [] : made.problems.map((one) => one.message), [
    'netmap-rt\'s ACL judges what comes in: "out" is for what leaves',
  ]);
});

test(
  'source ports need a field',
  refuses,
  withWan(
    `in: acl('a', { default: 'deny', neighbourDiscovery: 'explicit' }, [allow({ from: nets('192.0.2.0/24'), service: tcp({ from: 53 }) })]), host: 'auto',`,
  ).replace("fallback: 'drop'", "fallback: 'kernel'"),
  ['3 the fields of a line have no source port'],
);

test(
  'several gateways, and what is dropped without one',
  refuses,
  `const way = pbr('way', [
  nexthop(['192.0.2.9', '2001:db8::9']),
  nexthop({ '192.0.2.9': 2, '192.0.2.10': 1 }),
  nexthop('192.0.2.9').or('192.0.2.10'),
  nexthop('192.0.2.9').orDrop(),
].map((rule, i) => rule.id(String(i)).allowShadow('for the test')))
export default router('r', { interfaces: { wan: { port: 'eth0', pbr: way, fallback: 'kernel' } } })`,
  [
    "4 netmap-rt's nexthop has one gateway",
    "5 netmap-rt's nexthop has one gateway",
    "6 netmap-rt's nexthop cannot drop what has no gateway",
  ],
);
