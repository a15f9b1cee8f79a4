/** On which interfaces a line of an ACL is asked. */
import type { NetmapRtRule } from '../../../dsl/formats/netmap-rt-acl.js';
import type { Problem } from '../../../dsl/model.js';
import { show } from '../../../dsl/problems.js';
import type { Face } from '../faces.js';

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
