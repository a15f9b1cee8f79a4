/**
 * The packet buffers that an engine starts with. They cannot become more or larger while it runs, and are locked into
 * memory by the ports: as many as the policy's ports use, and at most a quarter of the machine's memory; of 2 KiB, or of a
 * page or four where packets of some port do not fit.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { totalmem } from 'node:os';
import { deviceOf, type Plan } from './deploy/plan.js';

/** MILL_DEFAULT_BUFS of runtime/engine/region.h: enough for five queues with rings of full size. */
const DEFAULT_BUFFERS = 32_768;
/** What a queue takes with the smallest rings, half as much again for what is on its way. */
const BUFFERS_OF_QUEUE = 2_048;
/** What the engine takes at most. */
const MAX_BUFFERS = 1 << 22;
/** MILL_BUF_SIZE and its like in runtime/shm/limits.h, each with the largest IP packet (mill_region_mtu), smallest first. */
const SIZES = [
  { bytes: 2_048, mtu: 1_770 },
  { bytes: 4_096, mtu: 3_360 },
  { bytes: 16_384, mtu: 16_000 },
] as const;

export interface PacketMemory {
  readonly buffers: number;
  /** Of each. */
  readonly bytes: (typeof SIZES)[number]['bytes'];
}

/** @param queues receive queues of a device @param mtu its MTU */
export function packetMemory(
  plan: Pick<Plan, 'ports' | 'interfaces'>,
  queues: (device: string) => number = queuesOf,
  memory: number = totalmem(),
  mtu: (device: string) => number = mtuOf,
): PacketMemory {
  const devices = plan.ports.flatMap((port) => deviceOf(port.spec) ?? []);
  const wanted = plan.ports.reduce((sum, port) => {
    const device = deviceOf(port.spec);
    const served = device === undefined ? 0 : port.queues.length || queues(device);
    return sum + served * BUFFERS_OF_QUEUE;
  }, BUFFERS_OF_QUEUE);
  const bytes = bufferBytes([...plan.interfaces.map((one) => one.mtu ?? 0), ...devices.map(mtu)]);
  const most = Math.min(MAX_BUFFERS, Math.floor(memory / 4 / bytes));
  return { buffers: Math.max(fewest(bytes), Math.min(wanted, most)), bytes };
}

/** The smallest buffers that take packets of all these MTUs; what fits none is refused by its port. */
function bufferBytes(mtus: readonly number[]): PacketMemory['bytes'] {
  const largest = Math.max(0, ...mtus);
  return SIZES.find(({ mtu }) => largest <= mtu)?.bytes ?? SIZES[2].bytes;
}

/** Half as many of the largest, which take a quarter of a gigabyte then. */
function fewest(bytes: PacketMemory['bytes']): number {
  return bytes === SIZES[2].bytes ? DEFAULT_BUFFERS / 2 : DEFAULT_BUFFERS;
}

/** 0 for a device that is not there. */
function mtuOf(device: string): number {
  try {
    return Number(readFileSync(`/sys/class/net/${device}/mtu`, 'utf8'));
  } catch {
    return 0;
  }
}

/** 1 for a device that is not there: opening its port will say so. */
function queuesOf(device: string): number {
  try {
    return readdirSync(`/sys/class/net/${device}/queues`).filter((name) => name.startsWith('rx-')).length;
  } catch {
    return 1;
  }
}
