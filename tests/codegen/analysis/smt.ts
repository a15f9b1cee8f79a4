/**
 * A policy as formulas over bit vectors (SMT-LIB 2.6), for a solver that knows nothing of diagrams and blocks. Written from the
 * standards and the operator's terms, as codegen/evaluate/ is, not from what lowering and the analysis make of them.
 */
import { levelsOf, restFields } from '../../../codegen/analysis/bits.js';
import { all, type Diagram, none } from '../../../codegen/analysis/diagram.js';
import type { PacketSet } from '../../../codegen/analysis/sets.js';
import type { Space } from '../../../codegen/analysis/space.js';
import type { Ir, IrInterface, IrList, IrRule } from '../../../codegen/ir.js';
import type { BoolExpr, NumberExpr, NumberField } from '../../../codegen/predicate/expr.js';
import { tagsOf } from '../../../codegen/tags.js';
import { formatAddress } from '../../../dsl/address.js';
import type {
  Family,
  HeaderMatch,
  Match,
  NetSet,
  PortRange,
  Prefix,
  Rule,
  Service,
} from '../../../dsl/model.js';
import { setNames } from '../../oracle/random-policy.js';

/** Rules with other matches or actions are none of this oracle's: they are left out of the lists that it looks at. */
export function isKnown({ match, action }: Rule): boolean {
  const matches = ['from', 'to', 'fromSet', 'toSet', 'service', 'header', 'when'];
  const headers = ['dscp', 'ttl', 'length', 'fragment', 'flags', 'fromMac', 'toMac', 'pcp'];
  return (
    Object.keys(match).every((key) => matches.includes(key)) &&
    Object.keys(match.header ?? {}).every((key) => headers.includes(key)) &&
    ['allow', 'deny', 'nexthop'].includes(action.kind) &&
    (match.service?.alternatives ?? []).every(({ l4 }) => ['tcp', 'udp', 'icmp', 'ip'].includes(l4))
  );
}

/** Bits of each number; arithmetic is done with 32. */
const bits = {
  proto: 8,
  state: 2,
  fragment: 1,
  dport: 16,
  sport: 16,
  icmpType: 8,
  icmpCode: 8,
  flags: 8,
  ttl: 8,
  dscp: 6,
  vlan: 12,
  len: 17,
  later: 1,
  pcp: 3,
  fromMac: 48,
  toMac: 48,
} as const;
type Field = keyof typeof bits;

const flagBit = { fin: 0, syn: 1, rst: 2, psh: 3, ack: 4, urg: 5, ece: 6, cwr: 7 } as const;

const number = (value: number) => `(_ bv${value} 32)`;
const constant = (name: Field, value: number) => `(_ bv${value} ${bits[name]})`;
const is = (name: Field, value: number) => `(= ${name} ${constant(name, value)})`;
const and = (...parts: readonly string[]) => `(and true ${parts.join(' ')})`;
const or = (...parts: readonly string[]) => `(or false ${parts.join(' ')})`;
const not = (part: string) => `(not ${part})`;
const implies = (a: string, b: string) => `(=> ${a} ${b})`;
const least = (name: Field, value: number) => `(bvuge ${name} ${constant(name, value)})`;
const most = (name: Field, value: number) => `(bvule ${name} ${constant(name, value)})`;
const between = (name: Field, from: number, to: number) => and(least(name, from), most(name, to));

const widthOf = (family: Family) => (family === 4 ? 32 : 128);
const icmpOf = (family: Family) => (family === 4 ? 1 : 58);

/** Declares a packet; `valid` is what parsing can give: RFC 791, RFC 8200, RFC 9293, RFC 768, RFC 792, RFC 4443. */
export function packet(family: Family): string {
  const icmp = icmpOf(family);
  const header = family === 4 ? 20 : 40;
  const known = or(is('proto', 6), is('proto', 17), is('proto', icmp));
  const walked = family === 4 ? 'false' : or(...[0, 43, 44, 51, 60].map((one) => is('proto', one)));
  const [read, absent, hidden] = [0, 1, 2].map((one) => is('state', one)) as [string, string, string];
  const only = (name: Field, ...protocols: readonly number[]) =>
    implies(not(is(name, 0)), and(read, or(...protocols.map((one) => is('proto', one)))));
  const sizes = [
    [6, 20],
    [17, 8],
    [icmp, 4],
  ] as const;
  // 60 bytes of IPv4 header at most; of IPv6 eight extension headers of 8 × 256 bytes.
  const headers = family === 4 ? 60 : 40 + 8 * 8 * 256;
  const declared = [
    ...['src', 'dst'].map((name) => `(declare-const ${name} (_ BitVec ${widthOf(family)}))`),
    ...Object.entries(bits).map(([name, width]) => `(declare-const ${name} (_ BitVec ${width}))`),
    ...setNames.flatMap((set) =>
      (['src', 'dst'] as const).map((side) => `(declare-const ${memberName(set, side)} Bool)`),
    ),
  ];
  const facts = [
    most('state', 2),
    between('len', header, header === 20 ? 65535 : 65575),
    implies(read, known),
    implies(hidden, or(known, walked)),
    implies(and(absent, is('later', 0)), and(not(known), not(walked))),
    implies(is('later', 1), and(is('fragment', 1), absent)),
    ...sizes.map(([proto, size]) => implies(and(read, is('proto', proto)), least('len', header + size))),
    ...sizes.map(([proto, size]) =>
      implies(and(hidden, is('proto', proto)), most('len', headers + size - 1)),
    ),
    family === 6 ? implies(is('fragment', 1), least('len', 48)) : 'true',
    only('dport', 6, 17),
    only('sport', 6, 17),
    only('flags', 6),
    only('icmpType', icmp),
    only('icmpCode', icmp),
  ];
  return [...declared, `(define-fun valid () Bool ${and(...facts)})`].join('\n');
}

