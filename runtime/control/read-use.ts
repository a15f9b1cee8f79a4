/** How much routes are used: counters of path groups, and their rates between two looks (`netmill route top`). */
import { setTimeout as sleep } from 'node:timers/promises';
import { MillError } from '../errors.js';
import type { RibPath } from '../native.js';
import type { Exchange } from './connection.js';
import type { ControlContext } from './context.js';
import { deviceNames, namedHops } from './names.js';
import type { TopReply, Traffic } from './types.js';

export type Use = ReadonlyMap<number, Traffic>;

export const unused: Traffic = { packets: 0, bytes: 0 };

/** By number of the group. */
export function readUse(context: Pick<ControlContext, 'link'>): Use {
  const { groups, counters } = context.link().state.groupUse();
  return new Map(
    Array.from(groups, (group, g) => [
      group,
      { packets: Number(counters[2 * g]), bytes: Number(counters[2 * g + 1]) },
    ]),
  );
}

interface Moved {
  readonly group: number;
  readonly packets: number;
  readonly bytes: number;
}

/** What was used between two looks, the most packets first. A group whose counters began anew counts from there. */
export function mostUsed(before: Use, after: Use, limit: number): readonly Moved[] {
  const moved: Moved[] = [];
  for (const [group, now] of after) {
    const then = before.get(group) ?? unused;
    const from = now.packets < then.packets ? unused : then;
    const packets = now.packets - from.packets;
    if (packets > 0) moved.push({ group, packets, bytes: now.bytes - from.bytes });
  }
  return moved.sort((a, b) => b.packets - a.packets || a.group - b.group).slice(0, limit);
}

/** Looks twice, `seconds` apart. */
export async function topRoutes(
  context: ControlContext,
  { seconds, limit }: { readonly seconds: number; readonly limit: number },
  exchange: Exchange,
): Promise<TopReply> {
  const before = readUse(context);
  const began = performance.now();
  await sleep(seconds * 1000, undefined, { signal: exchange.signal }).catch(() => {
    throw new MillError('unavailable', 'interrupted');
  });
  const passed = (performance.now() - began) / 1000;
  const after = readUse(context);
  const most = mostUsed(before, after, limit);
  const paths = new Map(context.rib.paths(most.map(({ group }) => group)).map((p) => [p.group, p]));
  const name = deviceNames(context);
  const rows = most.flatMap(({ group, packets, bytes }) => {
    const path: RibPath | undefined = paths.get(group);
    if (path === undefined) return []; // gone meanwhile
    return {
      group,
      prefix: path.prefix,
      uses: path.uses,
      type: path.type,
      nexthops: namedHops(path.nexthops, name),
      rate: { packets: Math.round(packets / passed), bits: Math.round((bytes * 8) / passed) },
      use: after.get(group) ?? unused,
    };
  });
  return { seconds: passed, rows };
}
