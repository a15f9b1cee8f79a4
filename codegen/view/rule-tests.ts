/** Rules as C: a test for each, what is done with a packet before its verdict, and the verdict. */
import type { Family, Police } from '../../dsl/model.js';
import { place } from '../cite.js';
import type { AddressSet, Condition, Ir, IrPredicate, IrRule, ServiceSet } from '../ir.js';
import { bucketOf } from '../treatment.js';
import { dropsUnreachable } from '../ways.js';
import { setCall } from './addresses.js';
import type { BranchlessView } from './branchless.js';
import type { ClassifierView, Tables } from './classifiers.js';
import { serviceFunction } from './services.js';
import { comment, fill, tab, width } from './text.js';

/** What the emitted tests call, so that nothing else is emitted. */
export interface Uses {
  readonly tables: Tables;
  readonly sets: Set<AddressSet>;
  readonly services: Set<ServiceSet>;
  readonly predicates: Set<IrPredicate>;
  /** What lists without branches compare with. */
  readonly differences: Set<AddressSet | ServiceSet>;
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

/** What stands between the head of a family's function and its end. */
export interface Body {
  readonly items: readonly ItemView[];
  readonly tables: readonly {
    readonly name: string;
    readonly type: string;
    readonly rows: readonly string[];
  }[];
  readonly classifiers: readonly ClassifierView[];
  /** Behind the items, and mostly in place of the end. */
  readonly branchless: readonly BranchlessView[];
  readonly treatments: readonly { readonly name: string; readonly rows: readonly string[] }[];
  readonly actions: readonly { readonly name: string; readonly rows: readonly string[] }[];
}

export function plain(rules: readonly IrRule[], family: Family, ir: Ir, uses: Uses): Body {
  return {
    items: rules.map((rule) => test(rule, family, ir, uses)),
    tables: [],
    classifiers: [],
    branchless: [],
    actions: [],
    treatments: [],
  };
}

export function test(rule: IrRule, family: Family, ir: Ir, uses: Uses): ItemView {
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

export function usePredicate(predicate: IrPredicate, uses: Uses): void {
  uses.predicates.add(predicate);
  for (const set of predicate.sets.values()) uses.sets.add(set);
}

/** @param tabs before its lines */
export function take(rule: IrRule, family: Family, ir: Ir, tabs: number): Taken {
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

export function gatewayOf(rule: IrRule, family: Family, ir: Ir): string {
  const { enumerator } = ir.gateways[rule.conditions[family]!.gateway!]!;
  return dropsUnreachable(rule) ? `${enumerator} | MILL_OR_DROP` : enumerator;
}

/** enum mill_answer_how */
export function answerOf({ action }: IrRule): string {
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

export function portOf(ir: Ir, name: string): string {
  return ir.ports.find((one) => one.name === name)!.enumerator;
}
