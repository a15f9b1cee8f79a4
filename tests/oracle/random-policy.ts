/** Random policies, made with the builders that operators use. */
import { type Random, randomOf } from '../../codegen/selftest/random.js';
import {
  acl,
  allow,
  deny,
  nexthop,
  pbr,
  type RuleDraft,
  type RuntimeNets,
  reject,
  router,
} from '../../dsl/index.js';
import type { Acl, Family, Pbr, Router } from '../../dsl/model.js';
import type { Nets } from '../../dsl/nets.js';
import { type AnyMatch, alwaysOf, matchOf, neverOf } from './random-match.js';

const gateways = {
  4: ['192.0.2.1', '192.0.2.2', '198.18.7.9', '198.18.7.10'],
  6: ['2001:db8::1', '2001:db8::2', '2001:db8:77::1', '2001:db8:77::2'],
} as const;

function familiesOf(one: Nets | RuntimeNets | undefined): readonly Family[] {
  if (one === undefined) return [];
  return one.kind === 'set' ? one.families : one.prefixes.map((prefix) => prefix.family);
}

/** One gateway of each family, or several in up to two choices, with weights or without. */
function nexthopOf(random: Random, match: AnyMatch) {
  const named = [match.from, match.to].flatMap((one) => familiesOf(one));
  const families = ([4, 6] as const).filter((family) => named.length === 0 || named.includes(family));
  const some = named.length === 0 && random.once(2) ? [random.pick(families)] : families;
  const choice = (from: number, to: number) =>
    some.flatMap((family) => {
      const all = gateways[family].slice(from, to);
      return random.once(3) ? all : [random.pick(all)];
    });
  const weighted = (texts: readonly string[]) =>
    random.once(3) ? Object.fromEntries(texts.map((text) => [text, 1 + random.below(9)])) : [...texts];
  const rule = nexthop as unknown as (
    gateways: unknown,
    match: AnyMatch,
  ) => ReturnType<typeof nexthop> & { or(more: unknown): ReturnType<typeof nexthop> };
  const first = rule(weighted(choice(0, 2)), match);
  const whole = random.once(3) ? first.or(weighted(choice(2, 4))) : first;
  return random.once(3) ? whole.orDrop() : whole;
}

function passing(random: Random, match: AnyMatch) {
  if (random.once(5))
    return reject(match, {
      icmp: random.pick(['admin-prohibited', 'port-unreachable']),
      tcp: random.pick(['reset', 'icmp']),
    });
  return random.once(2) ? allow(match) : deny(match);
}

function treatedOf(random: Random, rule: RuleDraft, kind: 'acl' | 'out' | 'pbr'): RuleDraft {
  const drops = rule.data.action.kind === 'deny' || rule.data.action.kind === 'reject';
  const limited = () =>
    random.once(2)
      ? rule.police(`${1 + random.below(900)} Mbit/s`)
      : rule.police(`${1 + random.below(9000)} packets/s`, { burst: '7 packets' });
  return random.pick<() => RuleDraft>([
    () => rule.mirror('port0', { oneIn: 1 + random.below(3) }),
    () => rule.sample(1 + random.below(100)),
    ...(drops ? [] : [() => rule.dscp(random.below(64)), () => rule.dscp('ef').mirror('port0').sample(9)]),
    ...(drops || kind === 'pbr' ? [] : [limited, () => limited().dscp('af21')]),
  ])();
}

/** What a list's rules are like: mostly anything, and now and then all of them for nothing. */
type Mood = 'any' | 'never';

function ruleOf(random: Random, kind: 'acl' | 'out' | 'pbr', predicates: boolean, mood: Mood) {
  const match =
    mood === 'never' || random.once(12)
      ? neverOf(random)
      : random.once(40)
        ? alwaysOf(random)
        : matchOf(random, predicates);
  const diverts = kind === 'pbr' || (kind === 'acl' && random.once(7));
  const rule = diverts ? nexthopOf(random, match) : passing(random, match);
  const treated = random.once(4) ? treatedOf(random, rule, kind) : rule;
  return random.once(3) ? treated.log({ rate: `${1 + random.below(50)}/s` }) : treated;
}

function aclOf(random: Random, name: string, kind: 'acl' | 'out' = 'acl'): Acl {
  const long = random.once(8);
  const count = long ? 220 + random.below(100) : random.below(12);
  const mood = random.once(8) ? 'never' : 'any';
  return acl(
    name,
    {
      default: random.pick(['allow', 'deny']),
      log: random.once(2),
      neighbourDiscovery: random.pick(['builtin', 'explicit']),
    },
    Array.from({ length: count }, () => ruleOf(random, kind, !long || random.once(20), mood)),
  );
}

function pbrOf(random: Random, name: string): Pbr {
  const mood = random.once(6) ? 'never' : 'any';
  const rules = Array.from({ length: random.below(9) }, () => ruleOf(random, 'pbr', true, mood));
  return pbr(name, rules as ReturnType<typeof nexthop>[]);
}

export function randomPolicy(seed: number): Router {
  const random = randomOf(seed);
  const acls = [aclOf(random, 'first'), aclOf(random, 'second')];
  const pbrs = [pbrOf(random, 'way')];
  const outs = [aclOf(random, 'leaving', 'out'), aclOf(random, 'both', 'out')];
  const judges = random.once(2);
  let number = 0;
  const face = () => ({
    address: [`10.${number}.0.1/24`, `2001:db8:${(++number).toString(16)}::1/64`],
    ...(random.once(5) ? {} : { in: random.pick([...acls, outs[1]]) }),
    ...(judges && random.once(2) && { out: random.pick(outs) }),
    ...(random.once(2) && { pbr: random.pick(pbrs) }),
    ...(random.once(4) && { host: 'none' }),
    ...(random.once(4) && { urpf: random.pick(['strict', 'loose']) }),
  });
  const vlans = (count: number, word = 'v') =>
    Object.fromEntries(
      Array.from({ length: count }, (_, i) => [`${word}${i}`, { id: [100, 101, 4094, 1][i]!, ...face() }]),
    );
  const shapes = [
    () => face(),
    () => ({ vlans: vlans(1 + random.below(4)) }),
    () => ({ ...face(), vlans: vlans(1 + random.below(3)) }),
    () => ({ qinq: { outer: 100, tpid: random.pick([0x8100, 0x88a8]), inner: vlans(1 + random.below(3)) } }),
    () => ({ ...face(), vlans: vlans(2), qinq: { outer: 300, inner: vlans(2, 'q') } }),
  ];
  const ports = Array.from({ length: 1 + random.below(4) }, (_, i) => [
    `port${i}`,
    { port: `pipe:p${i}`, fallback: 'drop', ...random.pick(shapes)() },
  ]);
  const lookup = random.pick(['auto', 'flat', 'radix', 'dxr'] as const);
  return router('random', { engine: { lookup }, interfaces: Object.fromEntries(ports) });
}
