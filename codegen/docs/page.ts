/** A policy as a page of blocks; what is HTML or Markdown is decided by who renders them. */
import { formatAddress, formatPrefix } from '../../dsl/address.js';
import { builtinRules } from '../../dsl/builtin.js';
import { formatGateways } from '../../dsl/gateways.js';
import type {
  Acl,
  NetSet,
  Origin,
  Pbr,
  PortConfig,
  Router,
  Rule,
  RuntimeSet,
  Service,
} from '../../dsl/model.js';
import { builtinOrigin } from '../../dsl/origin.js';
import type { CheckedPolicy } from '../checked.js';
import { place } from '../cite.js';
import type { Diagnostic } from '../diagnostics/diagnostic.js';
import { tagText } from '../plan/settings-changes.js';
import { commentOf } from './comments.js';
import { type Picture, pictureOf } from './picture.js';
import {
  listId,
  matchTexts,
  netId,
  otherTexts,
  predicateId,
  serviceId,
  serviceWords,
  setId,
} from './rule-text.js';

/** A piece of text, perhaps code, perhaps a link to a section or a row of the page; `word` joins what is important. */
export type Span =
  | string
  | { readonly code: string; readonly to?: string }
  | { readonly strong: string }
  | { readonly word: string }
  | { readonly link: string; readonly to: string };

export type Cell = readonly Span[];

export type Block =
  | { readonly kind: 'text'; readonly spans: Cell }
  | { readonly kind: 'code'; readonly text: string }
  | { readonly kind: 'picture'; readonly picture: Picture }
  /** How many there are of what. */
  | {
      readonly kind: 'facts';
      readonly facts: readonly { readonly count: number; readonly word: string; readonly to: string }[];
    }
  | {
      readonly kind: 'table';
      readonly columns: readonly string[];
      readonly rows: readonly Row[];
    };

export interface Row {
  /** Unique in the page, if something leads to it. */
  readonly id?: string;
  readonly tone?: string;
  readonly cells: readonly Cell[];
}

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
    about: [{ code: policy.files[0]?.path ?? router.origin.file }, `, ${policy.policyHash.slice(0, 12)}`],
    sections: [
      section('overview', 'Overview', 2, [
        facts(policy, lists),
        { kind: 'picture', picture: pictureOf(router) },
      ]),
      section('interfaces', 'Interfaces', 2, [interfaces(router), ...reach(router)]),
      ...(router.routes.length > 0 ? [section('routes', 'Static routes', 2, [routes(router)])] : []),
      section('lists', 'Lists', 2, [
        { kind: 'text', spans: ['The first rule that takes a packet decides.'] },
      ]),
      ...lists.map((list) => listSection(policy, list)),
      ...objects(policy, lists),
      section('findings', 'Findings', 2, [findings(policy.warnings, lists)]),
    ],
  };
}

function section(id: string, title: string, level: Section['level'], blocks: readonly Block[]): Section {
  return { id, title, level, blocks };
}

function facts({ router, warnings }: CheckedPolicy, lists: readonly List[]): Block {
  const of = (count: number, word: string, to: string) => ({
    count,
    word: count === 1 ? word : `${word}s`,
    to,
  });
  return {
    kind: 'facts',
    facts: [
      of(router.ports.length, 'port', 'interfaces'),
      of(router.interfaces.length, 'interface', 'interfaces'),
      of(lists.length, 'list', 'lists'),
      of(
        lists.reduce((sum, { rules }) => sum + rules.length, 0),
        'rule',
        'lists',
      ),
      of(warnings.length, 'finding', 'findings'),
    ],
  };
}

