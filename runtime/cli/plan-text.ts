/** A plan for people. */
import { lookupText } from '../../codegen/lookup.js';
import type { Manifest } from '../../codegen/manifest.js';
import {
  type Effect,
  effects,
  type Planned,
  type PlannedChange,
  type PlannedWay,
} from '../../codegen/plan/plan.js';
import type { SettingsChange } from '../../codegen/plan/settings-changes.js';
import { count, plural } from './text.js';

export interface Built {
  readonly sourceBytes: number;
  readonly forwarderBytes: number;
  readonly milliseconds: number;
  readonly lookup: Manifest['lookup'];
  readonly lookupReason: Manifest['lookupReason'];
}

const titles: Readonly<Record<Effect, string>> = {
  allowed: 'newly allowed',
  denied: 'newly denied',
  rerouted: 'sent another way',
  treated: 'treated otherwise',
  dropped: 'dropped as before, for another reason',
};

/** Of each kind at most so many are shown; `--json` has all. */
const mostShown = 20;

export function planText(plan: Planned, against: string, built: Built | undefined): string {
  const parts = [
    `${plan.router}: ${plan.policyHash.slice(0, 12)} against ${against} (${plan.againstHash.slice(0, 12)})`,
    ...effects.flatMap((effect) => section(plan, effect)),
    ...(plan.packets.length === 0 && plan.undecided.length === 0 ? ['no packet fares differently'] : []),
    ...plan.undecided.map((one) => `not decided: too many rules meet on ${one}`),
    ...plan.newInterfaces.map((one) => `all packets on ${one} are new: it was not there`),
    ...plan.goneInterfaces.map((one) => `no packets on ${one} any more: it is gone`),
    ...settings(plan.settings),
    ...plan.costs.map(
      (one) => `"${one.list}": ${plural(one.rules, 'rule')}, at most ${plural(one.steps, 'step')} a packet`,
    ),
    ...(built ? [builtText(built)] : []),
  ];
  return `${parts.join('\n')}\n`;
}

function section(plan: Planned, effect: Effect): readonly string[] {
  const all = plan.packets.filter((one) => one.effect === effect);
  if (all.length === 0) return [];
  const more = all.length - mostShown;
  return [
    `${titles[effect]}:`,
    ...all.slice(0, mostShown).flatMap(change),
    ...(more > 0 ? [`  and ${count(more)} more: see --json`] : []),
  ];
}

function change(one: PlannedChange): readonly string[] {
  return [
    `  ${one.example}`,
    `    ${of(one.sources, 'source')}, ${of(one.destinations, 'destination')}, ${of(one.packets, 'packet')} (IPv${one.family})`,
    `    - ${way(one.old)}`,
    `    + ${way(one.new)}`,
  ];
}

function way({ fate, treatment, place, text, about }: PlannedWay): string {
  return [fate, treatment, place, text, about && `(${about})`].filter((one) => one !== undefined).join('  ');
}

const superscripts = ['⁰', '¹', '²', '³', '⁴', '⁵', '⁶', '⁷', '⁸', '⁹'];

/** `1,024`, `4.3 × 10²⁵`; of a decimal number. */
export function amount(decimal: string): string {
  if (decimal.length <= 9) return count(Number(decimal));
  const power = [...String(decimal.length - 1)].map((digit) => superscripts[Number(digit)]).join('');
  return `${decimal[0]}.${decimal[1]} × 10${power}`;
}

function of(decimal: string, one: string): string {
  return `${amount(decimal)} ${one}${decimal === '1' ? '' : 's'}`;
}

function settings(changes: readonly SettingsChange[]): readonly string[] {
  return changes.flatMap(({ kind, name, change: what, old, new: come }) => [
    `${kind} ${name} ${what}`,
    ...old.map((one) => `    - ${one}`),
    ...come.map((one) => `    + ${one}`),
  ]);
}

function builtText({ sourceBytes, forwarderBytes, milliseconds, lookup, lookupReason }: Built): string {
  const sizes = `forwarder.c ${count(sourceBytes)} bytes, forwarder ${count(forwarderBytes)} bytes`;
  return `${sizes}, built in ${(milliseconds / 1000).toFixed(1)} s, lookup ${lookupText(lookup, lookupReason)}`;
}
