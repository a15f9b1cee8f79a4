/** A plan as findings, for pull requests: each change of packets at the line that decides from now on. */
import type { Planned, PlannedChange, PlannedWay } from '../../codegen/plan/plan.js';
import type { SettingsChange } from '../../codegen/plan/settings-changes.js';
import { type Finding, type Place, placeOf, type Suite } from '../../codegen/report/report.js';
import { amount } from './plan-text.js';

export const planKinds = {
  'plan/allowed': 'Packets are newly allowed.',
  'plan/denied': 'Packets are newly denied.',
  'plan/rerouted': 'Packets are sent another way.',
  'plan/treated': 'Rules do something else with packets besides.',
  'plan/dropped': 'Packets are dropped as before, for another reason.',
  'plan/interface': 'An interface is new, or gone.',
  'plan/setting': 'Something else than a list changes.',
  'plan/undecided': 'What changes for packets could not be told exactly.',
} as const;

/** @param root directory that places of the new policy are relative to */
export function planSuite(policy: string, root: string, plan: Planned): Suite {
  const plain = (kind: keyof typeof planKinds, level: Finding['level'], message: string): Finding => ({
    kind,
    level,
    message,
    related: [],
  });
  return {
    name: policy,
    findings: [
      ...plan.packets.map((one) => changeFinding(one, root)),
      ...plan.undecided.map((one) => plain('plan/undecided', 'warning', `too many rules meet on ${one}`)),
      ...plan.newInterfaces.map((one) => plain('plan/interface', 'note', `interface ${one} is new`)),
      ...plan.goneInterfaces.map((one) => plain('plan/interface', 'warning', `interface ${one} is gone`)),
      ...plan.settings.map((one) => plain('plan/setting', 'note', settingText(one))),
    ],
  };
}

function changeFinding(one: PlannedChange, root: string): Finding {
  const place = wayPlace(one.new, root) ?? wayPlace(one.old, root);
  return {
    kind: `plan/${one.effect}`,
    level: one.effect === 'allowed' ? 'warning' : 'note',
    message: [
      `${one.old.fate} becomes ${one.new.fate}: ${one.example}`,
      `${amount(one.packets)} packets (IPv${one.family})`,
      `- ${wayText(one.old)}`,
      `+ ${wayText(one.new)}`,
    ].join('\n'),
    ...(place && { place }),
    related: [],
  };
}

function wayText({ fate, treatment, place, text, about }: PlannedWay): string {
  return [fate, treatment, place, text, about && `(${about})`]
    .filter((part) => part !== undefined)
    .join('  ');
}

/** Of `edge.ts:14`. */
function wayPlace({ place }: PlannedWay, root: string): Place | undefined {
  const found = /^(.+):(\d+)$/.exec(place ?? '');
  return found ? placeOf({ file: found[1]!, line: Number(found[2]), column: 1 }, root) : undefined;
}

function settingText({ kind, name, change, old, new: come }: SettingsChange): string {
  return [
    `${kind} ${name} ${change}`,
    ...old.map((one) => `- ${one}`),
    ...come.map((one) => `+ ${one}`),
  ].join('\n');
}
