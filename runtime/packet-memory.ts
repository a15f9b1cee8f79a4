/**
 * The packet buffers that an engine starts with. They cannot become more or larger while it runs, and are locked into
 * memory by the ports: as many as the policy's ports use, and at most a quarter of the machine's memory; of 2 KiB, or of a
 * page where packets of some port do not fit.
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
/** MILL_BUF_SIZE and MILL_BUF_SIZE_JUMBO of runtime/shm/limits.h, and the largest IP packet of the smaller one: mill_region_mtu. */
const BUFFER_BYTES = 2_048;
const JUMBO_BYTES = 4_096;
const SMALL_MTU = 1_770;

export interface PacketMemory {
  readonly buffers: number;
  /** Of 4,096 bytes each, not 2,048. */
  readonly jumbo: boolean;
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
  const jumbo =
    plan.interfaces.some((one) => (one.mtu ?? 0) > SMALL_MTU) ||
    devices.some((device) => mtu(device) > SMALL_MTU);
  const most = Math.min(MAX_BUFFERS, Math.floor(memory / 4 / (jumbo ? JUMBO_BYTES : BUFFER_BYTES)));
  return { buffers: Math.max(DEFAULT_BUFFERS, Math.min(wanted, most)), jumbo };
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
