/**
 * Two routers, one question: the same frame goes into both, and what comes out on every wire is compared. The
 * bytes must be equal but for what is free by its nature: padding after the IP packet, the IP identification of
 * ICMP errors and echo replies, which the router itself makes (in IPv6 their flow label), and address resolution.
 */
import { isDeepStrictEqual } from 'node:util';
import { sleep } from './netns.js';
import { checksum } from './packet.js';
import type { Traffic } from './traffic.js';

export interface Ends {
  readonly client: Traffic;
  readonly server: Traffic;
  readonly provider: Traffic;
}

const wires = ['client', 'server', 'provider'] as const;

/** A frame as it is compared; undefined when it does not count. */
function normalise(frame: Buffer): string | undefined {
  const type = frame.readUInt16BE(12);
  if (type === 0x0806) return undefined;
  if (type === 0x0800) return normaliseIpv4(frame);
  if (type === 0x86dd) {
    const behindOptions = frame[20] === 0 && frame[54] === 58; // as MLD comes
    const icmp = frame[20] === 58 ? frame[54]! : behindOptions ? frame[62]! : -1;
    if ((icmp >= 130 && icmp <= 137) || icmp === 143) return undefined;
    const copy = Buffer.from(frame.subarray(0, 54 + frame.readUInt16BE(18)));
    const flowLabel = Buffer.of(copy[15]! & 0xf0, 0, 0);
    if ((icmp >= 1 && icmp <= 4) || icmp === 129) flowLabel.copy(copy, 15);
    return copy.toString('hex');
  }
  return frame.toString('hex');
}

function normaliseIpv4(frame: Buffer): string {
  const copy = Buffer.from(frame.subarray(0, 14 + frame.readUInt16BE(16)));
  const own = copy[23] === 1 && [0, 3, 11, 12].includes(copy[14 + (copy[14]! & 15) * 4]!);
  if (own) {
    const header = copy.subarray(14, 14 + (copy[14]! & 15) * 4);
    const right = checksum(header) === 0;
    copy.writeUInt16BE(0, 18);
    copy.writeUInt16BE(0, 24);
    copy.writeUInt16BE(right ? checksum(header) : 0, 24);
  }
  return copy.toString('hex');
}

/** What has come out since. */
export async function collect(ends: Ends): Promise<Outcome> {
  const out = { client: [] as string[], server: [] as string[], provider: [] as string[] };
  for (const wire of wires) {
    const frames = await ends[wire].captured();
    out[wire] = frames
      .map(normalise)
      .filter((text) => text !== undefined)
      .sort();
  }
  return out;
}

export type Outcome = Record<(typeof wires)[number], string[]>;

/** From here on what comes out counts as of these frames, which go in from the client. */
export async function enter(ends: Ends, frames: readonly Buffer[]): Promise<void> {
  for (const wire of wires) await ends[wire].capture();
  for (const frame of frames) await ends.client.raw(frame);
}

/**
 * What came out of several routers after the same frames went into each of them. They are looked at again until all is `right`,
 * for some seconds at most: on a busy machine one may be late.
 */
export async function outcomes(
  all: readonly Ends[],
  frames: readonly Buffer[],
  right: (out: readonly Outcome[]) => boolean,
): Promise<readonly Outcome[]> {
  await Promise.all(all.map((ends) => enter(ends, frames)));
  for (const end = performance.now() + 5000; ; ) {
    await sleep(25);
    const out = await Promise.all(all.map(collect));
    if (right(out) || performance.now() > end) return out;
  }
}

/** That all of them did the same. */
export function alike(out: readonly Outcome[]): boolean {
  return out.every((one) => isDeepStrictEqual(one, out[0]));
}

/** What came out of a router on each wire after these frames went in from the client. */
export async function outcome(ends: Ends, frames: readonly Buffer[], settleMs = 25): Promise<Outcome> {
  await enter(ends, frames);
  await sleep(settleMs);
  return collect(ends);
}
