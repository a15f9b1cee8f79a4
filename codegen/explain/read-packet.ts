/**
 * A packet from one line of text, the words of codegen/analysis/packet-text.ts:
 * `in wan out lan tcp 9.9.9.9:1234 > 203.0.113.10:443 syn ttl 3`. What is not said is usual: TTL 64, DSCP 0, a whole packet.
 */
import { parseAddress } from '../../dsl/address.js';
import { icmpTypes } from '../../dsl/icmp.js';
import type { Address, Family } from '../../dsl/model.js';
import type { RestField } from '../analysis/bits.js';
import { type Member, type PacketPoint, usualMacs } from '../analysis/packet.js';
import { flagNames, usualLength } from '../analysis/packet-text.js';
import { protocolOf } from '../analysis/space.js';

export interface ReadPacket {
  /** Absent: it was not said. */
  readonly interface: string | undefined;
  /** By which it would leave. */
  readonly out: string | undefined;
  readonly packet: PacketPoint;
}

/** What is wrong, in words; the rest of the line is not looked at. */
export type NotRead = { readonly expected: string; readonly got: string };

const form =
  'in IFACE [out IFACE] PROTOCOL SOURCE[:PORT] > DESTINATION[:PORT] [syn ack … | ttl N | dscp N | len N | …]';
const numbers: Readonly<Record<string, readonly [RestField, number, number]>> = {
  ttl: ['ttl', 0, 255],
  dscp: ['dscp', 0, 63],
  pcp: ['pcp', 0, 7],
  len: ['len', 20, 65575],
  type: ['icmpType', 0, 255],
  code: ['icmpCode', 0, 255],
};

const memberWords: Readonly<Record<string, Omit<Member, 'set'>>> = {
  'from-set': { field: 'src', value: true },
  'to-set': { field: 'dst', value: true },
  'not-from-set': { field: 'src', value: false },
  'not-to-set': { field: 'dst', value: false },
};

class Refused extends Error {
  constructor(
    readonly expected: string,
    readonly got: string,
  ) {
    super(expected);
  }
}

export function readPacket(text: string): ReadPacket | NotRead {
  const words = text.trim().split(/\s+/).filter(Boolean);
  try {
    return read(words);
  } catch (error) {
    if (error instanceof Refused) return { expected: error.expected, got: error.got };
    throw error;
  }
}

function read(words: string[]): ReadPacket {
  const next = (expected: string): string => {
    const word = words.shift();
    if (word === undefined) throw new Refused(expected, 'the end of the line');
    return word;
  };
  let iface: string | undefined;
  if (words[0] === 'in') {
    words.shift();
    iface = next('the name of an interface');
  }
  let out: string | undefined;
  if (words[0] === 'out') {
    words.shift();
    out = next('the name of an interface');
  }
  const name = next(form);
  const given = name === 'proto' ? whole(next('the number of a protocol'), 0, 255) : undefined;
  const src = endpoint(next('a source'));
  const arrow = next("'>'");
  if (arrow !== '>') throw new Refused("'>' between source and destination", `'${arrow}'`);
  const dst = endpoint(next('a destination'));
  const { family } = src.address;
  if (dst.address.family !== family) throw new Refused('two addresses of one family', 'IPv4 and IPv6');
  const proto = given ?? protocolNumber(name, family);
  const hasPorts = proto === protocolOf('tcp', family) || proto === protocolOf('udp', family);
  if (!hasPorts && (src.port ?? dst.port) !== undefined)
    throw new Refused('addresses without ports: this protocol has none', `':${src.port ?? dst.port}'`);
  const known = [protocolOf('tcp', family), protocolOf('udp', family), protocolOf('icmp', family)];
  const fields: Record<RestField, number> = {
    proto,
    state: known.includes(proto) ? 0 : 1,
    fragment: 0,
    later: 0,
    sport: src.port ?? 0,
    dport: dst.port ?? 0,
    icmpType: 0,
    icmpCode: 0,
    flags: 0,
    ttl: 64,
    dscp: 0,
    vlan: 0,
    pcp: 0,
    fromMac: usualMacs.from,
    toMac: usualMacs.to,
    len: usualLength(family),
  };
  const members: Member[] = [];
  while (words.length > 0) readWord(words, fields, family, members, next);
  if (fields.state !== 0)
    for (const field of ['sport', 'dport', 'flags', 'icmpType', 'icmpCode'] as const) fields[field] = 0;
  const said = members.length > 0 && { members };
  const packet = { family, src: src.address.bits, dst: dst.address.bits, fields, ...said };
  return { interface: iface, out, packet };
}

