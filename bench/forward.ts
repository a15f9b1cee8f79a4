/**
 * Forwarding. In memory, one core: the forwarder's code alone, against DPDK, the limit and netmill without a policy; from
 * process to process through pipes; between namespaces: netmill over AF_XDP and its peers on the same topology, from the same generator,
 * with the same pinning. All run by run in turn.
 */

import { idle } from './idle.js';
import { latency } from './latency.js';
import { loop } from './loop.js';
import { pipe } from './pipe.js';
import type { Bench } from './result.js';
import { veth } from './veth.js';
import { layouts, workers } from './workers.js';

export const forward: Bench = async function* (wants, say) {
  yield* loop(wants, say);
  for (const layout of layouts) if (wants(layout.name)) yield await workers(layout, say);
  if (wants('pipe')) yield await pipe(say);
  yield* latency(wants, say);
  yield* veth(wants, say);
  if (wants('idle')) yield await idle(say);
};
