/**
 * How many packet buffers an engine starts with. They cannot become more while it runs, are of 2 KiB, and locked into
 * memory by the ports: as many as the policy's ports use, and at most a quarter of the machine's memory.
 */
import { readdirSync } from 'node:fs';
import { totalmem } from 'node:os';
import { deviceOf, type Plan } from './deploy/plan.js';

/** MILL_DEFAULT_BUFS of runtime/engine/region.h: enough for five queues with rings of full size. */
const DEFAULT_BUFFERS = 32_768;
/** What a queue takes with the smallest rings, half as much again for what is on its way. */
const BUFFERS_OF_QUEUE = 2_048;
/** What the engine takes at most. */
const MAX_BUFFERS = 1 << 22;
const BUFFER_BYTES = 2_048;

/** @param queues receive queues of a device */
export function buffersFor(
  plan: Pick<Plan, 'ports'>,
  queues: (device: string) => number = queuesOf,
  memory: number = totalmem(),
): number {
  const devices = plan.ports.flatMap((port) => deviceOf(port.spec) ?? []);
  const wanted = devices.reduce((sum, device) => sum + queues(device) * BUFFERS_OF_QUEUE, BUFFERS_OF_QUEUE);
  const most = Math.min(MAX_BUFFERS, Math.floor(memory / 4 / BUFFER_BYTES));
  return Math.max(DEFAULT_BUFFERS, Math.min(wanted, most));
}

/** 1 for a device that is not there: opening its port will say so. */
function queuesOf(device: string): number {
  try {
    return readdirSync(`/sys/class/net/${device}/queues`).filter((name) => name.startsWith('rx-')).length;
  } catch {
    return 1;
  }
}
