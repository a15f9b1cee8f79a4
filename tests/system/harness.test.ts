/*
 * The harness itself, with the kernel as the router: what these tests take for granted must hold before netmill
 * is judged by it.
 *
 *   client c0 ──── r0 router r1 ──── s0 server          10.0.1.0/24, 10.0.2.0/24, 10.9.0.0/16 behind server
 */
import { Lab, type Node, sleep } from '../support/netns.js';
import { systemTest } from '../support/system-test.js';
import { settled, Traffic, tally } from '../support/traffic.js';

async function line(lab: Lab): Promise<{ client: Node; router: Node; server: Node }> {
  const client = await lab.node('client');
  const router = await lab.router('router');
  const server = await lab.node('server');
  await lab.link(
    { node: client, device: 'c0', addresses: ['10.0.1.2/24', '2001:db8:1::2/64'] },
    { node: router, device: 'r0', addresses: ['10.0.1.1/24', '2001:db8:1::1/64'] },
  );
  await lab.link(
    { node: router, device: 'r1', addresses: ['10.0.2.1/24', '2001:db8:2::1/64'] },
    { node: server, device: 's0', addresses: ['10.0.2.2/24', '2001:db8:2::2/64'] },
  );
  await client.ip('route add default via 10.0.1.1', 'route add ::/0 via 2001:db8:1::1');
  await server.ip('route add default via 10.0.2.1', 'route add ::/0 via 2001:db8:2::1');
  await router.ip('route add 10.9.0.0/16 via 10.0.2.2', 'route add 2001:db8:9::/48 via 2001:db8:2::2');
  return { client, router, server };
}

/** Frames of that length, in hexadecimal, when there are `count` of them. */
async function arrived(on: Traffic, length: number, count: number): Promise<readonly string[]> {
  const wanted = (frames: readonly Buffer[]) => frames.filter((frame) => frame.length === length);
  return wanted(await on.captured((frames) => wanted(frames).length >= count)).map((f) => f.toString('hex'));
}

systemTest(
  'the kernel forwards stamped flows of both families and nothing is lost, and a cut is seen',
  async (t) => {
    const lab = await Lab.create();
    try {
      const { client, router, server } = await line(lab);
      const [from, to] = [await Traffic.on(lab, client, 'c0'), await Traffic.on(lab, server, 's0')];
      const dmac = await router.mac('r0');
      await from.flow({ id: 1, src: '10.0.1.2', dst: '10.9.0.1', dmac, n: 4, size: 64 });
      await from.flow({ id: 10, src: '2001:db8:1::2', dst: '2001:db8:9::1', dmac, proto: 'tcp', size: 1400 });
      await from.flow({ id: 11, src: '10.0.1.2', dst: '10.9.0.1', dmac, proto: 'icmp', ttl: 9 });
      await client.run('ping', '-c1', '-W2', '10.0.2.2');
      await client.run('ping', '-c1', '-W2', '2001:db8:2::2');
      await from.send(20_000, { count: 20_000 });
      t.like(await settled(from, to), { sent: 20_000, lost: 0, reordered: 0, duplicates: 0, bad: 0 });
      const sink = await to.stats();
      t.is(sink.flows.find((flow) => flow.id === 11)?.ttl, 8);

      await to.reset();
      await from.start(1000);
      await router.ip('route del 10.9.0.0/16');
      await sleep(300);
      await from.stop();
      t.true(tally(await from.stats(), await to.stats(), [1, 2, 3, 4]).lost > 100);
    } finally {
      await lab.close();
    }
  },
);

systemTest('the tool answers ARP, Neighbour Discovery and ping for a station behind no tag', async (t) => {
  const lab = await Lab.create();
  try {
    const { client, server } = await line(lab);
    const tool = await Traffic.on(lab, server, 's0');
    await tool.answer('10.0.2.77');
    await tool.answer('2001:db8:2::77');
    t.is(await client.pings(3, '10.0.2.77'), 3);
    t.is(await client.pings(3, '2001:db8:2::77'), 3);
  } finally {
    await lab.close();
  }
});

systemTest('tags, single and double, are sent and seen as on the wire', async (t) => {
  const lab = await Lab.create();
  try {
    const [a, b] = [await lab.node('a'), await lab.node('b')];
    await lab.link({ node: a, device: 'a0' }, { node: b, device: 'b0' });
    const [from, to] = [await Traffic.on(lab, a, 'a0'), await Traffic.on(lab, b, 'b0')];
    await to.capture();
    const spec = { src: '10.0.0.1', dst: '10.0.0.2', dmac: to.mac, size: 80 };
    await from.flow({ id: 1, ...spec, tags: '8100:100' });
    await from.flow({ id: 2, ...spec, tags: '88a8:300,8100:10' });
    await from.send(1000, { count: 2 });
    const frames = await arrived(to, 80, 2);
    t.is(frames.length, 2);
    t.is(frames[0]!.slice(24, 36), '810000640800');
    t.is(frames[1]!.slice(24, 44), '88a8012c8100000a0800');
    t.is((await to.stats()).badL4, 0);
  } finally {
    await lab.close();
  }
});

systemTest('a tag beside the frame is on the wire as well', async (t) => {
  const lab = await Lab.create();
  try {
    const [a, b] = [await lab.node('a'), await lab.node('b')];
    await lab.link({ node: a, device: 'a0' }, { node: b, device: 'b0' }, { offloads: true });
    const [from, to] = [await Traffic.on(lab, a, 'a0'), await Traffic.on(lab, b, 'b0')];
    await to.capture();
    await from.tagBeside(77);
    await from.flow({ id: 1, src: '10.0.0.1', dst: '10.0.0.2', dmac: to.mac, size: 80 });
    await from.send(1000, { count: 1 });
    const frames = await arrived(to, 84, 1);
    t.deepEqual(
      frames.map((frame) => frame.slice(24, 36)),
      ['8100004d0800'],
    );
  } finally {
    await lab.close();
  }
});
