/** Rules as tables: a classifier, or rows that are scanned with tests between them. */
import type { Family } from '../../dsl/model.js';
import { place } from '../cite.js';
import type { Ir, IrList, IrRule } from '../ir.js';
import { bucketOf } from '../treatment.js';
import { classifierViews, servicesCalled } from './classifiers.js';
import { asksAll, asksOf } from './list-functions.js';
import { rowsOf } from './rows.js';
import { answerOf, type Body, gatewayOf, portOf, test, type Uses, usePredicate } from './rule-tests.js';
import { comment, hex64 } from './text.js';

/** Undefined: its tables would be too large. */
export function classified(
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
  return { items: [], tables: [], branchless: [], classifiers, treatments: treatments.tables, actions };
}

type Segment = { readonly rule: IrRule } | { readonly rows: string[]; readonly number: number };

/** Runs of rules that rows can say become tables; the others stand between them as tests. */
export function tables(
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
    branchless: [],
    treatments: treatments.tables,
    tables: made.map(({ rows, number }) => ({ name: tableName(number), type: `mill_row${family}`, rows })),
    actions: made.length === 0 ? [] : [{ name: `${name}_actions`, rows: actions }],
  };
}

function actOf(list: IrList, treated: boolean): string {
  const act = list.kind === 'pbr' ? 'mill_act_via' : list.direction === 'out' ? 'mill_act_out' : 'mill_act';
  return treated ? `${act}_treated` : act;
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
