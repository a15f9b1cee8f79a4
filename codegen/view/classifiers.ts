/** Long lists as classifiers: their tables go into one file beside the C, and the C says where in it. */
import type { Family, PortRange } from '../../dsl/model.js';
import { mergePorts } from '../addresses.js';
import { buildClassifier } from '../classify/build.js';
import { type Alternative, type Entry, type PortTest, TooLarge } from '../classify/input.js';
import { type Packed, packClassifier } from '../classify/pack.js';
import type { Condition, IrList, PortTest as IrPortTest, IrRule, ServiceSet } from '../ir.js';
import { serviceFunction } from './services.js';

/** Beyond this a list is data: where tables begin to be faster, docs/performance.md. */
const mostIfs = 64;
/** Tables of shorter lists stay near: asked step by step they are slower, and take the C compiler longer. */
const mostNear = 4 * mostIfs;
/** A list is cut into so many parts, and into parts of so many rules; then searching row by row is no slower. */
const mostParts = 32;
const leastPart = 512;

export interface ClassifierView {
  readonly comment: string;
  readonly name: string;
  readonly offset: number;
  readonly members: readonly { readonly name: string; readonly value: string }[];
  readonly residuals: readonly {
    readonly function: string;
    readonly cases: readonly { readonly entries: readonly number[]; readonly holds: string }[];
  }[];
  /** What defines its functions. */
  readonly define: string;
  /** The entry that takes the packet. */
  readonly found: string;
  /** Asks it about a whole burst before any packet is judged; undefined: it is asked packet by packet. */
  readonly ask: string | undefined;
  readonly act: string;
  readonly actions: string;
  /** Arguments behind. */
  readonly more: string;
}

/** A list that is searched more slowly than others. */
export interface Slower {
  readonly list: IrList;
  readonly family: Family;
  /** Tables that are asked one after the other; 0: it is searched row by row. */
  readonly parts: number;
  readonly why: string;
}

const alignment = 64;

/** The tables of all lists of a forwarder. */
export class Tables {
  /** Lists of more rules than this are data. */
  readonly mostIfs: number;
  /** Lists of more rules than this are asked about whole bursts step by step. */
  readonly mostNear: number;
  readonly slower: Slower[] = [];
  readonly #memory: number;
  readonly #parts: Uint8Array[] = [];
  #size = 0;

  /** @param memory bytes that all of them may take */
  constructor(memory: number, longest = mostIfs) {
    this.#memory = memory;
    this.mostIfs = longest;
    this.mostNear = Math.min(mostNear, 4 * longest);
  }

  /** Bytes that are left. */
  get memory(): number {
    return this.#memory - this.#size;
  }

  /** Where it begins. */
  put(bytes: Uint8Array): number {
    const at = this.#size;
    const padding = (alignment - (bytes.length % alignment)) % alignment;
    this.#parts.push(bytes, new Uint8Array(padding));
    this.#size += bytes.length + padding;
    return at;
  }

