/** Rules as rows of a table, for lists that are too long to be a chain of ifs (gcc takes minutes for those). */
import type { Family, PortRange } from '../../dsl/model.js';
import type { AddressSet, Condition, ServiceSet } from '../ir.js';
import { pair } from './addresses.js';
import { hex32 } from './text.js';

/** A rule of more rows than this stays a test of its own. */
const mostRows = 64;

/** A protocol, and destination ports or ICMP type and code as one number. */
export interface Selection {
  readonly proto?: number;
  readonly range?: PortRange;
}

/** The rows of a rule without their action; undefined when it cannot be, or had better not be, said in rows. */
export function rowsOf(condition: Condition, family: Family): readonly string[] | undefined {
  if (condition.when !== undefined) return undefined;
  const sources = prefixesOf(condition.from);
  const destinations = prefixesOf(condition.to);
  const selections = selectionsOf(condition.service);
  if (selections === undefined) return undefined;
  if (sources.length * destinations.length * selections.length > mostRows) return undefined;
  return sources.flatMap((from) =>
    destinations.flatMap((to) =>
      selections.map((selection) =>
        [address(from, family), address(to, family), select(selection)].join(', '),
      ),
    ),
  );
}

type Plain = AddressSet['prefixes'][number];

function prefixesOf(set: AddressSet | undefined): readonly Plain[] {
  return set?.prefixes ?? [{ bits: 0n, length: 0 }];
}

function address(prefix: Plain, family: Family): string {
  const size = family === 4 ? 32 : 128;
  const all = (1n << BigInt(size)) - 1n;
  const mask = all ^ ((1n << BigInt(size - prefix.length)) - 1n);
  return family === 4 ? `${hex32(prefix.bits)}, ${hex32(mask)}` : `${pair(prefix.bits)}, ${pair(mask)}`;
}

/** What suffices each; undefined where source ports are tested, too, which rows have not. */
export function selectionsOf(service: ServiceSet | undefined): readonly Selection[] | undefined {
  if (service === undefined) return [{}];
  if (service.tcp?.pairs || service.udp?.pairs) return undefined;
  const ports = (proto: number, test: ServiceSet['tcp']): readonly Selection[] =>
    test === undefined ? [] : (test.ranges?.map((range) => ({ proto, range })) ?? [{ proto }]);
  const proto = service.family === 6 ? 58 : 1;
  const icmp =
    service.icmp === undefined
      ? []
      : (service.icmp.types?.map(({ type, code }) => ({
          proto,
          range: { from: type * 256 + (code ?? 0), to: type * 256 + (code ?? 255) },
        })) ?? [{ proto }]);
  const others = (service.protocols ?? []).map((number) => ({ proto: number }));
  return [...ports(6, service.tcp), ...ports(17, service.udp), ...icmp, ...others];
}

function select({ proto, range }: Selection): string {
  const numbers = [
    range?.from ?? 0,
    range?.to ?? 65535,
    proto ?? 0,
    proto === undefined ? 0 : 0xff,
    range === undefined ? 0 : 1,
    0,
  ];
  return numbers.join(', ');
}
