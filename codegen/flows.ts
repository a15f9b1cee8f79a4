/**
 * The flows of a port as a device's filters know them: one family, one protocol, one prefix and one port on either side
 * (`ethtool -N`). What a policy says in fewer words becomes several.
 */
import { formatPrefix } from '../dsl/address.js';
import type { Family, Flow, NetSet, PortConfig, PortRange, Prefix, ServiceMatch } from '../dsl/model.js';

/** Absent: any. */
export interface HardwareFlow {
  readonly queue: number;
  readonly family: Family;
  readonly protocol?: number;
  readonly from?: Prefix;
  readonly to?: Prefix;
  readonly fromPort?: number;
  readonly toPort?: number;
}

interface Layer4 {
  readonly protocol?: number;
  readonly fromPort?: number;
  readonly toPort?: number;
}

/** What of a flow no filter can say, in words; undefined: nothing. */
export function whyNotFlow(flow: Flow): string | undefined {
  const exact = (ranges: readonly PortRange[] | undefined) =>
    ranges === undefined || isAny(ranges) || ranges.every(({ from, to }) => from === to && from !== 0);
  for (const one of flow.service?.alternatives ?? []) {
    if (one.l4 === 'icmp' && one.types.length > 0) return 'types of ICMP';
    if ((one.l4 === 'tcp' || one.l4 === 'udp') && !(exact(one.dports) && exact(one.sports)))
      return 'ranges of ports';
  }
  return families(flow).length === 0 ? 'sources of one family with destinations of the other' : undefined;
}

/** @param port whose flows can all be said */
export function hardwareFlows(port: PortConfig): readonly HardwareFlow[] {
  const queues = port.queues ?? [];
  return port.flows.flatMap((flow, i) => {
    const queue = flow.queue ?? queues[i % queues.length]!;
    return families(flow).flatMap((family) =>
      layers(flow, family).flatMap((layer) =>
        prefixes(flow.from, family).flatMap((from) =>
          prefixes(flow.to, family).map((to) => ({
            queue,
            family,
            ...layer,
            ...(from && { from }),
            ...(to && { to }),
          })),
        ),
      ),
    );
  });
}

function families(flow: Flow): readonly Family[] {
  const has = (set: NetSet | undefined, family: Family) =>
    set === undefined || set.prefixes.some((one) => one.family === family);
  return ([4, 6] as const).filter((family) => has(flow.from, family) && has(flow.to, family));
}

function prefixes(set: NetSet | undefined, family: Family): readonly (Prefix | undefined)[] {
  return set === undefined ? [undefined] : set.prefixes.filter((one) => one.family === family);
}

function layers(flow: Flow, family: Family): readonly Layer4[] {
  return flow.service === undefined ? [{}] : flow.service.alternatives.flatMap((one) => layer(one, family));
}

function layer(one: ServiceMatch, family: Family): readonly Layer4[] {
  if (one.l4 === 'ip') return one.protocols.map((protocol) => ({ protocol }));
  if (one.l4 === 'icmp') return [{ protocol: family === 4 ? 1 : 58 }];
  const protocol = one.l4 === 'tcp' ? 6 : 17;
  return single(one.sports).flatMap((fromPort) =>
    single(one.dports).map((toPort) => ({
      protocol,
      ...(fromPort !== undefined && { fromPort }),
      ...(toPort !== undefined && { toPort }),
    })),
  );
}

function isAny(ranges: readonly PortRange[]): boolean {
  return ranges.length === 0 || ranges.some(({ from, to }) => from === 0 && to === 65_535);
}

function single(ranges: readonly PortRange[] | undefined): readonly (number | undefined)[] {
  return ranges === undefined || isAny(ranges) ? [undefined] : ranges.map(({ from }) => from);
}

/** `udp 10.0.0.0/8 > any:53 to queue 1` */
export function flowText(flow: HardwareFlow): string {
  const side = (prefix: Prefix | undefined, port: number | undefined) =>
    `${prefix === undefined ? 'any' : formatPrefix(prefix)}${port === undefined ? '' : `:${port}`}`;
  const names: Readonly<Record<number, string>> = { 6: 'tcp', 17: 'udp' };
  const protocol =
    flow.protocol === undefined ? `ipv${flow.family}` : (names[flow.protocol] ?? `protocol ${flow.protocol}`);
  return `${protocol} ${side(flow.from, flow.fromPort)} > ${side(flow.to, flow.toPort)} to queue ${flow.queue}`;
}
