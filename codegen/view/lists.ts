/** ACLs and PBR lists as C: a function for each family, a test for each rule, tables where there are hundreds. */
import type { Family } from '../../dsl/model.js';
import { place } from '../cite.js';
import type { AddressSet, Condition, Ir, IrList, IrPredicate, IrRule, ServiceSet } from '../ir.js';
import { setCall } from './addresses.js';
import { type ClassifierView, classifierView, servicesCalled, type Tables } from './classifiers.js';
import { rowsOf } from './rows.js';
import { serviceFunction } from './services.js';
import { comment, fill } from './text.js';

/** What the emitted tests call, so that nothing else is emitted. */
export interface Uses {
  readonly tables: Tables;
  readonly sets: Set<AddressSet>;
  readonly services: Set<ServiceSet>;
  readonly predicates: Set<IrPredicate>;
}

interface Taken {
  readonly rule: string;
  readonly perSecond: number;
  readonly call: string;
}

interface RuleView {
  readonly place: string;
  readonly text: string;
  readonly plain: readonly (Taken & { readonly condition: string })[];
  readonly logged: readonly (Taken & { readonly condition: string })[];
}

interface TableUse {
  readonly scan: string;
  readonly table: string;
  readonly count: number;
  readonly act: string;
  readonly actions: string;
}

export interface ItemView {
  readonly rule: readonly RuleView[];
  readonly table: readonly TableUse[];
}

export interface FamilyView {
  readonly function: string;
  readonly returns: string;
  readonly tables: readonly {
    readonly name: string;
    readonly type: string;
    readonly rows: readonly string[];
  }[];
  readonly classifiers: readonly ClassifierView[];
  readonly actions: readonly { readonly name: string; readonly rows: readonly string[] }[];
  readonly row: readonly { readonly type: string }[];
  readonly refuses: readonly { readonly verdict: string }[];
  readonly reads: readonly { readonly read: string }[];
  readonly items: readonly ItemView[];
  readonly endLog: readonly Taken[];
  readonly end: { readonly comment: string; readonly call: string };
}

export interface ListView {
  readonly function: string;
  readonly title: string;
  readonly returns: string;
  readonly families: readonly FamilyView[];
  /** What it returns when rules are switched off. */
  readonly skipped: string;
  readonly ipv4: string;
  readonly ipv6: string;
}

/** The C function that a packet is asked of. */
export function listFunction(list: IrList): string {
  return `${list.direction === 'out' ? 'out' : list.kind}_${list.function}`;
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
  return {
    function: name,
    title: comment(
      `${list.kind} ${list.name}${list.direction === 'out' ? ' on the way out' : ''}, ${place(list.origin)}`,
    ),
    returns: returns(list),
    families: families.map((family) => familyView(list, `${name}_ipv${family}`, family, ir, uses)),
    skipped: list.kind === 'acl' ? 'true' : 'MILL_NO_GATEWAY',
    ipv4: call(4),
    ipv6: call(6),
  };
}

const dropOf = (list: IrList) => (list.direction === 'out' ? 'MILL_DROP_ACL_OUT' : 'MILL_DROP_ACL');

const returns = (list: IrList) => (list.kind === 'acl' ? 'bool' : 'uint16_t');

function familyView(list: IrList, name: string, family: Family, ir: Ir, uses: Uses): FamilyView {
  const rules = list.rules.filter((rule) => rule.conditions[family] !== undefined);
  const catchAll = rules.findIndex((rule) => isEmpty(rule.conditions[family]!));
  const tested = catchAll < 0 ? rules : rules.slice(0, catchAll);
  const last = catchAll < 0 ? list.fallback : rules[catchAll]!;
  const body =
    tested.length > uses.tables.mostIfs
      ? (classified(tested, name, family, ir, uses, list) ?? tables(tested, name, family, ir, uses, list))
      : plain(tested, family, ir, uses);
  const reads = list.readsTransport[family];
  return {
    function: name,
    returns: returns(list),
    ...body,
    row: body.tables.length > 0 ? [{ type: `mill_row${family}` }] : [],
    refuses: reads && list.kind === 'acl' ? [{ verdict: `mill_drop(w, p, ${dropOf(list)})` }] : [],
    reads: reads && list.kind === 'pbr' ? [{ read: 'mill_read_l4(p)' }] : [],
    ...ending(last, family, ir),
  };
}

function isEmpty(condition: Condition): boolean {
  return !condition.from && !condition.to && !condition.service && !condition.when;
}

function ending(rule: IrRule | undefined, family: Family, ir: Ir): Pick<FamilyView, 'endLog' | 'end'> {
  if (rule === undefined)
    return { endLog: [], end: { comment: 'no rule: by the FIB', call: 'MILL_NO_GATEWAY' } };
  const taken = take(rule, family, ir);
  return {
    endLog: rule.logPerSecond === undefined ? [] : [taken],
    end: { comment: comment(`${place(rule.origin)}  ${rule.text}`), call: taken.call },
  };
}

function take(rule: IrRule, family: Family, ir: Ir): Taken {
  return { rule: rule.enumerator, perSecond: rule.logPerSecond ?? 0, call: callOf(rule, family, ir) };
}

