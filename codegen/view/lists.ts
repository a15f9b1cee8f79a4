/** ACLs and PBR lists as C: a function for each family, a test for each rule, tables where there are hundreds. */
import type { Family, Police } from '../../dsl/model.js';
import { place } from '../cite.js';
import type { AddressSet, Condition, Ir, IrList, IrPredicate, IrRule, ServiceSet } from '../ir.js';
import { bucketOf } from '../treatment.js';
import { dropsUnreachable } from '../ways.js';
import { setCall } from './addresses.js';
import { type ClassifierView, classifierViews, servicesCalled, type Tables } from './classifiers.js';
import { rowsOf } from './rows.js';
import { serviceFunction } from './services.js';
import { comment, fill, hex64, tab, width } from './text.js';

/** What the emitted tests call, so that nothing else is emitted. */
export interface Uses {
  readonly tables: Tables;
  readonly sets: Set<AddressSet>;
  readonly services: Set<ServiceSet>;
  readonly predicates: Set<IrPredicate>;
}

interface Taken {
  /** Lines before the verdict. */
  readonly statements: readonly { readonly line: string }[];
  readonly call: string;
}

interface RuleView {
  readonly place: string;
  readonly text: string;
  readonly plain: readonly (Taken & { readonly condition: string })[];
  readonly treated: readonly (Taken & { readonly condition: string })[];
}

interface TableUse {
  readonly scan: string;
  readonly table: string;
  readonly count: number;
  readonly act: string;
  readonly actions: string;
  readonly more: string;
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
  readonly treatments: readonly { readonly name: string; readonly rows: readonly string[] }[];
  readonly actions: readonly { readonly name: string; readonly rows: readonly string[] }[];
  readonly row: readonly { readonly type: string }[];
  readonly entry: readonly { readonly type: string }[];
  readonly refuses: readonly { readonly unreadable: string; readonly verdict: string }[];
  readonly reads: readonly { readonly read: string }[];
  readonly items: readonly ItemView[];
  readonly endStatements: readonly { readonly line: string }[];
  readonly end: { readonly comment: string; readonly call: string };
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

/** Wherever a burst is judged by the list, all of the burst is. */
const asksAll = (list: IrList, ir: Ir) =>
  ir.ports.every(
    ({ interfaces }) =>
      interfaces.every(({ acl }) => acl === list) || interfaces.every(({ acl }) => acl !== list),
  );

const asksOf = (list: IrList) => `asks_${listFunction(list)}`;

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
    entry: body.classifiers.length > 0 ? [{ type: 'uint32_t' }] : [],
    refuses:
      reads && list.kind === 'acl'
        ? [{ unreadable: unreadable(body), verdict: 'mill_drop(w, p, MILL_DROP_L4_HEADER)' }]
        : [],
    reads: reads && list.kind === 'pbr' ? [{ read: 'mill_read_l4(p)' }] : [],
    ...ending(last, family, ir),
  };
}

const unreadable = ({ classifiers }: Body) =>
  classifiers.some(({ ask }) => ask !== undefined) ? 'mill_was_unreadable' : 'mill_unreadable';

function isEmpty(condition: Condition): boolean {
  return !condition.from && !condition.to && !condition.service && !condition.when;
}

function ending(rule: IrRule | undefined, family: Family, ir: Ir): Pick<FamilyView, 'endStatements' | 'end'> {
  if (rule === undefined)
    return { endStatements: [], end: { comment: 'no rule: by the FIB', call: 'MILL_NO_GATEWAY' } };
  const taken = take(rule, family, ir, 1);
  return {
    endStatements: taken.statements,
    end: { comment: comment(`${place(rule.origin)}  ${rule.text}`), call: taken.call },
  };
}

/** @param tabs before its lines */
function take(rule: IrRule, family: Family, ir: Ir, tabs: number): Taken {
  return {
    statements: statementsOf(rule, ir, tabs).map((line) => ({ line })),
    call: callOf(rule, family, ir),
  };
}

