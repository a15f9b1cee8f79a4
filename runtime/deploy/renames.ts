/** Devices under other names than those that a generation was made with: the number is what counts, as in the engine. */
import type { EngineLink, Link } from '../native.js';
import type { Face } from './faces.js';
import type { Plan } from './plan.js';

export type FollowRenames = (
  faces: ReadonlyMap<string, Face>,
  plan: Plan,
  links: readonly Link[],
  engine: EngineLink,
) => ReadonlyMap<string, Face>;

/**
 * @returns the faces by the names that their devices have now. A device that has the name counts; where none has it, the one
 *   that had it last, which after a restart is known of ports alone
 */
export function followRenames(): FollowRenames {
  const last = new Map<string, number>();
  return (faces, plan, links, { state }) => {
    const portOf = (name: string): number => {
      const iface = plan.interfaces.find((one) => one.name === name);
      if (iface === undefined || iface.tags.length > 0) return 0;
      return state.port(state.portSlot(iface.port)).ifindex;
    };
    const follow = (name: string, face: Face): Face => {
      const was = face.was ?? face.device;
      const named = links.find((link) => link.name === was);
      if (named !== undefined) last.set(was, named.ifindex);
      if (named !== undefined || face.kind === 'none') return { kind: face.kind, device: was };
      const ifindex = last.get(was) ?? (face.kind === 'netdev' ? portOf(name) : 0);
      const renamed = links.find((link) => link.ifindex === ifindex);
      return { kind: face.kind, device: renamed?.name ?? was, was };
    };
    return new Map([...faces].map(([name, face]) => [name, follow(name, face)]));
  };
}
