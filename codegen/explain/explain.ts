/** The way of one packet through a router, with every line of the policy that was asked, and why it did not take it. */
import { contains, formatAddress, formatPrefix, network } from '../../dsl/address.js';
import type { Address, Family } from '../../dsl/model.js';
import { aboutRule } from '../about-rule.js';
import { place } from '../cite.js';
import { judgeAddresses } from '../evaluate/checks.js';
import { firstMatch, isHiddenFrom, type Seen } from '../evaluate/rules.js';
import type { Ir, IrInterface, IrList, IrRule } from '../ir.js';
import { ruleText } from '../plan/plan.js';
import { refuses, treatmentOf, treatmentWords } from '../treatment.js';
import { dropsUnreachable, gatewaysOf, wayOf } from '../ways.js';
import { whyNot } from './why-not.js';

export interface Tried {
  /** `edge.ts:14` */
  readonly place: string;
  readonly text: string;
  /** Absent: this rule takes the packet. */
  readonly not?: string;
  /** Who answers for it, and until when it is meant. */
  readonly about?: string;
}

export interface Step {
  readonly stage: 'addresses' | 'acl' | 'urpf' | 'host' | 'pbr' | 'route' | 'out';
  readonly list?: string;
  readonly tried: readonly Tried[];
  readonly result: string;
}

export interface Explanation {
  readonly interface: string;
  readonly steps: readonly Step[];
  /** `denied`, `martian`, `host`, `via GATEWAY`, `routed` */
  readonly fate: string;
  /** What rules do with it besides: `policed to 2 Mbit/s, burst 15000 bytes; logged, at most 10/s`. Absent: nothing. */
  readonly treatment?: string;
}

/** @param out the interface by which it would leave; left out, every `out` ACL is asked, and none decides */
export function explain(ir: Ir, iface: IrInterface, seen: Seen, out?: IrInterface): Explanation {
  const steps: Step[] = [];
  const took: IrRule[] = [];
  const done = (fate: string): Explanation => ({
    interface: iface.name,
    steps,
    fate,
    ...treated(took, fate === 'routed' || fate.startsWith('via ')),
  });
  const say = (stage: Step['stage'], result: string) => steps.push({ stage, tried: [], result });
  const { packet } = seen;
  const judged = judgeAddresses(packet);
  if ('drop' in judged) {
    say('addresses', `dropped: ${judged.drop}`);
    return done('martian');
  }
  let taken: IrRule | undefined;
  if (iface.acl) {
    const asked = ask(ir, iface.acl, seen);
    steps.push(asked.step);
    taken = asked.rule;
    if (taken) took.push(taken);
    if (taken === undefined || refuses(taken)) return done('denied');
  } else say('acl', 'the interface has no ACL');
  // RFC 1812 §5.3.8, which the kernel asks for IPv4 alone; what is for everybody is delivered before.
  if (!judged.toHost && packet.family === 4 && isOf(ir, packet.src)) {
    say('addresses', 'dropped: nobody else sends from an address of the router');
    return done('martian');
  }
  if (iface.urpf) say('urpf', wayBackText(iface, packet.src));
  if (judged.toHost || isOwn(ir, packet.dst)) {
    say('host', 'it is for the router itself: multicast, broadcast, link-local or its own address');
    return done('host');
  }
  let decided = taken;
  let gateway = diverted(ir, taken, seen);
  if (gateway === undefined && iface.pbr) {
    const asked = ask(ir, iface.pbr, seen);
    steps.push(asked.step);
    decided = asked.rule;
    gateway = diverted(ir, decided, seen);
    if (asked.rule) took.push(asked.rule);
  }
  if (gateway !== undefined) say('route', divertedText(decided!, packet.family));
  else say('route', routeText(ir, seen));
  const said = out ? 'leaving' : 'if it leaves';
  const leaving = (out ? [out] : ir.interfaces).flatMap((one) =>
    one.out ? [askOut(ir, one, one.out, seen, said)] : [],
  );
  steps.push(...leaving.map((one) => one.step));
  if (out) took.push(...leaving.flatMap((one) => one.rule ?? []));
  if (out && leaving.some((one) => one.denied)) return done('denied');
  return done(gateway === undefined ? 'routed' : `via ${gateway}`);
}

/** What the `out` ACL of one interface says, wherever the packet has come in. */
export function explainOut(ir: Ir, iface: IrInterface, seen: Seen): Explanation {
  const asked = iface.out && askOut(ir, iface, iface.out, seen, 'leaving');
  const steps = asked ? [asked.step] : [];
  const rules = asked?.rule ? [asked.rule] : [];
  const denied = asked?.denied ?? false;
  return { interface: iface.name, steps, fate: denied ? 'denied' : 'routed', ...treated(rules, !denied) };
}

