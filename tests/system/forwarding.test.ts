/*
 * Untagged packets of both families over xdp: ports; what happens to single ones is conformance.test.ts's subject.
 * Topology: support/line.ts; in the comparison it stands twice, routed once by netmill and once by the kernel.
 */
import type { ExecutionContext } from 'ava';
import { alike, outcomes } from '../support/compare.js';
import { behind, Line, type LineOptions, macs, mixedFlows, own } from '../support/line.js';
import { built, Netmill } from '../support/netmill.js';
import { type Node, until } from '../support/netns.js';
import { systemTest } from '../support/system-test.js';
import { counted, settled } from '../support/traffic.js';
import { type Crafted, craftedRoutes, large } from './crafted.js';
import { diverted, plain } from './policies.js';

/** A router under netmill with resolved neighbours. */
async function milled(
  options: LineOptions = {},
  policy: string = plain,
): Promise<{ line: Line; netmill: Netmill }> {
  const line = await Line.create(options);
  try {
    await line.router.ip(...craftedRoutes);
    const netmill = await Netmill.start(line.lab, line.router, await built(policy));
    await line.warm();
    return { line, netmill };
  } catch (error) {
    await line.close();
    throw error;
  }
}

async function compareDiverted(
  t: ExecutionContext,
  packets: readonly Crafted[],
  options: LineOptions,
): Promise<void> {
  const { line: mill, netmill } = await milled(options, diverted);
  await mill.router.ip(...elsewhere);
  const kernel = await Line.create(options);
  try {
    await kernel.router.ip(...craftedRoutes);
    await kernel.warm();
    const ends = [await mill.traffic(), await kernel.traffic()] as const;
    const different: string[] = [];
    for (const { name, frame } of packets) {
      const both = await outcomes(ends, [frame], alike);
      if (!alike(both)) {
        const [ours, theirs] = both;
        different.push(
          `${name}\n  sent    ${frame.toString('hex')}\n  netmill ${JSON.stringify(ours)}\n  kernel  ${JSON.stringify(theirs)}`,
        );
      }
    }
    t.is(different.length, 0, `${different.join('\n')}\n${JSON.stringify((await netmill.status()).drops)}`);
  } finally {
    await mill.close();
    await kernel.close();
  }
}

/** Where the kernel would send what a rule diverts to the server. */
const elsewhere = [
  'route replace 10.9.0.0/16 via 10.0.3.2',
  'route replace 2001:db8:9::/48 via 2001:db8:3::2',
];

/** Later fragments keep no option that need not be copied (RFC 791 §3.1); the kernel's keep as many bytes of none. */
const withoutOptions = large.filter((one) => !one.name.includes('options'));

systemTest(
  'packets too large for the way that a rule chose fare as with the kernel, whatever its table says',
  (t) => compareDiverted(t, withoutOptions, { serverMtu: 1280 }),
  { seconds: 90 },
);

systemTest('a sender learns the MTU of the way that a rule chose', async (t) => {
  const { line, netmill } = await milled({ serverMtu: 1280 }, diverted);
  try {
    await line.router.ip(...elsewhere);
    const ping = (target: string) =>
      line.client.try('ping', '-c2', '-i0.2', '-W9', '-M', 'do', '-s', '1400', target);
    t.regex((await ping(behind.server.v4)).stdout, /From 10\.0\.1\.1 .*[Ff]rag needed.*mtu = 1280/);
    t.regex((await ping(behind.server.v6)).stdout, /From 2001:db8:1::1 .*[Pp]acket too big.*mtu[ =]+1280/);
    const drops = (await netmill.status()).drops.find((drop) => drop.reason === 'too-big');
    t.true(drops !== undefined && drops.packets >= 2, JSON.stringify(drops));
  } finally {
    await line.close();
  }
});

