/**
 *   generator g0 ──── r0 router r1 ──── s0 sink        once for each router that is measured
 *
 * The generator runs inside the kernel on core 0 and offers more than any software router carries. A router's process, if it
 * has one, is on core 1. The NAPI of the port where packets come in is where the bed says: with the generator, as of any veth
 * that nobody has done anything to, since whoever sends polls; or in a thread on core 1, so that all of the router is
 * on one core. The sink counts and drops by XDP. It has a NAPI thread on core 1 that runs as soon as it is woken: else it
 * would be polled for each packet of a process and for a whole burst of the kernel's. What counts is what arrives.
 */
import { execFileSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { Netmill } from '../tests/support/netmill.js';
import { Lab, type Node, sleep } from '../tests/support/netns.js';
import { ethernet, ipv4, udp } from '../tests/support/packet.js';
import { Traffic } from '../tests/support/traffic.js';

const offered = 2_500_000; // packets a second
const runMs = 1000;
const routerCore = 1;
const generatorCore = 0;
/** As the engine's: neither a process nor the NAPI thread starves the other. */
const niceness = -15;
const startMs = 15_000;

/** Where the ingress port's NAPI is. */
export type Napi = 'with-generator' | 'with-router';

export interface Bed {
  readonly lab: Lab;
  readonly from: Traffic;
  readonly to: Traffic;
  readonly router: Node;
  readonly sink: Node;
  readonly frame: Buffer;
  /** What is to become of it. */
  readonly routed: Buffer;
  /** What routes; absent: the kernel alone. It would go on looking for packets on another's core. */
  process?: number;
}

async function topology(lab: Lab): Promise<Bed> {
  const [generator, router, sink] = [
    await lab.node('generator'),
    await lab.router('router'),
    await lab.node('sink'),
  ];
  await lab.link(
    { node: generator, device: 'g0', addresses: ['10.0.1.2/24'] },
    { node: router, device: 'r0', addresses: ['10.0.1.1/24'] },
  );
  await lab.link(
    { node: router, device: 'r1', addresses: ['10.0.2.1/24'] },
    { node: sink, device: 's0', addresses: ['10.0.2.2/24'] },
  );
  await router.ip(
    `neigh replace 10.0.1.2 lladdr ${await generator.mac('g0')} dev r0 nud permanent`,
    `neigh replace 10.0.2.2 lladdr ${await sink.mac('s0')} dev r1 nud permanent`,
    'route add 10.9.0.0/16 via 10.0.2.2',
  );
  const from = await Traffic.on(lab, generator, 'g0', generatorCore);
  const to = await Traffic.on(lab, sink, 's0', generatorCore);
  await sink.run('ethtool', '-K', 's0', 'gro', 'on'); // NAPI, before there is XDP
  const ends = { src: '10.0.1.2', dst: '10.9.0.1' };
  const packet = (ttl: number) => ipv4({ ...ends, ttl }, udp(ends, 1000, 2000, Buffer.alloc(18)));
  const frame = ethernet(await router.mac('r0'), from.mac, 0x0800, packet(64));
  const routed = ethernet(to.mac, await router.mac('r1'), 0x0800, packet(63));
  return { lab, from, to, router, sink, frame, routed };
}

const napiThreads = (device: string) =>
  readdirSync('/proc').filter((pid) => /^\d+$/.test(pid) && nameOf(pid).startsWith(`napi/${device}-`));

function nameOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/comm`, 'utf8');
  } catch {
    return ''; // it has ended
  }
}

/** A NAPI thread of its own for the port, on the router's core. @param prefer what gives it its priority */
async function pin(node: Node, device: string, prefer: readonly string[]): Promise<void> {
  const others = new Set(napiThreads(device));
  await node.run('sh', '-c', `echo 1 > /sys/class/net/${device}/threaded`);
  for (const pid of napiThreads(device).filter((one) => !others.has(one))) {
    execFileSync('taskset', ['-pc', String(routerCore), pid]);
    execFileSync(prefer[0]!, [...prefer.slice(1), pid]);
  }
}

/** The program runs from here on, pinned like the NAPI thread, and has said that it is ready. */
async function start(bed: Bed, command: readonly string[]): Promise<void> {
  const pinned = ['-c', String(routerCore), 'nice', '-n', String(niceness), ...command];
  const child = bed.lab.own(bed.router.start('taskset', pinned, { conversation: true }));
  const limit = AbortSignal.timeout(startMs);
  const first = new Promise<boolean>((resolve) => {
    createInterface({ input: child.stdout! })
      .once('line', () => resolve(true))
      .once('close', () => resolve(false));
    limit.addEventListener('abort', () => resolve(false));
  });
  if (!(await first)) throw new Error(`${command[0]} does not start`);
  bed.process = child.pid!;
}

/** Before anything is timed: one packet comes out as it should. */
async function check({ from, to, frame, routed }: Bed): Promise<void> {
  await to.capture();
  await from.raw(frame);
  const isRouted = (one: Buffer) => one.equals(routed);
  const seen = await to.captured((frames) => frames.some(isRouted));
  if (!seen.some(isRouted)) throw new Error('a packet was not routed as it should be');
}

/** A bed in which `install` has put a router, at rest. */
async function ready(napi: Napi, install: (bed: Bed) => Promise<void>): Promise<Bed> {
  const lab = await Lab.create();
  try {
    const bed = await topology(lab);
    await install(bed);
    await check(bed);
    await bed.to.drop();
    await bed.router.run('ethtool', '-K', 'r0', 'gro', 'on');
    if (napi === 'with-router') await pin(bed.router, 'r0', ['renice', '-n', String(niceness), '-p']);
    await pin(bed.sink, 's0', ['chrt', '-f', '-p', '1']);
    if (bed.process) process.kill(bed.process, 'SIGSTOP');
    return bed;
  } catch (error) {
    await lab.close();
    throw error;
  }
}

/** @param more makes the program's arguments */
export const programBed = (
  napi: Napi,
  program: string,
  more: (bed: Bed) => Promise<readonly string[]>,
): Promise<Bed> => ready(napi, async (bed) => start(bed, [program, ...(await more(bed))]));

export const kernelBed = (napi: Napi): Promise<Bed> => ready(napi, async () => {});

export const netmillBed = (napi: Napi, policy: string): Promise<Bed> =>
  ready(napi, async (bed) => {
    const netmill = await Netmill.start(bed.lab, bed.router, policy);
    bed.process = (await netmill.status()).engine.pid;
  });

/** Packets a second that come out of it. */
export async function measure(bed: Bed): Promise<number> {
  if (bed.process) process.kill(bed.process, 'SIGCONT');
  await sleep(50);
  const before = await bed.to.dropped();
  const started = performance.now();
  await bed.from.blast(bed.frame, { ms: runMs, rate: offered });
  const seconds = (performance.now() - started) / 1000;
  await sleep(20);
  const after = await bed.to.dropped();
  if (bed.process) process.kill(bed.process, 'SIGSTOP');
  return (after.packets - before.packets) / seconds;
}
