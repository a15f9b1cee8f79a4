/** Random policies, made with the builders that operators use; small worlds, so that rules meet and overlap. */
import { type Random, randomOf } from '../../codegen/selftest/random.js';
import { type Contents, contentsOf } from '../../codegen/sets/contents.js';
import { network, parseInterfaceAddress } from '../../dsl/address.js';
import {
  acl,
  allow,
  deny,
  type HeaderSpec,
  icmp,
  type MacSpec,
  nets,
  nexthop,
  pbr,
  predicate,
  proto,
  type RuleDraft,
  type RuntimeNets,
  reject,
  router,
  service,
  set,
  tcp,
  udp,
} from '../../dsl/index.js';
import type { Acl, Family, Pbr, Predicate, Router, Service } from '../../dsl/model.js';
import type { Nets } from '../../dsl/nets.js';

/** Conditions in the subset; all of them are compiled together, once. */
export const conditions: readonly string[] = [
  'p.ttl > 60',
  'p.fragment',
  'p.vlan === 100',
  'p.len % 3 === 1',
  'p.dscp >= 32 && p.len > 100',
  "p.l4 === 'tcp' && p.flags.syn && !p.flags.ack",
  "p.l4 === 'tcp' && (p.flags.fin || p.flags.urg || p.flags.cwr)",
  "p.l4 === 'udp' && (p.sport === 53 || p.dport <= 19)",
  "p.l4 === 'icmp' && p.icmpType * 256 + p.icmpCode !== 2048",
  "p.l4 === 'other' && p.proto !== 89",
  "(p.l4 === 'tcp' || p.l4 === 'udp') && p.sport > p.dport",
  'p.family === 6 && p.ttl === 255',
  'p.family === 4 ? p.len < 80 : p.ttl < 64',
  '!p.src.within(inside)',
  'p.dst.within(inside) && p.src.within(inside.v6)',
  "p.src.within(inside) !== (p.l4 === 'udp')",
  '((p.len ^ p.ttl) & 7) === 3 || (p.dscp | 1) === 33',
  "!(p.fragment && p.l4 === 'udp') && p.ttl * 2 + p.dscp >= 130",
  // always true, and never, in one family or both
  'p.len >= 20',
  'p.ttl > 255',
  'p.family === 6',
  "p.family === 4 && p.l4 === 'tcp' && p.src.within(inside.v6)",
  '(p.len & 4) === 3 || (p.dscp | 3) === 4',
  'p.pcp > 3',
  '!p.src.within(listed) && p.dst.within(listed.v6)',
  "p.src.within(listed4) || p.l4 === 'icmp'",
];

export const inside = nets('10.0.0.0/9', '192.0.2.0/25', '2001:db8::/33');

export const setNames: readonly string[] = ['listed', 'listed4'];
const listed = set('listed');
const listed4 = set('listed4', { family: 4 });

/** What the sets hold, where they are to hold something. */
export const listedContents: Contents = new Map([
  [
    'listed',
    contentsOf(
      [
        '10.0.1.0/24',
        '10.1.0.0/16',
        '192.0.2.64/26',
        '198.18.3.7/32',
        '2001:db8::/34',
        '2001:2:0:5::/64',
      ].map((text) => network(parseInterfaceAddress(text)!)),
    ),
  ],
  ['listed4', contentsOf([{ family: 4, bits: 0x0a000000n, length: 9 }])],
]);

/** Text of a policy that has all conditions as predicates p0, p1, … */
export const conditionsPolicy = [
  `import { nets, predicate, router, set } from 'netmill'`,
  `const inside = nets('10.0.0.0/9', '192.0.2.0/25', '2001:db8::/33')`,
  "const listed = set('listed')",
  "const listed4 = set('listed4', { family: 4 })",
  ...conditions.map((text, i) => `predicate('p${i}', (p): boolean => ${text})`),
  `export default router('r', { interfaces: { wan: { port: 'eth0' } } })`,
].join('\n');

