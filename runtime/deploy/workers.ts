/**
 * What the policy's workers name has to be there: processors of this machine, and receive rings of the ports. A policy is
 * made elsewhere, so the deploy looks; a worker that ran anywhere, or served nothing, would be seen by nobody.
 */
import { readFileSync } from 'node:fs';
import { MillError } from '../errors.js';
import type { StateView } from '../native.js';
import type { Plan, PlanPort } from './plan.js';

/** `0-3,8` of the kernel; undefined: it does not say, and whatever is asked for is tried. */
export function onlineCores(file = '/sys/devices/system/cpu/online'): string | undefined {
  try {
    return readFileSync(file, 'utf8').trim();
  } catch {
    return undefined;
  }
}

function has(cores: string, core: number): boolean {
  return cores.split(',').some((range) => {
    const [first, last = first] = range.split('-').map(Number);
    return core >= first! && core <= last!;
  });
}

/** @throws MillError `policy` */
export function checkCores(plan: Pick<Plan, 'workers'>, online: string | undefined): void {
  const wrong = plan.workers.find(({ core }) => core !== undefined && online && !has(online, core));
  if (wrong === undefined) return;
  throw new MillError(
    'policy',
    `engine.workers: this machine has no processor ${wrong.core}; it has ${online}`,
    'name one of these, or leave core out: then the worker runs on any',
  );
}

function isSame(port: PlanPort, other: PlanPort | undefined): boolean {
  return other === undefined || (other.spec === port.spec && `${other.queues}` === `${port.queues}`);
}

/**
 * Once the ports are open. How many rings one has that gets another spec or other queues is known only when the old one is closed.
 * @param before the plan that runs
 * @throws MillError `policy`
 */
export function checkRings(
  plan: Pick<Plan, 'workers' | 'ports'>,
  before: Pick<Plan, 'ports'> | undefined,
  state: Pick<StateView, 'port' | 'portSlot'>,
): void {
  for (const port of plan.ports) {
    if (
      !isSame(
        port,
        before?.ports.find(({ name }) => name === port.name),
      )
    )
      continue;
    const { rxRings } = state.port(state.portSlot(port.name));
    const wrong = plan.workers
      .flatMap(({ rings }) => rings?.[port.name] ?? [])
      .find((ring) => ring >= rxRings);
    if (wrong === undefined) continue;
    throw new MillError(
      'policy',
      `engine.workers: port ${port.name} has no ring ${wrong}; it has ${rxRings === 1 ? 'ring 0 alone' : `rings 0 to ${rxRings - 1}`}`,
      'name one of these, or give the device more queues (ethtool -L); rings that no worker names are dealt out',
    );
  }
}
