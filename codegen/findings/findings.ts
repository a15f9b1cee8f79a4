/**
 * What an exact analysis of the policy's lists finds, as diagnostics. Nothing is guessed: where rules are too entangled
 * for the time given, that is said, and no finding is made.
 */
import { shareText } from '../analysis/amount.js';
import { TooComplex } from '../analysis/diagram.js';
import { budget, TooManySteps } from '../analysis/first-match.js';
import { examplePacket } from '../analysis/packet.js';
import { packetText } from '../analysis/packet-text.js';
import { dependsOnSets, size } from '../analysis/sets.js';
import { error, note, warning } from '../check/report.js';
import type { CheckedPolicy } from '../checked.js';
import { place } from '../cite.js';
import type { Diagnostic, RelatedPlace } from '../diagnostics/diagnostic.js';
import type { IrList, IrRule } from '../ir.js';
import { lower } from '../lower.js';
import { type AnalysedList, analysedList, mostTelling, type Share, shares } from './list.js';
import { discoveryDenied, lockouts } from './lockout.js';
import { type Overlap, overlaps } from './overlaps.js';
import { type Idle, idleRules } from './rules.js';
import { isWaived } from './waivers.js';

export interface FindingOptions {
  /** `'2027-03-31'`: waivers past their date do not count. */
  readonly today: string;
  /** Find what is worth knowing, too: parts that rules take of each other. */
  readonly notes?: boolean;
}

export function findings(policy: CheckedPolicy, options: FindingOptions): readonly Diagnostic[] {
  const ir = lower(policy);
  const lists = ir.lists.flatMap((list) =>
    unlessTooComplex(list.origin, `the rules of "${list.name}"`, () =>
      ofList(analysedList(ir, list), options),
    ),
  );
  const { origin } = ir.router;
  return [...lists, ...unlessTooComplex(origin, 'who must reach the router', () => lockouts(ir))];
}

function unlessTooComplex(
  origin: Diagnostic['origin'],
  what: string,
  find: () => readonly Diagnostic[],
): readonly Diagnostic[] {
  try {
    return find();
  } catch (thrown) {
    if (!(thrown instanceof TooComplex)) throw thrown;
    const message = `${what} could not be analysed: ${thrown.message}`;
    return [
      warning('NM3022', origin, message, {
        fix: 'let predicates compute less with several fields, and rules test fewer fields at once.',
      }),
    ];
  }
}

function ofList(analysed: AnalysedList, { today, notes }: FindingOptions): readonly Diagnostic[] {
  const { list } = analysed;
  const { idle, undecided } = idleRules(analysed);
  const told = idle
    .filter((one) => !isWaived(one.rule, codeOf(one), today))
    .map((one) => idleDiagnostic(analysed, one));
  const open = [...discoveryDenied(analysed), ...undecided.map((rule) => undecidedDiagnostic(list, rule))];
  if (!notes) return [...told.filter((one) => one.severity !== 'info'), ...open];
  const skip = new Set([...idle.map((one) => one.rule), ...undecided]);
  const parts = overlaps(analysed, skip);
  const shown = parts.filter((one) => !isWaived(one.rule, 'NM3021', today));
  return [...told, ...open, ...shown.map((one) => overlapDiagnostic(list, one))];
}

function codeOf(found: Idle): 'NM3001' | 'NM3018' | 'NM3019' | 'NM3020' {
  if (found.kind !== 'redundant') return found.kind === 'dead' ? 'NM3001' : 'NM3018';
  return found.like.length > 0 ? 'NM3019' : 'NM3020';
}

interface Places {
  /** How many rules stand there, by place. */
  readonly rules: ReadonlyMap<string, number>;
  readonly builtin: number;
}

const placesOfLists = new WeakMap<IrList, Places>();
const placeKey = ({ file, line, column }: IrRule['origin']) => `${file}:${line}:${column}`;

function placesOf(list: IrList): Places {
  const known = placesOfLists.get(list);
  if (known) return known;
  const rules = new Map<string, number>();
  for (const { origin } of list.rules) {
    const key = placeKey(origin);
    rules.set(key, (rules.get(key) ?? 0) + 1);
  }
  const builtin = list.rules.filter((one) => one.name?.startsWith('builtin:')).length;
  placesOfLists.set(list, { rules, builtin });
  return { rules, builtin };
}

