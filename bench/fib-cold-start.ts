/**
 * A machine's start with a full view: the routes are in the kernel, then daemon and engine are started with a bundle that
 * was built before. What counts is the time until packets are forwarded by the whole table, and the memory that both
 * processes hold then (what they share counts once: PSS).
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Line } from '../tests/support/line.js';
import { build, Netmill, writePolicy } from '../tests/support/netmill.js';
import { missing } from '../tests/support/netns.js';
import { plain } from '../tests/system/policies.js';
import { fullView, routesOf, settleNeighbours } from './full-view.js';
import type { Bench, Measured } from './result.js';
import { RouteTool } from './route-tool.js';

const runs = 5;

/** MiB of a process, its share of what it shares. */
function proportional(pid: number): number {
  const kilobytes = /^Pss:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))?.[1];
  return Number(kilobytes) / 1024;
}

interface Start {
  readonly seconds: number;
  readonly daemon: number;
  readonly engine: number;
}

async function start(line: Line, bundle: string, routes: number): Promise<Start> {
  const begin = performance.now();
  const netmill = await Netmill.start(line.lab, line.router, bundle);
  const seconds = (performance.now() - begin) / 1000;
  const { fib, daemon, engine } = await netmill.status();
  if (fib.routes4 + fib.routes6 < routes)
    throw new Error(`${fib.routes4} and ${fib.routes6} routes, not ${routes}`);
  const memory = { daemon: proportional(daemon.pid), engine: proportional(engine.pid) };
  await netmill.stop();
  return { seconds, ...memory };
}

/** Starts again and again in a namespace that has a full view. */
async function starts(say: (text: string) => void): Promise<Start[]> {
  const line = await Line.create();
  try {
    say('cold-start: routes');
    await settleNeighbours(line);
    const tool = new RouteTool(line.lab, line.router);
    const routes = await tool.load(0, routesOf(await fullView()));
    await tool.send('add', 0);
    const bundle = join(line.lab.directory, 'bundle');
    const built = await build(await writePolicy(line.lab, 'policy', plain), bundle);
    if (built.code !== 0) throw new Error(`the policy was not built: ${built.stderr}`);
    const all: Start[] = [];
    for (let run = 0; run < runs; run++) {
      say(`cold-start: run ${run + 1} of ${runs}`);
      all.push(await start(line, bundle, routes));
    }
    return all;
  } finally {
    await line.close();
  }
}

export const coldStart: Bench = async function* (wants, say) {
  const time = { case: 'cold-start', unit: 's', better: 'lower', bar: 3 } as const;
  const memory = (what: string) => ({ case: `memory.${what}`, unit: 'MiB', better: 'lower' }) as const;
  const cases: (Omit<Measured, 'ours'> & { readonly of: (start: Start) => number })[] = [
    { ...time, of: (one) => one.seconds },
    { ...memory('daemon'), of: (one) => one.daemon },
    { ...memory('engine'), of: (one) => one.engine },
    { ...memory('together'), bar: 600, of: (one) => one.daemon + one.engine },
  ];
  const wanted = cases.filter((one) => wants(one.case));
  if (wanted.length === 0) return;
  const skipped = missing('xz');
  const all = skipped === undefined ? await starts(say) : [];
  for (const { of, ...about } of wanted) yield { ...about, ours: all.map(of), ...(skipped && { skipped }) };
};
