/**
 * A recorded stream of the kernel's messages through parser, RIB and feed (bench/rib_replay.cc), as fast as it goes: a full view
 * comes, goes by other neighbours, and goes.
 */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { Line } from '../tests/support/line.js';
import { missing } from '../tests/support/netns.js';
import { fullView, routesOf, settleNeighbours } from './full-view.js';
import type { Bench } from './result.js';
import { RouteTool } from './route-tool.js';

const runs = 5;
const program = fileURLToPath(new URL('../../bench/build/rib-replay', import.meta.url));

async function record(line: Line, file: string): Promise<number> {
  await settleNeighbours(line);
  const tool = new RouteTool(line.lab, line.router);
  const view = await fullView();
  await tool.load(0, routesOf(view));
  await tool.load(1, routesOf(view, 1));
  await tool.record(file);
  await tool.send('add', 0);
  await tool.send('replace', 1);
  await tool.send('del', 1);
  return tool.recorded();
}

export const recorded: Bench = async function* (wants, say) {
  const about = { case: 'churn.recorded', unit: 'messages/s', better: 'higher', bar: 1e6 } as const;
  if (!wants(about.case)) return;
  const skipped = missing('xz');
  if (skipped !== undefined) {
    yield { ...about, ours: [], skipped };
    return;
  }
  const line = await Line.create();
  try {
    const file = join(line.lab.directory, 'stream');
    say('churn.recorded: recording');
    const messages = await record(line, file);
    const ours: number[] = [];
    for (let run = 0; run < runs; run++) {
      say(`churn.recorded: run ${run + 1} of ${runs}`);
      const { stdout } = await promisify(execFile)(program, [file]);
      const [taken, ns] = stdout.split(' ').map(Number);
      if (taken !== messages) throw new Error(`${taken} of ${messages} messages were read`);
      ours.push((taken / ns!) * 1e9);
    }
    yield { ...about, ours };
  } finally {
    await line.close();
  }
};
