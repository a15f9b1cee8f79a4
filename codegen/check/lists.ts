/** Rules within their lists. */
import { formatAddress } from '../../dsl/address.js';
import { onLink } from '../../dsl/builtin.js';
import type { Acl, Family, Pbr, Router, Rule } from '../../dsl/model.js';
import { aboutRule } from '../about-rule.js';
import type { Diagnostic } from '../diagnostics/diagnostic.js';
import { listsOf } from './limits.js';
import { duplicates, error, warning } from './report.js';
import { checkRuleGateway } from './routes.js';

const families: readonly Family[] = [4, 6];

export interface DateOptions {
  /** `'2027-03-31'`: rules past their date are told. */
  readonly today: string;
  /** How: a policy that is to be built anew is refused, one that was accepted before is not. */
  readonly expired: 'error' | 'warning';
}

export function checkLists(router: Router, options: DateOptions): readonly Diagnostic[] {
  const lists = listsOf(router);
  return [
    ...sameName(lists),
    ...lists.flatMap((list) => [
      ...sameId(list),
      ...(list.kind === 'pbr' ? [...onlyNexthop(list), ...noPolice(list)] : []),
      ...(router.interfaces.some((one) => one.out === list) ? noNexthop(list) : []),
      ...list.rules.flatMap((rule) => [...checkFamilies(rule), ...pastDate(rule, options)]),
      ...mirrors(router, list),
    ]),
    ...predicateNames(lists),
    ...lists.flatMap((list) => list.rules.flatMap((rule) => ruleGateways(router, rule))),
  ];
}

function sameName(lists: readonly (Acl | Pbr)[]): readonly Diagnostic[] {
  return duplicates(lists, (list) => `${list.kind} ${list.name}`).map(([first, other]) =>
    error(
      'NM3008',
      other.origin,
      `there are two ${other.kind === 'acl' ? 'ACLs' : 'PBR lists'} '${other.name}'`,
      {
        related: [{ origin: first.origin, message: 'the other is here.' }],
        fix: 'give each its own name: counters belong to it.',
      },
    ),
  );
}

function sameId(list: Acl | Pbr): readonly Diagnostic[] {
  const withId = list.rules.filter((rule) => rule.id !== undefined);
  return [
    ...duplicates(withId, (rule) => rule.id!).map(([first, other]) =>
      error('NM3006', other.origin, `two rules of "${list.name}" have the id '${other.id}'`, {
        related: [{ origin: first.origin, message: 'the other is here.' }],
      }),
    ),
    ...withId
      .filter((rule) => rule.id!.startsWith('builtin:'))
      .map((rule) =>
        error('NM3010', rule.origin, "ids that begin with 'builtin:' are netmill's own", {
          got: `'${rule.id}'`,
        }),
      ),
  ];
}

function onlyNexthop(list: Pbr): readonly Diagnostic[] {
  return list.rules
    .filter((rule) => rule.action.kind !== 'nexthop')
    .map((rule) =>
      error('NM3007', rule.origin, `the PBR list "${list.name}" has a rule that is not nexthop()`, {
        expected: 'nexthop(…)',
        got: `${rule.action.kind}(…)`,
        fix: 'put it into an ACL; what no rule of a PBR list takes is routed by the routing table.',
      }),
    );
}

/** A PBR list forbids nothing. */
function noPolice(list: Pbr): readonly Diagnostic[] {
  return list.rules
    .filter((rule) => rule.treatment?.police !== undefined)
    .map((rule) =>
      error('NM3042', rule.origin, `the PBR list "${list.name}" has a rule with .police()`, {
        fix: 'put the limit into an ACL: a PBR list drops nothing.',
      }),
    );
}

/** Copies go to a port that there is, and not back to where their packets are on the wire already. */
function mirrors(router: Router, list: Acl | Pbr): readonly Diagnostic[] {
  const users = router.interfaces.filter((one) => [one.in, one.out, one.pbr].some((used) => used === list));
  return list.rules.flatMap((rule): readonly Diagnostic[] => {
    const port = rule.treatment?.mirror?.port;
    if (port === undefined) return [];
    if (router.ports.every((one) => one.name !== port))
      return [
        error('NM3041', rule.origin, `there is no port '${port}' to copy to`, {
          expected: router.ports.map((one) => one.name).join(', '),
          got: `'${port}'`,
        }),
      ];
    const same = users.find((one) => one.port === port);
    if (same === undefined) return [];
    return [
      error(
        'NM3041',
        rule.origin,
        `"${list.name}" is used on '${same.name}', and copies to its port '${port}'`,
        {
          fix: 'copy to another port.',
        },
      ),
    ];
  });
}

