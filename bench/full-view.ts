/**
 * The routes of a full view, where there is one beside the project, else of the sample; over the topology of tests/support/line.ts:
 * 64 neighbours, half of them behind the server's wire, half behind the provider's.
 */
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { type SampleRoute, sampleRoutes } from '../examples/data/tables.js';
import { type Line, macs } from '../tests/support/line.js';

const shared = fileURLToPath(new URL('../../../shared/data', import.meta.url));
const neighbours = 64;

async function view(family: 4 | 6): Promise<readonly SampleRoute[]> {
  const file = `${shared}/bgp-v${family}.txt.xz`;
  if (!existsSync(file)) return sampleRoutes(family);
  const { stdout } = await promisify(execFile)('xz', ['-dc', file], { maxBuffer: 1 << 28 });
  return stdout
    .trimEnd()
    .split('\n')
    .map((line) => {
      const [prefix, neighbour] = line.split(' ');
      return { prefix: prefix!, neighbour: Number(neighbour) };
    });
}

function gateway(family: 4 | 6, neighbour: number): string {
  const net = neighbour % 2 ? 3 : 2;
  const host = 16 + (neighbour >> 1);
  return family === 4 ? `10.0.${net}.${host}` : `2001:db8:${net}::${host.toString(16)}`;
}

/** Has the router know the neighbours for good. */
export async function settleNeighbours(line: Line): Promise<void> {
  const all = Array.from({ length: neighbours }, (_, i) => i);
  await line.router.ip(
    ...([4, 6] as const).flatMap((family) =>
      all.map((one) => {
        const [mac, device] = one % 2 ? [macs.p0, 'r2'] : [macs.s0, 'r1'];
        return `neigh replace ${gateway(family, one)} lladdr ${mac} dev ${device} nud permanent`;
      }),
    ),
  );
}

/** A full view as a file of `prefix nexthop` lines, and its prefixes. */
export async function fullTable(
  directory: string,
  family: 4 | 6,
): Promise<{ readonly path: string; readonly prefixes: readonly string[] }> {
  const routes = await view(family);
  const path = join(directory, `v${family}.txt`);
  await writeFile(path, routes.map(({ prefix, neighbour }) => `${prefix} ${neighbour}\n`).join(''));
  return { path, prefixes: routes.map(({ prefix }) => prefix) };
}

/** Prefixes of both families. */
export type View = readonly { readonly family: 4 | 6; readonly prefix: string; readonly neighbour: number }[];

export async function fullView(): Promise<View> {
  const [four, six] = [await view(4), await view(6)];
  return [
    ...four.map((route) => ({ family: 4 as const, ...route })),
    ...six.map((route) => ({ family: 6 as const, ...route })),
  ];
}

/** Lines for the route tool. @param shift the neighbour is so many further */
export function routesOf(routes: View, shift = 0): string {
  return routes
    .map(
      ({ family, prefix, neighbour }) => `${prefix} ${gateway(family, (neighbour + shift) % neighbours)}\n`,
    )
    .join('');
}