function within(field: 'src' | 'dst', prefixes: readonly Prefix[], family: Family): string {
  const width = widthOf(family);
  const own = prefixes.filter((one) => one.family === family);
  return or(
    ...own.map(({ bits, length }) =>
      length === 0
        ? 'true'
        : `(= ((_ extract ${width - 1} ${width - length}) ${field}) (_ bv${bits >> BigInt(width - length)} ${length}))`,
    ),
  );
}

const portsIn = (name: Field, ranges: readonly PortRange[]) =>
  or(...ranges.map((one) => between(name, one.from, one.to)));

function isEveryPort(ranges: readonly PortRange[]): boolean {
  const has = (port: number) => ranges.some((one) => port >= one.from && port <= one.to);
  return has(0) && ranges.every(({ to }) => to === 65535 || has(to + 1));
}

function serviceFormula({ alternatives }: Service, family: Family): string {
  return or(
    ...(['tcp', 'udp'] as const).flatMap((name) => {
      const parts = alternatives.flatMap((one) => (one.l4 === name ? [one] : []));
      const proto = is('proto', name === 'tcp' ? 6 : 17);
      // Every port is meant: they need not be there.
      if (isEveryPort(parts.flatMap((one) => (one.sports ? [] : one.dports)))) return [proto];
      return parts.map(({ dports, sports }) =>
        and(proto, is('state', 0), portsIn('dport', dports), sports ? portsIn('sport', sports) : 'true'),
      );
    }),
    ...alternatives.flatMap((one) => {
      if (one.l4 === 'ip') return one.protocols.map((protocol) => is('proto', protocol));
      if (one.l4 !== 'icmp') return [];
      const proto = is('proto', icmpOf(family));
      if (one.types.length === 0) return [proto];
      return one.types
        .filter((type) => type.family === family)
        .map(({ type, code }) =>
          and(
            proto,
            is('state', 0),
            is('icmpType', type),
            code === undefined ? 'true' : is('icmpCode', code),
          ),
        );
    }),
  );
}

const arithmetic = {
  '+': 'bvadd',
  '-': 'bvsub',
  '*': 'bvmul',
  '%': 'bvurem',
  '&': 'bvand',
  '|': 'bvor',
  '^': 'bvxor',
} as const;
const comparison = {
  '<': 'bvult',
  '<=': 'bvule',
  '>': 'bvugt',
  '>=': 'bvuge',
  '==': '=',
  '!=': 'distinct',
} as const;

function masked(name: Field, { mask, value }: { readonly mask: number; readonly value: number }): string {
  return `(= (bvand ${name} ${constant(name, mask)}) ${constant(name, value)})`;
}

function headerFormula({ dscp, ttl, length, fragment, flags, fromMac, toMac, pcp }: HeaderMatch): string {
  const among = (name: Field, ranges: readonly PortRange[] | undefined) =>
    ranges ? portsIn(name, ranges) : 'true';
  const some = (name: Field, tests: HeaderMatch['flags']) =>
    tests ? or(...tests.map((one) => masked(name, one))) : 'true';
  const parts = {
    any: is('fragment', 1),
    none: is('fragment', 0),
    first: and(is('fragment', 1), is('later', 0)),
    later: is('later', 1),
  };
  return and(
    among('dscp', dscp),
    among('ttl', ttl),
    among('len', length),
    among('pcp', pcp),
    fragment ? parts[fragment] : 'true',
    flags ? and(is('proto', 6), is('state', 0), some('flags', flags)) : 'true',
    some('fromMac', fromMac),
    some('toMac', toMac),
  );
}

function fieldFormula(field: NumberField, family: Family): string {
  return field === 'family' ? number(family) : `((_ zero_extend ${32 - bits[field]}) ${field})`;
}

