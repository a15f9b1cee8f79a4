/** Rules: what happens to packets that match. Every method gives a new rule; none changes the one it is called on. */
import { type CheckGateways, type GatewaysSpec, type GatewayText, readGateways } from './gateways.js';
import { type HeaderSpec, headerKeys, readHeader } from './header.js';
import type { FamilyOf } from './literals.js';
import type {
  Action,
  Family,
  Match,
  Origin,
  Predicate,
  Rule,
  Service,
  Treatment,
  WaivableCode,
  Waiver,
} from './model.js';
import type { Nets } from './nets.js';
import { here, inside } from './origin.js';
import { note, noteEmpty, show } from './problems.js';
import { choice, knownKeys } from './read.js';
import type { RuntimeNets } from './set.js';
import {
  checkFits,
  type DscpName,
  type PoliceBurst,
  type PoliceRate,
  readDscp,
  readMirror,
  readOneIn,
  readPolice,
} from './treatment.js';

/** What a rule tests. All that is given must hold; what is left out is not tested. */
export interface MatchSpec<F extends Family = Family> extends HeaderSpec {
  /** Source address. */
  readonly from?: Nets<F> | RuntimeNets<F>;
  /** Destination address. */
  readonly to?: Nets<F> | RuntimeNets<F>;
  readonly service?: Service;
  readonly when?: Predicate;
}

export type LogRate = `${number}/s`;

export interface RuleDraft<K extends Action['kind'] = Action['kind']> {
  /** The rule as it goes into a list. */
  readonly data: Rule & { readonly action: { readonly kind: K } };
  /** Names the rule for good: its counters live on when its match changes. */
  id(name: string): this;
  /** Shown in logs and listings. */
  why(reason: string): this;
  /** Packets that it takes are logged, at most so many a second (10 when not said). */
  log(options?: { readonly rate: LogRate }): this;
  /**
   * Of its packets, those within this rate go on; the others are dropped, and counted at the rule. One token bucket for
   * all workers. Burst: 50 ms of the rate when not said, at least 15 kB or 10 packets.
   * @example allow({ service: icmp() }).police('1 Mbit/s', { burst: '30 kB' })
   */
  police(rate: PoliceRate, options?: { readonly burst: PoliceBurst }): this;
  /**
   * Copies its packets, as they came in, to a port: a key of `interfaces`. With `oneIn` one packet in so many, at random.
   * A copy for which there is no room is lost and counted; the packet itself never waits.
   */
  mirror(port: string, options?: { readonly oneIn: number }): this;
  /** Logs one packet in so many, at random, whatever the rate of `.log()`. */
  sample(oneIn: number): this;
  /** The DSCP with which its packets leave: 0 to 63, or `'ef'`, `'af21'`, `'cs6'`, … The last of all lists counts. */
  dscp(value: number | DscpName): this;
  /** Names its counter in listings and metrics. */
  count(name: string): this;
  /** Who answers for it, shown in listings: `'noc@example.net'`. */
  owner(name: string): this;
  /** Where it was asked for, shown in listings: `'NET-88'`. */
  ticket(number: string): this;
  /** The last day for which it is meant, `'2027-03-31'`: afterwards it stays in force, and no build is accepted. */
  expires(day: `${number}-${number}-${number}`): this;
  /** Lets the rule stand although rules before it take everything that it matches: waives NM3001. */
  allowShadow(reason: string): this;
  /** Accepts a finding about this rule, until a day when one is given: `.waive('NM3019', 'for its counter', '2027-03-31')`. */
  waive(code: WaivableCode, reason: string, until?: `${number}-${number}-${number}`): this;
}

/** A nexthop rule, to which gateways can be added that stand in for those before. */
export interface NexthopDraft<F extends Family = Family> extends RuleDraft<'nexthop'> {
  /** When none of the gateways before answers, these. */
  or<const T extends GatewaysSpec>(gateways: CheckGateways<T, F>): NexthopDraft<F>;
  /** When none answers at all, its packets are dropped, instead of going on as if no rule had named a gateway. */
  orDrop(): RuleDraft<'nexthop'>;
}

/** A rule, or a fragment of several. */
export type RuleTree<K extends Action['kind'] = Action['kind']> = RuleDraft<K> | readonly RuleTree<K>[];

const defaultLogRate = 10;
const waivable: readonly WaivableCode[] = ['NM3001', 'NM3018', 'NM3019', 'NM3020', 'NM3021', 'NM3012'];
const matchKeys: readonly string[] = ['from', 'to', 'service', 'when', ...headerKeys];

/** Lets packets pass. Without a match: all. */
export function allow(match: MatchSpec = {}): RuleDraft<'allow'> {
  const origin = here();
  return draft({
    kind: 'rule',
    action: { kind: 'allow' },
    match: readMatch(match, inside(origin, 0)),
    origin,
  });
}

