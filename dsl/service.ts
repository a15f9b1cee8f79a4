/** Services: what a packet is for, by protocol, ports or ICMP type. */
import { type IcmpName, icmpTypes } from './icmp.js';
import type { Family, Origin, PortRange, Service, ServiceMatch } from './model.js';
import { here, inside } from './origin.js';
import { parsePorts, type TcpPortName, type UdpPortName } from './ports.js';
import { note, noteEmpty, show } from './problems.js';
import { type ProtocolName, protocolNumbers } from './protocols.js';
import { wholeNumber } from './read.js';

/** A port, an inclusive range (`'6000-6063'`), or one of `N`: names that IANA registered. */
export type PortSpec<N extends string = never> = number | `${number}-${number}` | `${number}` | N;

/** `{ from: 'bgp' }`: source ports, which must hold besides the destination ports. */
export interface SourcePorts<N extends string = never> {
  readonly from: PortSpec<N> | readonly PortSpec<N>[];
}

/** One ICMP type of one family, with or without a code. */
export interface IcmpNumber {
  readonly family: Family;
  readonly type: number;
  readonly code?: number;
}

const everyPort: PortRange = Object.freeze({ from: 0, to: 65535 });

/**
 * TCP to these destination ports; without ports, all of TCP.
 *
 * @example tcp('https', 80, '8000-8099')
 * @example tcp('bgp', { from: '1024-65535' })
 */
export function tcp(...ports: readonly (PortSpec<TcpPortName> | SourcePorts<TcpPortName>)[]): Service {
  return portService('tcp', ports, here());
}

/** UDP to these destination ports; without ports, all of UDP. @example udp({ from: 'domain' }) */
export function udp(...ports: readonly (PortSpec<UdpPortName> | SourcePorts<UdpPortName>)[]): Service {
  return portService('udp', ports, here());
}

/**
 * ICMP messages by name, each standing for its type in both families where both have it, or by number; without any, all of
 * ICMPv4 and ICMPv6.
 *
 * @example icmp('echo-request', { family: 4, type: 3, code: 10 })
 */
export function icmp(...messages: readonly (IcmpName | IcmpNumber)[]): Service {
  const origin = here();
  const types = messages.flatMap((message, i) => {
    const place = inside(origin, i);
    if (typeof message === 'object' && message !== null) return readIcmpNumber(message, place);
    if (Object.hasOwn(icmpTypes, message)) return icmpTypes[message];
    note('NM3013', place, `${show(message)} is not the name of an ICMP message`, {
      expected: Object.keys(icmpTypes).join(', '),
      got: show(message),
    });
    return [];
  });
  return freeze([{ l4: 'icmp', types }], origin);
}

/**
 * IP protocols by name or number, of both families.
 *
 * @example proto('gre', 'esp', 'ospf')
 */
export function proto(...protocols: readonly (ProtocolName | number)[]): Service {
  const origin = here();
  if (protocols.length === 0) noteEmpty(origin, 'this service has no protocol, so it would match nothing');
  const numbers = protocols.flatMap((given: unknown, i) => {
    if (typeof given === 'string' && Object.hasOwn(protocolNumbers, given))
      return protocolNumbers[given as ProtocolName];
    if (typeof given === 'number' && Number.isInteger(given) && given >= 0 && given <= 255) return given;
    note('NM3027', inside(origin, i), `${show(given)} is not an IP protocol`, {
      expected: `a number from 0 to 255, or ${Object.keys(protocolNumbers).join(', ')}`,
      got: show(given),
    });
    return [];
  });
  return freeze([{ l4: 'ip', protocols: Object.freeze(numbers) }], origin);
}

/** Several of them as one. @example service(tcp(80, 443), udp(443)) */
export function service(...parts: readonly Service[]): Service {
  const origin = here();
  if (parts.length === 0) noteEmpty(origin, 'this service is empty, so it would match nothing');
  const wrong = parts.findIndex((part) => part?.kind !== 'service');
  if (wrong >= 0)
    note('NM3014', inside(origin, wrong), `${show(parts[wrong])} is not a service`, {
      expected: 'tcp(…), udp(…), icmp(…), proto(…) or service(…)',
      got: show(parts[wrong]),
    });
  return freeze(
    parts.flatMap((part) => part?.alternatives ?? []),
    origin,
  );
}