function listsOf({ interfaces: faces }: Router): readonly List[] {
  const all = faces.flatMap((one) => [one.in, one.out, one.pbr].filter((list) => list !== undefined));
  return [...new Map(all.map((list) => [listId(list), list])).values()];
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
      joined([...listLink(one.in), ...(one.urpf ? [`uRPF ${one.urpf}`] : [])]),
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
    ...builtin.map((rule) => ({ ...ruleRow(policy, '', rule), tone: `builtin ${rule.action.kind}` })),
    ...list.rules.map((rule, index) => ({
      id: ruleId(list, index),
      ...ruleRow(policy, String(index + 1), rule),
    })),
    ...(list.kind === 'acl'
      ? [
          {
            id: `${listId(list)}-default`,
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

function ruleId(list: List, index: number): string {
  return `${listId(list)}-${index + 1}`;
}

function ruleRow(policy: CheckedPolicy, number: string, rule: Rule): Row {
  const parts = matchTexts(rule.match);
  const why = [rule.why, commentOf(policy, rule.origin)].filter((one) => one !== undefined);
  const { action } = rule;
  const way =
    action.kind === 'nexthop' ? [' ', { code: formatGateways(action.gateways, action.orDrop) }] : [];
  const cells: readonly Cell[] = [
    [number],
    [{ strong: action.kind }, ...way],
    parts.length === 0
      ? ['all']
      : parts.flatMap((part, i): Span[] => [
          ...(i === 0 ? [] : [' ']),
          { word: part.word },
          ' ',
          ...part.spans,
        ]),
    [otherTexts(rule).join('; ')],
    [why.join(' — ')],
    [place(rule.origin)],
  ];
  return { tone: action.kind, cells };
}

function objects(policy: CheckedPolicy, lists: readonly List[]): readonly Section[] {
  const rules = lists.flatMap((list) => list.rules);
  const nets = named<NetSet>(rules.flatMap(({ match }) => [match.from, match.to]));
  const services = named<Service>(rules.map(({ match }) => match.service));
  const { sets } = policy.router;
  const predicates = policy.predicates.filter((one) => one.origin.file !== builtinOrigin.file);
  return [
    ...(nets.length > 0
      ? [
          section('networks', 'Networks', 2, [
            { kind: 'table', columns: ['Name', 'Prefixes', 'Line'], rows: netRows(nets) },
          ]),
        ]
      : []),
    ...(sets.length > 0
      ? [
          section('sets', 'Sets that change at run time', 2, [
            { kind: 'table', columns: ['Name', 'Holds', 'Line'], rows: sets.map(setRow) },
          ]),
        ]
      : []),
    ...(services.length > 0
      ? [
          section('services', 'Services', 2, [
            {
              kind: 'table',
              columns: ['Name', 'Means', 'Line'],
              rows: services.map(([one], i) => serviceRow(one!, sameName(services, i))),
            },
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

/** Of several objects of one name, in several files, links lead to the first. */
function sameName(all: readonly (readonly { readonly name?: string }[])[], index: number): boolean {
  return index > 0 && all[index - 1]![0]!.name === all[index]![0]!.name;
}

function netRows(sets: readonly (readonly NetSet[])[]): readonly Row[] {
  return sets.map((parts, index) => {
    const texts = parts.flatMap(({ prefixes, labels }) =>
      prefixes.map((one, i) => [labels[i], formatPrefix(one)].filter((part) => part !== undefined).join(' ')),
    );
    const [{ name, origin }] = parts as [NetSet];
    const cells = [
      [{ strong: name! }],
      joined([...new Set(texts)].map((code) => ({ code }))),
      [place(origin)],
    ];
    return { ...(sameName(sets, index) ? {} : { id: netId(name!) }), cells };
  });
}

/** What it holds is not the policy's. */
function setRow({ name, families, file, origin }: RuntimeSet): Row {
  const holds = families.map((one) => `IPv${one}`).join(' and ');
  const first = file === undefined ? `${holds}; empty at first` : `${holds}; at first what ${file} says`;
  return { id: setId(name), cells: [[{ strong: name }], [first], [place(origin)]] };
}

function serviceRow(service: Service, again: boolean): Row {
  const name = service.name!;
  const words = joined(serviceWords(service).map((code) => ({ code })));
  return {
    ...(again ? {} : { id: serviceId(name) }),
    cells: [[{ strong: name }], words, [place(service.origin)]],
  };
}

/** Places of rules lead to their rows. */
function findings(all: readonly Diagnostic[], lists: readonly List[]): Block {
  const rowIds = new Map(
    lists.flatMap((list) => list.rules.map((rule, index) => [placeKey(rule.origin), ruleId(list, index)])),
  );
  if (all.length === 0) return { kind: 'text', spans: ['Nothing is wrong.'] };
  const at = (origin: Origin): Span => {
    const to = rowIds.get(placeKey(origin));
    return to === undefined ? place(origin) : { link: place(origin), to };
  };
  const rows = all.map((one): Row => {
    const related = one.related.flatMap(({ origin, message }): Span[] => [' · ', at(origin), ` ${message}`]);
    return {
      tone: one.severity,
      cells: [
        [{ code: one.code }],
        [one.severity === 'info' ? 'note' : one.severity],
        [one.message, ...related],
        [at(one.origin)],
      ],
    };
  });
  return { kind: 'table', columns: ['Code', 'Kind', 'What', 'Line'], rows };
}

function placeKey({ file, line }: Origin): string {
  return `${file}:${line}`;
}