/** Drops packets. */
export function deny(match: MatchSpec = {}): RuleDraft<'deny'> {
  const origin = here();
  return draft({
    kind: 'rule',
    action: { kind: 'deny' },
    match: readMatch(match, inside(origin, 0)),
    origin,
  });
}

/** How `reject` tells the source. */
export interface RejectOptions {
  /** The ICMP error: `'admin-prohibited'` when not said. */
  readonly icmp?: 'admin-prohibited' | 'port-unreachable';
  /** What segments of TCP are answered with: `'reset'` when not said. */
  readonly tcp?: 'reset' | 'icmp';
}

/** Drops packets, and tells their sources: a reset for TCP, an ICMP error for everything else. */
export function reject(match: MatchSpec = {}, options: RejectOptions = {}): RuleDraft<'reject'> {
  const origin = here();
  const given = knownKeys(options, ['icmp', 'tcp'], inside(origin, 1), 'reject()');
  return draft({
    kind: 'rule',
    action: {
      kind: 'reject',
      icmp: choice(
        given.icmp ?? 'admin-prohibited',
        ['admin-prohibited', 'port-unreachable'],
        'admin-prohibited',
        inside(origin, 1, 'icmp'),
      ),
      tcp: choice(given.tcp ?? 'reset', ['reset', 'icmp'], 'reset', inside(origin, 1, 'tcp')),
    },
    match: readMatch(match, inside(origin, 0)),
    origin,
  });
}

/**
 * Sends packets to a gateway instead of asking the routing table; in an ACL it also lets them pass. Several of a family
 * share the flows, evenly or by weight. It takes only packets of its gateways' families: for both, give gateways of each.
 *
 * @example nexthop(['198.51.100.9', '2001:db8::9'], { from: customers, service: tcp(25) })
 * @example nexthop({ '198.51.100.9': 3, '198.51.100.10': 1 }, { from: customers.v4 }).or('198.51.100.17').orDrop()
 */
export function nexthop<const T extends GatewaysSpec>(
  gateways: CheckGateways<T>,
  match: MatchSpec<FamilyOf<GatewayText<T>>> = {},
): NexthopDraft<FamilyOf<GatewayText<T>>> {
  const origin = here();
  const action = {
    kind: 'nexthop',
    gateways: readGateways(gateways, inside(origin, 0), []),
    orDrop: false,
  } as const;
  return nexthopDraft({ kind: 'rule', action, match: readMatch(match, inside(origin, 1)), origin });
}

/** For readers of rules in other formats. */
export function ruleAt(action: Action, match: Match, origin: Origin): RuleDraft {
  const rule: Rule = { kind: 'rule', action, match: Object.freeze(match), origin };
  return isNexthop(rule) ? (nexthopDraft(rule) as unknown as RuleDraft) : draft(rule);
}

export function isDraft(value: unknown): value is RuleDraft {
  return typeof value === 'object' && value !== null && (value as RuleDraft).data?.kind === 'rule';
}

function draft<K extends Action['kind']>(
  rule: Rule & { readonly action: { readonly kind: K } },
): RuleDraft<K> {
  const data = Object.freeze(rule);
  const having = (more: Partial<Rule>): RuleDraft<K> => {
    const next = { ...data, ...more } as typeof data;
    return isNexthop(next)
      ? (nexthopDraft(next) as RuleDraft<'nexthop'> as unknown as RuleDraft<K>)
      : draft<K>(next);
  };
  const waiving = (code: WaivableCode, reason: string, until?: string) =>
    having({ waivers: Object.freeze([...(data.waivers ?? []), readWaiver(code, reason, until)]) });
  const treated = <P extends keyof Treatment>(part: P, value: Treatment[P] | undefined) =>
    value !== undefined && checkFits(data.action.kind, part)
      ? having({ treatment: Object.freeze({ ...data.treatment, [part]: value }) })
      : having({});
  return Object.freeze<RuleDraft<K>>({
    data,
    police: (rate, options) => treated('police', readPolice(rate, options)),
    mirror: (port, options) => treated('mirror', readMirror(port, options)),
    sample: (oneIn) => treated('sample', readOneIn(oneIn, 'logged')),
    dscp: (value) => treated('dscp', readDscp(value)),
    id: (id) => having({ id: readText(id, 'an id') }),
    why: (why) => having({ why: readText(why, 'a reason') }),
    log: (options) => having({ log: { perSecond: readRate(options) } }),
    count: (counter) => having({ counter: readText(counter, 'the name of a counter') }),
    owner: (owner) => having({ owner: readText(owner, 'an owner') }),
    ticket: (ticket) => having({ ticket: readText(ticket, 'a ticket') }),
    expires: (expires) => having({ expires: readDay(expires) }),
    allowShadow: (reason) => waiving('NM3001', reason),
    waive: waiving,
  });
}

type NexthopRule = Rule & { readonly action: Extract<Action, { kind: 'nexthop' }> };

function isNexthop(rule: Rule): rule is NexthopRule {
  return rule.action.kind === 'nexthop';
}

