/**
 * The generated C against the evaluator: random policies, some 2,000 frames each in and beside the regions of their
 * rules. Both must agree in verdict, counters, events and every byte that leaves. The seed of a policy that differs
 * is in the message; `randomPolicy(seed)` makes it again.
 */
import test from 'ava';
import fc from 'fast-check';
import { check } from '../../codegen/check/check.js';
import type { Diagnostic } from '../../codegen/diagnostics/diagnostic.js';
import { randomOf } from '../../codegen/selftest/random.js';
import { selfTest } from '../../codegen/selftest/selftest.js';
import { acl, allow, deny, nets, predicate, type RuleTree, router, tcp, udp } from '../../dsl/index.js';
import { gccSaysOfAll } from '../codegen/render/generated.js';
import { conditions } from './conditions.js';
import { Forwarders } from './forwarders.js';
import { randomPlainPolicy } from './random-plain-policy.js';
import { randomPolicy } from './random-policy.js';

const seed = 20261121;
const policies = 20;

let forwarders: Forwarders;
test.before(async (t) => {
  t.timeout(300_000);
  forwarders = await Forwarders.create();
});
test.after.always(() => forwarders?.close());

/** Rules that match nothing, and gateways on no interface, are welcome here; what the engine has no room for is not. */
const isError = (one: Diagnostic) =>
  one.severity === 'error' && !['NM3001', 'NM3004', 'NM3041', 'NM4011'].includes(one.code);

test('random policies: gcc has nothing to say about their C', (t) => {
  t.timeout(120_000);
  const sources = Array.from({ length: 60 }, (_, i) => forwarders.generate(randomPolicy(seed + i)).source);
  t.is(gccSaysOfAll(sources), '');
});

test('random policies: the forwarder does what the evaluator says', async (t) => {
  t.timeout(600_000);
  let rules = 0;
  await fc.assert(
    fc.asyncProperty(fc.nat(), async (policySeed) => {
      const router = randomPolicy(policySeed);
      const wrong = [
        ...router.problems,
        ...check(router, { today: '2026-01-01', expired: 'error' }).filter(isError),
      ];
      if (wrong.length > 0) throw new Error(JSON.stringify(wrong));
      const { ir, forwarder } = await forwarders.build(router, `policy-${policySeed}`);
      rules += ir.rules.length;
      const found = await selfTest(ir, forwarder, { seed: policySeed });
      if (found.length > 0) throw new Error(JSON.stringify(found[0], undefined, 1));
    }),
    { seed, numRuns: policies, endOnFailure: true, includeErrorInReport: true },
  );
  t.true(rules > 5 * policies, `only ${rules} rules in ${policies} policies`);
});

test('random policies whose lists are all tables: the forwarder does what the evaluator says', async (t) => {
  t.timeout(600_000);
  for (let i = 0; i < policies / 4; i++) {
    const policySeed = seed + 1000 + i;
    const { ir, forwarder } = await forwarders.build(randomPolicy(policySeed), `tables-${i}`, { longest: 0 });
    t.deepEqual(await selfTest(ir, forwarder, { seed: policySeed }), [], `randomPolicy(${policySeed})`);
  }
});

