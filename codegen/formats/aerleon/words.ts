/** Names of protocols, DSCPs and ICMP types, as Aerleon has them. */
import { dscpNumbers } from '../../../dsl/header.js';
import type { Family, PortRange } from '../../../dsl/model.js';
import { show } from '../../../dsl/problems.js';
import { protocolNumbers } from '../../../dsl/protocols.js';
import { refuse, type Word } from './raw.js';

const protocols: Readonly<Record<string, number>> = {
  ...protocolNumbers,
  icmpv6: 58,
  icmp6: 58,
  igrp: 9,
  'hop-by-hop': 0,
  hopopt: 0,
};

/** @throws Refused */
export function protocolOf({ text, origin }: Word): number {
  if (Object.hasOwn(protocols, text)) return protocols[text]!;
  if (/^(0|[1-9]\d{0,2})$/.test(text) && Number(text) <= 255) return Number(text);
  return refuse('NM6002', origin, `${show(text)} is not a protocol that is known here`, {
    expected: `a number from 0 to 255, or ${Object.keys(protocols).join(', ')}`,
    got: show(text),
  });
}

/** `af11`, `b010011`, `46`, or two of them with `-` between. @throws Refused */
export function dscpOf({ text, origin }: Word): PortRange {
  const [from, to = from, ...more] = text.split('-').map(dscpNumber);
  if (from !== undefined && to !== undefined && from <= to && more.length === 0) return { from, to };
  return refuse('NM6001', origin, `${show(text)} is not a DSCP`, {
    expected: "'af11', 'cs6', 'ef', 'be', a number from 0 to 63, 'b010011', or a range of them",
    got: show(text),
  });
}

function dscpNumber(text: string): number | undefined {
  if (text === 'be') return 0;
  if (/^b[01]{6}$/.test(text)) return Number.parseInt(text.slice(1), 2);
  if (/^(cs[0-7]|af[1-4][1-3]|ef)$/.test(text)) return dscpNumbers[text as keyof typeof dscpNumbers];
  return /^(0|[1-9]\d?)$/.test(text) && Number(text) <= 63 ? Number(text) : undefined;
}

/** IANA's registries "ICMP Type Numbers" and "ICMPv6 type Numbers", by Aerleon's names. */
const icmpTypes: Readonly<Record<Family, Readonly<Record<string, number>>>> = {
  4: {
    'echo-reply': 0,
    unreachable: 3,
    'source-quench': 4,
    redirect: 5,
    'alternate-address': 6,
    'echo-request': 8,
    'router-advertisement': 9,
    'router-solicitation': 10,
    'time-exceeded': 11,
    'parameter-problem': 12,
    'timestamp-request': 13,
    'timestamp-reply': 14,
    'information-request': 15,
    'information-reply': 16,
    'mask-request': 17,
    'mask-reply': 18,
    'conversion-error': 31,
    'mobile-redirect': 32,
  },
  6: {
    'destination-unreachable': 1,
    'packet-too-big': 2,
    'time-exceeded': 3,
    'parameter-problem': 4,
    'echo-request': 128,
    'echo-reply': 129,
    'multicast-listener-query': 130,
    'multicast-listener-report': 131,
    'multicast-listener-done': 132,
    'router-solicit': 133,
    'router-advertisement': 134,
    'neighbor-solicit': 135,
    'neighbor-advertisement': 136,
    'redirect-message': 137,
    'router-renumbering': 138,
    'icmp-node-information-query': 139,
    'icmp-node-information-response': 140,
    'inverse-neighbor-discovery-solicitation': 141,
    'inverse-neighbor-discovery-advertisement': 142,
    'version-2-multicast-listener-report': 143,
    'home-agent-address-discovery-request': 144,
    'home-agent-address-discovery-reply': 145,
    'mobile-prefix-solicitation': 146,
    'mobile-prefix-advertisement': 147,
    'certification-path-solicitation': 148,
    'certification-path-advertisement': 149,
    'multicast-router-advertisement': 151,
    'multicast-router-solicitation': 152,
    'multicast-router-termination': 153,
  },
};

/** @throws Refused */
export function icmpTypeOf({ text, origin }: Word, family: Family): number {
  const names = icmpTypes[family];
  if (Object.hasOwn(names, text)) return names[text]!;
  return refuse('NM6002', origin, `${show(text)} is not a type of ${family === 4 ? 'icmp' : 'icmpv6'}`, {
    expected: Object.keys(names).join(', '),
    got: show(text),
  });
}
