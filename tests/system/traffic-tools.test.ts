/*
 * `netmill gen` and `netmill bridge` as an operator uses them: through a router, through its pipes, through a bridge, up
 * to the host stack.
 *
 *   tester t0 ──── r0 router r1 ──── t1 tester       10.0.1.0/24, 10.0.2.0/24, 2001:db8:1::/64, 2001:db8:2::/64
 */
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import type { ExecutionContext } from 'ava';
import {
  type BridgeReport,
  bridgeReport,
  type GenReport,
  genReport,
} from '../../runtime/cli/traffic-reports.js';
import type { InterfaceReply } from '../../runtime/control/types.js';
import { built, cli, Netmill } from '../support/netmill.js';
import { Lab, type Node, until } from '../support/netns.js';
import { systemTest } from '../support/system-test.js';

const nothingWrong = { missing: 0, reordered: 0, duplicates: 0, late: 0, damaged: 0 };

async function gen(node: Node, ...args: readonly string[]): Promise<GenReport> {
  const out = await node.run(...cli, 'gen', '--json', ...args);
  return genReport.parse(JSON.parse(out.trim().split('\n').at(-1)!));
}

/** All that was sent came, once and in order. */
function whole(t: ExecutionContext, report: GenReport, packets: number): void {
  const { sent, received, missing, reordered, duplicates, late, damaged } = report;
  const expected = { sent: packets, received: packets, ...nothingWrong };
  t.deepEqual({ sent, received, missing, reordered, duplicates, late, damaged }, expected);
  t.is(report.receivedBytes, report.sentBytes);
  t.true(report.latencyNs!.least > 0 && report.latencyNs!.most >= report.latencyNs!.p50);
}

/** @param mtu of both wires @param second of the second, if it has another one */
async function ring(mtu = 1500, second = mtu): Promise<{ lab: Lab; tester: Node; router: Node }> {
  const lab = await Lab.create();
  const [tester, router] = [await lab.node('tester'), await lab.router('router')];
  for (const i of [0, 1])
    await lab.link(
      {
        node: tester,
        device: `t${i}`,
        mtu: [mtu, second][i]!,
        addresses: [`10.0.${i + 1}.2/24`, `2001:db8:${i + 1}::2/64`],
        mac: `02:00:00:00:00:0${i}`,
      },
      {
        node: router,
        device: `r${i}`,
        mtu: [mtu, second][i]!,
        addresses: [`10.0.${i + 1}.1/24`, `2001:db8:${i + 1}::1/64`],
        mac: `02:00:00:00:01:0${i}`,
      },
    );
  return { lab, tester, router };
}

const wires = `import { router } from 'netmill'
export default router('r', { interfaces: {
  a: { port: 'xdp:r0', fallback: 'kernel' }, b: { port: 'xdp:r1', fallback: 'kernel' } } })
`;

const pipes = (more: string) => `import { router } from 'netmill'
export default router('r', { interfaces: {
  a: { port: 'pipe:a', ${more}host: 'none', address: ['10.0.1.1/24'] },
  b: { port: 'pipe:b', ${more}host: 'none', address: ['10.0.2.1/24'] } } })
`;

function lastBridge(out: unknown): BridgeReport {
  return bridgeReport.parse(JSON.parse(String(out).trim().split('\n').at(-1)!));
}

/** The last report so far of a bridge that runs. */
function reports(bridge: ReturnType<Node['start']>): () => BridgeReport | undefined {
  let said = '';
  bridge.stdout!.on('data', (chunk) => (said += String(chunk)));
  return () => (said.includes('\n') ? lastBridge(said.slice(0, said.lastIndexOf('\n'))) : undefined);
}

systemTest('a generator and its sink, through a router, in both families', async (t) => {
  const { lab, tester, router } = await ring();
  try {
    await Netmill.start(lab, router, await built(wires));
    const ports = ['--send', 'xdp:t0', '--receive', 'xdp:t1', '--to-mac', '02:00:00:00:01:00'];
    await router.ip(
      'neigh replace 10.0.2.2 lladdr 02:00:00:00:00:01 dev r1 nud permanent',
      'neigh replace 2001:db8:2::2 lladdr 02:00:00:00:00:01 dev r1 nud permanent',
    );
    const most = ['--rate', '5k', '--count', '5000', '--flows', '100'];
    whole(t, await gen(tester, ...ports, '--from', '10.0.1.2', '--to', '10.0.2.2', ...most), 5000);
    const six = ['--from', '2001:db8:1::2', '--to', '2001:db8:2::2', '--size', '100,1514'];
    whole(t, await gen(tester, ...ports, ...six, ...most), 5000);
    const away = await gen(tester, ...ports, '--from', '10.0.1.2', '--to', '203.0.113.1', '--count', '100');
    t.deepEqual([away.sent, away.received], [100, 0], 'what the router has no route to is lost');
    t.regex(
      await tester.run('ping', '-c1', '-W5', '10.0.1.1'),
      /1 received/,
      'the ports are the kernel’s again',
    );
  } finally {
    await lab.close();
  }
});

