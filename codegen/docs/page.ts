/** A policy as a page of blocks; what is HTML or Markdown is decided by who renders them. */
import { formatAddress, formatPrefix } from '../../dsl/address.js';
import { builtinRules } from '../../dsl/builtin.js';
import type { Acl, NetSet, Origin, Pbr, PortConfig, Router, Rule, Service } from '../../dsl/model.js';
import { builtinOrigin } from '../../dsl/origin.js';
import type { CheckedPolicy } from '../checked.js';
import { place } from '../cite.js';
import type { Diagnostic } from '../diagnostics/diagnostic.js';
import { serviceTexts, tagText } from '../plan/settings-changes.js';
import { commentOf } from './comments.js';
import { type Picture, pictureOf } from './picture.js';
import { idText, matchTexts, otherTexts, predicateId } from './rule-text.js';

/** A piece of text, perhaps code, perhaps a link to a section of the page. */
export type Span = string | { readonly code: string; readonly to?: string } | { readonly strong: string };

export type Cell = readonly Span[];

export type Block =
  | { readonly kind: 'text'; readonly spans: Cell }
  | { readonly kind: 'code'; readonly text: string }
  | { readonly kind: 'picture'; readonly picture: Picture }
  | {
      readonly kind: 'table';
      readonly columns: readonly string[];
      readonly rows: readonly { readonly tone?: string; readonly cells: readonly Cell[] }[];
    };

export interface Section {
  /** Unique in the page; letters, digits and dashes. */
  readonly id: string;
  readonly title: string;
  readonly level: 2 | 3;
  readonly blocks: readonly Block[];
}

export interface Page {
  readonly title: string;
  readonly about: Cell;
  readonly sections: readonly Section[];
}

type List = Acl | Pbr;

/** The same policy gives the same page: nothing of the time or the place of its making is in it. */
export function pageOf(policy: CheckedPolicy): Page {
  const { router } = policy;
  const lists = listsOf(router);
  return {
    title: `Router ${router.name}`,
    about: [
      { code: policy.files[0]?.path ?? router.origin.file },
      `, ${policy.policyHash.slice(0, 12)}: ${counted(router.ports.length, 'port')}, ${counted(router.interfaces.length, 'interface')}, ${counted(lists.length, 'list')}`,
    ],
    sections: [
      section('overview', 'Overview', 2, [{ kind: 'picture', picture: pictureOf(router) }]),
      section('interfaces', 'Interfaces', 2, [interfaces(router), ...reach(router)]),
      ...(router.routes.length > 0 ? [section('routes', 'Static routes', 2, [routes(router)])] : []),
      section('lists', 'Lists', 2, [
        { kind: 'text', spans: ['The first rule that takes a packet decides.'] },
      ]),
      ...lists.map((list) => listSection(policy, list)),
      ...objects(policy, lists),
      section('findings', 'Findings', 2, [findings(policy.warnings)]),
    ],
  };
}

function section(id: string, title: string, level: Section['level'], blocks: readonly Block[]): Section {
  return { id, title, level, blocks };
}

function counted(n: number, word: string): string {
  return `${n} ${word}${n === 1 ? '' : 's'}`;
}

function listsOf({ interfaces: faces }: Router): readonly List[] {
  const all = faces.flatMap((one) => [one.in, one.out, one.pbr].filter((list) => list !== undefined));
  return [...new Map(all.map((list) => [listId(list), list])).values()];
}

export function listId({ kind, name }: Pick<List, 'kind' | 'name'>): string {
  return `${kind}-${idText(name)}`;
}

function listLink(list: List | undefined): Cell {
  return list ? [{ code: list.name, to: listId(list) }] : [];
}

function table(columns: readonly string[], rows: readonly (readonly Cell[])[]): Block {
  return { kind: 'table', columns, rows: rows.map((cells) => ({ cells })) };
}

function interfaces(router: Router): Block {
  const rows = router.interfaces.map((one): readonly Cell[] => {
    const port = router.ports.find((other) => other.name === one.port) as PortConfig;
    return [
      [{ strong: one.name }],
      [{ code: port.spec }],
      [tagText(one.encapsulation)],
      joined(one.addresses.map((address) => ({ code: formatPrefix(address) }))),
      listLink(one.in),
      listLink(one.out),
      listLink(one.pbr),
      [port.fallback ?? ''],
    ];
  });
  return table(['Interface', 'Port', 'Tags', 'Addresses', 'In', 'Out', 'PBR', 'Fallback'], rows);
}

function joined(spans: readonly Span[]): Cell {
  return spans.flatMap((one, i) => (i === 0 ? [one] : [', ', one]));
}

function reach({ mustReach }: Router): readonly Block[] {
  if (mustReach.length === 0) return [];
  const rows = mustReach.map((one): readonly Cell[] => [
    [{ strong: one.name }],
    [one.in],
    joined(
      matchTexts({
        ...(one.from && { from: one.from }),
        ...(one.to && { to: one.to }),
        ...(one.service && { service: one.service }),
      }).flatMap((part) => part.spans),
    ),
  ]);
  return [
    { kind: 'text', spans: ['What must always reach the router:'] },
    table(['Name', 'Comes in', 'Packets'], rows),
  ];
}

function routes(router: Router): Block {
  const rows = router.routes.map((one): readonly Cell[] => [
    [{ code: formatPrefix(one.prefix) }],
    [{ code: formatAddress(one.gateway) }],
    [place(one.origin)],
  ]);
  return table(['Destination', 'Gateway', 'Line'], rows);
}

