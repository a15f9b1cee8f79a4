/**
 * Sets with names. Those of addresses become networks of the policy, those of ports services; empty ones, and those that somebody
 * asks for, sets that change at run time. What nftables changes by itself (timeouts, updates by packets) has no counterpart.
 */
import type { Family, PortRange, Problem, ServiceMatch } from '../../../dsl/model.js';
import { type AddressRange, mergePorts } from '../../addresses.js';
import type { DraftNets, DraftObject, DraftService } from '../draft.js';
import { constantName, reserved } from '../names.js';
import { prefixesIn, type RunTimeSet } from './box.js';
import type { NftChain, NftSet, Ruleset } from './ruleset.js';
import { addresses, elementsOf, isObject, NotHere, numbers } from './values.js';

/** The sets that rules of one table may name. */
export interface TableSets {
  /** Elements as they are in JSON. @throws NotHere */
  elements(name: string): readonly unknown[];
  runTime(name: string): RunTimeSet | undefined;
  /** By a name, when some set holds exactly these. */
  nets(ranges: readonly AddressRange[], family: Family): DraftNets;
  service(alternatives: readonly ServiceMatch[]): DraftService;
}

export interface NamedSets {
  of(chain: Pick<NftChain, 'family' | 'table'>): TableSets;
  /** All that a rule may have named. */
  readonly objects: readonly DraftObject[];
}

type Named = { readonly set: NftSet; readonly constant: string } & Held;

type Held =
  | { readonly kind: 'nets' | 'runTime'; readonly family: Family; readonly ranges: readonly AddressRange[] }
  | { readonly kind: 'ports'; readonly ranges: readonly PortRange[] };

const changing = ['timeout', 'dynamic'];

/** @param runTime names of those that are to change at run time; `all`: every set of addresses that is not constant */
export function readNamedSets(
  { sets, rules }: Ruleset,
  runTime: readonly string[],
  problems: Problem[],
): NamedSets {
  const taken = new Set(reserved);
  const used = sets.filter((set) =>
    rules.some((rule) => inTable(rule, set) && JSON.stringify(rule.expr).includes(`"@${set.name}"`)),
  );
  const named = used.flatMap((set): readonly Named[] => {
    const found = readSet(set, runTime);
    return found ? [{ set, constant: constantName(set.name, taken), ...found }] : [];
  });
  const known = named.filter((one) => one.kind !== 'ports').map((one) => one.set.name);
  for (const name of runTime)
    if (name !== 'all' && !known.includes(name)) problems.push(noSuchSet(name, known));
  const services = new Map<string, DraftObject>();
  return {
    of: (chain) =>
      tableSets(
        sets.filter((set) => inTable(set, chain)),
        named.filter((one) => inTable(one.set, chain)),
        (ports, alternatives) => serviceNamed(ports, alternatives, services, taken),
      ),
    get objects() {
      const nets = named.flatMap((one) => (one.kind === 'ports' ? [] : [objectOf(one)]));
      return [...nets, ...services.values()];
    },
  };
}

function inTable(a: Pick<NftSet, 'family' | 'table'>, b: Pick<NftSet, 'family' | 'table'>): boolean {
  return a.family === b.family && a.table === b.table;
}

/** Undefined: its values stand in the rules, which refuse it when they cannot be read. */
function readSet(set: NftSet, runTime: readonly string[]): Held | undefined {
  const flags = set.flags ?? [];
  const elements = set.elem ?? [];
  if (flags.some((one) => changing.includes(one))) return undefined;
  try {
    const family = familyOf(set.type);
    if (family !== undefined) {
      const asked = runTime.includes(set.name) || (runTime.includes('all') && !flags.includes('constant'));
      const ranges = elements.length === 0 ? [] : addresses(plainElements(elements), family);
      return { kind: asked || elements.length === 0 ? 'runTime' : 'nets', family, ranges };
    }
    if (set.type === 'inet_service' && elements.length > 0)
      return { kind: 'ports', ranges: numbers(plainElements(elements), 65_535) };
    return undefined;
  } catch (thrown) {
    if (thrown instanceof NotHere) return undefined;
    throw thrown;
  }
}

function plainElements(elements: readonly unknown[]): readonly unknown[] {
  return elementsOf({ set: elements }, () => []);
}

