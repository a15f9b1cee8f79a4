/** What rules do with packets besides their action: limits, copies, samples and marks, read and checked. */
import type { Action, Police, Treatment } from './model.js';
import { here } from './origin.js';
import { note, show } from './problems.js';

/** Bits count as the frame's bytes without its checksum, like all counters; prefixes are powers of ten. */
export type PoliceRate = `${number} ${'bit' | 'kbit' | 'Mbit' | 'Gbit'}/s` | `${number} packets/s`;
export type PoliceBurst = `${number} ${'B' | 'kB' | 'MB'}` | `${number} packets`;

/** RFC 2474, RFC 2597 (AF), RFC 3246 (EF), RFC 5865 (VA), RFC 8622 (LE). */
const dscpNames = {
  cs0: 0,
  le: 1,
  cs1: 8,
  af11: 10,
  af12: 12,
  af13: 14,
  cs2: 16,
  af21: 18,
  af22: 20,
  af23: 22,
  cs3: 24,
  af31: 26,
  af32: 28,
  af33: 30,
  cs4: 32,
  af41: 34,
  af42: 36,
  af43: 38,
  cs5: 40,
  va: 44,
  ef: 46,
  cs6: 48,
  cs7: 56,
} as const;

export type DscpName = keyof typeof dscpNames;

const scale: Readonly<Record<string, number>> = { '': 1, k: 1e3, M: 1e6, G: 1e9 };
const least = { bits: 8_000, packets: 1 } as const;
const most = { bits: 400e9, packets: 1e9 } as const;
/** A full frame with tags must fit, or none would ever conform. */
const smallestBurst = { bits: 2_000, packets: 1 } as const;
const usualSeconds = 0.05;
const usualLeast = { bits: 15_000, packets: 10 } as const;
const longestBurstSeconds = 60;

export function readPolice(rate: unknown, options: unknown): Police | undefined {
  const found =
    typeof rate === 'string' ? /^(\d+(?:\.\d{1,3})?) (?:([kMG]?)bit|packets)\/s$/.exec(rate) : null;
  const unit = found?.[2] === undefined ? 'packets' : 'bits';
  const value = found ? Math.round(Number(found[1]) * scale[found[2] ?? '']!) : Number.NaN;
  if (!(value >= least[unit] && value <= most[unit])) {
    note('NM3043', here(), `${show(rate)} is not a rate to police`, {
      expected: "'8 kbit/s' to '400 Gbit/s', or '1 packets/s' to '1000000000 packets/s'",
      got: show(rate),
    });
    return undefined;
  }
  const burst = readBurst(unit, value, options);
  return burst === undefined ? undefined : Object.freeze({ unit, rate: value, burst });
}

function readBurst(unit: Police['unit'], rate: number, options: unknown): number | undefined {
  const perSecond = unit === 'bits' ? rate / 8 : rate;
  const usual = Math.max(usualLeast[unit], Math.round(perSecond * usualSeconds));
  if (options === undefined) return usual;
  const given = (options as { readonly burst?: unknown } | null)?.burst;
  const pattern = unit === 'bits' ? /^(\d{1,9}) ([kM]?)B$/ : /^(\d{1,10}) (?:)packets$/;
  const found = typeof given === 'string' ? pattern.exec(given) : null;
  const value = found ? Number(found[1]) * scale[found[2] ?? '']! : Number.NaN;
  if (value >= smallestBurst[unit] && value <= Math.max(usual, perSecond * longestBurstSeconds)) return value;
  note('NM3043', here(), `${show(given)} is not a burst for this rate`, {
    expected:
      unit === 'bits'
        ? "a whole number of bytes, from '2 kB' to what a minute brings, such as '64 kB'"
        : "a whole number of packets, at most what a minute brings, such as '100 packets'",
    got: show(given),
  });
  return undefined;
}

/** One in so many. */
export function readOneIn(value: unknown, what: string): number | undefined {
  if (typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= 0xffffffff) return value;
  note('NM3043', here(), `${show(value)} is not a number of packets of which one is ${what}`, {
    expected: 'a whole number, 1 for all',
    got: show(value),
  });
  return undefined;
}

export function readMirror(port: unknown, options: unknown): Treatment['mirror'] | undefined {
  const given = (options ?? { oneIn: 1 }) as { readonly oneIn?: unknown };
  const oneIn = readOneIn(given.oneIn, 'copied');
  if (typeof port === 'string' && port !== '')
    return oneIn === undefined ? undefined : Object.freeze({ port, oneIn });
  note('NM3041', here(), `${show(port)} is not the name of a port`, { expected: "a key of 'interfaces'" });
  return undefined;
}

export function readDscp(value: unknown): number | undefined {
  if (typeof value === 'string' && Object.hasOwn(dscpNames, value)) return dscpNames[value as DscpName];
  if (typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= 63) return value;
  note('NM3043', here(), `${show(value)} is not a DSCP`, {
    expected: `0 to 63, or ${Object.keys(dscpNames).join(', ')}`,
    got: show(value),
  });
  return undefined;
}

/** What is dropped whatever its rate is not limited, and leaves with no mark. */
export function checkFits(kind: Action['kind'], part: keyof Treatment): boolean {
  if (kind !== 'deny' && kind !== 'reject') return true;
  if (part !== 'police' && part !== 'dscp') return true;
  note('NM3042', here(), `a rule that drops its packets cannot have .${part}()`, {
    expected: 'allow(…) or nexthop(…)',
    got: `${kind}(…)`,
  });
  return false;
}
