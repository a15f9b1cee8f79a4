/** `netmill trace`: what the running generation's forwarder does with a packet, by the routes that the engine has. */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { packetText } from '../../codegen/analysis/packet-text.js';
import { usual } from '../../codegen/evaluate/evaluate.js';
import type { Face, Path, Paths } from '../../codegen/evaluate/paths.js';
import { type ReadPacket, readPacket } from '../../codegen/explain/read-packet.js';
import type { Ir, IrInterface } from '../../codegen/ir.js';
import { lower } from '../../codegen/lower.js';
import { policyFile, policyFromJson } from '../../codegen/policy-json.js';
import type { Contents, SetContents } from '../../codegen/sets/contents.js';
import { tagsOf } from '../../codegen/tags.js';
import { frameOf } from '../../codegen/trace/frame.js';
import { traceFrame } from '../../codegen/trace/trace.js';
import { wayOf } from '../../codegen/ways.js';
import { formatAddress, parseInterfaceAddress } from '../../dsl/address.js';
import type { Address, Family } from '../../dsl/model.js';
import { MillError, messageOf } from '../errors.js';
import type { ControlContext } from './context.js';
import { listInterfaces } from './read-interfaces.js';
import { getGateway, getRoute } from './read-routes.js';
import type { InterfaceReply, RouteGetReply, TraceReply } from './types.js';

/** The engine knows what sets hold and which way the packet goes: nothing of that can be supposed here. */
function refuseSupposed({ out, packet }: ReadPacket): void {
  const [member] = packet.members ?? [];
  if (member !== undefined)
    throw new MillError(
      'usage',
      `trace goes by what sets hold now, got ${member.value ? '' : 'not-'}${member.field === 'src' ? 'from' : 'to'}-set ${member.set}`,
      'leave that out, or ask netmill explain',
    );
  if (out !== undefined)
    throw new MillError(
      'usage',
      `trace goes by the routes that the engine has now, got out ${out}`,
      'leave that out, or ask netmill explain',
    );
}

type Compiled = RouteGetReply['compiled'];

/** @throws MillError when the packet is not understood, or the forwarder cannot be asked */
export async function tracePacket(context: ControlContext, text: string): Promise<TraceReply> {
  const { active } = context.deployer;
  if (active === undefined)
    throw new MillError('not-found', 'no generation runs', 'deploy one: netmill deploy POLICY');
  const built = builtIr(active.bundle.dir);
  const read = readPacket(text);
  if ('expected' in read)
    throw new MillError(
      'usage',
      `the packet is not understood: expected ${read.expected}, got ${read.got}`,
      "write it as for explain: 'in wan tcp 9.9.9.9:1234 > 203.0.113.10:443 syn'",
    );
  refuseSupposed(read);
  const iface = faceNamed(built, read.interface);
  const fields = { ...read.packet.fields, vlan: tagsOf(iface.encapsulation).at(-1)?.vid ?? 0 };
  const point = { ...read.packet, fields };
  const { family } = point;
  const [source, destination] = [point.src, point.dst].map((bits): Address => ({ family, bits })) as [
    Address,
    Address,
  ];
  const ir = { ...built, contents: await contentsAmong(built, [source, destination], context) };
  const faces = listInterfaces(context);
  const { paths, compiled, gateways } = await worldOf(context, ir, faces, source, destination, iface.name);
  const frame = frameOf(iface, point, paths.faces[iface.local]!.mac);
  if ('expected' in frame)
    throw new MillError(
      'usage',
      `this packet cannot be traced: expected ${frame.expected}, got ${frame.got}`,
    );
  const { state } = context.link();
  const now = { ...usual, aclEnabled: state.aclEnabled };
  try {
    const { took, ...traced } = await traceFrame(ir, active.bundle.forwarder, paths, iface, frame, now);
    const { generation } = active.record;
    const diverting = took.map((local) => ir.rules[local]!).findLast((rule) => wayOf(ir, rule, family));
    return {
      packet: packetText(point),
      interface: iface.name,
      generation,
      aclEnabled: now.aclEnabled,
      ...traced,
      compiled,
      ...(diverting && {
        diverted: {
          way: wayOf(ir, diverting, family)!,
          compiled: gateways[diverting.conditions[family]!.gateway!]!,
        },
      }),
    };
  } catch (error) {
    throw new MillError('internal', `the forwarder could not be asked: ${messageOf(error)}`);
  }
}

