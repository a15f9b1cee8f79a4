/**
 * Packets as one line: `tcp 9.9.9.9:1234 > 203.0.113.10:443 syn`. What is usual is left out: TTL 64, DSCP 0, no
 * fragment. What sets hold is said where it matters. The same words are read by `netmill explain`.
 */
import { formatAddress } from '../../dsl/address.js';
import { formatMac } from '../../dsl/header.js';
import { icmpTypes } from '../../dsl/icmp.js';
import type { FlagField } from '../predicate/expr.js';
import { type PacketPoint, usualMacs } from './packet.js';
import { protocolOf } from './space.js';

/** By their bit in the header, from the lowest. RFC 9293 §3.1. */
export const flagNames: readonly FlagField[] = ['fin', 'syn', 'rst', 'psh', 'ack', 'urg', 'ece', 'cwr'];

export function packetText(packet: PacketPoint): string {
  const { family, fields } = packet;
  const src = { family, bits: packet.src };
  const dst = { family, bits: packet.dst };
  const name = (['tcp', 'udp', 'icmp'] as const).find((one) => protocolOf(one, family) === fields.proto);
  const ports = (name === 'tcp' || name === 'udp') && fields.state === 0;
  const end = (address: typeof src, port: number) => {
    const text = formatAddress(address);
    return ports ? `${family === 6 ? `[${text}]` : text}:${port}` : text;
  };
  const words = [
    name ?? `proto ${fields.proto}`,
    end(src, fields.sport),
    '>',
    end(dst, fields.dport),
    ...(name === 'icmp' && fields.state === 0 ? [icmpText(packet)] : []),
    ...(name === 'tcp' ? flagNames.filter((_, bit) => fields.flags & (1 << bit)) : []),
    ...(fields.fragment === 1 ? [fields.later === 1 ? 'later-fragment' : 'first-fragment'] : []),
    ...(fields.state === 2 ? ['cut-short'] : []),
    ...(fields.ttl === 64 ? [] : [`ttl ${fields.ttl}`]),
    ...(fields.dscp === 0 ? [] : [`dscp ${fields.dscp}`]),
    ...(fields.pcp === 0 ? [] : [`pcp ${fields.pcp}`]),
    ...(fields.fromMac === usualMacs.from ? [] : [`from-mac ${formatMac(fields.fromMac)}`]),
    ...(fields.toMac === usualMacs.to ? [] : [`to-mac ${formatMac(fields.toMac)}`]),
    ...(isUsualLength(packet) ? [] : [`len ${fields.len}`]),
    ...(packet.members ?? []).map(
      ({ field, set, value }) => `${value ? '' : 'not-'}${field === 'src' ? 'from' : 'to'}-set ${set}`,
    ),
  ];
  return words.join(' ');
}

function isUsualLength({ family, fields }: PacketPoint): boolean {
  return fields.len === usualLength(family);
}

export function usualLength(family: 4 | 6): number {
  return family === 4 ? 60 : 80;
}

function icmpText({ family, fields }: PacketPoint): string {
  const { icmpType, icmpCode } = fields;
  const named = Object.entries(icmpTypes).find(([, types]) =>
    types.some(
      (one) => one.family === family && one.type === icmpType && ('code' in one ? one.code : 0) === icmpCode,
    ),
  );
  return named ? named[0] : `type ${icmpType} code ${icmpCode}`;
}
