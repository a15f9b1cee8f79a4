/** Boxes as rules of a draft. */
import type { Family, PortRange, Prefix, ServiceMatch } from '../../../dsl/model.js';
import { type AddressRange, mergePorts } from '../../addresses.js';
import type { DraftNets, DraftRule } from '../draft.js';
import type { Box, RunTimeSet } from './box.js';
import type { TableSets } from './sets.js';
import { NotHere } from './values.js';

/** What a rule has besides its box. */
export type Rest = Pick<DraftRule, 'action' | 'log' | 'why' | 'comment' | 'origin' | 'called'>;

const whole: Readonly<Record<Family, Prefix>> = {
  4: { family: 4, bits: 0n, length: 0 },
  6: { family: 6, bits: 0n, length: 0 },
};
const every: readonly PortRange[] = [{ from: 0, to: 65_535 }];
/** Longer lists are what is left without some values, which nobody would read. */
const mostValues = 64;

/** One, or several where a field has several ranges that one rule cannot name. @throws NotHere */
export function rulesOf(box: Box, rest: Rest, named: TableSets): readonly DraftRule[] {
  const services = servicesOf(box);
  const [family] = box.families.length === 1 ? box.families : [];
  const icmp = services?.every((one) => one.l4 === 'icmp');
  const { src, dst, srcSet, dstSet } = box;
  const says = !src && !dst && !srcSet && !dstSet && family !== undefined && !icmp;
  const from = says
    ? { kind: 'nets' as const, prefixes: [whole[family]] }
    : netsOf(src, srcSet, family, named);
  const to = netsOf(dst, dstSet, family, named);
  return (box.ttl ?? [undefined]).flatMap((ttl) =>
    (box.length ?? [undefined]).map((length): DraftRule => {
      const header = {
        ...(box.dscp && { dscp: box.dscp }),
        ...(ttl && { ttl: [ttl] }),
        ...(length && { length: [length] }),
        ...(box.flags && { flags: [box.flags] }),
      };
      return {
        kind: 'rule',
        ...rest,
        ...(from && { from }),
        ...(to && { to }),
        ...(services && { service: named.service(services) }),
        ...(Object.keys(header).length > 0 && { header }),
      };
    }),
  );
}

function netsOf(
  ranges: readonly AddressRange[] | undefined,
  set: RunTimeSet | undefined,
  family: Family | undefined,
  named: TableSets,
): DraftNets | undefined {
  if (set) return { kind: 'object', name: set.constant };
  return ranges === undefined || family === undefined ? undefined : named.nets(ranges, family);
}

function servicesOf(box: Box): readonly ServiceMatch[] | undefined {
  const { sports, dports, icmpTypes, icmpCodes, flags } = box;
  const protocols = box.protocols && valuesOf(box.protocols, 'protocols');
  const reads = sports !== undefined || dports !== undefined || flags !== undefined;
  if (protocols === undefined) {
    if (reads) throw new NotHere('ports of any protocol that has them: say tcp or udp');
    return undefined;
  }
  if (icmpTypes || icmpCodes) return [icmpOf(box, protocols)];
  const other = protocols.filter((one) => one !== 6 && one !== 17);
  if (reads && other.length > 0) throw new NotHere('ports of other protocols than tcp and udp');
  const ported = ([6, 17] as const)
    .filter((one) => protocols.includes(one))
    .map(
      (one): ServiceMatch => ({
        l4: one === 6 ? 'tcp' : 'udp',
        dports: dports ?? every,
        ...(sports && { sports }),
      }),
    );
  return [...ported, ...(other.length > 0 ? [{ l4: 'ip' as const, protocols: other }] : [])];
}

function icmpOf(
  { families, icmpTypes, icmpCodes, sports, dports, flags }: Box,
  protocols: readonly number[],
): ServiceMatch {
  const [family] = families;
  if (protocols.length !== 1 || families.length !== 1 || sports || dports || flags)
    throw new NotHere('ICMP types beside other protocols');
  if (!icmpTypes) throw new NotHere('ICMP codes without a type');
  const codes: readonly (number | undefined)[] = icmpCodes ? valuesOf(icmpCodes, 'ICMP codes') : [undefined];
  const types = valuesOf(icmpTypes, 'ICMP types').flatMap((type) =>
    codes.map((code) => ({ family: family!, type, ...(code !== undefined && { code }) })),
  );
  return { l4: 'icmp', types };
}

function valuesOf(ranges: readonly PortRange[], what: string): readonly number[] {
  const values = mergePorts(ranges).flatMap(({ from, to }) =>
    Array.from({ length: to - from + 1 }, (_, i) => from + i),
  );
  if (values.length > mostValues) throw new NotHere(`more than ${mostValues} ${what}: all but some of them`);
  return values;
}
