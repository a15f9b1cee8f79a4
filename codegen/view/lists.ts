/** ACLs and PBR lists as C: a function for each family, a test for each rule, tables where there are hundreds. */
import type { Family } from '../../dsl/model.js';
import { place } from '../cite.js';
import type { Condition, Ir, IrList, IrRule } from '../ir.js';
import { branchless } from './branchless.js';
import { asksAll, asksOf, listFunction } from './list-functions.js';
import { classified, tables } from './rule-tables.js';
import { type Body, plain, take, type Uses } from './rule-tests.js';
import { comment } from './text.js';

export interface FamilyView extends Body {
  readonly function: string;
  readonly returns: string;
  readonly row: readonly { readonly type: string }[];
  readonly entry: readonly { readonly type: string }[];
  readonly refuses: readonly { readonly unreadable: string; readonly verdict: string }[];
  readonly reads: readonly { readonly read: string }[];
  /** What becomes of a packet that nothing before has taken. */
  readonly ends: readonly Ending[];
}

interface Ending {
  readonly comment: string;
  readonly statements: readonly { readonly line: string }[];
  readonly call: string;
}

export interface ListView {
  readonly function: string;
  readonly title: string;
  /** What asks it about whole bursts, and says which packets are its to judge. */
  readonly together: readonly { readonly ask: string }[];
  readonly asks: readonly {
    readonly function: string;
    readonly cases: readonly { readonly enumerator: string }[];
  }[];
  readonly returns: string;
  readonly families: readonly FamilyView[];
  /** What it returns when rules are switched off. */
  readonly skipped: string;
  readonly ipv4: string;
  readonly ipv6: string;
}

/** Some packet can match one of its rules; of an ACL, its default takes the others. */
export function canMatch(list: IrList): boolean {
  return list.kind === 'acl' || list.rules.some((rule) => Object.keys(rule.conditions).length > 0);
}

export function listView(list: IrList, ir: Ir, uses: Uses): ListView {
  const name = listFunction(list);
  const families = ([4, 6] as const).filter(
    (family) => list.kind === 'acl' || list.rules.some((rule) => rule.conditions[family]),
  );
  const call = (family: Family) =>
    families.includes(family) ? `${name}_ipv${family}(w, p)` : 'MILL_NO_GATEWAY';
  const views = families.map((family) => familyView(list, `${name}_ipv${family}`, family, ir, uses));
  const together = views.flatMap((one) => one.classifiers.flatMap(({ ask }) => (ask ? [{ ask }] : [])));
  const cases = ir.interfaces.filter(({ acl }) => acl === list).map(({ enumerator }) => ({ enumerator }));
  const shared = together.length > 0 && !asksAll(list, ir);
  return {
    function: name,
    title: comment(
      `${list.kind} ${list.name}${list.direction === 'out' ? ' on the way out' : ''}, ${place(list.origin)}`,
    ),
    together,
    asks: shared ? [{ function: asksOf(list), cases }] : [],
    returns: returns(list),
    families: views,
    skipped: list.kind === 'acl' ? 'true' : 'MILL_NO_GATEWAY',
    ipv4: call(4),
    ipv6: call(6),
  };
}

const returns = (list: IrList) => (list.kind === 'acl' ? 'bool' : 'uint16_t');

function familyView(list: IrList, name: string, family: Family, ir: Ir, uses: Uses): FamilyView {
  const rules = list.rules.filter((rule) => rule.conditions[family] !== undefined);
  const catchAll = rules.findIndex((rule) => isEmpty(rule.conditions[family]!));
  const tested = catchAll < 0 ? rules : rules.slice(0, catchAll);
  const last = catchAll < 0 ? list.fallback : rules[catchAll]!;
  const body =
    tested.length > uses.tables.mostIfs
      ? (classified(tested, name, family, ir, uses, list) ?? tables(tested, name, family, ir, uses, list))
      : short(list, tested, last, family, ir, uses);
  const reads = list.readsTransport[family];
  return {
    function: name,
    returns: returns(list),
    ...body,
    row: body.tables.length > 0 ? [{ type: `mill_row${family}` }] : [],
    entry: body.classifiers.length > 0 ? [{ type: 'uint32_t' }] : [],
    refuses:
      reads && list.kind === 'acl'
        ? [{ unreadable: unreadable(body), verdict: 'mill_drop(w, p, MILL_DROP_L4_HEADER)' }]
        : [],
    reads: reads && list.kind === 'pbr' ? [{ read: 'mill_read_l4(p)' }] : [],
    ends: body.branchless.some(({ whole }) => whole) ? [] : [ending(last, family, ir)],
  };
}

function short(
  list: IrList,
  rules: readonly IrRule[],
  last: IrRule | undefined,
  family: Family,
  ir: Ir,
  uses: Uses,
): Body {
  const end = branchless(list, rules, last, family, uses.differences);
  if (end === undefined) return plain(rules, family, ir, uses);
  return { ...plain(rules.slice(0, end.first), family, ir, uses), branchless: [end.view] };
}

function unreadable({ classifiers, branchless }: Body): string {
  const [own] = branchless.flatMap(({ refuses }) => refuses ?? []);
  if (own !== undefined) return own;
  return classifiers.some(({ ask }) => ask !== undefined) ? 'mill_was_unreadable(p)' : 'mill_unreadable(p)';
}

function isEmpty(condition: Condition): boolean {
  return !condition.from && !condition.to && !condition.service && !condition.when;
}

function ending(rule: IrRule | undefined, family: Family, ir: Ir): Ending {
  if (rule === undefined) return { comment: 'no rule: by the FIB', statements: [], call: 'MILL_NO_GATEWAY' };
  const { statements, call } = take(rule, family, ir, 1);
  return { comment: comment(`${place(rule.origin)}  ${rule.text}`), statements, call };
}
