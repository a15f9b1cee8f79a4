/** What a new policy would change: for packets, exactly; and in what the policy says of interfaces, routes and objects. */
import { aboutRule } from '../about-rule.js';
import { packetText } from '../analysis/packet-text.js';
import { sameFate } from '../analysis/pipeline.js';
import type { CheckedPolicy } from '../checked.js';
import { place } from '../cite.js';
import type { IrRule } from '../ir.js';
import { lower } from '../lower.js';
import { type ListCost, listCosts } from './cost.js';
import { bothHave, type PacketChange, packetChanges, type Way } from './packet-changes.js';
import { type SettingsChange, settingsChanges } from './settings-changes.js';

/** dropped: it was, and is, and the reason is another. */
export type Effect = 'allowed' | 'denied' | 'rerouted' | 'treated' | 'dropped';

/** JSON as it is: numbers of packets are decimal text, since they have up to a hundred digits. */
export interface PlannedChange {
  readonly effect: Effect;
  readonly interface: string;
  /** in: what comes in there. out: what would leave there, by its `out` ACL alone. */
  readonly direction: 'in' | 'out';
  readonly family: 4 | 6;
  readonly packets: string;
  readonly sources: string;
  readonly destinations: string;
  /** As `netmill explain` reads it. */
  readonly example: string;
  readonly old: PlannedWay;
  readonly new: PlannedWay;
}

export interface PlannedWay {
  /** `denied`, `routed`, `host`, `martian`, `via 198.51.100.9` */
  readonly fate: string;
  /** What rules do with it besides: limits, copies, marks. */
  readonly treatment?: string;
  /** `edge.ts:14`; absent: no rule was asked. */
  readonly place?: string;
  readonly text?: string;
  /** Who answers for the rule, and until when it is meant. */
  readonly about?: string;
}

export interface Planned {
  readonly router: string;
  readonly policyHash: string;
  readonly againstHash: string;
  readonly packets: readonly PlannedChange[];
  /** Interfaces for which the change could not be told exactly. */
  readonly undecided: readonly string[];
  readonly settings: readonly SettingsChange[];
  /** Interfaces with their tags that only one of both has: all packets there are new, or gone. */
  readonly newInterfaces: readonly string[];
  readonly goneInterfaces: readonly string[];
  readonly costs: readonly ListCost[];
}

export function makePlan(old: CheckedPolicy, fresh: CheckedPolicy): Planned {
  const [was, now] = [lower(old), lower(fresh)];
  const { changes, undecided } = packetChanges(was, now);
  const both = bothHave(was, now);
  return {
    router: fresh.router.name,
    policyHash: fresh.policyHash,
    againstHash: old.policyHash,
    packets: changes.map(planned).sort((a, b) => effects.indexOf(a.effect) - effects.indexOf(b.effect)),
    undecided: undecided.map((one) => `${one.interface} IPv${one.family}`),
    settings: settingsChanges(old.router, fresh.router),
    newInterfaces: now.interfaces.filter((one) => !both.some(([, b]) => b === one)).map((one) => one.name),
    goneInterfaces: was.interfaces.filter((one) => !both.some(([a]) => a === one)).map((one) => one.name),
    costs: listCosts(now),
  };
}

export const effects: readonly Effect[] = ['allowed', 'denied', 'rerouted', 'treated', 'dropped'];

function planned(change: PacketChange): PlannedChange {
  return {
    effect: effectOf(change),
    interface: change.interface,
    direction: change.direction,
    family: change.family,
    packets: change.packets.toString(),
    sources: change.sources.toString(),
    destinations: change.destinations.toString(),
    example: `${change.direction} ${change.interface} ${packetText(change.example)}`,
    old: wayOf(change.from),
    new: wayOf(change.to),
  };
}

function effectOf({ from, to }: PacketChange): Effect {
  if (sameFate(from.fate, to.fate)) return 'treated';
  const passes = ({ fate }: Way) => fate.kind !== 'denied' && fate.kind !== 'martian';
  if (passes(from) === passes(to)) return passes(to) ? 'rerouted' : 'dropped';
  return passes(to) ? 'allowed' : 'denied';
}

function wayOf({ fate, rule, treatment }: Way): PlannedWay {
  const text = fate.kind === 'diverted' ? `via ${fate.gateway}` : fate.kind;
  const done = { fate: text, ...(treatment !== '' && { treatment }) };
  if (rule === undefined) return done;
  if (rule === 'hidden') return { ...done, text: 'hides its transport header' };
  const about = aboutRule(rule);
  return { ...done, place: place(rule.origin), text: ruleText(rule), ...(about && { about }) };
}

/** Its policy line; what stands for a default says so. */
export function ruleText(rule: IrRule): string {
  return rule.position === 0 && rule.listKind === 'acl' ? `default of "${rule.list}"` : rule.text;
}
