/** The section of a list: its rules in a table. */
import { builtinRules } from '../../dsl/builtin.js';
import { formatGateways } from '../../dsl/gateways.js';
import type { Acl, Pbr, Rule } from '../../dsl/model.js';
import type { CheckedPolicy } from '../checked.js';
import { place } from '../cite.js';
import { ruleIdentities } from '../identity.js';
import { type Cell, type Row, type Section, type Span, section } from './blocks.js';
import { commentOf } from './comments.js';
import { idText, listId } from './ids.js';
import { matchTexts, otherTexts } from './rule-text.js';

export type List = Acl | Pbr;

export function listSection(policy: CheckedPolicy, list: List): Section {
  const users = policy.router.interfaces.flatMap((one) =>
    (['in', 'out', 'pbr'] as const).flatMap((side) =>
      one[side]?.kind === list.kind && one[side]?.name === list.name
        ? [side === 'pbr' ? one.name : `${one.name} (${side})`]
        : [],
    ),
  );
  const builtin = list.kind === 'acl' ? builtinRules(list) : [];
  const ids = ruleIds(policy, list);
  const rows = [
    ...builtin.map((rule) => ({ ...ruleRow(policy, '', rule), tone: `builtin ${rule.action.kind}` })),
    ...list.rules.map((rule, index) => ({
      id: ids[index]!,
      ...ruleRow(policy, String(index + 1), rule),
    })),
    ...(list.kind === 'acl'
      ? [
          {
            id: `${listId(list)}..default`,
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

/** By `.id()`, else by what the rule matches and does: links hold when rules come and go around it. No name has a dot. */
export function ruleIds({ predicates }: CheckedPolicy, list: List): readonly string[] {
  const meaning = (name: string) => predicates.find((one) => one.name === name)?.expr;
  const identities = ruleIdentities(list, 'in', list.rules, meaning);
  return list.rules.map(({ id }, index) =>
    id === undefined ? `${listId(list)}.rule.${identities[index]}` : `${listId(list)}.${idText(id)}`,
  );
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