for (const mtu of [3000, 9000])
  systemTest(`a generator, a router, a bridge and a sink with packets of ${mtu} bytes`, async (t) => {
    const { lab, tester, router } = await ring(mtu);
    try {
      const netmill = await Netmill.start(lab, router, await built(wires));
      const wire = ['--send', 'xdp:t0', '--receive', 'xdp:t1', '--rate', '2k', '--flows', '100'];
      const routed = [...wire, '--to-mac', '02:00:00:00:01:00', '--count', '2000'];
      await router.ip(
        'neigh replace 10.0.2.2 lladdr 02:00:00:00:00:01 dev r1 nud permanent',
        'neigh replace 2001:db8:2::2 lladdr 02:00:00:00:00:01 dev r1 nud permanent',
      );
      const sizes = ['--size', `${mtu + 14},100,${mtu - 1}`];
      whole(t, await gen(tester, ...routed, ...sizes, '--from', '10.0.1.2', '--to', '10.0.2.2'), 2000);
      const six = ['--from', '2001:db8:1::2', '--to', '2001:db8:2::2'];
      whole(t, await gen(tester, ...routed, ...sizes, ...six), 2000);
      const long = await tester.try(...cli, 'gen', ...routed, '--size', `${mtu + 15}`);
      t.is(long.code, 64);
      t.regex(
        long.stderr,
        new RegExp(
          `--size ${mtu + 15}: expected at most ${mtu + 14} on xdp:t0, whose packets have at most ${mtu} bytes, behind 14 of Ethernet: say --size ${mtu + 14}, or ip link set IF mtu ${mtu + 1}`,
        ),
      );
      await netmill.stop();

      const joined = lab.own(router.start(cli[0], [...cli.slice(1), 'bridge', '--json', 'xdp:r0', 'xdp:r1']));
      await until('the bridge', async () => (await router.run('ip', 'link', 'show', 'r1')).includes('xdp'));
      const tagged = ['--vlan', '7', '--size', `${mtu + 18},64`];
      const bridged = [...wire, '--to-mac', '02:00:00:00:00:01', '--count', '2000'];
      whole(t, await gen(tester, ...bridged, ...sizes), 2000);
      whole(t, await gen(tester, ...bridged, ...tagged), 2000);
      joined.kill('SIGINT');
      t.is(lastBridge((await joined).stdout).there.refused, 0);
    } finally {
      await lab.close();
    }
  });

systemTest(
  'a bridge between two MTUs refuses and counts what is too large, and raises it to its host',
  async (t) => {
    const { lab, tester, router } = await ring(9000, 1500);
    const bridge = (...args: readonly string[]) =>
      lab.own(router.start(cli[0], [...cli.slice(1), 'bridge', '--json', ...args]));
    try {
      const joined = bridge('xdp:r0', 'xdp:r1');
      await until('the bridge', async () => (await router.run('ip', 'link', 'show', 'r1')).includes('xdp'));
      const ports = ['--send', 'xdp:t0', '--receive', 'xdp:t1', '--to-mac', '02:00:00:00:00:01'];
      const sizes = ['--count', '2000', '--rate', '2k', '--size', '9014,1514'];
      const { received, damaged } = await gen(tester, ...ports, ...sizes);
      t.deepEqual({ received, damaged }, { received: 1000, damaged: 0 });
      joined.kill('SIGINT');
      t.is(lastBridge((await joined).stdout).there.refused, 1000);

      const raised = bridge('xdp:r0', 'host');
      await until('the bridge', async () => (await router.run('ip', 'link', 'show', 'r0')).includes('xdp'));
      const counted = reports(raised);
      await until('the kernel to answer what the bridge hands up', async () => {
        t.is(await tester.pings(5, '10.0.1.1', '-M', 'do', '-s', '8972'), 5);
        t.is(await tester.pings(5, '2001:db8:1::1', '-M', 'do', '-s', '8952'), 5);
        return (counted()?.there.bytes ?? 0) >= 10 * 9014;
      });
      raised.kill('SIGINT');
      t.is(lastBridge((await raised).stdout).there.refused, 0);
    } finally {
      await lab.close();
    }
  },
);

