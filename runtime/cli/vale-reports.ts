/** What `netmill vale` answers, as schemas. */
import { z } from 'zod';

const n = z.int().nonnegative();
const rings = { txRings: n, rxRings: n, txSlots: n, rxSlots: n, memory: n };

const valePort = z.strictObject({
  switch: z.string(),
  port: z.string(),
  index: n,
  /** Not of the port of a host stack, nor of one that went while netmap was asked. */
  txRings: n.optional(),
  rxRings: n.optional(),
  txSlots: n.optional(),
  rxSlots: n.optional(),
  memory: n.optional(),
});

const list = z.strictObject({ ports: z.array(valePort) });
export type ValeList = z.infer<typeof list>;

const info = z.strictObject({
  name: z.string(),
  ...rings,
  hostTxRings: n,
  hostRxRings: n,
  memoryBytes: n,
});
export type ValeInfo = z.infer<typeof info>;

const attached = z.strictObject({ name: z.string(), index: n, host: z.boolean() });
export type ValeAttached = z.infer<typeof attached>;

const detached = z.strictObject({ name: z.string(), index: n });
export type ValeDetached = z.infer<typeof detached>;

const made = z.strictObject({ name: z.string(), ...rings });
export type ValeMade = z.infer<typeof made>;

const polled = z.strictObject({ name: z.string(), firstCore: n, cores: n });
export type ValePolled = z.infer<typeof polled>;

/** `delete`, and `poll --off`. */
const named = z.strictObject({ name: z.string() });
export type ValeNamed = z.infer<typeof named>;

export const valeReport = z.union([list, info, attached, detached, made, polled, named]);
