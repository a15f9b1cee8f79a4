/**
 * What wakes a port's queues runs where their workers do. A veth has no interrupts, but its NAPI may run in threads of the
 * kernel's (threaded), which are placed as interrupts are; those are tests/engine/affinity_test.c's, on a model.
 *
 *   client c0 ════ PORT router r1 ──── s0 server       10.0.1.0/24, 10.0.2.0/24; two queues on the left
 */
import { readdirSync, readFileSync } from 'node:fs';
import { Netmill } from '../support/netmill.js';
import { Lab, type Node, until } from '../support/netns.js';
import { systemTest } from '../support/system-test.js';

/** No other's threads have its name in theirs. */
const device = `t${process.pid}`;
const all = '0-1';

function policy(workers: string, port = ''): string {
  return `import { router } from 'netmill';
export default router('some', { engine: { workers: ${workers}, events: 'poll' }, interfaces: {
  ${port === 'none' ? '' : `lan: { port: 'xdp:${device}', fallback: 'kernel', ${port} },`}
  wan: { port: 'xdp:r1', fallback: 'kernel' } } });
`;
}

/** Rings 0 and 1 of the port on these cores. */
const onCores = (first: number, second: number) =>
  `[{ core: ${first}, rings: { lan: [0], wan: [0] } }, { core: ${second}, rings: { lan: [1] } }]`;

const read = (file: string) => {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return ''; // ended meanwhile
  }
};

/** The kernel's threads of the device, that of queue 0 first. */
function threads(): readonly string[] {
  const found = readdirSync('/proc')
    .filter((pid) => /^\d+$/.test(pid))
    .map((pid) => [pid, new RegExp(`^napi/${device}-(\\d+)$`).exec(read(`/proc/${pid}/comm`).trim())?.[1]]);
  return found
    .filter(([, napi]) => napi !== undefined)
    .sort(([, a], [, b]) => Number(a) - Number(b))
    .map(([pid]) => pid!);
}

/** A line of what the kernel says of a thread. */
const said = (pid: string, key: string) =>
  new RegExp(`^${key}:\\s*(.*)$`, 'm').exec(read(`/proc/${pid}/status`))?.[1];

const cores = () => threads().map((pid) => said(pid, 'Cpus_allowed_list'));

async function pings(client: Node, queue: number): Promise<number> {
  const lines = [0, 1].map((i) => `echo ${i === queue ? 3 : 0} > /sys/class/net/c0/queues/tx-${i}/xps_cpus`);
  await client.run('sh', '-ec', lines.join('\n'));
  return client.pings(20, '10.0.2.2');
}

/** How often each thread went to sleep for want of packets while some came by that queue. */
async function woken(client: Node, queue: number): Promise<readonly number[]> {
  const count = () => threads().map((pid) => Number(said(pid, 'voluntary_ctxt_switches')));
  const before = count();
  await pings(client, queue);
  return count().map((n, i) => n - before[i]!);
}

async function layOut(lab: Lab): Promise<readonly [Node, Node]> {
  const [client, router, server] = [
    await lab.node('client'),
    await lab.router('router'),
    await lab.node('server'),
  ];
  await lab.link(
    { node: client, device: 'c0', addresses: ['10.0.1.2/24'] },
    { node: router, device, addresses: ['10.0.1.1/24'] },
    { queues: 2 },
  );
  await lab.link(
    { node: router, device: 'r1', addresses: ['10.0.2.1/24'] },
    { node: server, device: 's0', addresses: ['10.0.2.2/24'] },
  );
  await client.ip('route add default via 10.0.1.1');
  await server.ip('route add default via 10.0.2.1');
  // With GRO a veth has its NAPI whether or not there is a program.
  await router.run('ethtool', '-K', device, 'gro', 'on');
  await router.run('sh', '-c', `echo 1 > /sys/class/net/${device}/threaded`);
  return [client, router];
}

const needs = { tools: ['taskset', 'ping'], files: ['/sys/devices/system/cpu/cpu1'] };

systemTest(
  "threads of NAPI run on the cores of their queues' workers, and go back",
  async (t) => {
    const lab = await Lab.create();
    try {
      const [client, router] = await layOut(lab);
      for (const pid of threads()) await router.run('taskset', '-pc', all, pid);
      t.deepEqual(cores(), [all, all]);

      const netmill = await Netmill.start(lab, router, policy(onCores(1, 0)));
      t.deepEqual(cores(), ['1', '0']);
      for (const queue of [0, 1]) {
        const [mine, other] = [
          (await woken(client, queue))[queue]!,
          (await woken(client, queue))[1 - queue]!,
        ];
        t.true(mine >= 10 && other < 10, `queue ${queue} is that thread's: ${mine} and ${other}`);
      }
      await netmill.deploy(policy(onCores(0, 1)));
      t.deepEqual(cores(), ['0', '1'], 'a queue that changes its worker');
      await netmill.deploy(policy('2'));
      t.deepEqual(cores(), [all, all], 'workers without a core');
      await netmill.deploy(policy(onCores(0, 1), "affinity: 'leave'"));
      t.deepEqual(cores(), [all, all], 'a port that wants nothing moved');
      await netmill.deploy(policy('[{ core: 1 }]'));
      t.deepEqual(cores(), ['1', '1']);
      await netmill.deploy(policy('[{ core: 1 }]', 'none'));
      t.deepEqual(cores(), [all, all], 'a port that is gone');
      await netmill.deploy(policy(onCores(1, 0), 'queues: [1]').replace('lan: [1]', ''));
      t.deepEqual(cores(), [all, '1'], 'one queue alone');

      await netmill.deploy(policy(onCores(1, 0)));
      const engine = await netmill.enginePid();
      process.kill(engine, 'SIGKILL');
      await until('another engine', async () => (await netmill.enginePid()) !== engine);
      await netmill.ready();
      t.deepEqual(cores(), ['1', '0'], 'an engine that adopts');
      t.is(await pings(client, 0), 20);

      const last = await netmill.enginePid();
      await netmill.killDaemon();
      process.kill(last, 'SIGKILL');
      t.deepEqual(cores(), ['1', '0'], 'nobody is left');
      await netmill.startDaemon();
      t.deepEqual(cores(), ['1', '0']);
      await router.run('taskset', '-pc', '0', threads()[0]!);
      await netmill.stop();
      t.deepEqual(cores(), ['0', all], "the operator's word stands, the other is as before everything");

      // Last, since a daemon that finds the device down in between sets it up, and down again at the end.
      await netmill.startDaemon();
      const old = threads();
      await router.ip(`link set ${device} down`, `link set ${device} up`);
      await until('new threads on their cores', () => threads()[0] !== old[0] && cores().join() === '1,0');
      await netmill.stop();
    } finally {
      await lab.close();
    }
  },
  needs,
);
