/** What a bench says: one object a case, as text for people or as JSON, one a line, for machines. */

export interface Result {
  readonly bench: string;
  readonly case: string;
  readonly unit: string;
  readonly better: 'higher' | 'lower';
  readonly ours: number | null;
  readonly peer: string | null;
  readonly peer_value: number | null;
  /**
   * Ours over peer where higher is better, peer over ours where lower is; above 1 is better than the peer. The median of
   * what the runs of a turn give, not of the two medians: a machine that is slower for some of the turns is so for both.
   */
  readonly ratio: number | null;
  /** What `ratio` (or `ours`, where there is no peer) has to reach; null: none is set. */
  readonly bar: number | null;
  readonly ok: boolean | null;
  readonly runs: number;
  /** Why something was not measured. */
  readonly skipped: string | null;
  /** What else was measured in the same runs. */
  readonly more?: Readonly<Record<string, number>>;
}

/** A case as a bench measured it: the runs of both, interleaved. */
export interface Measured {
  readonly case: string;
  readonly unit: string;
  readonly better: 'higher' | 'lower';
  readonly ours: readonly number[];
  readonly peer?: string;
  readonly peerRuns?: readonly number[];
  readonly bar?: number;
  readonly skipped?: string;
  readonly more?: Readonly<Record<string, number>>;
}

/** Yields its cases as they are measured; `wants` says which to measure. */
export type Bench = (
  wants: (name: string) => boolean,
  say: (text: string) => void,
) => AsyncIterable<Measured>;

export function median(values: readonly number[]): number | null {
  if (!values.length) return null;
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2;
}

/** See Result.ratio. */
export function ratioOf({
  ours,
  peerRuns = [],
  better,
}: Pick<Measured, 'ours' | 'peerRuns' | 'better'>): number | null {
  if (peerRuns.length > 0 && peerRuns.length !== ours.length)
    throw new Error(`expected as many runs of the peer as ours, ${ours.length}, got ${peerRuns.length}`);
  return median(
    peerRuns.map((peer, turn) => (better === 'higher' ? ours[turn]! / peer : peer / ours[turn]!)),
  );
}

export function result(bench: string, measured: Measured): Result {
  const ours = median(measured.ours);
  const peer = median(measured.peerRuns ?? []);
  const ratio = ratioOf(measured);
  const judged = ratio ?? (measured.peer === undefined ? ours : null);
  const bar = measured.bar ?? null;
  const reached =
    ratio === null && measured.better === 'lower'
      ? (a: number, b: number) => a <= b
      : (a: number, b: number) => a >= b;
  return {
    bench,
    case: measured.case,
    unit: measured.unit,
    better: measured.better,
    ours,
    peer: measured.peer ?? null,
    peer_value: peer,
    ratio: ratio === null ? null : Math.round(ratio * 1000) / 1000,
    bar,
    ok: bar === null || judged === null ? null : reached(judged, bar),
    runs: measured.ours.length,
    skipped: measured.skipped ?? null,
    ...(measured.more && { more: measured.more }),
  };
}

function quantity(value: number | null, unit: string): string {
  if (value === null) return '–';
  if (unit === 'packets/s') return `${(value / 1e6).toFixed(2)} M/s`;
  return `${Number(value.toPrecision(4))} ${unit}`;
}

const short = (value: number) =>
  value >= 1e6 ? `${(value / 1e6).toFixed(2)} M` : `${Number(value.toPrecision(4))}`;

/** One line for people; a second one for what else was measured. */
export function describe(one: Result): string {
  const name = `${one.bench}: ${one.case}`.padEnd(24);
  const ours = `netmill ${quantity(one.ours, one.unit)}`.padEnd(29);
  const peer = one.peer ? `${one.peer} ${quantity(one.peer_value, one.unit)}`.padEnd(29) : ''.padEnd(29);
  const ratio = one.ratio === null ? ''.padEnd(8) : `${one.ratio.toFixed(2)} ×`.padEnd(8);
  const bar =
    one.bar === null ? '' : `bar ${one.bar} ${one.ok === null ? '' : one.ok ? 'reached' : 'MISSED'}`;
  const skipped = one.skipped ? ` (${one.skipped})` : '';
  const more = Object.entries(one.more ?? {}).map(([what, value]) => `${what} ${short(value)}`);
  const line = `${name}${ours}${peer}${ratio}${bar}${skipped}`.trimEnd();
  return more.length === 0 ? line : `${line}\n    ${more.join(', ')}`;
}
