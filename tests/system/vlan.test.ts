/* Tagged and double-tagged packets. Topology: tagged.ts. */
import { isDeepStrictEqual } from 'node:util';
import { until } from '../support/netns.js';
import { counted, type SinkCount, settled } from '../support/traffic.js';
import { stations, vlanTest } from './tagged.js';

const clean = { lost: 0, reordered: 0, duplicates: 0, bad: 0 };
const unique = (sink: SinkCount, id: number) => sink.flows.find((flow) => flow.id === id)?.unique ?? 0;

vlanTest(
  'from every kind of tag to the untagged server, in both families',
  async (t, { wire, server, mac }) => {
    for (const [i, { tags, v4, v6 }] of stations.entries()) {
      await wire.flow({ id: 10 + i, src: v4, dst: '10.9.0.1', dmac: mac, tags, size: 200 });
      await wire.flow({ id: 20 + i, src: v6, dst: '2001:db8:9::1', dmac: mac, tags, size: 300 });
    }
    await wire.send(500, { count: 80 }); // until the server is known as a neighbour
    const { lost, reordered } = await settled(wire, server);
    await server.capture();
    await wire.send(8000, { count: 8000 });
    t.like(await settled(wire, server), { ...clean, sent: 8080, lost, reordered });
    const frames = (await server.captured()).filter((frame) => frame.length >= 180);
    t.true(
      frames.every((frame) => [0x0800, 0x86dd].includes(frame.readUInt16BE(12))),
      'a tag was left in a frame',
    );
  },
);

vlanTest(
  'from the untagged server to every kind of tag, with the right tags',
  async (t, { wire, server, router }) => {
    const dmac = await router.mac('r1');
    for (const [i, { v4, v6 }] of stations.entries()) {
      await server.flow({ id: 10 + i, src: '10.0.2.2', dst: v4, dmac, size: 200 });
      await server.flow({ id: 20 + i, src: '2001:db8:2::2', dst: v6, dmac, size: 1514 });
    }
    await server.send(500, { count: 80 });
    await settled(server, wire);
    await wire.reset();
    await wire.capture();
    await server.send(4000, { count: 4000 });
    const sink = await counted(wire, 4000);
    for (const [i, { name }] of stations.entries()) {
      t.is(unique(sink, 10 + i), 500, `${name}, IPv4`);
      t.is(unique(sink, 20 + i), 500, `${name}, IPv6`);
    }
    const wanted: Record<string, string> = {
      '10.1.100.2': '81000064',
      '10.1.200.2': '810000c8',
      '10.1.10.2': '88a8012c8100000a',
      '10.1.11.2': '88a8012c8100000b',
    };
    const seen = (await wire.captured()).filter((frame) => frame.length >= 200 && frame.length < 220);
    t.is(seen.length, 2000);
    for (const frame of seen) {
      const type = frame.indexOf(Buffer.from('08004500', 'hex'), 12);
      const dst = [...frame.subarray(type + 18, type + 22)].join('.');
      t.is(frame.subarray(12, type).toString('hex'), wanted[dst] ?? `nothing for ${dst}`);
    }
  },
);

vlanTest('from tag to tag over one wire', async (t, { wire, mac }) => {
  const pairs = stations.flatMap((from) =>
    stations.filter((to) => to !== from).map((to) => [from, to] as const),
  );
  for (const [i, [from, to]] of pairs.entries()) {
    await wire.flow({ id: 100 + i, src: from.v4, dst: to.v4, dmac: mac, tags: from.tags, dport: 2000 });
    await wire.flow({ id: 200 + i, src: from.v6, dst: to.v6, dmac: mac, tags: from.tags, dport: 2000 });
  }
  await wire.send(500, { count: 48 });
  await settled(wire, wire);
  await wire.reset();
  await wire.send(4800, { count: 4800 });
  const sink = await counted(wire, 4800);
  for (const [i, [from, to]] of pairs.entries()) {
    t.is(unique(sink, 100 + i), 200, `${from.name} to ${to.name}, IPv4`);
    t.is(unique(sink, 200 + i), 200, `${from.name} to ${to.name}, IPv6`);
  }
});

vlanTest('the server pings stations behind tags, and the router pings them from its taps', async (t, bed) => {
  for (const { name, v4, v6 } of stations) {
    for (const target of [v4, v6]) {
      t.is(await bed.serverNode.pings(10, target), 10, `${name} ${target} through the router`);
      t.is(await bed.router.pings(10, target), 10, `${name} ${target} from the router`);
    }
  }
});

