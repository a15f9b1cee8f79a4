/** Long lists as classifiers: their tables go into one file beside the C, and the C says where in it. */
import type { Family, PortRange } from '../../dsl/model.js';
import { buildClassifier } from '../classify/build.js';
import { type Alternative, type Entry, type PortTest, TooLarge } from '../classify/input.js';
import { packClassifier } from '../classify/pack.js';
import type { IrList, IrRule, ServiceSet } from '../ir.js';

/** Beyond this a list is data: where tables begin to be faster, docs/performance.md. */
const mostIfs = 64;

export interface ClassifierView {
  readonly comment: string;
  readonly name: string;
  readonly offset: number;
  readonly members: readonly { readonly name: string; readonly value: string }[];
  readonly residuals: readonly {
    readonly function: string;
    readonly cases: readonly { readonly entry: number; readonly predicate: string }[];
  }[];
  readonly residual: string;
  readonly ipv6: 'true' | 'false';
  readonly act: string;
  readonly actions: string;
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
  action: Pick<ClassifierView, 'act' | 'actions'>,
): ClassifierView | undefined {
  try {
    const entries = entriesOf(rules, family);
    const packed = packClassifier(buildClassifier({ family, entries, memory: tables.memory }));
    if (packed.bytes.length > tables.memory) throw new TooLarge('all tables together');
    const cases = rules.flatMap(({ conditions }, entry) => {
      const { when } = conditions[family]!;
      return when === undefined ? [] : [{ entry, predicate: when.function }];
    });
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

function entriesOf(rules: readonly IrRule[], family: Family): readonly Entry[] {
  const tests = new Map<ServiceSet, PortTest>();
  return rules.map(({ conditions }) => {
    const { from, to, service, when } = conditions[family]!;
    const test = service && (tests.get(service) ?? testOf(service, family));
    if (service && test) tests.set(service, test);
    return {
      ...(from && { from: from.prefixes }),
      ...(to && { to: to.prefixes }),
      ...(test && { test }),
      residual: when !== undefined,
    };
  });
}

const protocols = { tcp: 6, udp: 17, icmp: { 4: 1, 6: 58 } } as const;

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
      ...(service.tcp ? [of(protocols.tcp, service.tcp.ranges)] : []),
      ...(service.udp ? [of(protocols.udp, service.udp.ranges)] : []),
      ...(service.icmp ? [of(protocols.icmp[family], types)] : []),
    ],
  };
}