function noNexthop(list: Acl | Pbr): readonly Diagnostic[] {
  return list.rules
    .filter((rule) => rule.action.kind === 'nexthop')
    .map((rule) =>
      error('NM3040', rule.origin, `"${list.name}" judges what leaves, and has a nexthop() rule`, {
        expected: 'allow(…), deny(…) or reject(…)',
        got: 'nexthop(…)',
        fix: "put it into the 'in' ACL or the PBR list of the interface where the packets come in.",
      }),
    );
}

/** Families that a rule's addresses and ICMP types leave possible; what the gateways say is not counted. */
export function familiesOf(rule: Rule): readonly Family[] {
  const { from, to, fromSet, toSet, service } = rule.match;
  return families.filter(
    (family) =>
      [from, to].every(
        (set) => set === undefined || set.prefixes.some((prefix) => prefix.family === family),
      ) &&
      [fromSet, toSet].every((set) => set === undefined || set.families.includes(family)) &&
      (service === undefined ||
        service.alternatives.some(
          (one) =>
            one.l4 !== 'icmp' || one.types.length === 0 || one.types.some((type) => type.family === family),
        )),
  );
}

function checkFamilies(rule: Rule): readonly Diagnostic[] {
  const possible = familiesOf(rule);
  if (possible.length === 0 && !isEmpty(rule))
    return [
      error('NM3004', rule.origin, 'this rule mixes IPv4 and IPv6, so no packet can match it', {
        fix: "give 'from', 'to' and the service networks and types of one family.",
      }),
    ];
  const { from, to, fromSet, toSet } = rule.match;
  if (rule.action.kind !== 'nexthop' || !(from || to || fromSet || toSet)) return [];
  const { gateways } = rule.action;
  const missing = possible.filter((family) => !gateways.some((one) => one.family === family));
  if (missing.length === 0 || gateways.length === 0) return [];
  const other = missing[0] === 4 ? 6 : 4;
  return [
    error(
      'NM3004',
      rule.origin,
      `this rule matches IPv${missing[0]}, and its gateway is IPv${other}: ${gateways.map(formatAddress).join(', ')}`,
      {
        expected: 'gateways of each family that the networks have',
        fix: `add an IPv${missing[0]} gateway, or match '.v${other}' of the networks alone.`,
      },
    ),
  ];
}

/** Each by itself: one that can never answer gives its part of the flows to others, unnoticed. */
function ruleGateways(router: Router, { action, origin }: Rule): readonly Diagnostic[] {
  return action.kind === 'nexthop'
    ? action.gateways.flatMap((one) => checkRuleGateway(router, one, origin))
    : [];
}

function isEmpty({ match }: Rule): boolean {
  const empty = (set: { readonly prefixes: readonly unknown[] } | undefined) => set?.prefixes.length === 0;
  return empty(match.from) || empty(match.to) || match.service?.alternatives.length === 0;
}

function pastDate(rule: Rule, { today, expired }: DateOptions): readonly Diagnostic[] {
  const isPast = (day: string | undefined) => day !== undefined && day !== '' && day < today;
  const waivers = (rule.waivers ?? []).filter((one) => isPast(one.until));
  const ended = waivers.map((one) =>
    warning('NM3026', rule.origin, `the waiver of ${one.code} ended after ${one.until}: ${one.reason}`, {
      fix: 'look at the finding again; delete the waiver, or give it another date.',
    }),
  );
  const waived = rule.waivers?.some((one) => one.code === 'NM3012' && !isPast(one.until)) ?? false;
  if (!isPast(rule.expires) || waived) return ended;
  const answers = aboutRule({ owner: rule.owner, ticket: rule.ticket });
  const tell = expired === 'error' ? error : warning;
  return [
    ...ended,
    tell(
      'NM3012',
      rule.origin,
      `this rule was to go after ${rule.expires}${answers === undefined ? '' : ` (${answers})`}`,
      {
        fix: "delete it, give it another date, or waive it with .waive('NM3012', 'reason', 'another date').",
      },
    ),
  ];
}

function predicateNames(lists: readonly (Acl | Pbr)[]): readonly Diagnostic[] {
  const used = lists.flatMap((list) => list.rules).flatMap((rule) => rule.match.when ?? []);
  const place = (one: (typeof used)[number]) => `${one.origin.file}:${one.origin.line}:${one.origin.column}`;
  const distinct = [...new Map(used.map((one) => [`${one.name} ${place(one)}`, one])).values()];
  return [
    ...duplicates(distinct, (one) => one.name).map(([first, other]) =>
      error('NM2111', other.origin, `there are two predicates '${other.name}'`, {
        related: [{ origin: first.origin, message: 'the other is here.' }],
      }),
    ),
    ...distinct
      .filter((one) => one.name === onLink.name)
      .map((one) => error('NM3010', one.origin, `'${one.name}' is a predicate of netmill's own`)),
  ];
}