function listSection(policy: CheckedPolicy, list: List): Section {
  const users = policy.router.interfaces.flatMap((one) =>
    (['in', 'out', 'pbr'] as const).flatMap((side) =>
      one[side]?.kind === list.kind && one[side]?.name === list.name
        ? [side === 'pbr' ? one.name : `${one.name} (${side})`]
        : [],
    ),
  );
  const builtin = list.kind === 'acl' ? builtinRules(list) : [];
  const rows = [
    ...builtin.map((rule) => ruleRow(policy, '', rule)),
    ...list.rules.map((rule, index) => ruleRow(policy, String(index + 1), rule)),
    ...(list.kind === 'acl'
      ? [
          {
            tone: list.default,
            cells: [
              ['–'],
              [{ strong: list.default }],
              ['everything else'],
              [list.log ? 'logged' : ''],
              [],
              [place(list.origin)],
            ],
          } as const,
        ]
      : []),
  ];
  const comment = commentOf(policy, list.origin);
  return section(listId(list), `${list.kind === 'acl' ? 'ACL' : 'PBR list'} ${list.name}`, 3, [
    {
      kind: 'text',
      spans: [
        `Used by ${users.join(', ')}; ${place(list.origin)}.${comment === undefined ? '' : ` ${comment}`}`,
      ],
    },
    { kind: 'table', columns: ['#', 'Action', 'Packets', 'Also', 'Why', 'Line'], rows },
  ]);
}

function ruleRow(policy: CheckedPolicy, number: string, rule: Rule) {
  const parts = matchTexts(rule.match);
  const why = [rule.why, commentOf(policy, rule.origin)].filter((one) => one !== undefined);
  const gateways = rule.action.kind === 'nexthop' ? rule.action.gateways.map(formatAddress) : [];
  const cells: readonly Cell[] = [
    [number],
    [{ strong: rule.action.kind }, ...gateways.flatMap((one): Span[] => [' ', { code: one }])],
    parts.length === 0
      ? ['all']
      : parts.flatMap((part, i): Span[] => [...(i === 0 ? [] : [' ']), `${part.word} `, ...part.spans]),
    [otherTexts(rule).join('; ')],
    [why.join(' — ')],
    [place(rule.origin)],
  ];
  return { tone: rule.action.kind, cells };
}

function objects(policy: CheckedPolicy, lists: readonly List[]): readonly Section[] {
  const rules = lists.flatMap((list) => list.rules);
  const nets = named<NetSet>(rules.flatMap(({ match }) => [match.from, match.to]));
  const services = named<Service>(rules.map(({ match }) => match.service));
  const predicates = policy.predicates.filter((one) => one.origin.file !== builtinOrigin.file);
  return [
    ...(nets.length > 0
      ? [section('networks', 'Networks', 2, [table(['Name', 'Prefixes', 'Line'], netRows(nets))])]
      : []),
    ...(services.length > 0
      ? [
          section('services', 'Services', 2, [
            table(
              ['Name', 'Means', 'Line'],
              services.map(([one]) => serviceRow(one!)),
            ),
          ]),
        ]
      : []),
    ...(predicates.length > 0 ? [section('predicates', 'Predicates', 2, [])] : []),
    ...predicates.map((one) =>
      section(predicateId(one.name), one.name, 3, [
        { kind: 'code', text: one.source },
        {
          kind: 'text',
          spans: [
            [place(one.origin), commentOf(policy, one.origin)]
              .filter((part) => part !== undefined)
              .join(': '),
          ],
        },
      ]),
    ),
  ];
}

/** By name and place, sorted; `customers.v4` and `customers` are parts of one. */
function named<T extends { readonly name?: string; readonly origin: Origin }>(
  all: readonly (T | undefined)[],
): readonly (readonly T[])[] {
  const byName = new Map<string, T[]>();
  for (const one of all) {
    if (one?.name === undefined) continue;
    const key = `${one.name} ${place(one.origin)}`;
    byName.set(key, [...(byName.get(key) ?? []), one]);
  }
  return [...byName].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, parts]) => parts);
}

function netRows(sets: readonly (readonly NetSet[])[]): readonly (readonly Cell[])[] {
  return sets.map((parts) => {
    const texts = parts.flatMap(({ prefixes, labels }) =>
      prefixes.map((one, i) => [labels[i], formatPrefix(one)].filter((part) => part !== undefined).join(' ')),
    );
    const [{ name, origin }] = parts as [NetSet];
    return [[{ strong: name! }], joined([...new Set(texts)].map((code) => ({ code }))), [place(origin)]];
  });
}

function serviceRow(service: Service): readonly Cell[] {
  return [[{ strong: service.name! }], [serviceTexts(service).join(', ')], [place(service.origin)]];
}

function findings(all: readonly Diagnostic[]): Block {
  if (all.length === 0) return { kind: 'text', spans: ['Nothing is wrong.'] };
  const rows = all.map((one) => ({
    tone: one.severity,
    cells: [
      [{ code: one.code }],
      [one.severity === 'info' ? 'note' : one.severity],
      [[one.message, ...one.related.map(({ origin, message }) => `${place(origin)} ${message}`)].join(' · ')],
      [place(one.origin)],
    ] as readonly Cell[],
  }));
  return { kind: 'table', columns: ['Code', 'Kind', 'What', 'Line'], rows };
}
