/** The generator of route changes (tests/support/routes), built on first use. */
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Node } from './netns.js';

const folder = fileURLToPath(new URL('../../../tests/support/routes', import.meta.url));

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
  execFileSync('make', ['-s', '-C', folder]);
  const program = join(folder, 'build/route-storm');
  return JSON.parse(await node.run(program, to.device, to.gateway, String(changes), String(seed))) as Storm;
}
