/**
 * Two million changes of routes (more than a million adds, the others deletes) as fast as the kernel takes them, into a receive
 * buffer of 208 KiB, so that the kernel drops most of what it says of them: the time from the last one until RIB and
 * compiled FIB are the kernel's again, as an audit then confirms.
 */
import { performance } from 'node:perf_hooks';
import type { AuditReport, RibStatus } from '../runtime/native.js';
import { startEngine } from '../tests/native/engine.js';
import { follow, inPlace } from '../tests/native/scene.js';
import { missing } from '../tests/support/netns.js';
import { routeStorm } from '../tests/support/routes.js';
import type { Bench } from './result.js';

const changes = 2_000_000;
const runs = 3;

/** Seconds. */
async function convergence(seed: number): Promise<number> {
  let seconds = Number.NaN;
  await inPlace(async (place) => {
    const engine = await startEngine(place.lab, place.router, 'engine');
    const remote = await follow(place, engine.socket, String(208 << 10));
    await remote.call('rib', 'settled');
    const before = await remote.call<RibStatus>('rib', 'status');
    const storm = await routeStorm(place.router, { device: 'v0', gateway: '10.1.0.2' }, changes, seed);
    const last = performance.now();
    await remote.call('rib', 'settled');
    seconds = (performance.now() - last) / 1000;
    const after = await remote.call<RibStatus>('rib', 'status');
    const audit = await remote.call<AuditReport>('rib', 'audit');
    if (after.routes4 - before.routes4 !== storm.left || !audit.compiled || audit.divergences > 0)
      throw new Error(
        `not the kernel's table: ${after.routes4 - before.routes4} of ${storm.left} routes, ${JSON.stringify(audit)}`,
      );
    if (after.overruns === before.overruns) throw new Error('the kernel dropped nothing');
    if (process.env.NETMILL_BENCH_VERBOSE)
      process.stderr.write(
        `\n${JSON.stringify({ storm, seconds, overruns: after.overruns, resyncs: after.resyncs })}\n`,
      );
  });
  return seconds;
}

export const overrun: Bench = async function* (wants, say) {
  if (!wants('overrun.1m')) return;
  const about = { case: 'overrun.1m', unit: 's', better: 'lower', bar: 3 } as const;
  const skipped = missing();
  if (skipped) {
    yield { ...about, ours: [], skipped };
    return;
  }
  const ours: number[] = [];
  for (let run = 0; run < runs; run++) {
    say(`fib: overrun, run ${run + 1} of ${runs}`);
    ours.push(await convergence(run + 1));
  }
  yield { ...about, ours };
};