function numberFormula(expr: NumberExpr, family: Family): string {
  if (expr.kind === 'number') return number(expr.value);
  if (expr.kind === 'field') return fieldFormula(expr.field, family);
  return `(${arithmetic[expr.op]} ${numberFormula(expr.left, family)} ${numberFormula(expr.right, family)})`;
}

function predicateFormula(expr: BoolExpr, family: Family): string {
  switch (expr.kind) {
    case 'constant':
      return String(expr.value);
    case 'not':
      return not(predicateFormula(expr.of, family));
    case 'and':
    case 'or':
      return `(${expr.kind} ${predicateFormula(expr.left, family)} ${predicateFormula(expr.right, family)})`;
    case 'compare':
      return `(${comparison[expr.op]} ${numberFormula(expr.left, family)} ${numberFormula(expr.right, family)})`;
    case 'tcpFlag':
      return `(= ((_ extract ${flagBit[expr.flag]} ${flagBit[expr.flag]}) flags) #b1)`;
    case 'fragment':
      return is('fragment', 1);
    case 'laterFragment':
      return is('later', 1);
    case 'transport':
      return is('state', 0);
    case 'mac':
      return masked(expr.field, expr);
    case 'within':
      return within(expr.field, expr.prefixes, family);
    case 'member':
      return expr.families.includes(family) ? memberName(expr.set, expr.field) : 'false';
  }
}

/** Anything may be in a set that changes at run time. */
export const memberName = (set: string, field: 'src' | 'dst') => `${field}_in_${set}`;

function matchFormula(
  ir: Ir,
  { from, to, fromSet, toSet, service, header, when }: Match,
  family: Family,
): string {
  const nets = (side: 'src' | 'dst', set: NetSet | undefined) =>
    set ? within(side, set.prefixes, family) : 'true';
  return and(
    nets('src', from),
    nets('dst', to),
    fromSet
      ? predicateFormula(
          { kind: 'member', field: 'src', set: fromSet.name, families: fromSet.families },
          family,
        )
      : 'true',
    toSet
      ? predicateFormula({ kind: 'member', field: 'dst', set: toSet.name, families: toSet.families }, family)
      : 'true',
    service ? serviceFormula(service, family) : 'true',
    header ? headerFormula(header) : 'true',
    when ? predicateFormula(ir.predicates.get(when.name)!.expr, family) : 'true',
  );
}

function ruleFormula(ir: Ir, { match, action }: IrRule, family: Family): string {
  const hasGateway =
    action.kind !== 'nexthop' || action.gateways.some((gateway) => gateway.family === family);
  return hasGateway ? matchFormula(ir, match, family) : 'false';
}

/** The number of the rule that takes the packet: its index, `rules.length` for none of them, one more for a hidden header. */
export function takerFormula(ir: Ir, list: IrList, family: Family): string {
  const refused = list.kind === 'acl' && list.readsTransport[family] ? is('state', 2) : 'false';
  const none = number(list.rules.length);
  const first = list.rules.reduceRight(
    (rest, rule, index) => `(ite ${ruleFormula(ir, rule, family)} ${number(index)} ${rest})`,
    none,
  );
  return `(ite ${refused} ${number(list.rules.length + 1)} ${first})`;
}

/** What becomes of a packet that comes in there, by codes that two policies share. */
export function fateFormula(ir: Ir, iface: IrInterface, family: Family, codes: Map<string, number>): string {
  const code = (fate: string) => {
    if (!codes.has(fate)) codes.set(fate, codes.size);
    return number(codes.get(fate)!);
  };
  const ruled = (list: IrList, effect: (rule: IrRule | undefined) => string) =>
    list.rules.reduceRight(
      (rest, rule) => `(ite ${ruleFormula(ir, rule, family)} ${effect(rule)} ${rest})`,
      effect(list.fallback),
    );
  const gateway = (rule: IrRule | undefined) => {
    const all = rule?.action.kind === 'nexthop' ? rule.action.gateways : [];
    const mine = all.filter((one) => one.family === family);
    const choices = [...new Set(mine.map(({ choice }) => choice))].map((choice) =>
      mine
        .filter((one) => one.choice === choice)
        .map((one) => formatAddress(one) + (one.weight === 1 ? '' : `*${one.weight}`))
        .join(' '),
    );
    const last = rule?.action.kind === 'nexthop' && rule.action.orDrop ? ['drop'] : [];
    return choices.length === 0 ? undefined : code(`via ${[...choices, ...last].join(' or ')}`);
  };
  const routed = iface.pbr ? ruled(iface.pbr, (rule) => gateway(rule) ?? code('routed')) : code('routed');
  const past = (way: string) => forHost(ir, family, code, way);
  const { acl } = iface;
  if (acl === undefined) return martian(family, code, past(routed));
  const judged = ruled(acl, (rule) =>
    rule?.action.kind === 'deny' ? code('denied') : past(gateway(rule) ?? routed),
  );
  const refused = acl.readsTransport[family] ? is('state', 2) : 'false';
  return martian(family, code, `(ite ${refused} ${code('denied')} ${judged})`);
}

