/** Lists, and what becomes of a packet that comes in somewhere, as formulas. */
import type { Ir, IrInterface, IrList, IrRule } from '../../../../codegen/ir.js';
import { tagsOf } from '../../../../codegen/tags.js';
import { formatAddress } from '../../../../dsl/address.js';
import type { Family, Prefix } from '../../../../dsl/model.js';
import { ruleFormula } from './match.js';
import { and, is, not, number, or, widthOf, within } from './packet.js';

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

/** By which number the solver knows what becomes of a packet; two policies share them. */
export type Codes = Map<string, number>;

/** What becomes of a packet, and what the rules that took it, in order, do with it besides. */
export type Name = (fate: string, rules: readonly IrRule[]) => string;

interface Asked {
  readonly ir: Ir;
  readonly family: Family;
  readonly codes: Codes;
  readonly name: Name;
}

function coded({ codes, name }: Asked, fate: string, rules: readonly (IrRule | undefined)[]): string {
  const text = name(
    fate,
    rules.flatMap((rule) => rule ?? []),
  );
  if (!codes.has(text)) codes.set(text, codes.size);
  return number(codes.get(text)!);
}

/** Every rule by its words, in the order of rules: what is told, metered, copied, logged; the last DSCP of what leaves. */
export const spelled: Name = (fate, rules) => {
  const seen = rules.flatMap(({ action, logPerSecond, treatment: { dscp: _, ...rest } = {} }) => {
    const told = action.kind === 'reject' ? { icmp: action.icmp, tcp: action.tcp } : {};
    const words = { ...told, ...rest, ...(logPerSecond !== undefined && { logPerSecond }) };
    return Object.keys(words).length === 0 ? [] : [words];
  });
  const leaves = fate === 'routed' || fate.startsWith('via ');
  const dscp = leaves ? rules.flatMap(({ treatment }) => treatment?.dscp ?? []).at(-1) : undefined;
  return JSON.stringify([fate, seen, dscp]);
};

/** By the list, whose taker `variable` is. */
function ruled(
  list: IrList,
  variable: string,
  effect: (rule: IrRule | undefined) => string,
  refused: string,
): string {
  const which = (index: number, then: string, rest: string) =>
    `(ite (= ${variable} ${number(index)}) ${then} ${rest})`;
  const last = which(list.rules.length + 1, refused, effect(list.fallback));
  return list.rules.reduceRight((rest, rule, index) => which(index, effect(rule), rest), last);
}

/** What becomes of a packet that comes in there; `out`: by which interface it would leave. */
export function fateFormula(asked: Asked, iface: IrInterface, out?: IrInterface): string {
  const { ir, family } = asked;
  const say = (fate: string, ...rules: readonly (IrRule | undefined)[]) => coded(asked, fate, rules);
  const { acl, pbr } = iface;
  const onward = (fate: string, ...rules: readonly (IrRule | undefined)[]) =>
    leaving(asked, out, fate, ...rules);
  const routed = (taken: IrRule | undefined) =>
    pbr
      ? ruled(
          pbr,
          'diverting',
          (rule) => onward(gatewayOf(rule, family) ?? 'routed', taken, rule),
          onward('routed', taken),
        )
      : onward('routed', taken);
  const past = (taken: IrRule | undefined) => {
    const gateway = gatewayOf(taken, family);
    return forHost(ir, family, (fate) => say(fate, taken), gateway ? onward(gateway, taken) : routed(taken));
  };
  const judged = acl
    ? ruled(acl, 'judging', (rule) => (refuses(rule) ? say('denied', rule) : past(rule)), say('denied'))
    : past(undefined);
  const takers = [
    ...(acl ? [`(judging ${takerFormula(ir, acl, family)})`] : []),
    ...(pbr ? [`(diverting ${takerFormula(ir, pbr, family)})`] : []),
    ...(out?.out ? [`(leaving ${takerFormula(ir, out.out, family)})`] : []),
    '(nothing true)',
  ];
  return `(let (${takers.join(' ')}) ${martian(family, say, judged)})`;
}

const refuses = (rule: IrRule | undefined) => rule?.action.kind === 'deny' || rule?.action.kind === 'reject';

function leaving(
  asked: Asked,
  out: IrInterface | undefined,
  fate: string,
  ...before: readonly (IrRule | undefined)[]
): string {
  if (out?.out === undefined) return coded(asked, fate, before);
  return ruled(
    out.out,
    'leaving',
    (rule) => coded(asked, refuses(rule) ? 'denied' : fate, [...before, rule]),
    coded(asked, 'denied', before),
  );
}

/** What would leave by an interface, judged by its `out` ACL alone. */
export function outFormula(asked: Asked, out: IrInterface): string {
  if (out.out === undefined) return coded(asked, 'routed', []);
  const taker = takerFormula(asked.ir, out.out, asked.family);
  return `(let ((leaving ${taker})) ${leaving(asked, out, 'routed')})`;
}

/** It may be forwarded at all, whatever ACLs say. */
export function forwardedFormula(ir: Ir, family: Family): string {
  const code = (fate: string) => (fate === 'routed' ? 'true' : 'false');
  return and(or(...ir.interfaces.map(onWireOf)), martian(family, code, forHost(ir, family, code, 'true')));
}

function gatewayOf(rule: IrRule | undefined, family: Family): string | undefined {
  const all = rule?.action.kind === 'nexthop' ? rule.action.gateways : [];
  const mine = all.filter((one) => one.family === family);
  const choices = [...new Set(mine.map(({ choice }) => choice))].map((choice) =>
    mine
      .filter((one) => one.choice === choice)
      .map((one) => formatAddress(one) + (one.weight === 1 ? '' : `*${one.weight}`))
      .join(' '),
  );
  const last = rule?.action.kind === 'nexthop' && rule.action.orDrop ? ['drop'] : [];
  return choices.length === 0 ? undefined : `via ${[...choices, ...last].join(' or ')}`;
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
