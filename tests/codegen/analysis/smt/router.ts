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