export function onWireOf(iface: IrInterface): string {
  return is('vlan', tagsOf(iface.encapsulation).at(-1)?.vid ?? 0);
}

const net = (family: Family, bits: bigint, length: number): Prefix => ({ family, bits, length });
const everybody = net(4, 0xffffffffn, 32);
const unspecified = net(4, 0n, 32);
const loopback4 = net(4, 0x7f000000n, 8);
const multicast4 = net(4, 0xe0000000n, 4);
const loopback6 = net(6, 1n, 128);
const multicast6 = net(6, 0xffn << 120n, 8);
const linkLocal6 = net(6, 0xfe80n << 112n, 10);

/** RFC 1812 §5.3.7; RFC 4291 §2.5.3, §2.7 (multicast of scopes 0 and 1). */
function martian(family: Family, code: (fate: string) => string, then: string): string {
  const src = (...prefixes: readonly Prefix[]) => within('src', prefixes, family);
  const dst = (...prefixes: readonly Prefix[]) => within('dst', prefixes, family);
  const wrong =
    family === 4
      ? or(
          src(multicast4, loopback4, everybody),
          and(src(unspecified), not(dst(multicast4, everybody, unspecified))),
          and(not(src(unspecified)), dst(loopback4, unspecified)),
        )
      : or(
          src(multicast6, loopback6),
          dst(loopback6),
          and(dst(multicast6), `(bvule ((_ extract 115 112) dst) #x1)`),
        );
  return `(ite ${wrong} ${code('martian')} ${then})`;
}

/** What the router keeps for itself, then its own addresses as sources (RFC 1812 §5.3.8, IPv4 alone), then `way`. */
function forHost(ir: Ir, family: Family, code: (fate: string) => string, way: string): string {
  const addresses = ir.router.interfaces.flatMap((face) =>
    face.addresses.filter((one) => one.family === family),
  );
  const ours = addresses.map(({ bits }) => net(family, bits, widthOf(family)));
  const broadcasts = addresses
    .filter((one) => family === 4 && one.length < 31)
    .map(({ bits, length }) => net(4, bits | ((1n << BigInt(32 - length)) - 1n), 32));
  const own = [...ours, ...broadcasts];
  const many = family === 4 ? [multicast4, everybody, unspecified] : [multicast6, linkLocal6];
  const fromUs = family === 4 ? within('src', ours, family) : 'false';
  return `(ite ${within('dst', many, family)} ${code('host')} (ite ${fromUs} ${code('martian')} (ite ${within('dst', own, family)} ${code('host')} ${way})))`;
}

/** A set of the analysis: definitions of its nodes, and the formula that holds for its packets. */
export class SetFormulas {
  readonly #defined = new Map<string, string>();
  readonly definitions: string[] = [];

  constructor(
    readonly space: Space,
    readonly family: Family,
  ) {}

  of(set: PacketSet): string {
    return or(
      ...set.map(({ src, dst, rest }) =>
        and(this.#of(src, 'src'), this.#of(dst, 'dst'), this.#of(rest, 'rest')),
      ),
    );
  }

  #of(diagram: Diagram, part: 'src' | 'dst' | 'rest'): string {
    if (diagram === none) return 'false';
    if (diagram === all) return 'true';
    const key = `${part}${diagram}`;
    const known = this.#defined.get(key);
    if (known !== undefined) return known;
    const low = this.#of(this.space.diagrams.child(diagram, false), part);
    const high = this.#of(this.space.diagrams.child(diagram, true), part);
    const bit = bitOf(this.space, this.space.diagrams.level(diagram), part, this.family);
    this.definitions.push(`(define-fun ${key} () Bool (ite ${bit} ${high} ${low}))`);
    this.#defined.set(key, key);
    return key;
  }
}

function bitOf(space: Space, level: number, part: 'src' | 'dst' | 'rest', family: Family): string {
  const extract = (bit: number, name: string) => `(= ((_ extract ${bit} ${bit}) ${name}) #b1)`;
  if (part !== 'rest') return extract(widthOf(family) - 1 - level, part);
  for (const field of restFields) {
    const levels = levelsOf(field);
    const at = levels.indexOf(level);
    if (at >= 0) return extract(levels.length - 1 - at, field);
  }
  const member = space.members.all().find((one) => one.level === level);
  if (member) return memberName(member.set, member.field);
  throw new Error(`no field has level ${level}`);
}
