/** What zebra would say by FPM: frames with netlink messages, byte by byte. rtnetlink(7), FRR's fpm/fpm.h. */
import { isIPv4 } from 'node:net';
import { parseAddress } from '../../dsl/address.js';

const [RTM_NEWROUTE, RTM_DELROUTE, RTM_NEWNEXTHOP, RTM_DELNEXTHOP] = [24, 25, 104, 105];
const RTM_F_OFFLOAD = 0x4000;
const BGP = 186;

function attribute(type: number, value: Buffer): Buffer {
  const head = Buffer.alloc(4);
  head.writeUInt16LE(4 + value.length, 0);
  head.writeUInt16LE(type, 2);
  return Buffer.concat([head, value, Buffer.alloc((4 - (value.length % 4)) % 4)]);
}

function u32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32LE(value);
  return bytes;
}

function address(text: string): Buffer {
  const hex = parseAddress(text)!.bits.toString(16);
  return Buffer.from(hex.padStart(isIPv4(text) ? 8 : 32, '0'), 'hex');
}

function message(type: number, header: Buffer, attributes: readonly Buffer[]): Buffer {
  const head = Buffer.alloc(16);
  const body = Buffer.concat([header, ...attributes]);
  head.writeUInt32LE(16 + body.length, 0);
  head.writeUInt16LE(type, 4);
  head.writeUInt16LE(0x0501, 6); // NLM_F_REQUEST, REPLACE, CREATE
  return Buffer.concat([head, body]);
}

/** One frame with any number of messages. */
export function frame(...messages: readonly Buffer[]): Buffer {
  const body = Buffer.concat(messages);
  const head = Buffer.from([1, 1, 0, 0]);
  head.writeUInt16BE(4 + body.length, 2);
  return Buffer.concat([head, body]);
}

export interface Way {
  readonly gateway?: string;
  readonly ifindex?: number;
  /** Of a nexthop told before. */
  readonly nexthop?: number;
  /** RTPROT_*, else BGP's. */
  readonly protocol?: number;
}

export function route(prefix: string, way: Way | undefined): Buffer {
  const [net, length] = prefix.split('/') as [string, string];
  const header = Buffer.alloc(12);
  header[0] = isIPv4(net) ? 2 : 10;
  header[1] = Number(length);
  header[4] = 254; // RT_TABLE_MAIN
  header[5] = way?.protocol ?? BGP;
  header[7] = 1; // RTN_UNICAST
  return message(way === undefined ? RTM_DELROUTE : RTM_NEWROUTE, header, [
    attribute(1, address(net)),
    ...(way?.gateway === undefined ? [] : [attribute(5, address(way.gateway))]),
    ...(way?.ifindex === undefined ? [] : [attribute(4, u32(way.ifindex))]),
    ...(way?.nexthop === undefined ? [] : [attribute(30, u32(way.nexthop))]),
  ]);
}

export function nexthop(id: number, way: { readonly gateway: string; readonly ifindex: number }): Buffer {
  const header = Buffer.alloc(8);
  header[0] = isIPv4(way.gateway) ? 2 : 10;
  return message(RTM_NEWNEXTHOP, header, [
    attribute(1, u32(id)),
    attribute(5, u32(way.ifindex)),
    attribute(6, address(way.gateway)),
  ]);
}

export function group(id: number, members: readonly number[]): Buffer {
  const each = members.map((member) => Buffer.concat([u32(member), Buffer.alloc(4)]));
  return message(RTM_NEWNEXTHOP, Buffer.alloc(8), [attribute(1, u32(id)), attribute(2, Buffer.concat(each))]);
}

export function nexthopGone(id: number): Buffer {
  return message(RTM_DELNEXTHOP, Buffer.alloc(8), [attribute(1, u32(id))]);
}

/** Prefixes of the acknowledgements in what netmill said. Anything else there is an error. */
export function acknowledged(stream: Buffer): string[] {
  const prefixes: string[] = [];
  for (let at = 0; at < stream.length; at += stream.readUInt16BE(at + 2)) {
    const type = stream.readUInt16LE(at + 8);
    const flags = stream.readUInt32LE(at + 4 + 16 + 8);
    if (stream[at] !== 1 || stream[at + 1] !== 1 || type !== RTM_NEWROUTE || !(flags & RTM_F_OFFLOAD))
      throw new Error(`no acknowledgement: ${stream.subarray(at, at + 40).toString('hex')}`);
    const size = stream[at + 20] === 2 ? 4 : 16;
    const bytes = stream.subarray(at + 36, at + 36 + size);
    const text = size === 4 ? bytes.join('.') : bytes.toString('hex');
    prefixes.push(`${text}/${stream[at + 21]}`);
  }
  return prefixes;
}
