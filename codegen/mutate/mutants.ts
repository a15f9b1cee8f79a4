/**
 * Small mistakes that somebody could make in a policy, one at a time (R. A. DeMillo, R. J. Lipton, F. G. Sayward, "Hints on Test
 * Data Selection", IEEE Computer 11(4), 1978): tests that no mistake makes fail do not say what the policy is for.
 */
import { formatAddress, formatPrefix } from '../../dsl/address.js';
import type {
  Acl,
  Action,
  Family,
  LogicalInterface,
  NetSet,
  Origin,
  Pbr,
  Router,
  Rule,
  Treatment,
} from '../../dsl/model.js';
import type { CheckedPolicy } from '../checked.js';

type List = Acl | Pbr;

export type Mutation = 'flip' | 'widen' | 'swap' | 'drop' | 'divert' | 'treat';

export interface Mutant {
  readonly mutation: Mutation;
  /** What was done: `allow becomes deny`. */
  readonly change: string;
  readonly list: string;
  readonly origin: Origin;
  readonly policy: CheckedPolicy;
}

const families: readonly Family[] = [4, 6];

/** In the order of the policy; a list that several interfaces use is changed for all of them. */
export function mutantsOf(policy: CheckedPolicy): readonly Mutant[] {
  return listsOf(policy.router).flatMap((list) =>
    changesOf(list).map(({ fresh, ...about }) => ({
      ...about,
      list: list.name,
      policy: { ...policy, router: withList(policy.router, fresh) },
    })),
  );
}

function isList(value: unknown): value is List {
  const { kind } = (value ?? {}) as { readonly kind?: unknown };
  return kind === 'acl' || kind === 'pbr';
}

function listsOf({ interfaces }: Router): readonly List[] {
  const all = interfaces.flatMap((one) => Object.values(one).filter(isList));
  return [...new Map(all.map((list) => [`${list.kind} ${list.name}`, list])).values()];
}

function withList(router: Router, fresh: List): Router {
  const isIt = (value: unknown) => isList(value) && value.kind === fresh.kind && value.name === fresh.name;
  const interfaces = router.interfaces.map(
    (one) =>
      Object.fromEntries(
        Object.entries(one).map(([key, value]) => [key, isIt(value) ? fresh : value]),
      ) as unknown as LogicalInterface,
  );
  return { ...router, interfaces };
}

interface Change extends Pick<Mutant, 'mutation' | 'change' | 'origin'> {
  readonly fresh: List;
}

function changesOf(list: List): readonly Change[] {
  return [...list.rules.entries()]
    .flatMap(([index, rule]) => changesOfRule(list, index, rule))
    .concat(flippedDefault(list));
}

function changesOfRule(list: List, index: number, rule: Rule): readonly Change[] {
  const { origin } = rule;
  const put = (...rules: readonly Rule[]): List => ({
    ...list,
    rules: list.rules.toSpliced(index, 1, ...rules),
  });
  const next = list.rules[index + 1];
  return [
    ...(list.kind === 'acl' ? [flipped(rule, put)] : []),
    ...(rule.action.kind === 'nexthop' && rule.action.orDrop ? [undropped(rule, rule.action, put)] : []),
    ...(['from', 'to'] as const).flatMap((side) =>
      families.flatMap((family) => widened(rule, side, family, put)),
    ),
    ...(next
      ? [
          {
            mutation: 'swap' as const,
            change: `it changes places with the next rule (line ${next.origin.line})`,
            origin,
            fresh: { ...list, rules: list.rules.with(index, next).with(index + 1, rule) },
          },
        ]
      : []),
    ...diverted(rule, put),
    ...treated(rule, put),
    { mutation: 'drop', change: 'it is dropped', origin, fresh: put() },
  ];
}

/** What lets a packet pass denies it, what denies it lets it pass. */
function flipped(rule: Rule, put: (rule: Rule) => List): Change {
  const opposite = oppositeOf(rule.action.kind);
  const action: Action = { kind: opposite };
  return {
    mutation: 'flip',
    change: `${rule.action.kind} becomes ${opposite}`,
    origin: rule.origin,
    fresh: put({ ...rule, action }),
  };
}

