/** The sample routing tables, read where they lie in the source tree. */
import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';

export interface SampleRoute {
  readonly prefix: string;
  /** 0 to 63. */
  readonly neighbour: number;
}

export function sampleRoutes(family: 4 | 6): readonly SampleRoute[] {
  const file = new URL(`../../../examples/data/bgp-v${family}.txt.gz`, import.meta.url);
  const lines = gunzipSync(readFileSync(file)).toString().trimEnd().split('\n');
  return lines.map((line) => {
    const [prefix, neighbour] = line.split(' ');
    return { prefix: prefix!, neighbour: Number(neighbour) };
  });
}
