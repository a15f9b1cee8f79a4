/** What random rules ask of a packet: of small worlds, so that rules meet and overlap. */
import type { Random } from '../../codegen/selftest/random.js';
import {
  type HeaderSpec,
  icmp,
  type MacSpec,
  nets,
  proto,
  type RuntimeNets,
  service,
  tcp,
  udp,
} from '../../dsl/index.js';
import type { Predicate, Service } from '../../dsl/model.js';
import type { Nets } from '../../dsl/nets.js';
import { conditions, listed, listed4, onlyIf, predicateAt } from './conditions.js';

export function prefix4(random: Random): string {
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

export function prefix6(random: Random): string {
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

function predicateOf(random: Random): Predicate {
  return predicateAt(random.below(conditions.length));
}

function netsOf(random: Random): Nets {
  const count = random.once(8) ? 6 + random.below(30) : 1 + random.below(3);
  const kind = random.below(3);
  const texts = Array.from({ length: count }, () =>
    kind === 0 || (kind === 2 && random.once(2)) ? prefix4(random) : prefix6(random),
  );
  return nets(...(texts as '10.0.0.0/8'[])) as Nets;
}

export function serviceOf(random: Random): Service {
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
export function neverOf(random: Random): AnyMatch {
  return random.pick<AnyMatch>([
    { from: nets('10.0.0.0/8'), to: nets('2001:db8::/32') },
    { from: nets('10.0.0.0/8'), service: icmp('neighbour-solicitation') },
    { when: onlyIf('p.ttl > 255') },
    { service: udp(), flags: 'syn' },
    { from: nets('10.0.0.0/8'), when: onlyIf('p.family === 6') },
  ]);
}

/** Every packet has it, of one family or of both. */
export function alwaysOf(random: Random): AnyMatch {
  return random.pick<AnyMatch>([
    {},
    { from: nets('0.0.0.0/0', '::/0') },
    { to: nets('0.0.0.0/0') },
    { to: nets('::/0') },
    { when: onlyIf('p.len >= 20') },
  ]);
}

export interface AnyMatch extends HeaderSpec {
  readonly from?: Nets | RuntimeNets;
  readonly to?: Nets | RuntimeNets;
  readonly service?: Service;
  readonly when?: Predicate;
}

function addressesOf(random: Random): Nets | RuntimeNets {
  return random.once(6) ? random.pick([listed, listed.v4, listed.v6, listed4]) : netsOf(random);
}

export function matchOf(random: Random, predicates: boolean): AnyMatch {
  return {
    ...(random.once(2) && { from: addressesOf(random) }),
    ...(random.once(2) && { to: addressesOf(random) }),
    ...(random.once(2) && { service: serviceOf(random) }),
    ...(predicates && random.once(4) && { when: predicateOf(random) }),
    ...(random.once(6) && headerOf(random)),
  };
}
