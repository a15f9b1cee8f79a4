/** Devices, as other routers name them, as ports and their VLANs. */
import type { Origin, Problem } from '../../dsl/model.js';
import { show } from '../../dsl/problems.js';

/** A logical interface. */
export interface Face {
  /** As the source calls it. */
  readonly device: string;
  readonly port: string;
  /** Absent: untagged. */
  readonly vlan?: number;
}

/** `--vlan vlan101=ix0:101` by device: what its machine knows and the source does not say. */
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

/** Devices by name, with spaces between: where they stand, for messages. */
export interface Devices {
  readonly value: string;
  readonly line: number;
  readonly column: number;
}

export function readFaces(entry: Devices, file: string, vlans: VlanDevices): Faces {
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
    message: 'no interface is named, so nothing would be forwarded',
    expected: 'one or more devices',
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
  // What FreeBSD's rc.conf makes of vlans_ix0="101", and Linux by custom.
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
      message: `which VLAN of which interface '${device}' is, is not said`,
      expected: `--vlan ${device}=PARENT:ID`,
      got: 'nothing about it',
      fix: `say what 'ifconfig ${device}' shows on the machine that has it: --vlan ${device}=ix0:101.`,
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
function withoutParent(face: Face, faces: readonly Face[], entry: Devices, file: string): readonly Problem[] {
  if (face.vlan === undefined || faces.some((one) => one.port === face.port && one.vlan === undefined))
    return [];
  return [
    {
      code: 'NM6003',
      origin: { file, line: entry.line, column: entry.column + entry.value.indexOf(face.device) },
      message: `'${face.device}' is a VLAN of '${face.port}', which is not among the interfaces`,
      expected: `'${face.port}' among them: netmill takes a device as a whole`,
      got: `'${entry.value}'`,
      fix: `name ${face.port}, too.`,
    },
  ];
}
