/** Sample packets near the edges of a predicate: its TypeScript and what was compiled from it must agree on them. */
import { addressBits } from '../../dsl/address.js';
import type { Address, Family, Prefix } from '../../dsl/model.js';
import { asOperatorSees, evaluate, type PredicatePacket } from './evaluate.js';
import type { BoolExpr, FlagField, NumberExpr, NumberField, PredicateExpr } from './expr.js';
import { fieldRanges } from './ranges.js';

export interface Mismatch {
  readonly packet: string;
  readonly typescript: string;
  readonly compiled: boolean;
}

const sampleCount = 2000;
const flags: readonly FlagField[] = ['fin', 'syn', 'rst', 'psh', 'ack', 'urg', 'ece', 'cwr'];

/** The first sample on which both differ. */
export function findMismatch(
  predicate: PredicateExpr,
  test: (packet: unknown) => unknown,
): Mismatch | undefined {
  const random = generator(1);
  const edges = edgesOf(predicate.expr);
  for (let i = 0; i < sampleCount; i++) {
    const packet = samplePacket(random, edges);
    const compiled = evaluate(predicate.expr, packet);
    const typescript = run(test, packet);
    if (typescript !== compiled)
      return { packet: describe(packet), typescript: String(typescript), compiled };
  }
  return undefined;
}

function run(test: (packet: unknown) => unknown, packet: PredicatePacket): unknown {
  try {
    return test(asOperatorSees(packet));
  } catch (error) {
    return error instanceof Error ? error.message : 'an error';
  }
}

interface Edges {
  readonly numbers: readonly number[];
  readonly prefixes: readonly Prefix[];
}

/** The numbers and prefixes that an expression compares with: packets are drawn around them. */
export function edgesOf(expr: BoolExpr): Edges {
  const numbers = new Set<number>();
  const prefixes: Prefix[] = [];
  const number = (one: NumberExpr): void => {
    if (one.kind === 'number') for (const near of [-1, 0, 1]) numbers.add(one.value + near);
    if (one.kind === 'arithmetic') for (const side of [one.left, one.right]) number(side);
  };
  const visit = (one: BoolExpr): void => {
    if (one.kind === 'not') visit(one.of);
    if (one.kind === 'and' || one.kind === 'or') for (const side of [one.left, one.right]) visit(side);
    if (one.kind === 'compare') for (const side of [one.left, one.right]) number(side);
    if (one.kind === 'within') prefixes.push(...one.prefixes);
  };
  visit(expr);
  return { numbers: [...numbers], prefixes };
}

/** @param random gives a whole number from 0 to below its argument */
export function samplePacket(random: (below: number) => number, edges: Edges): PredicatePacket {
  const family: Family = random(2) === 0 ? 4 : 6;
  const number = (field: NumberField): number => {
    const [min, max] = fieldRanges[field];
    const near = edges.numbers.filter((one) => one >= min && one <= max);
    return near.length > 0 && random(3) > 0 ? near[random(near.length)]! : min + random(max - min + 1);
  };
  const usual = [6, 17, family === 4 ? 1 : 58, family === 4 ? 58 : 1, 89];
  const proto = random(6) === 0 ? number('proto') : usual[random(5)]!;
  const fragment = random(5) === 0;
  const headless = fragment && random(2) === 0;
  const ports = (proto === 6 || proto === 17) && !headless;
  const icmp = proto === (family === 4 ? 1 : 58) && !headless;
  return {
    family,
    proto,
    len: number('len'),
    ttl: number('ttl'),
    dscp: number('dscp'),
    vlan: number('vlan'),
    pcp: number('pcp'),
    sport: ports ? number('sport') : 0,
    dport: ports ? number('dport') : 0,
    icmpType: icmp ? number('icmpType') : 0,
    icmpCode: icmp ? number('icmpCode') : 0,
    flags: Object.fromEntries(
      flags.map((flag) => [flag, proto === 6 && !headless && random(2) === 0]),
    ) as PredicatePacket['flags'],
    fragment,
    laterFragment: headless,
    transport: ports || icmp,
    fromMac: 0x020000000001,
    toMac: 0x020000000002,
    src: sampleAddress(random, family, edges.prefixes),
    dst: sampleAddress(random, family, edges.prefixes),
    isMember: sampleMembers(random),
  };
}

/** Of whatever set is asked, in it or not, always alike. */
function sampleMembers(random: (below: number) => number): PredicatePacket['isMember'] {
  const drawn = new Map<string, boolean>();
  const bits = random(2 ** 32);
  return (set, field) => {
    const key = `${field} ${set}`;
    const known = drawn.get(key) ?? ((bits >>> (drawn.size % 32)) & 1) === 1;
    drawn.set(key, known);
    return known;
  };
}

/** Inside a prefix, just outside of it, or anywhere. */
function sampleAddress(
  random: (below: number) => number,
  family: Family,
  prefixes: readonly Prefix[],
): Address {
  const width = BigInt(addressBits(family));
  const same = prefixes.filter((prefix) => prefix.family === family);
  let bits = 0n;
  for (let i = 0; i < 4; i++) bits = (bits << 32n) | BigInt(random(2 ** 32));
  bits &= (1n << width) - 1n;
  if (same.length === 0 || random(4) === 0) return { family, bits };
  const prefix = same[random(same.length)]!;
  const host = width - BigInt(prefix.length);
  const last = prefix.bits | ((1n << host) - 1n);
  const choices = [
    prefix.bits,
    last,
    prefix.bits - 1n,
    last + 1n,
    prefix.bits | (bits & ((1n << host) - 1n)),
  ];
  return { family, bits: choices[random(choices.length)]! & ((1n << width) - 1n) };
}

/** mulberry32: small, and the same everywhere. */
function generator(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let x = Math.imul(state ^ (state >>> 15), state | 1);
    x ^= x + Math.imul(x ^ (x >>> 7), x | 61);
    return Math.floor((((x ^ (x >>> 14)) >>> 0) / 2 ** 32) * below);
  };
}

function describe(packet: PredicatePacket): string {
  return JSON.stringify(packet, (_, value) =>
    typeof value === 'bigint' ? `0x${value.toString(16)}` : value,
  );
}
