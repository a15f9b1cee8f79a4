/** The interfaces of netmap-rt.conf as ports and their VLANs, and which of them a line of an ACL means. */
import type { NetmapRtRule } from '../../../dsl/formats/netmap-rt-acl.js';
import type { Origin, Problem } from '../../../dsl/model.js';
import { show } from '../../../dsl/problems.js';
import type { ConfEntry } from './conf.js';

/** A logical interface. */
export interface Face {
  /** As netmap-rt.conf calls it. */
  readonly device: string;
  readonly port: string;
  /** Absent: untagged. */
  readonly vlan?: number;
}

/** `--vlan vlan101=ix0:101` by device: what FreeBSD's ifconfig knows and netmap-rt.conf does not say. */
export type VlanDevices = ReadonlyMap<string, { readonly parent: string; readonly id: number }>;

/** @returns what was wrong, as a sentence, where the text is none */
export function parseVlanDevice(text: string): readonly [string, { parent: string; id: number }] | string {
  const found = /^([^=:]+)=([^=:]+):(\d{1,4})$/.exec(text);
  const id = Number(found?.[3]);
  if (found && id >= 1 && id <= 4094) return [found[1]!, { parent: found[2]!, id }];
  return `${show(text)} does not say which VLAN a device is: expected DEVICE=PARENT:ID, such as vlan101=ix0:101`;
}

interface Faces {
  readonly faces: readonly Face[];
  readonly problems: readonly Problem[];
  readonly assumptions: readonly string[];
}

/** Names of devices that stand in a policy as they are. */
const usable = /^[A-Za-z][A-Za-z0-9_-]{0,14}$/;

export function readFaces(entry: ConfEntry, file: string, vlans: VlanDevices): Faces {
  const problems: Problem[] = [];
  const assumptions: string[] = [];
  const faces: Face[] = [];
  const words = [...entry.value.matchAll(/\S+/g)];
  for (const { 0: device, index } of words) {
    const origin = { file, line: entry.line, column: entry.column + index };
    const read = faceOf(device, origin, vlans, assumptions);
    if ('code' in read) problems.push(read);
    else if (faces.some((one) => one.device === device || sameTags(one, read)))
      problems.push({
        code: 'NM6004',
        origin,
        message: `'${device}' is an interface that was named before`,
        expected: 'each interface once',
        got: `'${device}'`,
        fix: 'delete one of them.',
      });
    else faces.push(read);
  }
  problems.push(...faces.flatMap((face) => withoutParent(face, faces, entry, file)));
  if (words.length === 0) problems.push(noInterfaces({ file, line: entry.line, column: entry.column }));
  return { faces, problems, assumptions };
}

export function noInterfaces(origin: Origin): Problem {
  return {
    code: 'NM6003',
    origin,
    message: 'no interface is named, so netmap-rt would forward nothing',
    expected: 'interfaces = "ix0 ix1";',
    got: 'none',
    fix: 'name the interfaces.',
  };
}

function sameTags(a: Face, b: Face): boolean {
  return a.port === b.port && a.vlan === b.vlan;
}

function faceOf(device: string, origin: Origin, vlans: VlanDevices, assumptions: string[]): Face | Problem {
  const told = vlans.get(device);
  if (told) return { device, port: told.parent, vlan: told.id };
  // What rc.conf's vlans_ix0="101" makes.
  const dotted = /^(.+)\.(\d{1,4})$/.exec(device);
  const id = Number(dotted?.[2]);
  if (dotted && usable.test(dotted[1]!) && id >= 1 && id <= 4094) {
    assumptions.push(`${device} is VLAN ${id} of ${dotted[1]}.`);
    return { device, port: dotted[1]!, vlan: id };
  }
  if (/^vlan\d/.test(device))
    return {
      code: 'NM6004',
      origin,
      message: `which VLAN of which interface '${device}' is, netmap-rt.conf does not say`,
      expected: `--vlan ${device}=PARENT:ID`,
      got: 'nothing about it',
      fix: `say what 'ifconfig ${device}' shows on the machine where netmap-rt runs: --vlan ${device}=ix0:101.`,
    };
  if (usable.test(device)) return { device, port: device };
  return {
    code: 'NM6003',
    origin,
    message: `${show(device)} cannot be an interface of a policy`,
    expected: 'the name of a device: a letter, then letters, digits, hyphens or underscores, 15 at most',
    got: show(device),
    fix: 'correct the line.',
  };
}

/** A port is taken as a whole: what of it netmap-rt left to the kernel would be dropped. */
function withoutParent(
  face: Face,
  faces: readonly Face[],
  entry: ConfEntry,
  file: string,
): readonly Problem[] {
  if (face.vlan === undefined || faces.some((one) => one.port === face.port && one.vlan === undefined))
    return [];
  return [
    {
      code: 'NM6003',
      origin: { file, line: entry.line, column: entry.column + entry.value.indexOf(face.device) },
      message: `'${face.device}' is a VLAN of '${face.port}', which is not among the interfaces`,
      expected: `'${face.port}' among them: netmill takes a device as a whole`,
      got: `'${entry.value}'`,
      fix: `add ${face.port} to the interfaces.`,
    },
  ];
}

/** What a line takes that names a port with VLANs and no VLAN: all of the port, or what is untagged. */
export type PortLines = 'all' | 'untagged';

/**
 * Where a line is asked: its interface is the device itself or the one that carries it, its VLAN the tag of the packet.
 * Empty: nowhere, which is told.
 */
export function facesOf(
  rule: NetmapRtRule,
  faces: readonly Face[],
  file: string,
  portLines: PortLines | undefined,
  problems: Problem[],
): readonly Face[] {
  const { interface: named, vlan } = rule;
  const carried = faces.filter((face) => named && face.port === named.value && face.device !== named.value);
  const there = faces.filter((face) => !named || face.device === named.value || carried.includes(face));
  const found = there.filter((face) => !vlan || face.vlan === vlan.value);
  if (found.length === 0) {
    problems.push(nowhere(rule, there, faces, file));
    return [];
  }
  if (named === undefined || vlan !== undefined || carried.length === 0) return found;
  if (portLines === undefined)
    problems.push({
      code: 'NM6004',
      origin: { file, line: rule.line, column: named.column },
      message: `whether this line takes what comes in on the VLANs of '${named.value}' is not said`,
      expected: '--port-lines all or --port-lines untagged',
      got: `VLANs ${vlansOf(carried)} of '${named.value}'`,
      fix: 'say it for all lines that name a port with VLANs and no VLAN: --port-lines all, or untagged.',
    });
  return portLines === 'untagged' ? found.filter((face) => face.device === named.value) : found;
}

function nowhere(
  { interface: named, vlan, line }: NetmapRtRule,
  there: readonly Face[],
  faces: readonly Face[],
  file: string,
): Problem {
  const wrong = there.length === 0 ? named! : vlan!;
  return {
    code: 'NM6002',
    origin: { file, line, column: wrong.column },
    message:
      there.length === 0
        ? `the configuration has no interface ${show(wrong.value)}`
        : `no interface ${named ? `of ${show(named.value)} ` : ''}has VLAN ${wrong.value}`,
    expected: there.length === 0 ? faces.map((face) => face.device).join(', ') : vlansOf(there),
    got: show(wrong.value),
    fix: 'correct the line, or delete it: no packet can come in there.',
  };
}

function vlansOf(faces: readonly Face[]): string {
  const ids = faces.flatMap((face) => face.vlan ?? []);
  return ids.length === 0 ? 'no VLAN: these interfaces have none' : ids.join(', ');
}
