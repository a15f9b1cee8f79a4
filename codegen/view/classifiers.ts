/** Long lists as classifiers: their tables go into one file beside the C, and the C says where in it. */
import type { Family, PortRange } from '../../dsl/model.js';
import { mergePorts } from '../addresses.js';
import { buildClassifier } from '../classify/build.js';
import { type Alternative, type Entry, type PortTest, TooLarge } from '../classify/input.js';
import { packClassifier } from '../classify/pack.js';
import type { Condition, IrList, PortTest as IrPortTest, IrRule, ServiceSet } from '../ir.js';
import { serviceFunction } from './services.js';

/** Beyond this a list is data: where tables begin to be faster, docs/performance.md. */
const mostIfs = 64;

export interface ClassifierView {
  readonly comment: string;
  readonly name: string;
  readonly offset: number;
  readonly members: readonly { readonly name: string; readonly value: string }[];
  readonly residuals: readonly {
    readonly function: string;
    readonly cases: readonly { readonly entries: readonly number[]; readonly holds: string }[];
  }[];
  readonly residual: string;
  readonly ipv6: 'true' | 'false';
  readonly act: string;
  readonly actions: string;
  /** Arguments behind. */
  readonly more: string;
}

/** A list that is searched row by row instead. */
export interface Unclassified {
  readonly list: IrList;
  readonly family: Family;
  readonly why: string;
}

const alignment = 64;

/** The tables of all lists of a forwarder. */
export class Tables {
  /** Lists of more rules than this are data. */
  readonly mostIfs: number;
  readonly unclassified: Unclassified[] = [];
  readonly #memory: number;
  readonly #parts: Uint8Array[] = [];
  #size = 0;

  /** @param memory bytes that all of them may take */
  constructor(memory: number, longest = mostIfs) {
    this.#memory = memory;
    this.mostIfs = longest;
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

/** Undefined: its tables would be too large, which `tables` remembers. */
export function classifierView(
  list: IrList,
  rules: readonly IrRule[],
  name: string,
  family: Family,
  tables: Tables,
  action: Pick<ClassifierView, 'act' | 'actions' | 'more'>,
): ClassifierView | undefined {
  try {
    const tests = testsOf(rules, family);
    const entries = entriesOf(rules, family, tests);
    const packed = packClassifier(buildClassifier({ family, entries, memory: tables.memory }));
    if (packed.bytes.length > tables.memory) throw new TooLarge('all tables together');
    const asked = rules.flatMap(({ conditions }, entry) => {
      const calls = residualsOf(conditions[family]!, tests).map((name) => `${name}(p)`);
      return calls.length === 0 ? [] : [{ entry, holds: calls.join(' && ') }];
    });
    // Those that ask the same are one case: gcc puts the predicate in once.
    const cases = [...new Set(asked.map((one) => one.holds))].map((holds) => ({
      holds,
      entries: asked.flatMap((one) => (one.holds === holds ? one.entry : [])),
    }));
    return {
      comment: `${rules.length} rules in tables of ${Math.ceil(packed.bytes.length / 1024)} KiB`,
      name: `${name}_classifier`,
      offset: tables.put(packed.bytes),
      members: packed.members,
      residuals: cases.length === 0 ? [] : [{ function: `${name}_holds`, cases }],
      residual: cases.length === 0 ? 'NULL' : `${name}_holds`,
      ipv6: family === 6 ? 'true' : 'false',
      ...action,
    };
  } catch (error) {
    if (!(error instanceof TooLarge)) throw error;
    tables.unclassified.push({ list, family, why: error.message });
    return undefined;
  }
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