/** By its type, or what it is the type of: `typeof ip saddr`. */
function familyOf(type: unknown): Family | undefined {
  if (type === 'ipv4_addr') return 4;
  if (type === 'ipv6_addr') return 6;
  const of = isObject(type) && isObject(type.typeof) ? type.typeof.payload : undefined;
  if (!isObject(of) || (of.field !== 'saddr' && of.field !== 'daddr')) return undefined;
  return of.protocol === 'ip' ? 4 : of.protocol === 'ip6' ? 6 : undefined;
}

function noSuchSet(name: string, known: readonly string[]): Problem {
  return {
    code: 'NM6002',
    origin: { file: '--run-time-set', line: 1, column: 1 },
    message: `no rule asks for a set of addresses '${name}' that could change at run time`,
    expected: known.length === 0 ? 'none: there is no such set' : `all, ${known.join(', ')}`,
    got: name,
  };
}

function tableSets(
  sets: readonly NftSet[],
  named: readonly Named[],
  service: (ports: Named & { kind: 'ports' }, alternatives: readonly ServiceMatch[]) => DraftService,
): TableSets {
  return {
    elements: (name) => elementsNamed(sets, name),
    runTime: (name) => {
      const found = named.find((one) => one.set.name === name);
      return found?.kind === 'runTime' ? { constant: found.constant, family: found.family } : undefined;
    },
    nets: (ranges, family) => {
      const found = named.find(
        (one) => one.kind === 'nets' && one.family === family && same(one.ranges, ranges),
      );
      return found
        ? { kind: 'object', name: found.constant }
        : { kind: 'nets', prefixes: prefixesIn(ranges, family) };
    },
    service: (alternatives) => {
      const ports = named.find(
        (one): one is Named & { kind: 'ports' } => one.kind === 'ports' && areOf(alternatives, one.ranges),
      );
      return ports ? service(ports, alternatives) : { kind: 'service', alternatives };
    },
  };
}

function elementsNamed(sets: readonly NftSet[], name: string): readonly unknown[] {
  const set = sets.find((one) => one.name === name);
  if (set === undefined) throw new NotHere(`set @${name} is not here`);
  const flag = set.flags?.find((one) => changing.includes(one));
  if (flag !== undefined) throw new NotHere(`set @${name} changes by itself (${flag})`);
  if (!set.elem || set.elem.length === 0) throw new NotHere(`set @${name} is empty`);
  return set.elem;
}

function same<T extends number | bigint>(
  a: readonly { readonly from: T; readonly to: T }[],
  b: readonly { readonly from: T; readonly to: T }[],
): boolean {
  return a.length === b.length && a.every(({ from, to }, i) => from === b[i]!.from && to === b[i]!.to);
}

/** Destination ports alone, these and no others. */
function areOf(alternatives: readonly ServiceMatch[], ports: readonly PortRange[]): boolean {
  return alternatives.every(
    (one) =>
      (one.l4 === 'tcp' || one.l4 === 'udp') &&
      one.sports === undefined &&
      same(mergePorts(one.dports), ports),
  );
}

/** Ports have no protocol there: the first that asks has the set's name, others say theirs behind it. */
function serviceNamed(
  { set, constant }: Named,
  alternatives: readonly ServiceMatch[],
  services: Map<string, DraftObject>,
  taken: Set<string>,
): DraftService {
  const protocols = alternatives.map((one) => one.l4).join('-');
  const table = `${set.family} ${set.table} ${set.name}`;
  const key = `${table} ${protocols}`;
  const isFirst = ![...services.keys()].some((one) => one.startsWith(`${table} `));
  const known = services.get(key) ?? {
    kind: 'service' as const,
    name: isFirst ? constant : constantName(`${set.name}-${protocols}`, taken),
    comments: [],
    alternatives,
  };
  services.set(key, known);
  return { kind: 'object', name: known.name };
}

function objectOf({ kind, set, constant, family, ranges }: Extract<Named, { family: Family }>): DraftObject {
  const prefixes = prefixesIn(ranges, family);
  const common = { name: constant, comments: [], prefixes };
  return kind === 'nets' ? { kind, ...common } : { kind: 'set', ...common, set: set.name, family };
}