vlanTest('the router answers on its tagged interfaces: echo, and TTL expired', async (t, { wire, mac }) => {
  const gateway = { office: '10.1.100.1', guests: '10.1.200.1', metroA: '10.1.10.1', metroB: '10.1.11.1' };
  for (const [i, { name, v4, tags }] of stations.entries()) {
    await wire.flow({
      id: i + 1,
      src: v4,
      dst: gateway[name as keyof typeof gateway],
      dmac: mac,
      proto: 'icmp',
      tags,
    });
    await wire.flow({ id: i + 11, src: v4, dst: '10.9.0.1', dmac: mac, tags, ttl: 1 });
  }
  const header: Record<string, string> = {
    office: '81000064',
    guests: '810000c8',
    metroA: '88a8012c8100000a',
    metroB: '88a8012c8100000b',
  };
  const answers = (frames: readonly Buffer[], name: string, type: string) =>
    frames.filter((frame) => {
      const text = frame.toString('hex', 12);
      const tags = header[name]!.length;
      return text.startsWith(`${header[name]}0800`) && text.startsWith(type, tags + 4 + 40);
    }).length;
  const told = (frames: readonly Buffer[]) =>
    stations.map(({ name }) => [name, answers(frames, name, '0000'), answers(frames, name, '0b00')]);
  for (const each of [1, 5]) {
    const wanted = stations.map(({ name }) => [name, each, each]);
    await wire.capture();
    await wire.send(100, { count: each * 2 * stations.length });
    const frames = await wire.captured((some) => isDeepStrictEqual(told(some), wanted));
    if (each > 1) t.deepEqual(told(frames), wanted, 'echo replies, and time exceeded');
  }
});

vlanTest('tags of VLAN 0 carry a priority alone', async (t, { wire, server, mac, router }) => {
  const urgent = 0xe000; // priority 7
  const marked: readonly (readonly [tags: string, src: string])[] = [
    [`8100:${urgent}`, '10.0.1.2'],
    ['8100:100,8100:0', '10.1.100.2'],
    [`8100:${urgent},8100:100`, '10.1.100.2'],
    [`88a8:0,8100:200`, '10.1.200.2'],
  ];
  for (const [i, [tags, src]] of marked.entries())
    await wire.flow({ id: i + 1, src, dst: '10.9.0.1', dmac: mac, tags, size: 200 });
  await server.capture();
  await wire.send(4000, { count: 4000 });
  const sink = await counted(server, 4000);
  for (const [i, [tags]] of marked.entries()) t.is(unique(sink, i + 1), 1000, tags);
  const types = (await server.captured()).map((frame) => frame.readUInt16BE(12));
  t.false(types.includes(0x8100) || types.includes(0x88a8), 'a tag was left in a frame');

  const own = await router.mac('r1');
  const ask = { src: '10.0.2.2', dmac: own, proto: 'icmp', tags: `8100:${urgent}` } as const;
  await server.flow({ id: 11, ...ask, dst: '10.0.2.1' });
  await server.flow({ id: 12, ...ask, dst: '10.1.100.2', ttl: 1 });
  await server.reset();
  await server.capture();
  await server.send(100, { count: 10 });
  const of = (frames: readonly Buffer[], type: string) =>
    frames.filter((frame) => frame.toString('hex', 34, 36) === type).length;
  const answers = await server.captured((some) => of(some, '0000') + of(some, '0b00') >= 10);
  t.is(of(answers, '0000'), 5, 'the router answers on the untagged port');
  t.is(of(answers, '0b00'), 5, 'and tells that the TTL has expired');
});

vlanTest('tags that no interface has are dropped and counted', async (t, { wire, server, mac, netmill }) => {
  const odd = [
    '8100:101',
    '88a8:100',
    '88a8:300',
    '88a8:300,8100:12',
    '8100:300,8100:10',
    '8100:100,8100:100',
  ];
  for (const [i, tags] of odd.entries()) {
    await wire.flow({ id: i + 1, src: '10.1.100.2', dst: '10.9.0.1', dmac: mac, tags, size: 120 });
  }
  await wire.send(1000, { count: 600 });
  const dropped = async () =>
    (await netmill.status()).drops.find((drop) => drop.reason === 'unknown-vlan')?.packets ?? 0;
  await until('all to be dropped', async () => (await dropped()) >= 600);
  t.is(await dropped(), 600);
  t.is((await server.stats()).flows.length, 0);
});
