/** Services as C functions: a switch over the protocol, then ports or ICMP types. */
import type { PortRange } from '../../dsl/model.js';
import { place } from '../cite.js';
import type { IcmpTest, PortTest, ServiceSet } from '../ir.js';
import { comment } from './text.js';

const mostInline = 3;

export interface ServiceView {
  readonly function: string;
  readonly comment: string;
  readonly protocols: readonly {
    readonly protocol: string;
    /** Tests that must all fail for false; empty when the protocol suffices. */
    readonly tests: readonly { readonly test: string }[];
    readonly otherwise: string;
  }[];
}

export function serviceFunction(service: ServiceSet): string {
  return `is_${service.name}`;
}

export function serviceView(service: ServiceSet): ServiceView {
  const protocols = [
    ...(service.tcp ? [protocol('MILL_TCP', portTests(service.tcp))] : []),
    ...(service.udp ? [protocol('MILL_UDP', portTests(service.udp))] : []),
    ...(service.icmp ? [protocol(service.family === 4 ? 'MILL_ICMP' : 'MILL_ICMPV6', icmpTests(service.icmp))] : []),
  ];
  return { function: serviceFunction(service), comment: comment(place(service.origin)), protocols };
}

function protocol(name: string, tests: readonly string[] | undefined): ServiceView['protocols'][number] {
  if (tests === undefined) return { protocol: name, tests: [], otherwise: 'true' };
  const known = 'p->l4 == MILL_L4_READ';
  if (tests.length === 1) return { protocol: name, tests: [], otherwise: `${known} && ${tests[0]}` };
  if (tests.length <= mostInline && tests.join(' || ').length < 70)
    return { protocol: name, tests: [], otherwise: `${known} && (${tests.join(' || ')})` };
  return {
    protocol: name,
    tests: tests.map((test) => ({ test: `${known} && ${test}` })),
    otherwise: 'false',
  };
}

function portTests(test: PortTest): readonly string[] | undefined {
  return test.ranges?.map((range) => portTest(range));
}

function portTest({ from, to }: PortRange): string {
  if (from === to) return `p->dport == ${from}`;
  if (from === 0) return `p->dport <= ${to}`;
  if (to === 65535) return `p->dport >= ${from}`;
  return `mill_between(p->dport, ${from}, ${to})`;
}

function icmpTests(test: IcmpTest): readonly string[] | undefined {
  const types = test.types;
  if (types === undefined) return undefined;
  return types.map(({ type, code }) =>
    code === undefined ? `p->icmp_type == ${type}` : `mill_is_icmp(p, ${type}, ${code})`,
  );
}
