/** ICMP messages by name: type and code per family. RFC 792, RFC 1812 §5.2.7.1, RFC 4443, RFC 4861, RFC 2710, RFC 3810. */
import type { Family } from './model.js';

interface IcmpType {
  readonly family: Family;
  readonly type: number;
  readonly code?: number;
}

const v4 = (type: number, code?: number): IcmpType => ({
  family: 4,
  type,
  ...(code === undefined ? {} : { code }),
});
const v6 = (type: number, code?: number): IcmpType => ({
  family: 6,
  type,
  ...(code === undefined ? {} : { code }),
});

export const icmpTypes = {
  'echo-request': [v4(8), v6(128)],
  'echo-reply': [v4(0), v6(129)],
  unreachable: [v4(3), v6(1)],
  'too-big': [v4(3, 4), v6(2)],
  'time-exceeded': [v4(11), v6(3)],
  'parameter-problem': [v4(12), v6(4)],
  redirect: [v4(5), v6(137)],
  'router-solicitation': [v4(10), v6(133)],
  'router-advertisement': [v4(9), v6(134)],
  'neighbour-solicitation': [v6(135)],
  'neighbour-advertisement': [v6(136)],
  'mld-query': [v6(130)],
  'mld-report': [v6(131), v6(143)],
  'mld-done': [v6(132)],
  'timestamp-request': [v4(13)],
  'timestamp-reply': [v4(14)],
  'network-unreachable': [v4(3, 0), v6(1, 0)],
  'host-unreachable': [v4(3, 1), v6(1, 3)],
  'protocol-unreachable': [v4(3, 2)],
  'port-unreachable': [v4(3, 3), v6(1, 4)],
  'source-route-failed': [v4(3, 5)],
  prohibited: [v4(3, 13), v6(1, 1)],
  'ttl-exceeded': [v4(11, 0), v6(3, 0)],
  'reassembly-timeout': [v4(11, 1), v6(3, 1)],
  'unknown-next-header': [v6(4, 1)],
  'unknown-option': [v6(4, 2)],
} as const satisfies Record<string, readonly IcmpType[]>;

export type IcmpName = keyof typeof icmpTypes;
