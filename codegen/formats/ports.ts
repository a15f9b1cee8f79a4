/** Ports of a draft, with the ACLs of their interfaces. */
import type { Fallback } from '../../dsl/model.js';
import type { DraftPort } from './draft.js';
import type { Face } from './faces.js';

/** When the other router ends, the kernel routes; so it does here, except where it does not see the tags. */
export function makePorts(
  faces: readonly Face[],
  lists: ReadonlyMap<string, string>,
  side: 'in' | 'out',
  assumptions: string[],
): readonly DraftPort[] {
  const names = [...new Set(faces.map((face) => face.port))];
  const ports = names.map((name): DraftPort => {
    const mine = faces.filter((face) => face.port === name);
    const filtered = side === 'out' ? lists.size > 0 : mine.some((face) => lists.has(face.device));
    const fallback: Fallback = mine.some((face) => face.vlan !== undefined) ? 'drop' : 'kernel';
    return {
      name,
      spec: `xdp:${name}`,
      ...(filtered && { fallback }),
      faces: mine.map((face) => ({
        name: face.device.includes('.') ? `vlan${face.vlan}` : face.device,
        ...(lists.has(face.device) && { [side]: lists.get(face.device)! }),
        ...(face.vlan !== undefined && { vlan: face.vlan }),
      })),
    };
  });
  const open = ports.filter((port) => port.fallback === 'kernel').map((port) => port.name);
  const shut = ports.filter((port) => port.fallback === 'drop').map((port) => port.name);
  assumptions.push('The interfaces have the same names here as there.');
  if (open.length > 0)
    assumptions.push(
      `When netmill does not run, the kernel routes, and knows nothing of these ACLs: ${open.join(', ')}.`,
    );
  if (shut.length > 0)
    assumptions.push(`When netmill does not run, ports with VLANs drop: ${shut.join(', ')}.`);
  return ports;
}

/** A list for what leaves asks every port how it falls back. */
export function mergedPorts(into: readonly DraftPort[], out: readonly DraftPort[]): readonly DraftPort[] {
  return into.map((port, i) => {
    const other = out[i]!;
    const fallback = port.fallback ?? other.fallback;
    return {
      ...port,
      ...(fallback && { fallback }),
      faces: port.faces.map((face, k) => ({ ...face, ...other.faces[k] })),
    };
  });
}