  /** What lines are read in whole, the last one too. */
  bytes(): Uint8Array {
    return Buffer.concat([...this.#parts, new Uint8Array(this.#size === 0 ? 0 : alignment)]);
  }
}

/** How a list's classifiers are asked and act: what is the same in all of them. */
export interface Acts {
  /** Says whether a packet of a burst is the list's to judge; undefined: no whole bursts are. */
  readonly asks: string | undefined;
  readonly act: string;
  readonly more: string;
  /** One table of actions. */
  readonly actions: (name: string, rules: readonly IrRule[]) => void;
}

/**
 * Mostly one; several, asked in order, where the tables of all rules together would be too large. Undefined where those of
 * the parts would be, too. `tables` remembers both.
 */
export function classifierViews(
  list: IrList,
  rules: readonly IrRule[],
  name: string,
  family: Family,
  tables: Tables,
  acts: Acts,
): readonly ClassifierView[] | undefined {
  const tests = testsOf(rules, family);
  const cut = { family, tests, least: Math.max(leastPart, Math.ceil(rules.length / mostParts)) };
  const parts: Part[] = [];
  const why = partsOf(rules, tables.memory, cut, parts);
  if (why !== undefined) tables.slower.push({ list, family, parts: parts.length, why });
  if (parts.length === 0) return undefined;
  if (parts.length === 1) return [partView(list, parts[0]!, name, cut, tables, acts)];
  // A later part is asked only where those before it found nothing.
  return parts.map((part, i) =>
    partView(list, part, `${name}_${i + 1}`, cut, tables, { ...acts, asks: undefined }),
  );
}

interface Part {
  readonly rules: readonly IrRule[];
  readonly packed: Packed;
}

interface Cut {
  readonly family: Family;
  readonly tests: Tests;
  /** Rules of a part. */
  readonly least: number;
}

/** Appends to `parts`, or leaves none there. Returns why it is not one part. */
function partsOf(rules: readonly IrRule[], memory: number, cut: Cut, parts: Part[]): string | undefined {
  try {
    parts.push({ rules, packed: packedWithin(rules, memory, cut) });
    return undefined;
  } catch (error) {
    if (!(error instanceof TooLarge)) throw error;
    const halves = halvesOf(rules, memory, cut);
    parts.push(...halves);
    return error.message;
  }
}

/** The second half gets what the first one leaves. */
function halvesOf(rules: readonly IrRule[], memory: number, cut: Cut): readonly Part[] {
  if (rules.length < 2 * cut.least) return [];
  const half = rules.length >> 1;
  const first: Part[] = [];
  partsOf(rules.slice(0, half), Math.floor(memory / 2), cut, first);
  if (first.length === 0) return [];
  const used = first.reduce((sum, { packed }) => sum + packed.bytes.length, 0);
  const second: Part[] = [];
  partsOf(rules.slice(half), memory - used, cut, second);
  return second.length === 0 ? [] : [...first, ...second];
}

function packedWithin(rules: readonly IrRule[], memory: number, { family, tests }: Cut): Packed {
  const packed = packClassifier(
    buildClassifier({ family, entries: entriesOf(rules, family, tests), memory }),
  );
  if (packed.bytes.length > memory) throw new TooLarge('all tables together');
  return packed;
}

function partView(
  list: IrList,
  { rules, packed }: Part,
  name: string,
  { family, tests }: Cut,
  tables: Tables,
  { asks, act, more, actions }: Acts,
): ClassifierView {
  const asked = rules.flatMap(({ conditions }, entry) => {
    const calls = residualsOf(conditions[family]!, tests).map((name) => `${name}(p)`);
    return calls.length === 0 ? [] : [{ entry, holds: calls.join(' && ') }];
  });
  // Those that ask the same are one case: gcc puts the predicate in once.
  const byHolds = new Map<string, number[]>();
  for (const { entry, holds } of asked) {
    const entries = byHolds.get(holds) ?? [];
    entries.push(entry);
    byHolds.set(holds, entries);
  }
  const cases = [...byHolds].map(([holds, entries]) => ({ holds, entries }));
  actions(`${name}_actions`, rules);
  const classifier = `${name}_classifier`;
  const residual = cases.length === 0 ? 'NULL' : `${name}_holds`;
  const near = rules.length <= tables.mostNear;
  const asking = near ? 'mill_ask_each' : 'mill_ask_together';
  const define =
    asks === undefined
      ? `MILL_CLASSIFIER(${classifier}, ${family === 6}, ${residual})`
      : `MILL_BURST_CLASSIFIER(${[classifier, asking, family === 6, list.readsTransport[family], asks, residual].join(', ')})`;
  return {
    comment: `${rules.length} rules in tables of ${Math.ceil(packed.bytes.length / 1024)} KiB`,
    name: classifier,
    offset: tables.put(packed.bytes),
    members: [...packed.members, { name: 'near', value: String(near) }],
    residuals: cases.length === 0 ? [] : [{ function: `${name}_holds`, cases }],
    define,
    found: asks === undefined ? `${classifier}_find(w, p)` : 'p->entry',
    ask: asks && `${classifier}_ask`,
    act,
    actions: `${name}_actions`,
    more,
  };
}

/** What tables say of a service. */
interface Tabled {
  readonly test: PortTest;
  /** False: packets that the test takes are still to be asked for, as pairs of ports are no product. */
  readonly exact: boolean;
}

type Tests = ReadonlyMap<ServiceSet, Tabled>;

function testsOf(rules: readonly IrRule[], family: Family): Tests {
  const services = new Set(rules.flatMap(({ conditions }) => conditions[family]!.service ?? []));
  return new Map([...services].map((service) => [service, tabled(service, family)]));
}

function entriesOf(rules: readonly IrRule[], family: Family, tests: Tests): readonly Entry[] {
  return rules.map(({ conditions }) => {
    const { from, to, service } = conditions[family]!;
    return {
      ...(from && { from: from.prefixes }),
      ...(to && { to: to.prefixes }),
      ...(service && { test: tests.get(service)!.test }),
      residual: residualsOf(conditions[family]!, tests).length > 0,
    };
  });
}

/** Functions that must hold besides what tables say. */
function residualsOf({ service, when }: Condition, tests: Tests): readonly string[] {
  return [
    ...(service && !tests.get(service)!.exact ? [serviceFunction(service)] : []),
    ...(when ? [when.function] : []),
  ];
}

/** Services whose functions the classifier of these rules calls. */
export function servicesCalled(rules: readonly IrRule[], family: Family): readonly ServiceSet[] {
  return [...testsOf(rules, family)].flatMap(([service, { exact }]) => (exact ? [] : [service]));
}

const protocols = { tcp: 6, udp: 17, icmp: { 4: 1, 6: 58 } } as const;
const everyPort: PortRange = { from: 0, to: 65535 };

/** Source ports are a test of their own: exact where all of the service has the same ones. */
function tabled(service: ServiceSet, family: Family): Tabled {
  const parts = [service.tcp, service.udp].flatMap((one) => one ?? []);
  const pairs = parts.flatMap((one) => one.pairs ?? []);
  if (pairs.length === 0) return { test: testOf(service, family), exact: true };
  const sources = new Set(pairs.map((one) => JSON.stringify(one.sources)));
  const alone = parts.every((one) => one.pairs && !one.ranges) && !service.icmp && !service.protocols;
  const exact = alone && sources.size === 1 && parts.every((one) => one.pairs!.length === 1);
  return { test: { ...testOf(service, family), ...(exact && { sources: pairs[0]!.sources }) }, exact };
}

/** All destination ports that a part has with any source port. */
function destinations({ ranges, pairs }: IrPortTest): readonly PortRange[] | undefined {
  if (pairs === undefined) return ranges;
  return mergePorts([...(ranges ?? []), ...pairs.flatMap((one) => one.ranges ?? [everyPort])]);
}

function testOf(service: ServiceSet, family: Family): PortTest {
  const of = (proto: number, ranges: readonly PortRange[] | undefined): Alternative => ({
    proto,
    ...(ranges && { ranges }),
  });
  const types = service.icmp?.types?.map(({ type, code }) => ({
    from: type * 256 + (code ?? 0),
    to: type * 256 + (code ?? 255),
  }));
  return {
    alternatives: [
      ...(service.tcp ? [of(protocols.tcp, destinations(service.tcp))] : []),
      ...(service.udp ? [of(protocols.udp, destinations(service.udp))] : []),
      ...(service.icmp ? [of(protocols.icmp[family], types)] : []),
      ...(service.protocols ?? []).map((number) => of(number, undefined)),
    ],
  };
}
