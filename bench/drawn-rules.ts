/**
 * Rule sets for the policy bench, the same ones every time: prefixes nested in each other, ports and ranges, and rules
 * that leave out one side, as filter sets of firewalls have them (D. E. Taylor, J. S. Turner, "ClassBench", 2007).
 */
import { type Random, randomOf } from '../codegen/selftest/random.js';

/** As it goes into JSON, for a policy to make rules of. */
export interface DrawnRule {
  readonly allow: boolean;
  readonly from?: string;
  readonly to?: string;
  readonly l4?: 'tcp' | 'udp';
  readonly ports?: string;
}

/** Text of the policy that makes rules of `./NAME.json`. */
export const drawnPolicy = (
  name: string,
) => `import { acl, allow, deny, nets, router, tcp, udp } from 'netmill'
import data from './${name}.json' with { type: 'json' }

interface Drawn { allow: boolean; from?: string; to?: string; l4?: string; ports?: string }
const rules = (data as readonly Drawn[]).map((one) => {
  const ports = one.ports === undefined ? [] : [one.ports as '1-2']
  const service = one.l4 === undefined ? undefined : one.l4 === 'tcp' ? tcp(...ports) : udp(...ports)
  const match = {
    ...(one.from !== undefined && { from: nets(one.from as '10.0.0.0/8') }),
    ...(one.to !== undefined && { to: nets(one.to as '10.0.0.0/8') }),
    ...(service && { service }),
  }
  return (one.allow ? allow(match) : deny(match)).waive('NM3001', 'drawn').waive('NM3019', 'drawn')
})

export default router('drawn', {
  interfaces: { wan: { port: 'xdp:eth0', fallback: 'drop', in: acl('drawn', { default: 'deny' }, rules) } },
})
`;

/** @param more another set that shares all but about one rule in a hundred */
export function drawnRules(count: number, seed = 1, more?: number): readonly DrawnRule[] {
  const random = randomOf(seed);
  const bases = Array.from({ length: Math.max(8, count >> 5) }, () => random.below(2 ** 32));
  const rules = Array.from({ length: count }, () => drawnRule(random, bases));
  if (more === undefined) return rules;
  const other = randomOf(more);
  return rules.map((rule) => (other.once(100) ? drawnRule(other, bases) : rule));
}

function drawnRule(random: Random, bases: readonly number[]): DrawnRule {
  const six = random.once(10);
  const from = random.once(5) ? undefined : prefix(random, bases, six);
  const to = from !== undefined && random.once(6) ? undefined : prefix(random, bases, six);
  const l4 = random.once(12) ? undefined : random.once(4) ? 'udp' : 'tcp';
  const first = random.pick([22, 25, 53, 80, 123, 443, 1024, 1521, 6000, 8080, random.below(60000)]);
  const last = random.once(5) ? first + random.pick([3, 63, 1000, 5535]) : first;
  const ports = l4 === undefined || random.once(8) ? undefined : `${first}-${last}`;
  return {
    allow: !random.once(3),
    ...(from !== undefined && { from }),
    ...(to !== undefined && { to }),
    ...(l4 && { l4 }),
    ...(ports !== undefined && { ports }),
  };
}

function prefix(random: Random, bases: readonly number[], six: boolean): string {
  const length = random.pick([8, 14, 16, 20, 22, 24, 24, 26, 28, 29, 32, 32, 32]);
  const value = random.pick(bases) ^ (random.once(3) ? random.below(2 ** 12) : 0);
  const bits = length === 32 ? value >>> 0 : ((value >>> (32 - length)) << (32 - length)) >>> 0;
  if (six) return `2001:db8:${(bits >>> 16).toString(16)}:${(bits & 0xffff).toString(16)}::/${length + 32}`;
  return `${[24, 16, 8, 0].map((shift) => (bits >>> shift) & 255).join('.')}/${length}`;
}