/** As it was built: the forwarder's numbers are those of this policy. */
function builtIr(directory: string): Ir {
  const path = join(directory, policyFile);
  if (!existsSync(path))
    throw new MillError('not-found', `${directory} has no ${policyFile}`, 'build it with this netmill');
  return lower(policyFromJson(readFileSync(path, 'utf8')));
}

/** Which of the packet's addresses are in which sets: what else they hold does not matter to it. */
async function contentsAmong(
  ir: Ir,
  addresses: readonly Address[],
  { sets, link }: ControlContext,
): Promise<Contents> {
  const held = new Map<string, SetContents>();
  for (const { name } of ir.sets) held.set(name, await sets.among(name, addresses, link()));
  return held;
}

function faceNamed(ir: Ir, name: string | undefined): IrInterface {
  const found = ir.interfaces.find((one) => one.name === name);
  if (found) return found;
  const names = ir.interfaces.map((one) => one.name).join(', ');
  const got = name === undefined ? 'none' : `'${name}'`;
  throw new MillError('usage', `expected an interface (${names}), got ${got}`, "begin with 'in IFACE'");
}

/** What the engine says of both addresses and of the gateways: nothing else of its FIB can matter to one packet. */
async function worldOf(
  context: ControlContext,
  ir: Ir,
  faces: readonly InterfaceReply[],
  source: Address,
  destination: Address,
  entered: string,
): Promise<{
  readonly paths: Paths;
  readonly compiled: Compiled;
  /** By local number. */
  readonly gateways: readonly Compiled[];
}> {
  const local = (name: string) => ir.interfaces.findIndex((one) => one.name === name);
  const answer = async (to: Address) => (await getRoute(context, formatAddress(to))).compiled;
  const slots = context.deployer.active!.record.gateways;
  const [from, compiled] = await Promise.all([source, destination].map(answer));
  const gateways = await Promise.all(ir.gateways.map((one) => getGateway(context, slots[one.text]!)));
  const width = source.family === 4 ? 32 : 128;
  const routes = [
    { prefix: { ...destination, length: width }, path: pathOf(compiled!, destination, local) },
    ...(source.bits === destination.bits
      ? []
      : [{ prefix: { ...source, length: width }, path: pathOf(from!, source, local, entered) }]),
  ];
  return {
    compiled: compiled!,
    gateways,
    paths: {
      faces: ir.interfaces.map((one) => faceOf(faces.find((other) => other.name === one.name))),
      routes,
      gateways: ir.gateways.map((one, i) => gatewayPath(pathOf(gateways[i]!, one.gateways[0]!, local))),
    },
  };
}

/** Of several legs the first: which one a flow takes is the engine's to say. One by `wanted` counts before others. */
function pathOf(
  { kind, legs }: Compiled,
  to: Address,
  local: (name: string) => number,
  wanted?: string,
): Path {
  const leg = legs.find((one) => one.interface === wanted) ?? legs[0];
  if (leg === undefined) return { kind: kind as Path['kind'] };
  const iface = local(leg.interface);
  const neighbour = leg.nexthop === undefined ? to : (parseInterfaceAddress(leg.nexthop) ?? to);
  switch (leg.kind) {
    case 'forward':
      return { kind: 'forward', iface, mac: macOf(leg.mac ?? '') };
    case 'resolve':
      return { kind: 'resolve', iface, neighbour: { family: neighbour.family, bits: neighbour.bits } };
    case 'glean':
      return { kind: 'glean', iface };
    default:
      return { kind: leg.kind as Path['kind'] };
  }
}

/** One that does not answer diverts nothing. */
function gatewayPath(path: Path): Path | undefined {
  return path.kind === 'forward' || path.kind === 'resolve' ? path : undefined;
}

function faceOf(face: InterfaceReply | undefined): Face {
  const own = (face?.addresses ?? [])
    .map((text) => parseInterfaceAddress(text))
    .filter((one) => one !== undefined);
  const speaks = (family: Family): Address => ({
    family,
    bits: own.find((one) => one.family === family)?.bits ?? 0n,
  });
  return {
    mac: macOf(face?.mac ?? ''),
    mtu: face?.mtu ?? 1500,
    up: face?.up ?? false,
    host: face !== undefined && face.face !== 'none',
    speaksFrom: { 4: speaks(4), 6: speaks(6) },
  };
}

function macOf(text: string): Uint8Array {
  return Uint8Array.from({ length: 6 }, (_, i) => Number.parseInt(text.split(':')[i] ?? '0', 16));
}