/** Rules that a loop makes stand at one place: then their number says which is meant. */
function nameOf(list: IrList, rule: IrRule): string {
  const { rules, builtin } = placesOf(list);
  const alone = rules.get(placeKey(rule.origin)) === 1;
  return alone ? `this rule of "${list.name}"` : `rule ${rule.position - builtin} of "${list.name}"`;
}

function idleDiagnostic(analysed: AnalysedList, found: Idle): Diagnostic {
  const { list } = analysed;
  const { rule } = found;
  const name = nameOf(list, rule);
  switch (found.kind) {
    case 'empty':
      return error('NM3018', rule.origin, `no packet matches ${name}: its tests exclude each other`, {
        fix: 'correct its match, or delete it.',
      });
    case 'dead':
      return deadDiagnostic(analysed, rule, name);
    case 'redundant':
      return redundantDiagnostic(list, rule, name, found.like);
  }
}

function deadDiagnostic({ list, matches }: AnalysedList, rule: IrRule, name: string): Diagnostic {
  const index = list.rules.indexOf(rule);
  const all = affordable(() =>
    matches.flatMap((match) => shares(match, match.region(index), index, budget())),
  );
  const fix = "move it above, or delete it, or waive it with .allowShadow('reason').";
  const [first] = all;
  if (first === undefined)
    return error('NM3001', rule.origin, `${name} never matches: what it matches is refused before`, {
      related: [
        { origin: list.origin, message: 'packets that hide their transport header are refused first.' },
      ],
      fix,
    });
  return error('NM3001', rule.origin, `${name} never matches: ${shortPlace(first.rule)} catches it first`, {
    related: mostTelling(all, rule.action.kind).map((one) => takes(one, rule)),
    fix,
  });
}

function affordable(find: () => readonly Share[]): readonly Share[] {
  try {
    return find();
  } catch (thrown) {
    if (thrown instanceof TooManySteps) return [];
    throw thrown;
  }
}

/** Shares are of one family: IPv6 has so many addresses that those of IPv4 would be no share at all. */
function takes({ rule, taken, block, match }: Share, of: IrRule): RelatedPlace {
  const { space } = match.regions;
  const part = shareText(taken, size(space, match.regions.of(of)));
  const share = dependsOnSets(space, block) && !part.startsWith('less') ? `up to ${part}` : part;
  const other = rule.action.kind === of.action.kind ? '' : ', and its action is another';
  const example = packetText(examplePacket(space, block));
  return {
    origin: rule.origin,
    message: `${rule.action.kind}(…) takes ${share} of its IPv${space.family} packets${other}: ${example}`,
  };
}

function shortPlace(rule: IrRule): string {
  const at = place(rule.origin);
  return at.slice(at.lastIndexOf('/') + 1);
}

function redundantDiagnostic(list: IrList, rule: IrRule, name: string, like: readonly IrRule[]): Diagnostic {
  if (like.length === 0)
    return note('NM3020', rule.origin, `${name} could go: the default of the list does the same`, {
      related: [{ origin: list.origin, message: `default: '${list.fallback?.action.kind ?? ''}'` }],
    });
  return warning(
    'NM3019',
    rule.origin,
    `${name} could go: rules after it do the same with all of its packets`,
    {
      related: like.slice(0, 3).map((one) => ({
        origin: one.origin,
        message: `${one.action.kind}(…) would take ${like.length === 1 ? 'them' : 'a part of them'}.`,
      })),
      fix: "delete it, or waive it with .waive('NM3019', 'reason'); .count() and .log() make it useful, too.",
    },
  );
}

function overlapDiagnostic(list: IrList, { rule, shares: all, conflicts }: Overlap): Diagnostic {
  const name = nameOf(list, rule);
  if (conflicts.length > 0)
    return note(
      'NM3021',
      rule.origin,
      `rules before it decide otherwise about a part of ${name}: their order matters`,
      {
        related: conflicts.slice(0, 3).map((one) => takes(one, rule)),
      },
    );
  return note('NM3021', rule.origin, `rules before it take a part of ${name}`, {
    related: mostTelling(all, rule.action.kind).map((one) => takes(one, rule)),
  });
}

function undecidedDiagnostic(list: IrList, rule: IrRule): Diagnostic {
  const message = `whether ${nameOf(list, rule)} does something was not decided: too many rules meet in it`;
  return note('NM3022', rule.origin, message);
}
