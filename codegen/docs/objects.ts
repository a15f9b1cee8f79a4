/** Sections of what rules name: networks, sets, services, predicates. */
import { formatPrefix } from '../../dsl/address.js';
import type { NetSet, Origin, RuntimeSet, Service } from '../../dsl/model.js';
import { builtinOrigin } from '../../dsl/origin.js';
import type { CheckedPolicy } from '../checked.js';
import { place } from '../cite.js';
import { joined, type Row, type Section, section } from './blocks.js';
import { commentOf } from './comments.js';
import { netId, predicateId, serviceId, setId } from './ids.js';
import type { List } from './lists.js';
import { serviceWords } from './rule-text.js';

export function objects(policy: CheckedPolicy, lists: readonly List[]): readonly Section[] {
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
