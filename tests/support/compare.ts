/**
 * Two routers, one question: the same frame goes into both, and what comes out on every wire is compared. The
 * bytes must be equal but for what is free by its nature: padding after the IP packet, the IP identification of
 * messages that the router itself makes (in IPv6 their flow label), and address resolution.
 */
import { sleep } from './netns.js';
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
    const icmp = frame[20] === 58 ? frame[54]! : frame[20] === 0 ? 143 : -1; // MLD comes behind a hop-by-hop header
    if ((icmp >= 130 && icmp <= 137) || icmp === 143) return undefined;
    const copy = Buffer.from(frame.subarray(0, 54 + frame.readUInt16BE(18)));
    const flowLabel = Buffer.of(copy[15]! & 0xf0, 0, 0);
    if (icmp >= 1 && icmp <= 4) flowLabel.copy(copy, 15);
    return copy.toString('hex');
  }
  return frame.toString('hex');
}

function normaliseIpv4(frame: Buffer): string {
  const copy = Buffer.from(frame.subarray(0, 14 + frame.readUInt16BE(16)));
  const icmpError = copy[23] === 1 && [3, 11, 12].includes(copy[14 + (copy[14]! & 15) * 4]!);
  if (icmpError) {
    copy.writeUInt16BE(0, 18);
    copy.writeUInt16BE(0, 24);
  }
  return copy.toString('hex');
}

async function collect(ends: Ends): Promise<Record<(typeof wires)[number], string[]>> {
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

/** What came out of a router on each wire after these frames went in from the client. */
export async function outcome(ends: Ends, frames: readonly Buffer[], settleMs = 25) {
  for (const wire of wires) await ends[wire].capture();
  for (const frame of frames) await ends.client.raw(frame);
  await sleep(settleMs);
  return collect(ends);
}
