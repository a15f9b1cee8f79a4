/** Packets and bits a second of ports and interfaces, from counters looked at once a second over the last five. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Rate } from './control/types.js';

export interface Sample {
  readonly packets: bigint;
  readonly bytes: bigint;
}

export interface RatesOptions {
  /** Counters now, by a key of the caller's. */
  readonly read: () => ReadonlyMap<string, Sample>;
  readonly signal: AbortSignal;
  readonly intervalMs?: number;
}

export interface Rates {
  of(key: string): Rate;
  readonly done: Promise<void>;
}

const KEEP = 6;

export function followRates(options: RatesOptions): Rates {
  const history: { readonly at: number; readonly counters: ReadonlyMap<string, Sample> }[] = [];
  const run = async (): Promise<void> => {
    while (!options.signal.aborted) {
      history.push({ at: performance.now(), counters: options.read() });
      if (history.length > KEEP) history.shift();
      await sleep(options.intervalMs ?? 1000, undefined, { signal: options.signal }).catch(() => undefined);
    }
  };
  return {
    of: (key) => {
      const first = history.find((entry) => entry.counters.has(key));
      const last = history[history.length - 1];
      const from = first?.counters.get(key);
      const to = last?.counters.get(key);
      if (!first || !last || !from || !to || last === first) return { packets: 0, bits: 0 };
      const seconds = (last.at - first.at) / 1000;
      const packets = Math.max(0, Number(to.packets - from.packets) / seconds);
      const bits = Math.max(0, (Number(to.bytes - from.bytes) * 8) / seconds);
      return { packets: Math.round(packets), bits: Math.round(bits) };
    },
    done: run(),
  };
}
