/** Routing changes that `ip` cannot make (tests/support/routes), built on first use. */
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Node } from './netns.js';

const folder = fileURLToPath(new URL('../../../tests/support/routes', import.meta.url));

function built(program: string): string {
  execFileSync('make', ['-s', '-C', folder]);
  return join(folder, 'build', program);
}

/**
 * Makes or replaces a group of nexthop objects, with weights to 65535.
 * @returns false: this kernel takes none beyond 256
 */
export async function nexthopGroup(
  node: Node,
  id: number,
  members: Readonly<Record<number, number>>,
): Promise<boolean> {
  const words = Object.entries(members).flatMap(([member, weight]) => [member, String(weight)]);
  const { code, stderr } = await node.try(built('nexthop-group'), String(id), ...words);
  if (code !== 0 && code !== 77) throw new Error(stderr);
  return code === 0;
}

export interface Storm {
  readonly added: number;
  readonly deleted: number;
  /** Routes that are there at the end. */
  readonly left: number;
  /** Answers of the kernel that were no. */
  readonly refused: number;
  readonly seconds: number;
}

/** Resolves when the kernel has taken the last change. */
export async function routeStorm(
  node: Node,
  to: { readonly device: string; readonly gateway: string },
  changes: number,
  seed: number,
): Promise<Storm> {
  return JSON.parse(
    await node.run(built('route-storm'), to.device, to.gateway, String(changes), String(seed)),
  ) as Storm;
}
