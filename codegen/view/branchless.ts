/**
 * Short ACLs as C without branches: what is different between the packet and a rule is computed, and the verdict of the first
 * rule without any is selected, not jumped to. Tests that end with a branch each are a little quicker while the processor
 * foretells them, and far slower on traffic that it cannot.
 */
import type { Family } from '../../dsl/model.js';
import { place } from '../cite.js';
import type { AddressSet, Condition, IrList, IrRule, ServiceSet } from '../ir.js';
import { addressDifferenceCall, serviceDifferenceCall } from './differences.js';
import { selectionsOf } from './rows.js';
import { comment, fill, tab } from './text.js';

/** Comparisons of a list, of which each packet goes through all: as long as that is quicker, docs/performance.md. */
const most = 36;
/** Prefixes of a set: more of them are bisected. */
const mostPrefixes = 8;

export interface BranchlessView {
  readonly declarations: readonly string[];
  /** True of a packet whose transport header hides what rules ask for, as it is in lists of nothing but such rules. */
  readonly refuses: string | undefined;
  /** Behind the tests of the rules before. */
  readonly starts: readonly string[];
  /** From the last rule to the first. */
  readonly rules: readonly {
    readonly place: string;
    readonly text: string;
    readonly takes: string;
    readonly verdict: string;
  }[];
  readonly decision: readonly string[];
  /** Whether it decides what no rule takes, too. */
  readonly whole: boolean;
}

/**
 * The rules behind the last one that does more than to let pass or drop, or that needs branches: they begin at `first`, those
 * before stay tests. Undefined: all had better be. `last` takes what no rule takes.
 */
export function branchless(
  list: IrList,
  rules: readonly IrRule[],
  last: IrRule | undefined,
  family: Family,
  differences: Set<AddressSet | ServiceSet>,
): { readonly first: number; readonly view: BranchlessView } | undefined {
  if (list.kind !== 'acl' || last === undefined) return undefined;
  const costs = rules.map((rule) => (isPlain(rule) ? comparisonsOf(rule.conditions[family]!) : Infinity));
  const first = costs.lastIndexOf(Infinity) + 1;
  const comparisons = costs.slice(first).reduce((sum, cost) => sum + cost, 0);
  if (comparisons < 2 || comparisons > most) return undefined;
  const behind = rules.slice(first);
  for (const rule of behind) use(rule.conditions[family]!, differences);
  return { first, view: viewOf(list, behind, last, family, first > 0) };
}

/** @param readBefore tests have read the transport header, if the list reads it */
function viewOf(
  list: IrList,
  rules: readonly IrRule[],
  last: IrRule,
  family: Family,
  readBefore: boolean,
): BranchlessView {
  const reads = list.readsTransport[family];
  const asks = rules.some((rule) => rule.conditions[family]!.service !== undefined);
  const whole = isPlain(last);
  const decision = `return mill_judge(w, p, verdict, ${list.direction === 'out' ? 'MILL_DROP_ACL_OUT' : 'MILL_DROP_ACL'});`;
  return {
    declarations: [
      ...(reads && (asks || !readBefore) ? ['uint32_t service;'] : []),
      ...(!reads && asks ? ['const uint32_t service = MILL_SERVICE(p->proto, 0);'] : []),
      ...(whole ? [`/* ${comment(place(last.origin))}  ${comment(last.text)} */`] : []),
      `uint32_t verdict = ${whole ? verdictOf(last) : 'MILL_NO_VERDICT'};`,
    ],
    refuses: readBefore ? undefined : 'mill_hides_service(p, &service)',
    starts: reads && asks && readBefore ? ['service = mill_service(p);'] : [],
    rules: rules
      .map((rule) => ({
        place: comment(place(rule.origin)),
        text: comment(rule.text),
        takes: takes(rule.conditions[family]!),
        verdict: verdictOf(rule),
      }))
      .reverse(),
    decision: whole ? [decision] : ['if (verdict != MILL_NO_VERDICT)', `\t${decision}`],
    whole,
  };
}

const isPlain = ({ action, treatment, logPerSecond }: IrRule) =>
  (action.kind === 'allow' || action.kind === 'deny') &&
  treatment === undefined &&
  logPerSecond === undefined;

const verdictOf = ({ action, enumerator }: IrRule) =>
  action.kind === 'deny' ? `MILL_DENIES | ${enumerator}` : enumerator;

/** Infinity: it cannot be said without branches. */
function comparisonsOf({ from, to, service, when }: Condition): number {
  const selections = selectionsOf(service);
  const sets = [from, to].map((set) => set?.prefixes.length ?? 0);
  if (when !== undefined || selections === undefined || sets.some((n) => n > mostPrefixes)) return Infinity;
  return sets[0]! + sets[1]! + (service === undefined ? 0 : selections.length);
}

function use({ from, to, service }: Condition, differences: Set<AddressSet | ServiceSet>): void {
  for (const one of [from, to, service]) if (one) differences.add(one);
}

function takes({ from, to, service }: Condition): string {
  const parts = [
    ...(from ? [addressDifferenceCall(from, 'src')] : []),
    ...(to ? [addressDifferenceCall(to, 'dst')] : []),
    ...(service ? [serviceDifferenceCall(service)] : []),
  ];
  if (parts.length === 1) return `${parts[0]} == 0`;
  return `(${fill(parts, '|', tab + 'if (('.length, ') == 0)'.length)}) == 0`;
}