function callOf(rule: IrRule, family: Family, ir: Ir): string {
  const out = rule.direction === 'out' ? '_out' : '';
  if (rule.action.kind === 'deny') return `mill_deny${out}(w, p, ${rule.enumerator})`;
  if (rule.action.kind === 'reject')
    return `mill_reject_rule${out}(w, p, ${rule.enumerator}, ${answerOf(rule)})`;
  if (rule.action.kind === 'allow') return `mill_allow(w, p, ${rule.enumerator})`;
  const verb = rule.listKind === 'pbr' ? 'via' : 'divert';
  return `mill_${verb}(w, p, ${rule.enumerator}, ${gatewayOf(rule, family, ir)})`;
}

function gatewayOf(rule: IrRule, family: Family, ir: Ir): string {
  const { enumerator } = ir.gateways[rule.conditions[family]!.gateway!]!;
  return dropsUnreachable(rule) ? `${enumerator} | MILL_OR_DROP` : enumerator;
}

/** enum mill_answer_how */
function answerOf({ action }: IrRule): string {
  if (action.kind !== 'reject') return '0';
  const how = [
    ...(action.tcp === 'reset' ? ['MILL_ANSWER_RESETS'] : []),
    ...(action.icmp === 'port-unreachable' ? ['MILL_ANSWER_PORT'] : []),
  ];
  return how.length === 0 ? '0' : how.join(' | ');
}

/** What is done with a packet before its verdict, in this order: who listens hears of all, then what is too much goes. */
function statementsOf(rule: IrRule, ir: Ir, tabs: number): readonly string[] {
  const { police, mirror, sample, dscp } = rule.treatment ?? {};
  const name = rule.enumerator;
  return [
    ...(rule.logPerSecond === undefined ? [] : [`mill_log_packet(w, p, ${name}, ${rule.logPerSecond});`]),
    ...(sample === undefined ? [] : [`mill_sample(w, p, ${name}, ${sample});`]),
    ...(mirror ? [`mill_mirror(w, p, ${portOf(ir, mirror.port)}, ${mirror.oneIn});`] : []),
    ...(dscp === undefined ? [] : [`p->mark = ${dscp};`]),
    ...(police ? policed(name, police, tabs) : []),
  ];
}

function policed(name: string, police: Police, tabs: number): readonly string[] {
  const { cost, burst } = bucketOf(police);
  const amount = police.unit === 'bits' ? 'p->len' : '1';
  const call = 'if (!mill_police(';
  const first = `${call}w, p, ${name}, 0x${cost.toString(16)}, 0x${burst.toString(16)},`;
  const fits = tab * tabs + first.length + amount.length + 3 <= width;
  const between = fits ? ' ' : `\n${'\t'.repeat(tabs)}${' '.repeat(call.length)}`;
  return [`${first}${between}${amount}))`, '\treturn false;'];
}

function portOf(ir: Ir, name: string): string {
  return ir.ports.find((one) => one.name === name)!.enumerator;
}

type Body = Pick<FamilyView, 'items' | 'tables' | 'classifiers' | 'actions' | 'treatments'>;

function plain(rules: readonly IrRule[], family: Family, ir: Ir, uses: Uses): Body {
  return {
    items: rules.map((rule) => test(rule, family, ir, uses)),
    tables: [],
    classifiers: [],
    actions: [],
    treatments: [],
  };
}