test('random short lists that are judged without branches: the forwarder does what the evaluator says', async (t) => {
  t.timeout(600_000);
  const judged = { 4: 0, 6: 0 };
  for (let i = 0; i < policies; i++) {
    const policySeed = seed + 2000 + i;
    const { ir, forwarder, source } = await forwarders.build(randomPlainPolicy(policySeed), `plain-${i}`);
    for (const [, family] of source.matchAll(/_ipv([46])\(struct mill_worker[^}]*\bmill_judge\(/g))
      judged[family as '4' | '6']++;
    t.deepEqual(await selfTest(ir, forwarder, { seed: policySeed }), [], `randomPlainPolicy(${policySeed})`);
  }
  t.true(judged[4] > policies / 2 && judged[6] > policies / 2, JSON.stringify(judged));
});

/** Hundreds of rules about the same networks: by either port, where not `plain` some by more than tables say. */
function alikeRules(count: number, plain: boolean): readonly RuleTree[] {
  const random = randomOf(seed);
  const sides = [{}, { from: nets('10.0.0.0/8') }, { to: nets('20.0.0.0/8') }] as const;
  const span = (most: number) => {
    const from = random.below(most);
    return `${from}-${from + random.below(most / 4)}` as const;
  };
  return Array.from({ length: count }, () => {
    const l4 = random.once(4) ? udp : tcp;
    const match = {
      ...random.pick(sides),
      service: random.once(2) ? l4(span(3000), { from: span(50_000) }) : l4(span(600)),
      ...(!plain && random.once(5) && { ttl: [1, 1 + random.below(200)] as const }),
    };
    return random.once(3) ? deny(match) : allow(match);
  });
}

// Lists are asked about a burst packet by packet or step by step, and those without predicates read ports their own way.
for (const [count, plain] of [
  [200, false],
  [600, false],
  [200, true],
  [600, true],
] as const)
  test(`${count} ${plain ? 'plain ' : ''}rules about few networks do what the evaluator says`, async (t) => {
    t.timeout(120_000);
    const rules = alikeRules(count, plain);
    const policy = router('alike', {
      interfaces: { a: { port: 'pipe:a', fallback: 'drop', in: acl('alike', { default: 'deny' }, rules) } },
    });
    const { ir, forwarder } = await forwarders.build(policy, `alike-${count}-${plain}`);
    t.deepEqual(await selfTest(ir, forwarder, { seed }), []);
    const { source } = forwarders.generate(policy);
    // Answers by source ports, by bands of them, and by what is asked besides.
    for (const table of ['bundles', 'pieces', ...(plain ? [] : ['candidates'])])
      t.regex(source, new RegExp(`\\.${table} = [1-9]`));
    const asked = count > 256 ? 'together' : 'each';
    t.regex(
      source,
      new RegExp(
        `^MILL_BURST_CLASSIFIER\\(\\w+, mill_ask_${asked}, false, true, NULL, ${plain ? 'NULL' : '\\w+_holds'}\\)`,
        'm',
      ),
    );
  });

test('a list whose tables would be too large is searched row by row, which is said', async (t) => {
  t.timeout(60_000);
  const rules = Array.from({ length: 600 }, (_, i) =>
    allow({
      from: nets(`${1 + (i % 200)}.${i & 255}.7.0/24` as '10.0.0.0/8'),
      to: nets(`${1 + (i % 199)}.${i >> 2}.${i & 255}.9/32` as '10.0.0.0/8'),
      service: tcp(i),
    }),
  );
  const long = (aclMemory: number) =>
    router('long', {
      engine: { aclMemory },
      interfaces: { a: { port: 'pipe:a', fallback: 'drop', in: acl('long', {}, rules) } },
    });
  const { warnings, tables, source } = forwarders.generate(long(1));
  t.deepEqual(
    warnings.map((one) => one.code),
    ['NM5009'],
  );
  t.regex(warnings[0]!.message, /'long'.*IPv4/);
  t.is(tables.length, 0);
  t.is(source.match(/ mill_row4 /g)?.length, 2);
  t.deepEqual(forwarders.generate(long(256)).warnings, []);
});

test('a list whose tables are cut into parts does what the evaluator says', async (t) => {
  t.timeout(120_000);
  const [ten, twenty] = [nets('10.0.0.0/8'), nets('20.0.0.0/8')];
  // Each source may meet each destination: together they have hundreds of thousands of leaves, in parts a thousand.
  const rules = Array.from({ length: 600 }, (_, i) => [
    deny({ from: nets(`10.${i >> 2}.${(i & 3) * 64}.0/18` as '10.0.0.0/8'), to: twenty, service: tcp(i) }),
    allow({
      from: ten,
      to: nets(`20.${i >> 2}.${(i & 3) * 64}.0/18` as '10.0.0.0/8'),
      service: tcp(600 + i),
    }),
  ]);
  const list = acl(
    'crossed',
    { default: 'deny' },
    [0, 1].flatMap((part) => rules.map((one) => one[part]!)),
  );
  const crossed = router('crossed', {
    engine: { aclMemory: 6 },
    interfaces: { a: { port: 'pipe:a', fallback: 'drop', in: list } },
  });
  const { warnings, source, tables } = forwarders.generate(crossed);
  t.deepEqual(
    warnings.map((one) => one.message),
    ["acl list 'crossed' is searched in 2 parts, one after the other, for IPv4: the leaves"],
  );
  t.is(source.match(/^MILL_CLASSIFIER/gm)?.length, 2);
  t.true(tables.length < 6 * 2 ** 20);
  const { ir, forwarder } = await forwarders.build(crossed, 'crossed');
  t.deepEqual(await selfTest(ir, forwarder, { seed }), []);
});

test('a second fragment header does not make a fragment whole', async (t) => {
  t.timeout(60_000);
  // p1 is `p.fragment`: a packet that gets past this rule by more headers would be found.
  const whole = predicate('p1', () => true);
  const policy = router('whole', {
    interfaces: {
      a: {
        port: 'pipe:a',
        fallback: 'drop',
        in: acl('whole', { default: 'allow' }, [deny({ when: whole })]),
      },
    },
  });
  const { ir, forwarder } = await forwarders.build(policy, 'whole');
  t.is(conditions[1], 'p.fragment');
  t.deepEqual(await selfTest(ir, forwarder, { frames: 6000 }), []);
});