function readWord(
  words: string[],
  fields: Record<RestField, number>,
  family: Family,
  members: Member[],
  next: (expected: string) => string,
): void {
  const word = words.shift()!;
  const number = Object.hasOwn(numbers, word) ? numbers[word] : undefined;
  const flag = (flagNames as readonly string[]).indexOf(word);
  const types = Object.hasOwn(icmpTypes, word) ? icmpTypes[word as keyof typeof icmpTypes] : undefined;
  const type = types?.find((one) => one.family === family);
  if (number) {
    const [field, least, most] = number;
    fields[field] = whole(next(`a number after '${word}'`), least, most);
  } else if (flag >= 0 && fields.proto === protocolOf('tcp', family)) fields.flags |= 1 << flag;
  else if (type && fields.proto === protocolOf('icmp', family)) {
    fields.icmpType = type.type;
    fields.icmpCode = 'code' in type ? (type.code ?? 0) : 0;
  } else if (word === 'first-fragment') fields.fragment = 1;
  else if (word === 'later-fragment') {
    fields.fragment = 1;
    fields.later = 1;
    fields.state = 1;
  } else if (word === 'cut-short') fields.state = 2;
  else if (word === 'from-mac') fields.fromMac = mac(next("an Ethernet address after 'from-mac'"));
  else if (word === 'to-mac') fields.toMac = mac(next("an Ethernet address after 'to-mac'"));
  else if (Object.hasOwn(memberWords, word))
    members.push({ ...memberWords[word]!, set: next(`the name of a set after '${word}'`) });
  else
    throw new Refused(
      'TCP flags, the name of an ICMP message, ttl, dscp, pcp, len, type, code, from-mac, to-mac, from-set, to-set, not-from-set, not-to-set, first-fragment, later-fragment or cut-short',
      `'${word}'`,
    );
}

function protocolNumber(name: string, family: Family): number {
  if (name === 'tcp' || name === 'udp' || name === 'icmp') return protocolOf(name, family);
  throw new Refused("tcp, udp, icmp or 'proto N'", `'${name}'`);
}

/** `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]:80` */
function endpoint(text: string): { readonly address: Address; readonly port: number | undefined } {
  const found = /^\[(.*)\](?::(.*))?$/.exec(text) ?? /^(\d+\.[\d.]+)(?::(.*))?$/.exec(text);
  const address = parseAddress(found?.[1] ?? text);
  if (address === undefined) throw new Refused('an address, with a port after IPv4 or [IPv6]', `'${text}'`);
  return { address, port: found?.[2] === undefined ? undefined : whole(found[2], 0, 65535) };
}

function mac(text: string): number {
  if (/^([\da-f]{2}:){5}[\da-f]{2}$/i.test(text)) return Number.parseInt(text.replaceAll(':', ''), 16);
  throw new Refused('an Ethernet address, such as 02:00:00:00:00:01', `'${text}'`);
}

function whole(text: string, least: number, most: number): number {
  const value = /^\d{1,6}$/.test(text) ? Number(text) : Number.NaN;
  if (value >= least && value <= most) return value;
  throw new Refused(`a whole number from ${least} to ${most}`, `'${text}'`);
}
