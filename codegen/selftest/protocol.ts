/** The binary form of runtime/engine/selftest/protocol.h, and slots that differ from local numbers, as in an engine. */

import type { Prefix } from '../../dsl/model.js';
import { limits } from '../check/limits.js';
import type { Circumstances } from '../evaluate/evaluate.js';
import { addressBytes } from '../evaluate/output.js';
import { type Path, type Paths, pathKinds } from '../evaluate/paths.js';
import type { Ir } from '../ir.js';
import { noContents } from '../sets/contents.js';
import { setImage } from '../sets/image.js';
import { tagsOf } from '../tags.js';

const magic = 0x74736c66;

/** enum mill_fib_op */
const op = { routeSet: 4, groupSet: 6, adjacencySet: 9, gatewaySet: 11 } as const;

export const slots = {
  iface: (local: number) => 255 - local,
  port: (local: number) => 63 - local,
  rule: (local: number) => 5 + local,
  gateway: (local: number) => (3 + local) % limits.gateways,
  set: (local: number) => 7 + local,
} as const;

export interface TestFrame {
  /** Local number. */
  readonly port: number;
  readonly bytes: Uint8Array;
  readonly now: Circumstances;
}

/** Paths by the number that results name them by. */
export type PathNumbers = ReadonlyMap<Path, number>;

export function numberPaths(paths: Paths): PathNumbers {
  const all = [...paths.routes.map((one) => one.path), ...paths.gateways.filter((one) => one !== undefined)];
  return new Map([...new Set(all)].map((path, i) => [path, i + 1]));
}

export function encode(ir: Ir, paths: Paths, numbers: PathNumbers, frames: readonly TestFrame[]): Buffer {
  const records = fibRecords(paths, numbers);
  const setup = Buffer.alloc(76);
  const numbersOfSetup = [
    magic,
    ir.ports.length,
    ir.interfaces.length,
    ir.rules.length,
    ir.gateways.length,
    ir.sets.length,
    records.length,
    frames.length,
    slots.rule(0),
    slots.gateway(0),
    slots.set(0),
  ];
  for (const [i, value] of numbersOfSetup.entries()) setup.writeUInt32LE(value, 4 * i);
  setup.write(ir.policyHash, 44, 'hex');
  const ports = Buffer.alloc(2 * ir.ports.length);
  for (const [i, port] of ir.ports.entries()) ports.writeUInt16LE(slots.port(port.local), 2 * i);
  return Buffer.concat([
    setup,
    ports,
    ...ifaces(ir, paths),
    ...records,
    ...sets(ir),
    ...frames.flatMap(frame),
  ]);
}

function ifaces(ir: Ir, paths: Paths): readonly Buffer[] {
  return ir.interfaces.map((one) => {
    const face = paths.faces[one.local]!;
    const tags = tagsOf(one.encapsulation);
    const bytes = Buffer.alloc(44);
    bytes.set(face.mac, 0);
    bytes.writeUInt16LE(slots.iface(one.local), 6);
    bytes.writeUInt16LE(slots.port(one.port), 8);
    bytes.writeUInt16LE(face.mtu, 10);
    bytes.set([face.up ? 1 : 0, face.host ? 1 : 0, tags.length], 12);
    tags.forEach((tag, i) => {
      bytes.writeUInt16BE(tag.tpid, 16 + 4 * i);
      bytes.writeUInt16BE(tag.vid, 18 + 4 * i);
    });
    bytes.set(addressBytes(face.speaksFrom[4]), 24);
    bytes.set(addressBytes(face.speaksFrom[6]), 28);
    return bytes;
  });
}

/** What they hold at first. */
function sets(ir: Ir): readonly Uint8Array[] {
  return ir.sets.flatMap(({ name }) => {
    const image = setImage(name, ir.contents.get(name) ?? noContents, 0);
    const size = Buffer.alloc(8);
    size.writeBigUInt64LE(BigInt(image.length));
    return [size, image];
  });
}

function frame({ port, bytes, now }: TestFrame): readonly Uint8Array[] {
  const head = Buffer.alloc(8);
  head.writeUInt16LE(port, 0);
  head.writeUInt16LE(bytes.length, 2);
  head[4] =
    (now.aclEnabled ? 0 : 1) | (now.servicesTake ? 0 : 2) | (now.room ? 0 : 4) | (now.gatewaysAnswer ? 0 : 8);
  return [head, bytes];
}

/** An adjacency and a group of it alone for each path; then routes and gateways. */
function fibRecords(paths: Paths, numbers: PathNumbers): readonly Buffer[] {
  return [
    ...[...numbers].flatMap(([path, number]) => [adjacency(path, number), group(number)]),
    ...paths.routes.map(({ prefix, path }) => routeRecord(prefix, numbers.get(path)!)),
    ...paths.gateways.flatMap((path, local) => {
      if (path === undefined) return [];
      const bytes = record(op.gatewaySet, slots.gateway(local));
      bytes.writeBigUInt64LE(BigInt(numbers.get(path)!), 8);
      return [bytes];
    }),
  ];
}

/** struct mill_fib_record */
function record(code: number, id: number): Buffer {
  const bytes = Buffer.alloc(64);
  bytes[0] = code;
  bytes.writeUInt32LE(id, 4);
  return bytes;
}

function adjacency(path: Path, number: number): Buffer {
  const bytes = record(op.adjacencySet, number);
  bytes[3] = pathKinds.indexOf(path.kind);
  bytes.writeUInt16LE(path.iface === undefined ? 0xffff : slots.iface(path.iface), 16);
  if (path.mac) bytes.set(path.mac, 18);
  if (path.neighbour) {
    bytes[1] = path.neighbour.family;
    bytes.set(addressBytes(path.neighbour), 32);
  }
  return bytes;
}

function group(number: number): Buffer {
  const bytes = record(op.groupSet, number);
  bytes[2] = 1;
  bytes.writeUInt16LE(1, 24);
  bytes.writeUInt32LE(number, 32);
  bytes.writeUInt32LE(1, 36);
  return bytes;
}

function routeRecord(prefix: Prefix, groupNumber: number): Buffer {
  const bytes = record(op.routeSet, groupNumber);
  bytes[1] = prefix.family;
  bytes[2] = prefix.length;
  bytes.set(addressBytes(prefix), 32);
  return bytes;
}
