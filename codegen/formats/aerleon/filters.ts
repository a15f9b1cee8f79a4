/** Filters, where they are attached, as lists. */
import type { Family, Problem } from '../../../dsl/model.js';
import { show } from '../../../dsl/problems.js';
import type { DraftEntry, DraftRule } from '../draft.js';
import type { Face, VlanDevices } from '../faces.js';
import { type Line, type Lists, makeLists } from '../lists.js';
import { constantName } from '../names.js';
import type { Source } from '../netmap-rt/read.js';
import type { Definitions } from './definitions.js';
import type { Objects } from './objects.js';
import type { Include } from './policy-yaml.js';
import { attempt, type RawFilter, refuse } from './raw.js';
import type { Target } from './targets.js';
import { entriesOfTerm } from './terms.js';

export interface Attachment {
  readonly filter: string;
  readonly device: string;
  readonly side: 'in' | 'out';
}

export interface AerleonOptions {
  readonly name: string;
  readonly interfaces: readonly string[];
  readonly vlans: VlanDevices;
  /** Networks and services. */
  readonly definitions: readonly Source[];
  readonly include: Include;
  /** `juniper`; undefined: the only one. */
  readonly target?: string;
  readonly attached: readonly Attachment[];
  /** What becomes of packets that no term takes; undefined: as the target has it. */
  readonly default?: 'allow' | 'deny';
  readonly neighbourDiscovery: 'builtin' | 'explicit';
  /** `2027-03-31` */
  readonly today: string;
}

/** A filter of the target that is asked for. */
export interface Filter {
  readonly raw: RawFilter;
  readonly target: Target;
}

export interface Placed extends Filter {
  readonly side: 'in' | 'out';
  readonly faces: readonly Face[];
}

export interface Making {
  readonly definitions: Definitions;
  readonly objects: Objects;
  readonly problems: Problem[];
  readonly assume: (sentence: string) => void;
}

/**
 * A filter judges packets of its families alone, and what it is attached to: where that is everything, its end is the list's
 * default; else it has a rule of its own.
 */
export function listsOf(
  placed: readonly Placed[],
  side: 'in' | 'out',
  general: General,
  faces: readonly Face[],
  options: AerleonOptions,
  making: Making,
): Lists {
  clashes(placed, making.problems);
  const judged = (face: Face): readonly Family[] =>
    placed.filter((one) => one.faces.includes(face)).flatMap((one) => one.target.families);
  const ends = placed.map((one) => endOf(one, options, making));
  const there = faces.filter((face) => judged(face).length > 0);
  const whole =
    there.every((face) => new Set(judged(face)).size === 2) && ends.every((end) => end !== 'allow');
  const ids = new Set<string>();
  const lines = placed.flatMap((one, i): readonly Line[] => [
    ...(placed.length > 1 ? one.raw.comments.map((text) => ({ kind: 'comment' as const, text })) : []),
    ...linesOf(one, options, making, ids),
    ...(ends[i] === 'deny' && !whole ? closing(one) : []),
  ]);
  return makeLists(lines, there, {
    default: whole ? 'deny' : 'allow',
    neighbourDiscovery: options.neighbourDiscovery,
    general: general.constant,
    generalName: general.name,
    each: side === 'in' ? 'from' : 'to',
    shared: side === 'in' ? 'everywhere' : 'toAll',
    comments: placed.length === 1 ? placed[0]!.raw.comments : [],
  });
}

/** What the list of all interfaces is called. */
export interface General {
  readonly name: string;
  readonly constant: string;
}

/** That of the filter if there is one. */
export function generalName(placed: readonly Placed[], side: 'in' | 'out', taken: Set<string>): General {
  const names = [...new Set(placed.filter((one) => one.side === side).map((one) => one.target.name))];
  const [only = '', other] = names;
  const name = names.length === 0 || other !== undefined ? (side === 'in' ? 'inbound' : 'outbound') : only;
  return { name, constant: constantName(/[a-z]/.test(name) ? name : name.toLowerCase(), taken) };
}

function clashes(placed: readonly Placed[], problems: Problem[]): void {
  for (const [i, one] of placed.entries()) {
    const clash = placed.slice(0, i).find((other) => meets(one, other));
    const names = clash && [clash, one].map((each) => show(each.target.name)).join(' and ');
    if (names)
      attempt(problems, () =>
        refuse('NM6003', one.raw.origin, `filters ${names} judge the same packets: here, one list does`, {
          fix: 'attach one of them, or give them families of their own.',
        }),
      );
  }
}

function meets(a: Placed, b: Placed): boolean {
  return (
    a.faces.some((face) => b.faces.includes(face)) &&
    a.target.families.some((family) => b.target.families.includes(family))
  );
}

/** What becomes of the rest. Undefined: the last term takes everything, or nobody says it. */
function endOf(
  { raw, target }: Placed,
  options: AerleonOptions,
  { problems, assume }: Making,
): 'allow' | 'deny' | undefined {
  const last = raw.terms.at(-1);
  if (last?.fields.every((one) => idleFields.includes(one.key.text) && one.text !== 'next')) return undefined;
  const end = options.default ?? target.default;
  if (end === undefined)
    attempt(problems, () =>
      refuse(
        'NM6004',
        raw.origin,
        `what becomes of packets that no term of ${show(target.name)} takes, is not said`,
        {
          expected: '--default allow, or --default deny',
          fix: "say it, or give the filter a last term without tests: 'action: deny'.",
        },
      ),
    );
  else if (options.default === undefined) {
    const fate = end === 'deny' ? 'denied' : 'let pass';
    assume(`Packets that no term of ${target.name} takes are ${fate}, as ${target.platform} has it.`);
  }
  return end;
}

/** What a term has that tests nothing. */
const idleFields = ['action', 'comment', 'logging', 'counter', 'owner'];

/** What a filter denies at its end, of its families. */
function closing({ raw, target, faces }: Placed): readonly Line[] {
  const families = target.families.length === 2 ? [undefined] : target.families;
  return families.map((family): Line => {
    const rule: DraftRule = {
      kind: 'rule',
      action: { kind: 'deny' },
      ...(family && { from: { kind: 'nets', prefixes: [{ family, bits: 0n, length: 0 }] } }),
      log: false,
      comment: `the end of ${target.name}`,
      origin: raw.origin,
      called: `the end of ${target.name} there`,
    };
    return { kind: 'rule', faces, rule };
  });
}

function linesOf(
  { raw, target, faces }: Placed,
  { today }: AerleonOptions,
  { definitions, objects, problems, assume }: Making,
  ids: Set<string>,
): readonly Line[] {
  return raw.terms
    .flatMap(
      (term): readonly DraftEntry[] =>
        attempt(problems, () => entriesOfTerm(term, { target, definitions, objects, today, ids, assume })) ??
        [],
    )
    .map((entry): Line => (entry.kind === 'comment' ? entry : { kind: 'rule', faces, rule: entry }));
}