function treated(rules: readonly IrRule[], leaves: boolean): Pick<Explanation, 'treatment'> {
  const treatment = treatmentOf(rules, leaves);
  return treatment === '' ? {} : { treatment };
}

function askOut(ir: Ir, iface: IrInterface, list: IrList, seen: Seen, said: string) {
  const { step, rule } = ask(ir, list, seen);
  return {
    step: { ...step, stage: 'out', result: `${said} by ${iface.name}: ${step.result}` } as const,
    denied: rule === undefined || refuses(rule),
    rule,
  };
}

function ask(ir: Ir, list: IrList, seen: Seen): { readonly step: Step; readonly rule: IrRule | undefined } {
  const about = { stage: list.kind, list: list.name } as const;
  if (list.kind === 'acl' && isHiddenFrom(list, seen)) {
    const result = 'denied: its transport header cannot be read, and the list reads it';
    return { step: { ...about, tried: [], result }, rule: undefined };
  }
  const rule = firstMatch(ir, list, seen);
  const last = rule === undefined || rule === list.fallback ? list.rules.length : list.rules.indexOf(rule);
  const passed = list.rules
    .slice(0, last)
    .map((one): Tried => ({ ...lineOf(one), not: whyNot(ir, list, one, seen)! }));
  const tried = rule === undefined ? passed : [...passed, lineOf(rule)];
  return { step: { ...about, tried, result: rule ? resultOf(rule) : 'no rule takes it' }, rule };
}

function resultOf(rule: IrRule): string {
  return [rule.action.kind, ...treatmentWords(rule)].join('; ');
}

function lineOf(rule: IrRule): Tried {
  const about = aboutRule(rule);
  return { place: place(rule.origin), text: ruleText(rule), ...(about && { about }) };
}

function diverted(ir: Ir, rule: IrRule | undefined, { packet }: Seen): string | undefined {
  return rule && wayOf(ir, rule, packet.family);
}

/** Who is asked for first, who stands in, and what happens when none answers. */
function divertedText(rule: IrRule, family: Family): string {
  const gateways = gatewaysOf(rule, family);
  const last = gateways.at(-1)!.choice;
  const choices = Array.from({ length: last + 1 }, (_, choice) => {
    const texts = gateways
      .filter((one) => one.choice === choice)
      .map((one) => `${formatAddress(one)}${one.weight === 1 ? '' : ` (weight ${one.weight})`}`);
    return texts.length > 1 ? `one of ${texts.join(', ')} by its flow` : texts.join();
  }).filter((text) => text !== '');
  const none = gateways.length > 1 ? 'if none of them can be reached' : 'if that cannot be reached';
  return `to ${choices.join(', else ')}; ${none}, ${dropsUnreachable(rule) ? 'dropped' : rule.listKind === 'acl' ? 'as PBR and the routing table say' : 'as the routing table says'}`;
}

/** Routes are not the policy's, so nothing is decided here. */
function wayBackText({ name, urpf }: IrInterface, source: Address): string {
  const way = urpf === 'strict' ? `leads out of ${name}` : 'leads anywhere';
  return `${urpf}: passes if a route back to ${formatAddress(source)} ${way}: see netmill route get`;
}

/** An address of the router that the policy gives. */
function isOf(ir: Ir, address: Seen['packet']['src']): boolean {
  return ir.router.interfaces.some((face) =>
    face.addresses.some((one) => one.family === address.family && one.bits === address.bits),
  );
}

/** Or the broadcast address of one of its networks. */
function isOwn(ir: Ir, address: Seen['packet']['dst']): boolean {
  return ir.router.interfaces.some((face) =>
    face.addresses.some(
      (one) =>
        one.family === address.family &&
        (one.bits === address.bits ||
          (one.family === 4 &&
            one.length < 31 &&
            address.bits === (one.bits | ((1n << BigInt(32 - one.length)) - 1n)))),
    ),
  );
}

/** By the policy's own routes and networks; the kernel may have better ones. */
function routeText(ir: Ir, { packet }: Seen): string {
  const connected = ir.router.interfaces.flatMap((face) =>
    face.addresses.map((one) => ({
      prefix: network(one),
      text: `${formatPrefix(network(one))} on ${face.name}`,
    })),
  );
  const given = ir.router.routes.map((one) => ({
    prefix: one.prefix,
    text: `${formatPrefix(one.prefix)} via ${formatAddress(one.gateway)}`,
  }));
  const [best] = [...connected, ...given]
    .filter((one) => contains(one.prefix, packet.dst))
    .sort((a, b) => b.prefix.length - a.prefix.length);
  const rest = 'the kernel may know a better route: see netmill route get';
  return best ? `by ${best.text} of the policy; ${rest}` : `by the kernel's routes: see netmill route get`;
}
