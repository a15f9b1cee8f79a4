/** What a filter's target says about it: its name, its families, what becomes of packets that no term takes. */
import type { Family } from '../../../dsl/model.js';
import { show } from '../../../dsl/problems.js';
import { type RawFilter, type RawTarget, refuse } from './raw.js';

export interface Target {
  /** `juniper` */
  readonly platform: string;
  /** Of the filter: `edge-inbound`. */
  readonly name: string;
  readonly families: readonly Family[];
  /** Undefined: its platform decides in ways that are not known here. */
  readonly default?: 'allow' | 'deny';
}

interface Platform {
  readonly families: readonly Family[];
  readonly default?: 'deny';
  /** It lets answers in by itself, unless this word is said. */
  readonly stateless?: string;
}

const v4: readonly Family[] = [4];
const both: readonly Family[] = [4, 6];
const denies = { families: v4, default: 'deny' } as const;
const tables = { families: v4, stateless: 'nostate' } as const;

/** Of those that know no connections: the families that they have when nothing is said, and how they end. */
const platforms: Readonly<Record<string, Platform>> = {
  juniper: denies,
  juniperevo: denies,
  cisco: denies,
  ciscoxr: denies,
  cisconx: denies,
  arista: denies,
  brocade: denies,
  arista_tp: { families: both },
  nokiasrl: { families: both },
  openconfig: { families: v4 },
  sonic: { families: v4 },
  demo: { families: v4 },
  iptables: tables,
  speedway: tables,
  ipset: tables,
};

const familyWords: Readonly<Record<string, readonly Family[]>> = { inet: [4], inet6: [6], mixed: both };
const policyWords: Readonly<Record<string, 'allow' | 'deny'>> = { ACCEPT: 'allow', DROP: 'deny' };
/** Words about how it is written there, or where it is attached, which --attach says. */
const idle = [
  'extended',
  'object-group',
  'dsmo',
  'enable_dsmo',
  'interface-specific',
  'not-interface-specific',
  'filter_name',
  'ingress',
  'egress',
  'noverbose',
  'nochainedterms',
  'truncatenames',
  'nostate',
];

/** The one that is asked for, or the only one. Undefined: the filter is not made for it. @throws Refused */
export function targetOf(filter: RawFilter, platform: string): Target | undefined {
  const found = filter.targets.find((one) => one.name.text === platform);
  if (!found) return undefined;
  const known = Object.hasOwn(platforms, platform) ? platforms[platform]! : undefined;
  const stateful =
    known?.stateless !== undefined && !found.options.some((one) => one.text === known.stateless);
  if (!known || stateful)
    return refuse(
      'NM6003',
      found.name.origin,
      `'${platform}' ${known ? 'lets answers of connections in by itself' : 'is no filter of single packets, as far as is known here'}`,
      {
        expected: `one of ${Object.keys(platforms).join(', ')}${known ? `; this one with '${known.stateless}'` : ''}`,
        got: `'${platform}'`,
        fix: "ACLs know no connections: give the filter such a target, 'juniper: edge-in mixed', and let answers in by 'option: tcp-established'.",
      },
    );
  return read(found, known);
}

function read({ name: platform, options }: RawTarget, known: Platform): Target {
  // Some platforms have one filter, which needs no name.
  const [name = platform, ...rest] = options.filter((one) => !Object.hasOwn(familyWords, one.text));
  const odd = rest.find((one) => !idle.includes(one.text) && !Object.hasOwn(policyWords, one.text));
  if (odd)
    refuse('NM6003', odd.origin, `target '${platform.text}' has the option ${show(odd.text)}`, {
      expected: ['inet', 'inet6', 'mixed', ...Object.keys(policyWords), ...idle].join(', '),
      got: show(odd.text),
    });
  const families = options.flatMap((one) => familyWords[one.text] ?? []);
  const policy = rest.flatMap((one) => policyWords[one.text] ?? [])[0] ?? known.default;
  return {
    platform: platform.text,
    name: name.text,
    families: families.length > 0 ? [...new Set(families)].sort() : known.families,
    ...(policy && { default: policy }),
  };
}
