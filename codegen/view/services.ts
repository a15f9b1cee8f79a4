/** Services as C functions: the protocol, then ports or ICMP types. */
import type { PortRange } from '../../dsl/model.js';
import { mergePorts } from '../addresses.js';
import { place } from '../cite.js';
import type { IcmpTest, PortTest, ServiceSet } from '../ir.js';
import { comment, tab } from './text.js';

/** Longest line of tests in a return statement. */
const widest = 84;

export interface ServiceView {
  readonly function: string;
  readonly comment: string;
  /** One of the two has an element: a single test, or a switch over the protocol. */
  readonly single: readonly { readonly test: string }[];
  readonly several: readonly { readonly protocols: readonly ProtocolView[] }[];
}

interface ProtocolView {
  readonly protocol: string;
  /** Each one suffices; empty when `otherwise` says all. */
  readonly tests: readonly { readonly test: string }[];
  readonly otherwise: string;
}

export function serviceFunction(service: ServiceSet): string {
  return `is_${service.name}`;
}

export function serviceView(service: ServiceSet): ServiceView {
  const icmp = service.family === 4 ? 'MILL_ICMP' : 'MILL_ICMPV6';
  const protocols = [
    ...(service.tcp ? [protocol('MILL_TCP', portTests(service.tcp))] : []),
    ...(service.udp ? [protocol('MILL_UDP', portTests(service.udp))] : []),
    ...(service.icmp ? [protocol(icmp, icmpTests(service.icmp))] : []),
  ];
  const single = protocols.length === 1 ? inOneLine(protocols[0]!) : undefined;
  return {
    function: serviceFunction(service),
    comment: comment(place(service.origin)),
    single: single === undefined ? [] : [{ test: single }],
    several: single === undefined ? [{ protocols }] : [],
  };
}

function inOneLine({ protocol: name, tests, otherwise }: ProtocolView): string | undefined {
  if (tests.length > 0) return undefined;
  const test = otherwise === 'true' ? `p->proto == ${name}` : `p->proto == ${name} && ${otherwise}`;
  return test.length > widest + tab ? undefined : test;
}

const read = 'p->l4 == MILL_L4_READ';

/** `tests` undefined: the protocol suffices. */
function protocol(name: string, tests: readonly string[] | undefined): ProtocolView {
  if (tests === undefined) return { protocol: name, tests: [], otherwise: 'true' };
  const together = tests.length === 1 ? `${read} && ${tests[0]}` : `${read} && (${tests.join(' || ')})`;
  if (together.length <= widest) return { protocol: name, tests: [], otherwise: together };
  return { protocol: name, tests: tests.map((test) => ({ test: `${read} && ${test}` })), otherwise: 'false' };
}

function portTests(test: PortTest): readonly string[] | undefined {
  return test.ranges?.map((range) => between('p->dport', range, 65535));
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
