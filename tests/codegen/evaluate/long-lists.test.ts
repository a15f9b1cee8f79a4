/** Long lists: every rule is asked in the self-test, and the evaluator finds the same rule by hulls as by going through all. */
import test from 'ava';
import { evaluateFrame } from '../../../codegen/evaluate/evaluate.js';
import { isWide } from '../../../codegen/evaluate/hulls.js';
import { firstMatch } from '../../../codegen/evaluate/rules.js';
import { makeFrames } from '../../../codegen/selftest/packets.js';
import { makeWorld } from '../../../codegen/selftest/world.js';
import {
  acl,
  deny,
  icmp,
  nets,
  proto,
  type RuleDraft,
  router,
  service,
  tcp,
  udp,
} from '../../../dsl/index.js';
import { drawnPackets, lowered } from '../analysis/random.js';

const irOf = (rules: readonly RuleDraft[]) =>
  lowered(
    router('long', {
      interfaces: {
        wan: {
          port: 'pipe:wan',
          fallback: 'drop',
          in: acl('from-wan', { default: 'allow', neighbourDiscovery: 'explicit' }, rules),
        },
      },
    }),
    [],
  );

/** None takes a packet of another. */
const apart = Array.from({ length: 3000 }, (_, i) =>
  deny(
    i % 3 === 0
      ? { from: nets(`2001:db8:${i.toString(16)}::/48`), service: udp(53) }
      : { to: nets(`11.${i >> 8}.${i & 255}.0/24`), service: tcp(`${1000 + i}-${1001 + i}`) },
  ),
);

test('each of thousands of rules takes a frame of its own', (t) => {
  const ir = irOf(apart);
  const world = makeWorld(ir);
  const frames = makeFrames(ir, world);
  const taken = new Set(
    frames.flatMap((one) => evaluateFrame(ir, ir.ports[one.port]!, one.bytes, world, one.now).rules),
  );
  t.true(frames.length < 5000, `${frames.length}`);
  t.deepEqual(
    ir.rules.filter((rule) => !taken.has(rule.local)).map(({ local, origin }) => [local, origin]),
    [],
  );
});

test('rules that test nothing with a hull are not asked so often', (t) => {
  const ir = irOf(Array.from({ length: 3000 }, (_, i) => deny({ length: [i + 20, i + 20] })));
  t.is(ir.rules.filter(isWide).length, 3001);
  const frames = makeFrames(ir, makeWorld(ir));
  t.true(frames.length >= 300 && frames.length < 1500, `${frames.length}`);
});

test('what a hull leaves out, no rule takes', (t) => {
  const ir = irOf([
    ...apart.slice(0, 90),
    deny({ from: nets('10.0.0.0/8', '2001:db8::/32'), to: nets('192.0.2.0/24', '192.0.3.0/25') }),
    deny({ service: service(tcp(80, '8000-8080'), udp(53), icmp('echo-request')) }),
    deny({ service: proto('gre'), to: nets('0.0.0.0/0') }),
    deny({ service: tcp(), from: nets('2001:db8::1/128') }),
    deny({ service: udp('1-65535') }),
  ]);
  const list = ir.lists[0]!;
  const { fallback, ...without } = list;
  const alone = list.rules.map((rule) => ({ ...without, rules: [rule] }));
  let taken = 0;
  for (const { seen } of drawnPackets(ir, 6000)) {
    const one = alone.find((of) => firstMatch(ir, of, seen) !== undefined);
    t.is(firstMatch(ir, list, seen), one?.rules[0] ?? fallback);
    if (one) taken++;
  }
  t.true(taken > 1000, `${taken}`);
});
