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

/**
 * Prefixes of the acknowledgements in what netmill said, read as zebra reads them since FRR 8.5 (fpm_read and what it calls in
 * zebra/dplane_fpm_nl.c and rt_netlink.c). What zebra would pass over or break off at is an error.
 */
export function acknowledged(stream: Buffer): string[] {
  const prefixes: string[] = [];
  for (let at = 0; at + 4 <= stream.length; ) {
    const length = stream.readUInt16BE(at + 2);
    if (at + length > stream.length) break; // the rest of it is to come
    prefixes.push(acknowledgedIn(stream.subarray(at, at + length)));
    at += length;
  }
  return prefixes;
}

function acknowledgedIn(whole: Buffer): string {
  const expect = (what: string, holds: boolean) => {
    if (!holds) throw new Error(`no acknowledgement: ${what} in ${whole.toString('hex')}`);
  };
  expect('version and type of FPM', whole[0] === 1 && whole[1] === 1);
  expect('a header and a route', whole.length >= 4 + 16 + 12);
  const message = whole.subarray(4);
  expect('one message', message.readUInt32LE(0) === message.length);
  expect('RTM_NEWROUTE', message.readUInt16LE(4) === RTM_NEWROUTE);
  expect('NLM_F_REQUEST', (message.readUInt16LE(6) & 1) === 1);
  const header = message.subarray(16, 28);
  const flags = header.readUInt32LE(8);
  expect('neither cloned nor trapped nor failed', (flags & (0x200 | 0x8000 | 0x20000000)) === 0);
  expect('RTM_F_OFFLOAD', (flags & RTM_F_OFFLOAD) !== 0);
  expect('no source, and a protocol', header[2] === 0 && header[5] !== 0);
  const attributes = attributesIn(message.subarray(28));
  const table = attributes.get(15)?.readUInt32LE(0) ?? header[4];
  expect('the main table', table === 254);
  const bytes = attributes.get(1) ?? Buffer.alloc(header[0] === 2 ? 4 : 16);
  expect('an address of its family', bytes.length === (header[0] === 2 ? 4 : 16));
  return `${bytes.length === 4 ? bytes.join('.') : bytes.toString('hex')}/${header[1]}`;
}

function attributesIn(bytes: Buffer): ReadonlyMap<number, Buffer> {
  const all = new Map<number, Buffer>();
  for (let at = 0; at + 4 <= bytes.length; ) {
    const length = bytes.readUInt16LE(at);
    if (length < 4 || at + length > bytes.length) throw new Error(`an attribute of ${length} bytes`);
    all.set(bytes.readUInt16LE(at + 2), bytes.subarray(at + 4, at + length));
    at += (length + 3) & ~3;
  }
  return all;
}
