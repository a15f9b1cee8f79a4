/**
 *   generator g0 ──── r0 router r1 ──── s0 sink        twice: once routed by netmill, once by the kernel
 *
 * The generator runs inside the kernel on core 0 and offers more than either router can carry. All of the router is
 * on core 1: the NAPI thread of its ports and, for netmill, the worker. The sink counts and drops by XDP. What counts
 * is what arrives.
 */
import { execFileSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { Netmill } from '../tests/support/netmill.js';
import { Lab, missing, type Node, sleep } from '../tests/support/netns.js';
import { ethernet, ipv4, udp } from '../tests/support/packet.js';
import { Traffic } from '../tests/support/traffic.js';
import type { Measured } from './result.js';

const runs = 5;
const offered = 2_500_000; // packets a second
const runMs = 1500;
const routerCore = 1;
const generatorCore = 0;

interface Bed {
  readonly lab: Lab;
  readonly from: Traffic;
  readonly to: Traffic;
  readonly router: Node;
  readonly frame: Buffer;
}

async function build(): Promise<Bed> {
  const lab = await Lab.create();
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
  await to.drop();
  const ends = { src: '10.0.1.2', dst: '10.9.0.1' };
  const frame = ethernet(
    await router.mac('r0'),
    from.mac,
    0x0800,
    ipv4(ends, udp(ends, 1000, 2000, Buffer.alloc(18))),
  );
  return { lab, from, to, router, frame };
}

/** A NAPI thread of its own for the port, on the router's core. */
async function pin(router: Node, device: string): Promise<void> {
  await router.run('ethtool', '-K', device, 'gro', 'on');
  await router.run('sh', '-c', `echo 1 > /sys/class/net/${device}/threaded`);
  const index = await router.ipJson<{ ifindex: number }[]>('link', 'show', 'dev', device);
  for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
    const comm = execComm(pid);
    if (comm.startsWith(`napi/${device}-`) && index.length) {
      execFileSync('taskset', ['-pc', String(routerCore), pid]);
      execFileSync('renice', ['-n', '-15', '-p', pid]); // as the engine: neither starves the other
    }
  }
}

function execComm(pid: string): string {
  try {
    return execFileSync('cat', [`/proc/${pid}/comm`], { stdio: ['ignore', 'pipe', 'ignore'] }).toString();
  } catch {
    return '';
  }
}

async function measure(bed: Bed): Promise<number> {
  const before = await bed.to.dropped();
  const started = performance.now();
  await bed.from.blast(bed.frame, { ms: runMs, rate: offered });
  const seconds = (performance.now() - started) / 1000;
  await sleep(20);
  return ((await bed.to.dropped()).packets - before.packets) / seconds;
}

const policy = `import { router } from 'netmill'
export default router('bench', {
  engine: { workers: [{ core: ${routerCore} }], events: 'busy' },
  interfaces: { a: { port: 'xdp:r0', fallback: 'kernel' }, b: { port: 'xdp:r1', fallback: 'kernel' } },
})
`;

export async function vethLinux(say: (text: string) => void): Promise<Measured> {
  const about = { case: 'veth.linux', unit: 'packets/s', better: 'higher', peer: 'linux', bar: 1.2 } as const;
  const reason = missing('taskset');
  if (reason) return { ...about, ours: [], skipped: reason };
  const [mine, linux] = [await build(), await build()];
  try {
    const netmill = await Netmill.start(mine.lab, mine.router, policy);
    const engine = (await netmill.status()).engine.pid;
    for (const bed of [mine, linux]) await pin(bed.router, 'r0');
    const ours: number[] = [];
    const theirs: number[] = [];
    for (let run = 0; run < runs; run++) {
      say(`veth.linux: run ${run + 1} of ${runs}`);
      process.kill(engine, 'SIGCONT');
      await sleep(50);
      ours.push(await measure(mine));
      process.kill(engine, 'SIGSTOP'); // it would go on looking for packets on the kernel's core
      theirs.push(await measure(linux));
    }
    return { ...about, ours, peerRuns: theirs };
  } finally {
    await mine.lab.close();
    await linux.lab.close();
  }
}