/** What is dropped while no gateway answers goes on as if the rule named none. */
function undropped(
  rule: Rule,
  action: Extract<Action, { kind: 'nexthop' }>,
  put: (rule: Rule) => List,
): Change {
  return {
    mutation: 'flip',
    change: 'it loses .orDrop()',
    origin: rule.origin,
    fresh: put({ ...rule, action: { ...action, orDrop: false } }),
  };
}

function oppositeOf(kind: Action['kind']): 'allow' | 'deny' {
  return kind === 'allow' || kind === 'nexthop' ? 'deny' : 'allow';
}

/** Each gateway is the next one of its network. */
function diverted(rule: Rule, put: (rule: Rule) => List): readonly Change[] {
  const { action, origin } = rule;
  if (action.kind !== 'nexthop') return [];
  return action.gateways.map((gateway, index) => {
    const other = { ...gateway, bits: gateway.bits ^ 1n };
    return {
      mutation: 'divert',
      change: `gateway ${formatAddress(gateway)} becomes ${formatAddress(other)}`,
      origin,
      fresh: put({ ...rule, action: { ...action, gateways: action.gateways.with(index, other) } }),
    };
  });
}

/** What a rule does besides: one thing of it less, or otherwise. */
function treated(rule: Rule, put: (rule: Rule) => List): readonly Change[] {
  const { action, treatment = {}, log, origin } = rule;
  const { police, mirror, sample, dscp } = treatment;
  const change = (text: string, fresh: Rule): Change => ({
    mutation: 'treat',
    change: text,
    origin,
    fresh: put(fresh),
  });
  const without = (part: keyof Treatment): Rule => {
    const { [part]: _, ...rest } = treatment;
    return { ...rule, treatment: rest };
  };
  const other = dscp === 0 ? 8 : 0;
  const { log: _, ...unlogged } = rule;
  return [
    ...(action.kind === 'reject'
      ? [change('nobody is told of what is rejected', { ...rule, action: { kind: 'deny' } })]
      : []),
    ...(police
      ? [
          change('its limit is twice as high', {
            ...rule,
            treatment: { ...treatment, police: { ...police, rate: 2 * police.rate } },
          }),
        ]
      : []),
    ...(mirror ? [change('it is copied nowhere', without('mirror'))] : []),
    ...(sample === undefined ? [] : [change('no samples are logged', without('sample'))]),
    ...(dscp === undefined
      ? []
      : [change(`DSCP ${dscp} becomes ${other}`, { ...rule, treatment: { ...treatment, dscp: other } })]),
    ...(log ? [change('it is not logged', unlogged)] : []),
  ];
}

function flippedDefault(list: List): readonly Change[] {
  if (list.kind !== 'acl') return [];
  const opposite = oppositeOf(list.default);
  const change = `default ${list.default} becomes ${opposite}`;
  return [{ mutation: 'flip', change, origin: list.origin, fresh: { ...list, default: opposite } }];
}

/** The first prefix of the family that can be, by one bit. */
function widened(
  rule: Rule,
  side: 'from' | 'to',
  family: Family,
  put: (rule: Rule) => List,
): readonly Change[] {
  const nets = rule.match[side];
  const index = nets?.prefixes.findIndex((one) => one.family === family && one.length > 0) ?? -1;
  if (nets === undefined || index < 0) return [];
  const prefix = nets.prefixes[index]!;
  const host = BigInt((family === 4 ? 32 : 128) - prefix.length + 1);
  const wider = { family, bits: (prefix.bits >> host) << host, length: prefix.length - 1 };
  const fresh: NetSet = { ...nets, prefixes: nets.prefixes.with(index, wider) };
  return [
    {
      mutation: 'widen',
      change: `${side} ${formatPrefix(prefix)} becomes ${formatPrefix(wider)}`,
      origin: rule.origin,
      fresh: put({ ...rule, match: { ...rule.match, [side]: fresh } }),
    },
  ];
}
