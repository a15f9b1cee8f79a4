/** What a deploy or rollback did, in a line. */
import type { DeployResult } from '../control/types.js';

export function deployText(result: DeployResult): string {
  const { build, prepare, commit } = result.milliseconds;
  const from = result.previous > 0 ? ` in place of ${result.previous}` : '';
  const built = build > 0 ? `built in ${build} ms, ` : '';
  const prepared = prepare > 0 ? `prepared in ${prepare} ms, ` : '';
  return `generation ${result.generation} runs${from} (${built}${prepared}swapped in ${commit} ms)`;
}