systemTest('a generator and its sink as peers of two pipes with packets of 9,000 bytes', async (t) => {
  const lab = await Lab.create();
  try {
    const router = await lab.router('router');
    const netmill = await Netmill.start(lab, router, pipes('mtu: 9000, '));
    t.is((await netmill.run('arp', 'add', '10.0.2.2', '02:00:00:00:00:01', '--iface', 'b')).code, 0);
    const shown = await netmill.json<InterfaceReply[]>('ifconfig');
    const mac = shown.find(({ name }) => name === 'a')!.mac;
    const ports = ['--send', 'pipe:a', '--receive', 'pipe:b', '--rundir', netmill.rundir, '--to-mac', mac];
    const packets = ['--from', '10.0.1.2', '--to', '10.0.2.2', '--count', '2k', '--rate', '2k'];
    whole(t, await gen(router, ...ports, ...packets, '--size', '9014,60,9013'), 2000);
  } finally {
    await lab.close();
  }
});

systemTest('a pipe says which frames its buffers take', async (t) => {
  const lab = await Lab.create();
  try {
    const router = await lab.router('router');
    const netmill = await Netmill.start(lab, router, await built(pipes('')));
    const to = ['--to-mac', '02:00:00:00:00:01', '--rundir', netmill.rundir];
    const { code, stderr } = await router.try(...cli, 'gen', '--send', 'pipe:a', ...to, '--size', '9014');
    t.is(code, 64);
    t.regex(
      stderr,
      /--size 9014: expected at most 1784 on pipe:a, .*: say --size 1784, or give an interface in the policy/,
    );
  } finally {
    await lab.close();
  }
});

systemTest('a generator and its sink as peers of two pipes', async (t) => {
  const lab = await Lab.create();
  try {
    const router = await lab.router('router');
    const netmill = await Netmill.start(lab, router, await built(pipes('')));
    t.is((await netmill.run('arp', 'add', '10.0.2.2', '02:00:00:00:00:01', '--iface', 'b')).code, 0);
    const shown = await netmill.json<InterfaceReply[]>('ifconfig');
    const mac = shown.find(({ name }) => name === 'a')!.mac;
    const ports = ['--send', 'pipe:a', '--receive', 'pipe:b', '--rundir', netmill.rundir, '--to-mac', mac];
    const report = await gen(
      router,
      ...ports,
      ...['--from', '10.0.1.2', '--to', '10.0.2.2', '--count', '5k', '--rate', '5k', '--flows', '1000'],
    );
    whole(t, report, 5000);
  } finally {
    await lab.close();
  }
});

const workers = `engine: { workers: [{ rings: { a: [0], b: [0] } }, { rings: { a: [1], b: [1] } }] }, `;

systemTest('a generator sends on every ring of a pipe, each flow by one', async (t) => {
  const lab = await Lab.create();
  try {
    const router = await lab.router('router');
    const policy = pipes('')
      .replaceAll(/pipe:[ab]/g, '$&/2')
      .replace('interfaces:', `${workers}interfaces:`);
    const netmill = await Netmill.start(lab, router, policy);
    t.is((await netmill.run('arp', 'add', '10.0.2.2', '02:00:00:00:00:01', '--iface', 'b')).code, 0);
    const shown = await netmill.json<InterfaceReply[]>('ifconfig');
    const mac = shown.find(({ name }) => name === 'a')!.mac;
    const ports = ['--send', 'pipe:a', '--receive', 'pipe:b', '--rundir', netmill.rundir, '--to-mac', mac];
    const packets = ['--from', '10.0.1.2', '--to', '10.0.2.2', '--rate', '5k'];
    const bursts = async () => (await netmill.status()).workers.map((worker) => worker.bursts);
    const counted = async () => (await netmill.status()).ports.find(({ name }) => name === 'a')!.rx.packets;
    const [before, had] = [await bursts(), await counted()];
    whole(t, await gen(router, ...ports, ...packets, '--count', '5k', '--flows', '999'), 5000);
    const after = await bursts();
    t.is(Number(await counted()) - Number(had), 5000, 'of both rings');
    t.true(
      after.every((count, i) => count > before[i]! + 10),
      `both workers: ${before} ${after}`,
    );
  } finally {
    await lab.close();
  }
});

systemTest('a generator says when nobody takes its packets', async (t) => {
  const lab = await Lab.create();
  try {
    const router = await lab.router('router');
    const netmill = await Netmill.start(lab, router, pipes(''));
    const engine = await netmill.enginePid();
    const send = ['--send', 'pipe:a', '--rundir', netmill.rundir, '--to-mac', '02:00:00:00:00:01'];
    t.is((await gen(router, ...send, '--count', '5')).stuck, undefined);
    const running = router.run(...cli, 'gen', ...send, '--rate', '10k', '--seconds', '7');
    const received = async () => (await netmill.status()).ports.find(({ name }) => name === 'a')!.rx.packets;
    await until('packets', async () => Number(await received()) > 100);
    process.kill(engine, 'SIGSTOP');
    const text = await running.finally(() => process.kill(engine, 'SIGCONT'));
    const said = /packets lie in the rings of pipe:a, and nobody takes them: does its engine/g;
    t.is(text.match(said)?.length, 2, `once while it runs, and at the end:\n${text}`);
  } finally {
    await lab.close();
  }
});