function nexthopDraft<F extends Family>(rule: NexthopRule): NexthopDraft<F> {
  const { action } = rule;
  const acting = (more: Partial<NexthopRule['action']>): NexthopDraft<F> =>
    nexthopDraft({ ...rule, action: Object.freeze({ ...action, ...more }) });
  return Object.freeze({
    ...draft<'nexthop'>(rule),
    or: (gateways: unknown) => {
      if (action.orDrop)
        note('NM3017', here(), 'nothing stands in for what is dropped: .orDrop() comes last');
      return acting({
        gateways: Object.freeze([
          ...action.gateways,
          ...readGateways(gateways, inside(here(), 0), action.gateways),
        ]),
      });
    },
    orDrop: () => acting({ orDrop: true }),
  } as unknown as NexthopDraft<F>);
}

function readMatch(match: unknown, origin: Origin): Match {
  if (typeof match !== 'object' || match === null) {
    note('NM3014', origin, `${show(match)} is not a match`, {
      expected: '{ from, to, service, when }',
      got: show(match),
    });
    return {};
  }
  for (const [key, value] of Object.entries(match)) checkPart(key, value, inside(origin, key));
  // What is something else has been told; check reads the rest of the policy without it.
  const known = Object.entries(match).filter(([key, value]) => isWanted(key, kindOf(value)));
  const { from, to, service, when } = Object.fromEntries(known) as MatchSpec;
  const header = readHeader(match, origin);
  return Object.freeze({
    ...(from && (from.kind === 'set' ? { fromSet: from } : { from })),
    ...(to && (to.kind === 'set' ? { toSet: to } : { to })),
    ...(service && { service }),
    ...(header && { header }),
    ...(when && { when }),
  });
}

function kindOf(value: unknown): unknown {
  return (value as { kind?: unknown } | null | undefined)?.kind;
}

function wantedAs(key: string): 'service' | 'predicate' | 'nets' {
  return key === 'service' ? 'service' : key === 'when' ? 'predicate' : 'nets';
}

function isWanted(key: string, kind: unknown): boolean {
  const wanted = wantedAs(key);
  return kind === wanted || (wanted === 'nets' && kind === 'set');
}

/** Nothing that is not understood is ever skipped: a rule would match more than was meant. */
function checkPart(key: string, value: unknown, origin: Origin): void {
  if (headerKeys.includes(key)) return;
  const kind = kindOf(value);
  const wanted = wantedAs(key);
  if (!matchKeys.includes(key))
    note('NM3014', origin, `a rule cannot match by '${key}'`, {
      expected: matchKeys.join(', '),
      got: `'${key}'`,
    });
  else if (!isWanted(key, kind)) {
    const expected = {
      nets: 'nets(…), hosts(…) or set(…)',
      service: 'tcp(…), udp(…), icmp(…), proto(…) or service(…)',
      predicate: 'predicate(…)',
    };
    note('NM3014', origin, `'${key}' is ${show(value)}`, { expected: expected[wanted], got: show(value) });
  } else if (kind === 'nets' && (value as Nets).prefixes.length === 0)
    noteEmpty(origin, `'${key}' is an empty list of networks, so this rule could match nothing`);
}

function readText(text: unknown, what: string): string {
  if (typeof text === 'string' && text.trim() !== '' && !/\p{Cc}/u.test(text)) return text;
  note('NM3010', here(), `${show(text)} is not usable as ${what}`, {
    expected: 'one line of text',
    got: show(text),
  });
  return '';
}

function readWaiver(code: unknown, reason: unknown, until: unknown): Waiver {
  const known = waivable.find((one) => one === code);
  if (known === undefined)
    note('NM4014', here(), `${show(code)} is not a finding that can be waived`, {
      expected: waivable.join(', '),
      got: show(code),
    });
  return Object.freeze({
    code: known ?? waivable[0]!,
    reason: readText(reason, 'a reason'),
    ...(until !== undefined && { until: readDay(until) }),
  });
}

function readRate(options: { readonly rate?: unknown } | undefined): number {
  if (options === undefined) return defaultLogRate;
  const found = typeof options?.rate === 'string' ? /^([1-9]\d{0,5})\/s$/.exec(options.rate) : null;
  if (found !== null) return Number(found[1]);
  note('NM3005', here(), `${show(options?.rate)} is not a log rate`, {
    expected: "a whole number of events a second, such as '10/s'",
    got: show(options?.rate),
  });
  return defaultLogRate;
}

function readDay(day: unknown): string {
  const time =
    typeof day === 'string' && /^\d{4}-\d\d-\d\d$/.test(day) ? Date.parse(`${day}T00:00:00Z`) : Number.NaN;
  if (!Number.isNaN(time) && new Date(time).toISOString().startsWith(day as string)) return day as string;
  note('NM3011', here(), `${show(day)} is not a date`, {
    expected: "year, month and day, such as '2027-03-31'",
    got: show(day),
  });
  return '';
}