systemTest('flows of both families pass without loss, reordering or a changed byte', async (t) => {
  const { line, netmill } = await milled();
  try {
    const { client, server } = await line.traffic();
    await mixedFlows(client, 'server');
    await client.send(20_000, { count: 60_000 });
    t.like(await settled(client, server), { sent: 60_000, lost: 0, reordered: 0, duplicates: 0, bad: 0 });
    const sink = await server.stats();
    t.true(sink.flows.every((flow) => flow.ttl === 63));
    const { ports } = await netmill.status();
    t.true(
      ports.find((port) => port.name === 'client')!.rx.packets >= 60_000,
      'netmill did not see the packets',
    );
  } finally {
    await line.close();
  }
});

systemTest('ping passes through the router, and the router itself answers, in both families', async (t) => {
  const { line } = await milled();
  try {
    for (const target of [
      own.server.v4,
      own.server.v6,
      '10.0.1.1',
      '2001:db8:1::1',
      '10.0.2.1',
      '2001:db8:2::1',
    ]) {
      t.is(await line.client.pings(20, target), 20, target);
    }
    t.is(await line.router.pings(20, own.server.v4), 20, 'from the router itself');
    t.is(await line.client.pings(5, own.server.v4, '-s', '4000'), 5, 'fragments');
  } finally {
    await line.close();
  }
});

systemTest(
  'traceroute shows the router',
  async (t) => {
    const { line } = await milled();
    try {
      const v4 = await line.client.run('traceroute', '-n', '-w9', '-q1', own.server.v4);
      t.regex(v4, /1 {2}10\.0\.1\.1 [\s\S]*2 {2}10\.0\.2\.2 /);
      const v6 = await line.client.run('traceroute', '-6', '-n', '-w9', '-q1', own.server.v6);
      t.regex(v6, /1 {2}2001:db8:1::1 [\s\S]*2 {2}2001:db8:2::2 /);
    } finally {
      await line.close();
    }
  },
  { tools: ['traceroute'] },
);

async function iperf(line: Line, target: string, ...more: readonly string[]): Promise<number> {
  const server = line.lab.own(line.server.start('iperf3', ['-s', '-1']));
  await until('the server', async () => (await line.server.run('ss', '-tln')).includes(':5201'));
  const said = await line.client.run('iperf3', '-c', target, '-t', '2', '-J', ...more);
  server.kill('SIGKILL');
  const report = JSON.parse(said) as { end: { sum_received: { bits_per_second: number } } };
  return report.end.sum_received.bits_per_second;
}

systemTest(
  'TCP runs through the router in both directions and both families',
  async (t) => {
    const { line } = await milled();
    try {
      for (const target of [own.server.v4, own.server.v6]) {
        t.true((await iperf(line, target)) > 50e6, `${target}: to the server`);
        t.true((await iperf(line, target, '-R')) > 50e6, `${target}: from the server`);
      }
    } finally {
      await line.close();
    }
  },
  { tools: ['iperf3'] },
);

systemTest('a tag that the sender’s device keeps beside the frame is never taken for none', async (t) => {
  const { line, netmill } = await milled({ offloads: true });
  try {
    const { client, server } = await line.traffic();
    const flow = { src: own.client.v4, dst: behind.server.v4, dmac: macs.r0, size: 100 };
    await client.flow({ id: 1, ...flow });
    await client.send(2000, { count: 1000 });
    await client.clear();
    const before = await sentBy(line.client, 'c0');
    await client.tagBeside(77);
    await client.flow({ id: 2, ...flow });
    await client.send(2000, { count: 1000 });
    const counts = (await counted(server, 2000)).flows;
    t.is(counts.find((flow) => flow.id === 1)?.unique, 1000);
    t.is(
      counts.find((flow) => flow.id === 2),
      undefined,
      'tagged packets were forwarded as untagged',
    );
    const drops = (await netmill.status()).drops.find((drop) => drop.reason === 'unknown-vlan');
    // What the client's kernel says by itself is tagged, too.
    const tagged = (await sentBy(line.client, 'c0')) - before;
    t.true(drops!.packets >= 1000 && drops!.packets <= tagged, `${drops!.packets} of ${tagged} were dropped`);
  } finally {
    await line.close();
  }
});

async function sentBy(node: Node, device: string): Promise<number> {
  const [link] = await node.ipJson<{ stats64: { tx: { packets: number } } }[]>('-s', 'link', 'show', device);
  return link!.stats64.tx.packets;
}
