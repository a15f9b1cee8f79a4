/** What netmill-gen and netmill-bridge report, as schemas: a line of JSON each. */
import { z } from 'zod';

const n = z.int().nonnegative();

export const genReport = z.strictObject({
  done: z.literal(true).optional(),
  ms: n,
  sent: n.optional(),
  sentBytes: n.optional(),
  /** Packets of these that lie in the rings of the port, where nobody takes them. */
  stuck: n.optional(),
  received: n.optional(),
  receivedBytes: n.optional(),
  missing: n.optional(),
  reordered: n.optional(),
  duplicates: n.optional(),
  /** Too far behind to tell whether they came before. */
  late: n.optional(),
  /** Shorter than they say, or with other bytes than were sent. */
  damaged: n.optional(),
  /** Frames of nobody of the run. */
  other: n.optional(),
  latencyNs: z.strictObject({ least: n, mean: n, p50: n, p90: n, p99: n, p999: n, most: n }).optional(),
});
export type GenReport = z.infer<typeof genReport>;

const way = z.strictObject({ packets: n, bytes: n, refused: n });

export const bridgeReport = z.strictObject({
  done: z.literal(true).optional(),
  ms: n,
  there: way,
  back: way.optional(),
});
export type BridgeReport = z.infer<typeof bridgeReport>;