function predicateAt(index: number): Predicate {
  // The forwarder is made from the compiled condition; the function is never called here.
  return predicate(`p${index}`, () => true);
}

function predicateOf(random: Random): Predicate {
  return predicateAt(random.below(conditions.length));
}

export const onlyIf = (condition: string): Predicate => predicateAt(conditions.indexOf(condition));

function prefix4(random: Random): string {
  const length = random.pick([8, 9, 12, 16, 20, 23, 24, 25, 30, 31, 32, 32, random.below(33)]);
  const base = random.pick([
    0x0a000000n,
    0x0a010000n,
    0xc0000200n,
    0xc6120000n + BigInt(random.below(14) << 8),
  ]);
  const bits = ((base | random.bits(random.pick([4, 9, 17]))) >> BigInt(32 - length)) << BigInt(32 - length);
  const bytes = [24n, 16n, 8n, 0n].map((shift) => (bits >> shift) & 255n);
  return `${bytes.join('.')}/${length}`;
}

function prefix6(random: Random): string {
  const length = random.pick([32, 33, 48, 56, 63, 64, 65, 96, 127, 128, 128, random.below(129)]);
  const base = random.pick([
    0x20010db8n << 96n,
    (0x20010db8n << 96n) | (1n << 80n),
    0x200100020000n << 80n,
    0xfe80n << 112n,
  ]);
  const noise = random.bits(4) << BigInt(random.pick([0, 63, 64, 80, 95]));
  const bits = ((base | noise) >> BigInt(128 - length)) << BigInt(128 - length);
  const words = Array.from({ length: 8 }, (_, i) => ((bits >> BigInt(112 - 16 * i)) & 0xffffn).toString(16));
  return `${words.join(':')}/${length}`;
}

function netsOf(random: Random): Nets {
  const count = random.once(8) ? 6 + random.below(30) : 1 + random.below(3);
  const kind = random.below(3);
  const texts = Array.from({ length: count }, () =>
    kind === 0 || (kind === 2 && random.once(2)) ? prefix4(random) : prefix6(random),
  );
  return nets(...(texts as '10.0.0.0/8'[])) as Nets;
}

function serviceOf(random: Random): Service {
  const ports = () =>
    Array.from({ length: random.pick([0, 1, 1, 2, 6]) }, () => {
      const from = random.pick([0, 22, 53, 80, 179, 443, 65535, random.below(65536)]);
      return random.once(3) ? (`${from}-${Math.min(65535, from + random.below(2000))}` as const) : from;
    });
  const from = () => (random.once(4) ? [{ from: [random.pick([22, 53, 0, 65535]), ...ports()] }] : []);
  const protocols = ['tcp', 'icmp', 'ipv6-icmp', 'gre', 'esp', 'ah', 'ospf', 0, 43, 60, 255] as const;
  const names = [
    'host-unreachable',
    'echo-request',
    'unreachable',
    'too-big',
    'time-exceeded',
    'redirect',
    'neighbour-solicitation',
    'mld-report',
    'timestamp-request',
  ] as const;
  const one = (): Service =>
    random.pick([
      () => tcp(...ports(), ...from()),
      () => udp(...ports(), ...from()),
      () => proto(...Array.from({ length: 1 + random.below(3) }, () => random.pick(protocols))),
      () => icmp(...Array.from({ length: random.below(3) }, () => random.pick(names))),
    ])();
  return random.once(3) ? service(one(), one()) : one();
}

