/** Values near what a rule tests: its first and last addresses and ports, those beside them, and predicates' numbers. */
import { addressBits } from '../../dsl/address.js';
import type { Address, Family, MacTest, NetSet, PortRange, Prefix, Service } from '../../dsl/model.js';
import type { BoolExpr, NumberExpr, NumberField } from '../predicate/expr.js';
import { type Contents, noContents } from '../sets/contents.js';
import { somePrefixes } from '../sets/ranges.js';
import type { Random } from './random.js';

/** Numbers that predicates compare fields with; under 'any' those of arithmetic and of two fields. */
export interface Edges {
  readonly numbers: ReadonlyMap<NumberField | 'any', readonly number[]>;
  readonly src: readonly Prefix[];
  readonly dst: readonly Prefix[];
  readonly fromMac: readonly MacTest[];
  readonly toMac: readonly MacTest[];
}

/** @param contents what sets that change at run time hold */
export function edgesOf(expr: BoolExpr | undefined, contents: Contents = new Map()): Edges {
  const numbers = new Map<NumberField | 'any', number[]>();
  const prefixes = { src: [] as Prefix[], dst: [] as Prefix[] };
  const macs = { fromMac: [] as MacTest[], toMac: [] as MacTest[] };
  const note = (field: NumberField | 'any', value: number) => {
    const all = numbers.get(field) ?? [];
    numbers.set(field, [...all, Math.max(0, value - 1), value, value + 1]);
  };
  const constants = (one: NumberExpr): readonly number[] =>
    one.kind === 'number'
      ? [one.value]
      : one.kind === 'field'
        ? []
        : [...constants(one.left), ...constants(one.right)];
  const visit = (one: BoolExpr): void => {
    if (one.kind === 'not') visit(one.of);
    if (one.kind === 'and' || one.kind === 'or') for (const side of [one.left, one.right]) visit(side);
    if (one.kind === 'mac') macs[one.field].push(one);
    if (one.kind === 'within') prefixes[one.field].push(...one.prefixes);
    if (one.kind === 'member') prefixes[one.field].push(...someOf(contents, one.set));
    if (one.kind !== 'compare') return;
    for (const [a, b] of [
      [one.left, one.right],
      [one.right, one.left],
    ] as const)
      for (const value of constants(b)) note(a.kind === 'field' ? a.field : 'any', value);
  };
  if (expr) visit(expr);
  return { numbers, ...prefixes, ...macs };
}

const mostDrawn = 500;

/** Not all of a million. */
function someOf(contents: Contents, set: string): readonly Prefix[] {
  return ([4, 6] as const).flatMap((family) =>
    somePrefixes((contents.get(set) ?? noContents)[family], mostDrawn),
  );
}

/** Mostly an address that such a test takes, the other bits anything; undefined: any will do. */
export function macNear(random: Random, tests: readonly MacTest[]): Uint8Array | undefined {
  if (tests.length === 0 || random.once(4)) return undefined;
  const { mask, value } = random.pick(tests);
  const bits = BigInt(value) | (random.bits(48) & ~BigInt(mask));
  const near = random.once(4) ? bits ^ (1n << BigInt(random.below(48))) : bits;
  return Uint8Array.from({ length: 6 }, (_, i) => Number((near >> BigInt(40 - 8 * i)) & 255n));
}

/** Whether values are of what a rule tests, or now and then just beside it. */
export type Aim = 'inside' | 'near';

/** In a set or just beside it; undefined: anything may do. */
export function addressNear(
  random: Random,
  family: Family,
  nets: NetSet | undefined,
  more: readonly Prefix[],
  aim: Aim = 'near',
): Address | undefined {
  const all = [...(nets?.prefixes ?? []), ...more].filter((one) => one.family === family);
  if (all.length === 0) return undefined;
  const prefix = random.pick(all);
  const width = addressBits(family);
  const size = 1n << BigInt(width - prefix.length);
  const first = prefix.bits;
  const choices = [
    first,
    first + size - 1n,
    first + (random.bits(width) & (size - 1n)),
    first + (random.bits(width) & (size - 1n)),
    ...(aim === 'near' ? [first - 1n, first + size] : []),
  ];
  return { family, bits: random.pick(choices) & ((1n << BigInt(width)) - 1n) };
}

/** Protocol and destination port, or type and code, near one alternative of a service. */
export interface NearService {
  readonly l4: 'tcp' | 'udp' | 'icmp' | number;
  readonly dport?: number;
  readonly sport?: number;
  readonly icmpType?: number;
  readonly icmpCode?: number;
}

export function serviceNear(
  random: Random,
  family: Family,
  service: Service,
  aim: Aim = 'near',
): NearService | undefined {
  if (service.alternatives.length === 0) return undefined;
  const one = random.pick(service.alternatives);
  const near = aim === 'near';
  if (one.l4 === 'icmp') {
    const types = one.types.filter((type) => type.family === family);
    if (types.length === 0) return { l4: 'icmp' };
    const { type, code = random.below(4) } = random.pick(types);
    return near && random.once(5)
      ? { l4: 'icmp', icmpType: byte(type + random.pick([-1, 1])), icmpCode: code }
      : { l4: 'icmp', icmpType: type, icmpCode: byte(near && random.once(5) ? code + 1 : code) };
  }
  if (one.l4 === 'ip')
    return one.protocols.length === 0 ? undefined : { l4: byte(protocolNear(random, one.protocols, aim)) };
  return {
    l4: one.l4,
    ...(one.dports.length > 0 && { dport: portNear(random, one.dports, aim) }),
    ...(one.sports && one.sports.length > 0 && { sport: portNear(random, one.sports, aim) }),
  };
}

function protocolNear(random: Random, protocols: readonly number[], aim: Aim): number {
  return random.pick(protocols) + (aim === 'near' ? random.pick([-1, 0, 0, 0, 0, 1]) : 0);
}

function portNear(random: Random, ranges: readonly PortRange[], aim: Aim): number {
  const { from, to } = random.pick(ranges);
  const inside = from + random.below(to - from + 1);
  return random.pick([from, inside, inside, to, ...(aim === 'near' ? [from - 1, to + 1] : [])]) & 0xffff;
}

function byte(value: number): number {
  return value & 255;
}

/** A number that a predicate compares the field with, or one beside it, where there is one. */
export function numberNear(
  random: Random,
  edges: Edges,
  field: NumberField,
  most: number,
): number | undefined {
  const known = edges.numbers.get(field) ?? edges.numbers.get('any') ?? [];
  const usable = known.filter((value) => value <= most);
  return usable.length === 0 ? undefined : random.pick(usable);
}