/** For readers of rules in other formats. */
export function serviceAt(alternatives: readonly ServiceMatch[], origin: Origin): Service {
  return freeze(alternatives, origin);
}

function freeze(alternatives: readonly ServiceMatch[], origin: Origin): Service {
  return Object.freeze({
    kind: 'service',
    alternatives: Object.freeze(alternatives.map(Object.freeze)),
    origin,
  }) as Service;
}

function portService(l4: 'tcp' | 'udp', given: readonly unknown[], origin: Origin): Service {
  const isSource = (one: unknown) => typeof one === 'object' && one !== null;
  const ports = given.flatMap((port, i) => (isSource(port) ? [] : readPorts(l4, port, inside(origin, i))));
  const dports = given.every(isSource) ? [everyPort] : ports;
  const sources = given.flatMap((one, i) => (isSource(one) ? [readSources(l4, one, inside(origin, i))] : []));
  if (sources.length > 1)
    note('NM3003', origin, 'source ports are given twice', {
      expected: "one { from: … }, such as { from: ['domain', '1024-65535'] }",
    });
  const sports = sources[0]?.some(isEvery) ? undefined : sources[0];
  return freeze([{ l4, dports, ...(sports && { sports }) }], origin);
}

function isEvery({ from, to }: PortRange): boolean {
  return from === 0 && to === 65535;
}

function readSources(l4: 'tcp' | 'udp', spec: unknown, origin: Origin): readonly PortRange[] {
  const { from, ...rest } = spec as Readonly<Record<string, unknown>>;
  const list = Array.isArray(from) ? from : from === undefined ? [] : [from];
  const [unknown] = Object.keys(rest);
  if (unknown !== undefined || list.length === 0)
    note('NM3003', origin, `${show(spec)} does not give source ports`, {
      expected: "{ from: 'domain' } or { from: [53, '1024-65535'] }",
      got: unknown === undefined ? 'no ports' : `'${unknown}'`,
    });
  return list.flatMap((port: unknown, i) =>
    readPorts(l4, port, Array.isArray(from) ? inside(origin, 'from', i) : inside(origin, 'from')),
  );
}

function readPorts(l4: 'tcp' | 'udp', spec: unknown, origin: Origin): readonly PortRange[] {
  const range = portRange(l4, spec);
  if (range !== undefined && range.from <= range.to && range.to <= 65535) return [range];
  const reversed = range !== undefined && range.from > range.to && range.from <= 65535;
  note(
    'NM3003',
    origin,
    reversed ? `the range ${show(spec)} ends before it begins` : `${show(spec)} is not a port of ${l4}`,
    {
      expected: `a number from 0 to 65535, a range such as '6000-6063', or a name that IANA registered for ${l4}, such as 'domain'`,
      got: show(spec),
      ...(reversed ? { fix: `write '${range.to}-${range.from}'.` } : {}),
    },
  );
  return [];
}

function portRange(l4: 'tcp' | 'udp', spec: unknown): PortRange | undefined {
  if (typeof spec === 'number')
    return Number.isInteger(spec) && spec >= 0 ? { from: spec, to: spec } : undefined;
  return typeof spec === 'string' ? parsePorts(l4, spec) : undefined;
}

function readIcmpNumber(message: object, origin: Origin): readonly IcmpNumber[] {
  const { family, type, code } = message as Readonly<Record<string, unknown>>;
  const number = (value: unknown, key: string) =>
    wholeNumber(value, 0, 255, inside(origin, key), 'NM3013', `an ICMP ${key}`);
  const readType = number(type, 'type');
  const readCode = number(code, 'code');
  const unknown = Object.keys(message).find((key) => !['family', 'type', 'code'].includes(key));
  if ((family !== 4 && family !== 6) || type === undefined || unknown !== undefined) {
    note('NM3013', origin, `${show(message)} is not an ICMP message`, {
      expected: '{ family: 4, type: 3, code: 10 }: family and type, with or without a code',
      got: unknown === undefined ? show(message) : `'${unknown}'`,
    });
    return [];
  }
  if (readType === undefined || (code !== undefined && readCode === undefined)) return [];
  return [{ family, type: readType, ...(readCode !== undefined && { code: readCode }) }];
}
