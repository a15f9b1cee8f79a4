/** Services as C functions: the protocol, then ports or ICMP types. */
import type { PortRange } from '../../dsl/model.js';
import { mergePorts } from '../addresses.js';
import { place } from '../cite.js';
import type { IcmpTest, PortTest, ServiceSet } from '../ir.js';
import { protocolNames } from './expression.js';
import { comment, tab } from './text.js';

/** Longest line of tests in a return statement. */
const widest = 84;

export interface ServiceView {
  readonly function: string;
  readonly comment: string;
  /** One of the three has an element: a single test, a single protocol, or a switch over the protocol. */
  readonly single: readonly { readonly test: string }[];
  readonly guarded: readonly (Tests & { readonly otherwise: string })[];
  readonly several: readonly { readonly protocols: readonly ProtocolView[] }[];
}

/** Each one suffices. */
interface Tests {
  readonly tests: readonly { readonly test: string }[];
  readonly last: string;
}

interface ProtocolView extends Tests {
  readonly protocol: string;
  /** Its only element says that the transport header must have been read first. */
  readonly reads: readonly { readonly state: string }[];
}

interface Protocol {
  readonly name: string;
  /** Undefined: the protocol suffices. */
  readonly tests: readonly string[] | undefined;
}

export function serviceFunction(service: ServiceSet): string {
  return `is_${service.name}`;
}

export function serviceView(service: ServiceSet): ServiceView {
  const icmp = service.family === 6 ? 'MILL_ICMPV6' : 'MILL_ICMP';
  const protocols: readonly Protocol[] = [
    ...(service.tcp ? [{ name: 'MILL_TCP', tests: portTests(service.tcp) }] : []),
    ...(service.udp ? [{ name: 'MILL_UDP', tests: portTests(service.udp) }] : []),
    ...(service.icmp ? [{ name: icmp, tests: icmpTests(service.icmp) }] : []),
    ...(service.protocols ?? []).map((number) => ({
      name: protocolNames.get(number) ?? `${number}`,
      tests: undefined,
    })),
  ];
  const [only] = protocols.length === 1 ? protocols : [];
  const single = only && inOneLine(only);
  return {
    function: serviceFunction(service),
    comment: comment(place(service.origin)),
    single: single === undefined ? [] : [{ test: single }],
    guarded: only && single === undefined ? [guarded(only)] : [],
    several: only ? [] : [{ protocols: protocols.map(protocolView) }],
  };
}

const read = 'MILL_L4_READ';

function inOneLine({ name, tests }: Protocol): string | undefined {
  if (tests === undefined) return `p->proto == ${name}`;
  const test = `p->proto == ${name} && p->l4 == ${read} && ${anyOf(tests)}`;
  return test.length > widest + tab ? undefined : test;
}

function guarded({ name, tests }: Protocol): ServiceView['guarded'][number] {
  return { otherwise: `p->proto != ${name} || p->l4 != ${read}`, ...listed(tests!) };
}

function protocolView({ name: protocol, tests }: Protocol): ProtocolView {
  if (tests === undefined) return { protocol, reads: [], tests: [], last: 'true' };
  const together = `p->l4 == ${read} && ${anyOf(tests)}`;
  if (together.length <= widest) return { protocol, reads: [], tests: [], last: together };
  return { protocol, reads: [{ state: read }], ...listed(tests) };
}

function listed(tests: readonly string[]): Tests {
  const joined = tests.join(' || ');
  if (joined.length <= widest) return { tests: [], last: joined };
  return { tests: tests.slice(0, -1).map((test) => ({ test })), last: tests.at(-1)! };
}

function anyOf(tests: readonly string[]): string {
  return tests.length === 1 ? tests[0]! : `(${tests.join(' || ')})`;
}

function portTests(test: PortTest): readonly string[] | undefined {
  if (test.ranges === undefined && test.pairs === undefined) return undefined;
  const to = (range: PortRange) => between('p->dport', range, 65535);
  const from = (range: PortRange) => between('p->sport', range, 65535);
  const pairs = (test.pairs ?? []).flatMap(({ sources, ranges }) =>
    sources.flatMap(
      (source) => ranges?.map((range) => `(${from(source)} && ${to(range)})`) ?? [from(source)],
    ),
  );
  return [...(test.ranges ?? []).map(to), ...pairs];
}

function icmpTests(test: IcmpTest): readonly string[] | undefined {
  if (test.types === undefined) return undefined;
  const whole = test.types.filter((one) => one.code === undefined);
  const ranges = mergePorts(whole.map(({ type }) => ({ from: type, to: type })));
  return [
    ...test.types.flatMap(({ type, code }) =>
      code === undefined ? [] : [`mill_is_icmp(p, ${type}, ${code})`],
    ),
    ...ranges.map((range) => between('p->icmp_type', range, 255)),
  ];
}

function between(value: string, { from, to }: PortRange, most: number): string {
  if (from === to) return `${value} == ${from}`;
  if (from === 0) return `${value} <= ${to}`;
  if (to === most) return `${value} >= ${from}`;
  return `mill_between(${value}, ${from}, ${to})`;
}
