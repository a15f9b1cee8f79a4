/**
 * The kernel's face of each logical interface: the device that addresses, routes and neighbours are read from and
 * that punted packets enter by. Untagged: the port's own device. Tagged: the kernel's VLAN device over it (over a
 * VLAN device, for QinQ), else a tap that the engine makes. Pipes and files have a tap. `host: 'none'` has no face: then
 * the engine has a link of its own for the interface, and stands for the router there.
 */
import { createHash } from 'node:crypto';
import { MillError } from '../errors.js';
import type { Link } from '../native.js';
import { deviceOf, type Plan, type PlanInterface } from './plan.js';

export interface Face {
  readonly kind: 'none' | 'netdev' | 'tap';
  /** Name of the kernel's device, or of the engine's own link. */
  readonly device: string;
  /** Its name when the generation was made, where it has been renamed since. */
  readonly was?: string;
}

/** Name of the engine's own link for an interface without a face: no device of the kernel may have a colon in its name. */
export function ownLinkName(name: string): string {
  return `engine:${name}`;
}

/** IFNAMSIZ without its NUL. */
const NAME_MAX = 15;

/** `lan.office` as it is; a longer name keeps its beginning and ends in four digits of its hash. */
export function tapName(name: string): string {
  const clean = name.replace(/[^A-Za-z0-9._-]/g, '_');
  if (clean.length <= NAME_MAX && clean === name) return name;
  const digits = createHash('sha256').update(name).digest('hex').slice(0, 4);
  return `${clean.slice(0, NAME_MAX - 5)}-${digits}`;
}

/** @throws MillError `policy` when a device is missing or a name is taken */
export function faceOf(iface: PlanInterface, plan: Plan, links: readonly Link[]): Face {
  const spec = plan.ports.find((port) => port.name === iface.port)!.spec;
  const device = deviceOf(spec);
  const port = device === undefined ? undefined : links.find((link) => link.name === device);
  if (device !== undefined && port === undefined) {
    throw new MillError(
      'policy',
      `interface ${iface.name}: the kernel has no device ${device} here`,
      `create it, or correct the port of ${iface.port}`,
    );
  }
  if (iface.host === 'none') return { kind: 'none', device: ownLinkName(iface.name) };
  if (iface.host === 'auto' && port !== undefined) {
    const found = kernelDevice(port, iface, links);
    if (found !== undefined) return { kind: 'netdev', device: found.name };
  }
  return tapFace(iface, links);
}

function kernelDevice(port: Link, iface: PlanInterface, links: readonly Link[]): Link | undefined {
  let at: Link | undefined = port;
  for (const tag of iface.tags) {
    const parent: number | undefined = at?.ifindex;
    at = links.find(
      (link) =>
        link.kind === 'vlan' &&
        link.parent === parent &&
        link.vlan?.id === tag.vid &&
        link.vlan.tpid === tag.tpid,
    );
  }
  return at;
}

function tapFace(iface: PlanInterface, links: readonly Link[]): Face {
  const device = tapName(iface.name);
  const taken = links.find((link) => link.name === device);
  if (taken !== undefined && taken.kind !== 'tun') {
    throw new MillError(
      'policy',
      `interface ${iface.name} needs a tap, but the kernel has another device named ${device}`,
      'rename one of them',
    );
  }
  return { kind: 'tap', device };
}

/** By interface name. @throws MillError as faceOf, or when a port may not fall back to the kernel */
export function resolveFaces(plan: Plan, links: readonly Link[]): ReadonlyMap<string, Face> {
  const faces = new Map(plan.interfaces.map((iface) => [iface.name, faceOf(iface, plan, links)]));
  const owners = new Map<string, string>();
  for (const [name, face] of faces) {
    if (face.device === '') continue;
    const far = plan.ports.find((port) => port.spec === `tap:${face.device}`);
    if (far !== undefined) {
      throw new MillError(
        'policy',
        `interface ${name} has the device ${face.device}, and port ${far.name} makes one of this name for its far end`,
        `name one of them otherwise${face.kind === 'tap' ? ", or say host: 'none'" : ''}`,
      );
    }
    const other = owners.get(face.device);
    if (other !== undefined) {
      throw new MillError('policy', `interfaces ${other} and ${name} have the same device ${face.device}`);
    }
    owners.set(face.device, name);
  }
  for (const port of plan.ports) {
    const tapped = plan.interfaces.find((i) => i.port === port.name && faces.get(i.name)?.kind === 'tap');
    if (port.fallback === 'kernel' && tapped !== undefined) {
      throw new MillError(
        'policy',
        `port ${port.name} cannot fall back to the kernel: ${tapped.name} is a tap there`,
        "say fallback: 'drop'",
      );
    }
  }
  return faces;
}

/** What the policy says, else what is safe: nothing that an ACL guards or a tap stands for goes past the engine. */
export function fallbackOf(plan: Plan, port: string, faces: ReadonlyMap<string, Face>): 'kernel' | 'drop' {
  const said = plan.ports.find((p) => p.name === port)?.fallback;
  if (said !== undefined) return said;
  const unsafe = plan.interfaces.some(
    (i) => i.port === port && (i.guarded || faces.get(i.name)?.kind === 'tap'),
  );
  return unsafe ? 'drop' : 'kernel';
}
