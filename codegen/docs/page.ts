/** A policy as a page of blocks. */
import { formatAddress, formatPrefix } from '../../dsl/address.js';
import type { Origin, PortConfig, Router } from '../../dsl/model.js';
import type { CheckedPolicy } from '../checked.js';
import { place } from '../cite.js';
import type { Diagnostic } from '../diagnostics/diagnostic.js';
import { tagText } from '../plan/settings-changes.js';
import { type Block, type Cell, joined, type Page, type Row, type Span, section, table } from './blocks.js';
import { listId } from './ids.js';
import { type List, listSection, ruleIds } from './lists.js';
import { objects } from './objects.js';
import { pictureOf } from './picture.js';
import { matchTexts } from './rule-text.js';

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
      section('findings', 'Findings', 2, [findings(policy, lists)]),
    ],
  };
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
        ...(one.header && { header: one.header }),
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

/** Places of rules lead to their rows. */
function findings(policy: CheckedPolicy, lists: readonly List[]): Block {
  const all: readonly Diagnostic[] = policy.warnings;
  const rowIds = new Map(
    lists.flatMap((list) => {
      const ids = ruleIds(policy, list);
      return list.rules.map((rule, index) => [placeKey(rule.origin), ids[index]!]);
    }),
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