function headerOf(random: Random): HeaderSpec {
  const first = random.below(64);
  return random.pick<() => HeaderSpec>([
    () => ({ dscp: random.pick<NonNullable<HeaderSpec['dscp']>>(['ef', 0, ['cs6', 'af11', 7]]) }),
    () => ({ ttl: random.pick<NonNullable<HeaderSpec['ttl']>>([255, [0, 1], [first, first + 64]]) }),
    () => ({ length: [random.below(80), 80 + random.below(1500)] }),
    () => ({ fragment: random.pick(['any', 'none', 'first', 'later']) }),
    () => ({ flags: random.pick<NonNullable<HeaderSpec['flags']>>(['syn', ['syn', '!ack'], 'established']) }),
    () => ({ flags: '!fin', dscp: [0, 'le', 63], fragment: 'none' }),
    () => ({ fromMac: random.pick<MacSpec>(['02:cc:00:00:00:01', '02:cc:00:00:00:00/24']) }),
    () => ({ toMac: random.pick<MacSpec[]>([['group'], ['broadcast', '01:00:5e:00:00:00/25']]) }),
    () => ({ pcp: random.pick([0, 5, [1, 7]]) }),
  ])();
}

/** No packet has it: families that exclude each other, or a condition that does not hold. */
function neverOf(random: Random): AnyMatch {
  return random.pick<AnyMatch>([
    { from: nets('10.0.0.0/8'), to: nets('2001:db8::/32') },
    { from: nets('10.0.0.0/8'), service: icmp('neighbour-solicitation') },
    { when: onlyIf('p.ttl > 255') },
    { service: udp(), flags: 'syn' },
    { from: nets('10.0.0.0/8'), when: onlyIf('p.family === 6') },
  ]);
}

/** Every packet has it, of one family or of both. */
function alwaysOf(random: Random): AnyMatch {
  return random.pick<AnyMatch>([
    {},
    { from: nets('0.0.0.0/0', '::/0') },
    { to: nets('0.0.0.0/0') },
    { to: nets('::/0') },
    { when: onlyIf('p.len >= 20') },
  ]);
}

interface AnyMatch extends HeaderSpec {
  readonly from?: Nets | RuntimeNets;
  readonly to?: Nets | RuntimeNets;
  readonly service?: Service;
  readonly when?: Predicate;
}

function addressesOf(random: Random): Nets | RuntimeNets {
  return random.once(6) ? random.pick([listed, listed.v4, listed.v6, listed4]) : netsOf(random);
}

function matchOf(random: Random, predicates: boolean): AnyMatch {
  return {
    ...(random.once(2) && { from: addressesOf(random) }),
    ...(random.once(2) && { to: addressesOf(random) }),
    ...(random.once(2) && { service: serviceOf(random) }),
    ...(predicates && random.once(4) && { when: predicateOf(random) }),
    ...(random.once(6) && headerOf(random)),
  };
}

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

/** ACLs that are short and do little but let pass and drop. */
export function randomPlainPolicy(seed: number): Router {
  const random = randomOf(seed);
  const list = (name: string) =>
    acl(
      name,
      { default: random.pick(['allow', 'deny']), neighbourDiscovery: random.pick(['builtin', 'explicit']) },
      Array.from({ length: 1 + random.below(8) }, (_, i) => {
        const match = {
          ...(random.once(2) && { from: fewOf(random) }),
          ...(random.once(2) && { to: fewOf(random) }),
          ...(random.once(3) ? {} : { service: serviceOf(random) }),
        };
        const rule = random.once(2) ? allow(match) : deny(match);
        return i < 2 && random.once(6) ? rule.log() : rule;
      }),
    );
  return router('plain', {
    interfaces: {
      one: {
        port: 'pipe:p0',
        address: ['10.0.0.1/24', '2001:db8:1::1/64'],
        fallback: 'drop',
        in: list('in'),
      },
      two: {
        port: 'pipe:p1',
        address: ['10.1.0.1/24', '2001:db8:2::1/64'],
        fallback: 'drop',
        out: list('out'),
      },
    },
  });
}

function fewOf(random: Random): Nets {
  const texts = Array.from({ length: 1 + random.below(3) }, () =>
    random.once(2) ? prefix4(random) : prefix6(random),
  );
  return nets(...(texts as '10.0.0.0/8'[])) as Nets;
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
