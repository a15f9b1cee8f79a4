/**
 * How long packets take from process to process through two `pipe:` ports, at shares of the highest load, in each of the event
 * modes: from when the generator has written the packet's time into it to when the sink finds it. Both are one process, in
 * one thread on core 0, which also waits for nothing; the worker has core 1.
 */
import { Lab } from '../tests/support/netns.js';
import { loadOf, pipeBed, policyOf, whyNot } from './pipe.js';
import { type Bench, median } from './result.js';

const runs = 5;
const runMs = 300;
const modes = ['poll', 'adaptive', 'busy'] as const;
const shares = [10, 50, 90] as const;

interface Taken {
  readonly sent: number;
  readonly received: number;
  readonly ns: number;
  readonly lost: number;
  /** Nanoseconds. */
  readonly p50: number;
  readonly p99: number;
  readonly p999: number;
}

const middle = (taken: readonly Taken[], value: (one: Taken) => number) => median(taken.map(value))!;

/** `latency.MODE.SHARE`: the median packet's time, in microseconds. */
export const latency: Bench = async function* (wants, say) {
  const about = { unit: 'us', better: 'lower' } as const;
  const name = (mode: string, share: number) => `latency.${mode}.${share}`;
  const wanted = modes.filter((mode) => shares.some((share) => wants(name(mode, share))));
  if (wanted.length === 0) return;
  const reason = whyNot();
  if (reason) {
    for (const mode of wanted)
      for (const share of shares) yield { ...about, case: name(mode, share), ours: [], skipped: reason };
    return;
  }
  const lab = await Lab.create();
  try {
    say('latency: routes');
    const bed = await pipeBed(lab, wanted[0]!);
    for (const mode of wanted) {
      if (mode !== wanted[0]) await bed.netmill.deploy(policyOf(mode));
      say(`latency: ${mode}: highest load`);
      const full: Taken[] = [];
      for (let run = 0; run < 3; run++) full.push(await loadOf<Taken>(bed, runMs, '0'));
      const highest = middle(full, ({ received, ns }) => (received / ns) * 1e9);
      for (const share of shares) {
        if (!wants(name(mode, share))) continue;
        say(`latency: ${mode} at ${share} %`);
        const rate = String(Math.round((highest * share) / 100));
        const taken: Taken[] = [];
        for (let run = 0; run < runs; run++) taken.push(await loadOf<Taken>(bed, runMs, rate));
        yield {
          ...about,
          case: name(mode, share),
          ours: taken.map(({ p50 }) => p50 / 1000),
          more: {
            p99: middle(taken, ({ p99 }) => p99 / 1000),
            'p99.9': middle(taken, ({ p999 }) => p999 / 1000),
            offered: middle(taken, ({ sent, ns }) => (sent / ns) * 1e9),
            lost: middle(taken, ({ lost }) => lost),
            highest,
          },
        };
      }
    }
  } finally {
    await lab.close();
  }
};