function test(rule: IrRule, family: Family, ir: Ir, uses: Uses): ItemView {
  const taken = take(rule, family, ir, 2);
  const treated = taken.statements.length > 0;
  const view = { condition: condition(rule.conditions[family]!, uses, treated), ...taken };
  return {
    rule: [
      {
        place: comment(place(rule.origin)),
        text: comment(rule.text),
        plain: treated ? [] : [view],
        treated: treated ? [view] : [],
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
  const treatments = treatmentsOf(rules, name, ir);
  const actions: { name: string; rows: readonly string[] }[] = [];
  const rowOf = (rule: IrRule) =>
    `{${action(rule, family, ir, treatments.number(rule))}}, /* ${comment(place(rule.origin))} */`;
  const classifiers = classifierViews(list, rules, name, family, uses.tables, {
    asks:
      list.kind !== 'acl' || list.direction !== 'in' ? undefined : asksAll(list, ir) ? 'NULL' : asksOf(list),
    act: actOf(list, treatments.used),
    more: treatments.more,
    actions: (table, part) => actions.push({ name: table, rows: part.map(rowOf) }),
  });
  if (classifiers === undefined) return undefined;
  for (const { conditions } of rules)
    if (conditions[family]!.when) usePredicate(conditions[family]!.when, uses);
  for (const service of servicesCalled(rules, family)) uses.services.add(service);
  return { items: [], tables: [], classifiers, treatments: treatments.tables, actions };
}

function actOf(list: IrList, treated: boolean): string {
  const act = list.kind === 'pbr' ? 'mill_act_via' : list.direction === 'out' ? 'mill_act_out' : 'mill_act';
  return treated ? `${act}_treated` : act;
}

/** What rules of tables do besides their actions: a table of its own, since few of many have any. `used`: some rule does
 * more than to let pass, refuse or divert; that it logs stands in its action. */
function treatmentsOf(rules: readonly IrRule[], name: string, ir: Ir) {
  const treated = rules.filter((rule) => rule.treatment !== undefined);
  const used = treated.length > 0 || rules.some((rule) => rule.logPerSecond !== undefined);
  const table = `${name}_treatments`;
  const rows = treated.map((rule) => `{${treatment(rule, ir)}}, /* ${comment(place(rule.origin))} */`);
  const numbers = new Map(treated.map((rule, i) => [rule, i + 1]));
  return {
    used,
    more: !used ? '' : treated.length > 0 ? `, ${table}` : ', NULL',
    tables: treated.length > 0 ? [{ name: table, rows }] : [],
    /** From 1; 0 for none. */
    number: (rule: IrRule) => numbers.get(rule) ?? 0,
  };
}

/** struct mill_treatment */
function treatment({ treatment = {} }: IrRule, ir: Ir): string {
  const { police, mirror, sample = 0, dscp } = treatment;
  const { cost, burst } = police ? bucketOf(police) : { cost: 0n, burst: 0n };
  const port = mirror ? portOf(ir, mirror.port) : '0';
  const perPacket = police?.unit === 'packets' ? 'true' : 'false';
  return `${hex64(cost)}, ${hex64(burst)}, ${sample}, ${mirror?.oneIn ?? 0}, ${port}, ${dscp ?? 'MILL_NO_MARK'}, ${perPacket}`;
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
  const treatments = treatmentsOf(
    rules.filter((rule) => rowsOf(rule.conditions[family]!, family) !== undefined),
    name,
    ir,
  );
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
      actions.push(`{${action(rule, family, ir, treatments.number(rule))}},`);
    }
  }
  const made = segments.flatMap((one) => ('rows' in one ? [one] : []));
  const tableName = (number: number) => `${name}_rows${number}`;
  return {
    items: segments.map((one) =>
      'rule' in one
        ? test(one.rule, family, ir, uses)
        : {
            rule: [],
            table: [
              {
                scan: `mill_scan${family}`,
                table: tableName(one.number),
                count: one.rows.length,
                act: actOf(list, treatments.used),
                actions: `${name}_actions`,
                more: treatments.more,
              },
            ],
          },
    ),
    classifiers: [],
    treatments: treatments.tables,
    tables: made.map(({ rows, number }) => ({ name: tableName(number), type: `mill_row${family}`, rows })),
    actions: made.length === 0 ? [] : [{ name: `${name}_actions`, rows: actions }],
  };
}

function action(rule: IrRule, family: Family, ir: Ir, treated: number): string {
  const gateway = rule.action.kind === 'nexthop' ? gatewayOf(rule, family, ir) : 'MILL_NO_GATEWAY';
  const verdict = {
    allow: 'MILL_ALLOW',
    deny: 'MILL_DENY',
    reject: 'MILL_REJECT',
    nexthop: 'MILL_DIVERT',
  }[rule.action.kind];
  const how = rule.action.kind === 'reject' ? `${verdict}, ${answerOf(rule)}` : `${verdict}, 0`;
  return `${rule.enumerator}, ${rule.logPerSecond ?? 0}, ${gateway}, ${how}, ${treated}`;
}