systemTest('a generator sends by every queue of a device, its sink receives by every one', async (t) => {
  const lab = await Lab.create();
  try {
    const node = await lab.node('node');
    const mac = '02:00:00:00:00:01';
    await lab.link({ node, device: 't0' }, { node, device: 't1', mac }, { queues: 4 });
    const ports = ['--send', 'xdp:t0', '--receive', 'xdp:t1', '--to-mac', mac];
    const burst = 64; // rings may differ by one
    const by = async () =>
      [...(await node.run('ethtool', '-S', 't1')).matchAll(/rx_queue_\d+_xdp_packets: (\d+)/g)].map(
        ([, packets]) => Number(packets),
      );
    whole(t, await gen(node, ...ports, '--count', '4000', '--rate', '4k', '--flows', '4'), 4000);
    for (const packets of await by()) t.true(Math.abs(packets - 1000) <= burst, `${packets} of 4,000`);
    const before = await by();
    whole(t, await gen(node, ...ports, '--count', '400', '--rate', '4k', '--flows', '2'), 400);
    const after = (await by()).map((packets, i) => packets - before[i]!);
    const due = [200, 200, 0, 0];
    t.true(
      after.every((packets, i) => Math.abs(packets - due[i]!) <= burst),
      `${after}`,
    );
  } finally {
    await lab.close();
  }
});

systemTest('a generator waits for the carrier of its device', async (t) => {
  const { lab, tester, router } = await ring();
  try {
    const came = async () => Number(await router.run('cat', '/sys/class/net/r0/statistics/rx_packets'));
    await router.ip('link set r0 down');
    const before = await came();
    const sent = gen(tester, '--send', 'xdp:t0', '--to-mac', '02:00:00:00:01:00', '--count', '500');
    await until('its port to be open', async () => / xdp/.test(await tester.run('ip', 'link', 'show', 't0')));
    await sleep(1_000);
    await router.ip('link set r0 up');
    t.is((await sent).sent, 500);
    await until('the packets to come', async () => (await came()) - before >= 500);
    t.true((await came()) - before < 600, 'each came once; what else comes is the devices’ own');
  } finally {
    await lab.close();
  }
});

systemTest('a bridge of two ports, and one of a port and its host stack', async (t) => {
  const { lab, tester, router } = await ring();
  const bridge = (...args: readonly string[]) =>
    lab.own(router.start(cli[0], [...cli.slice(1), 'bridge', '--json', ...args]));
  try {
    const joined = bridge('xdp:r0', 'xdp:r1');
    await until('the bridge', async () => (await router.run('ip', 'link', 'show', 'r1')).includes('xdp'));
    const ports = ['--send', 'xdp:t0', '--receive', 'xdp:t1', '--to-mac', '02:00:00:00:00:01'];
    whole(t, await gen(tester, ...ports, '--count', '5000', '--rate', '5k', '--flows', '7'), 5000);
    const [program] = readFileSync(`/proc/${joined.pid}/task/${joined.pid}/children`, 'utf8').split(' ');
    const received = async () => Number(await router.run('cat', '/sys/class/net/r0/statistics/rx_packets'));
    const before = await received();
    const sending = gen(tester, ...ports, '--count', '3000', '--rate', '3k');
    await until('packets to cross', async () => (await received()) > before + 500);
    process.kill(Number(program), 'SIGSTOP');
    await sleep(100); // twice what an engine is given
    process.kill(Number(program), 'SIGCONT');
    whole(t, await sending, 3000); // kept from its processor, it finds all of them in its ring
    joined.kill('SIGINT');
    t.true(lastBridge((await joined).stdout).there.packets >= 5000);

    const raised = bridge('xdp:r0', 'host');
    await until('the bridge', async () => (await router.run('ip', 'link', 'show', 'r0')).includes('xdp'));
    const counted = reports(raised);
    // Until the bridge serves the port, the kernel has it to itself.
    await until('the kernel to answer what the bridge hands up', async () => {
      t.is(await tester.pings(5, '10.0.1.1'), 5);
      return (counted()?.there.packets ?? 0) >= 5;
    });
    raised.kill('SIGINT');
    await raised;
  } finally {
    await lab.close();
  }
});