function callOf(rule: IrRule, family: Family, ir: Ir): string {
  if (rule.action.kind === 'deny') {
    const out = rule.direction === 'out' ? '_out' : '';
    return `mill_deny${out}(w, p, ${rule.enumerator})`;
  }
  if (rule.action.kind === 'allow') return `mill_allow(w, p, ${rule.enumerator})`;
  const gateway = ir.gateways[rule.conditions[family]!.gateway!]!.enumerator;
  return `mill_${rule.listKind === 'pbr' ? 'via' : 'divert'}(w, p, ${rule.enumerator}, ${gateway})`;
}

type Body = Pick<FamilyView, 'items' | 'tables' | 'classifiers' | 'actions'>;

function plain(rules: readonly IrRule[], family: Family, ir: Ir, uses: Uses): Body {
  return {
    items: rules.map((rule) => test(rule, family, ir, uses)),
    tables: [],
    classifiers: [],
    actions: [],
  };
}

function test(rule: IrRule, family: Family, ir: Ir, uses: Uses): ItemView {
  const view = {
    condition: condition(rule.conditions[family]!, uses, rule.logPerSecond !== undefined),
    ...take(rule, family, ir),
  };
  const logged = rule.logPerSecond !== undefined;
  return {
    rule: [
      {
        place: comment(place(rule.origin)),
        text: comment(rule.text),
        plain: logged ? [] : [view],
        logged: logged ? [view] : [],
      },
    ],
    table: [],
  };
}

/** The tests of a rule, cheapest first. */
function condition(of: Condition, uses: Uses, braces: boolean): string {
  const tests: string[] = [];
  if (of.from) {
    uses.sets.add(of.from);
    tests.push(setCall(of.from, 'src'));
  }
  if (of.to) {
    uses.sets.add(of.to);
    tests.push(setCall(of.to, 'dst'));
  }
  if (of.service) {
    uses.services.add(of.service);
    tests.push(`${serviceFunction(of.service)}(p)`);
  }
  if (of.when) {
    usePredicate(of.when, uses);
    tests.push(`${of.when.function}(p)`);
  }
  return fill(tests, '&&', 12, braces ? 3 : 1);
}

/** Undefined: its tables would be too large. */
function classified(
  rules: readonly IrRule[],
  name: string,
  family: Family,
  ir: Ir,
  uses: Uses,
  list: IrList,
): Body | undefined {
  const actions = `${name}_actions`;
  const classifier = classifierView(list, rules, name, family, uses.tables, {
    act: actOf(list),
    actions,
  });
  if (classifier === undefined) return undefined;
  for (const { conditions } of rules)
    if (conditions[family]!.when) usePredicate(conditions[family]!.when, uses);
  for (const service of servicesCalled(rules, family)) uses.services.add(service);
  return {
    items: [],
    tables: [],
    classifiers: [classifier],
    actions: [
      {
        name: actions,
        rows: rules.map((rule) => `{${action(rule, family, ir)}}, /* ${comment(place(rule.origin))} */`),
      },
    ],
  };
}

function actOf(list: IrList): string {
  if (list.kind === 'pbr') return 'mill_act_via';
  return list.direction === 'out' ? 'mill_act_out' : 'mill_act';
}

function usePredicate(predicate: IrPredicate, uses: Uses): void {
  uses.predicates.add(predicate);
  for (const set of predicate.sets.values()) uses.sets.add(set);
}

type Segment = { readonly rule: IrRule } | { readonly rows: string[]; readonly number: number };

/** Runs of rules that rows can say become tables; the others stand between them as tests. */
function tables(
  rules: readonly IrRule[],
  name: string,
  family: Family,
  ir: Ir,
  uses: Uses,
  list: IrList,
): Body {
  const actions: string[] = [];
  const segments: Segment[] = [];
  for (const rule of rules) {
    const rows = rowsOf(rule.conditions[family]!, family);
    const last = segments.at(-1);
    if (rows === undefined) segments.push({ rule });
    else {
      const number = segments.filter((one) => 'rows' in one).length + 1;
      const open = last && 'rows' in last ? last : { rows: [], number };
      if (open !== last) segments.push(open);
      for (const row of rows)
        open.rows.push(`{${row}, ${actions.length}}, /* ${comment(place(rule.origin))} */`);
      actions.push(`{${action(rule, family, ir)}},`);
    }
  }
  const made = segments.flatMap((one) => ('rows' in one ? [one] : []));
  const tableName = (number: number) => `${name}_rows${number}`;
  return {
    items: segments.map((one) =>
      'rule' in one
        ? test(one.rule, family, ir, uses)
        : { rule: [], table: [tableUse(tableName(one.number), one.rows.length, name, family, list)] },
    ),
    classifiers: [],
    tables: made.map(({ rows, number }) => ({ name: tableName(number), type: `mill_row${family}`, rows })),
    actions: made.length === 0 ? [] : [{ name: `${name}_actions`, rows: actions }],
  };
}

function tableUse(table: string, count: number, name: string, family: Family, list: IrList): TableUse {
  return {
    scan: `mill_scan${family}`,
    table,
    count,
    act: actOf(list),
    actions: `${name}_actions`,
  };
}

function action(rule: IrRule, family: Family, ir: Ir): string {
  const gateway =
    rule.action.kind === 'nexthop'
      ? ir.gateways[rule.conditions[family]!.gateway!]!.enumerator
      : 'MILL_NO_GATEWAY';
  const verdict = { allow: 'MILL_ALLOW', deny: 'MILL_DENY', nexthop: 'MILL_DIVERT' }[rule.action.kind];
  return `${rule.enumerator}, ${rule.logPerSecond ?? 0}, ${gateway}, ${verdict}`;
}
