/** Services: what a packet is for, by destination port or ICMP type. */
import { type IcmpName, icmpTypes } from './icmp.js';
import type { Origin, PortRange, Service, ServiceMatch } from './model.js';
import { here, inside } from './origin.js';
import { note, show } from './problems.js';

/** A port, or an inclusive range: `'6000-6063'`. */
export type PortSpec = number | `${number}-${number}` | `${number}`;

const anyPort: PortRange = Object.freeze({ from: 0, to: 65535 });

/** TCP to these destination ports; without ports, all of TCP. @example tcp(80, 443, '8000-8099') */
export function tcp(...ports: readonly PortSpec[]): Service {
  return portService('tcp', ports, here());
}

/** UDP to these destination ports; without ports, all of UDP. */
export function udp(...ports: readonly PortSpec[]): Service {
  return portService('udp', ports, here());
}

/**
 * ICMP messages by name, each standing for its type in both families where both have it; without names, all of
 * ICMPv4 and ICMPv6.
 */
export function icmp(...names: readonly IcmpName[]): Service {
  const origin = here();
  const types = names.flatMap((name, i) => {
    const known = Object.hasOwn(icmpTypes, name) ? icmpTypes[name] : undefined;
    if (known === undefined)
      note('NM3013', inside(origin, i), `${show(name)} is not the name of an ICMP message`, {
        expected: Object.keys(icmpTypes).join(', '),
        got: show(name),
      });
    return known ?? [];
  });
  return freeze([{ l4: 'icmp', types }], origin);
}

/** Several of them as one. @example service(tcp(80, 443), udp(443)) */
export function service(...parts: readonly Service[]): Service {
  const origin = here();
  if (parts.length === 0) note('NM3015', origin, 'this service is empty, so it would match nothing');
  const wrong = parts.findIndex((part) => part?.kind !== 'service');
  if (wrong >= 0)
    note('NM3014', inside(origin, wrong), `${show(parts[wrong])} is not a service`, {
      expected: 'tcp(…), udp(…), icmp(…) or service(…)',
      got: show(parts[wrong]),
    });
  return freeze(
    parts.flatMap((part) => part?.alternatives ?? []),
    origin,
  );
}

function freeze(alternatives: readonly ServiceMatch[], origin: Origin): Service {
  return Object.freeze({
    kind: 'service',
    alternatives: Object.freeze(alternatives.map(Object.freeze)),
    origin,
  }) as Service;
}

function portService(l4: 'tcp' | 'udp', ports: readonly PortSpec[], origin: Origin): Service {
  const dports = ports.flatMap((port, i) => readPorts(port, inside(origin, i)) ?? []);
  return freeze([{ l4, dports: ports.length === 0 ? [anyPort] : dports }], origin);
}

function readPorts(spec: unknown, origin: Origin): PortRange | undefined {
  const [from, to] = portNumbers(spec);
  if (from !== undefined && to !== undefined && from <= to && to <= 65535) return { from, to };
  const reversed = from !== undefined && to !== undefined && from > to && from <= 65535;
  note(
    'NM3003',
    origin,
    reversed ? `the range ${show(spec)} ends before it begins` : `${show(spec)} is not a port`,
    {
      expected: "a number from 0 to 65535, or a range such as '6000-6063'",
      got: show(spec),
      ...(reversed ? { fix: `write '${to}-${from}'.` } : {}),
    },
  );
  return undefined;
}

function portNumbers(spec: unknown): readonly [number | undefined, number | undefined] {
  if (typeof spec === 'number')
    return Number.isInteger(spec) && spec >= 0 ? [spec, spec] : [undefined, undefined];
  const found = typeof spec === 'string' ? /^(\d{1,6})(?:-(\d{1,6}))?$/.exec(spec) : null;
  if (found === null) return [undefined, undefined];
  return [Number(found[1]), Number(found[2] ?? found[1])];
}
