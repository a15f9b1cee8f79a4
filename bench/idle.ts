/** What an engine costs when there is nothing to do: its CPU time over some seconds, in the modes that may sleep. */
import { readFileSync } from 'node:fs';
import { Netmill } from '../tests/support/netmill.js';
import { Lab, missing, sleep } from '../tests/support/netns.js';
import type { Measured } from './result.js';

const runs = 5;
const runMs = 2000;
const tick = 100; // USER_HZ

const policy = (events: string) => `import { router } from 'netmill'
export default router('bench', {
  engine: { workers: 1, events: '${events}' },
  interfaces: { a: { port: 'xdp:r0', fallback: 'kernel' } },
})
`;

/** Seconds of CPU that a process has used. */
function cpuSeconds(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
    .replace(/^.*\) /, '')
    .split(' ');
  return (Number(fields[11]) + Number(fields[12])) / tick;
}

async function measure(events: string): Promise<number[]> {
  const lab = await Lab.create();
  try {
    const [router, peer] = [await lab.router('router'), await lab.node('peer')];
    await lab.link({ node: router, device: 'r0', addresses: ['10.0.1.1/24'] }, { node: peer, device: 'p0' });
    const netmill = await Netmill.start(lab, router, policy(events));
    const engine = await netmill.enginePid();
    await sleep(1000);
    const shares: number[] = [];
    for (let run = 0; run < runs; run++) {
      const [before, started] = [cpuSeconds(engine), performance.now()];
      await sleep(runMs);
      shares.push(((cpuSeconds(engine) - before) / (performance.now() - started)) * 1000 * 100);
    }
    return shares;
  } finally {
    await lab.close();
  }
}

/** The worse of both modes, run by run. */
export async function idle(say: (text: string) => void): Promise<Measured> {
  const about = { case: 'idle', unit: '% of a core', better: 'lower', bar: 1 } as const;
  const reason = missing();
  if (reason) return { ...about, ours: [], skipped: reason };
  say('idle: poll');
  const poll = await measure('poll');
  say('idle: adaptive');
  const adaptive = await measure('adaptive');
  return { ...about, ours: poll.map((share, run) => Math.max(share, adaptive[run]!)) };
}
