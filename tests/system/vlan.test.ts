/*
 * Tagged and double-tagged packets. The kernel here may have no VLAN devices, so the stations behind tags are played
 * by the traffic tool, and the router's face in the kernel is a tap.
 *
 *   stations c0 ════ r0 router r1 ──── s0 server      10.0.2.0/24, 2001:db8:2::/64
 *     untagged              10.0.1.0/24    2001:db8:1::/64
 *     VLAN 100     office   10.1.100.0/24  2001:db8:100::/64
 *     VLAN 200     guests   10.1.200.0/24  2001:db8:200::/64
 *     S-tag 300.10 metroA   10.1.10.0/24   2001:db8:310::/64     tpid 0x88a8
 *     S-tag 300.11 metroB   10.1.11.0/24   2001:db8:311::/64
 */
import { isDeepStrictEqual } from 'node:util';
import type { ExecutionContext } from 'ava';
import { built, Netmill } from '../support/netmill.js';
import { Lab, type Node, until } from '../support/netns.js';
import { ethernet, ipv4, ipv6, udp } from '../support/packet.js';
import { systemTest } from '../support/system-test.js';
import { counted, type SinkCount, settled, Traffic } from '../support/traffic.js';

const policy = `import { router } from 'netmill'
export default router('tags', {
  interfaces: {
    lan: {
      port: 'xdp:r0',
      fallback: 'drop',
      mtu: 1500,
      vlans: {
        office: { id: 100, address: ['10.1.100.1/24', '2001:db8:100::1/64'], mtu: 1500 },
        guests: { id: 200, address: ['10.1.200.1/24', '2001:db8:200::1/64'], mtu: 1500 },
      },
      qinq: { outer: 300, tpid: 0x88a8, inner: {
        metroA: { id: 10, address: ['10.1.10.1/24', '2001:db8:310::1/64'], mtu: 1500 },
        metroB: { id: 11, address: ['10.1.11.1/24', '2001:db8:311::1/64'], mtu: 1500 },
      } },
    },
    server: { port: 'xdp:r1', fallback: 'kernel' },
  },
})
`;

interface Station {
  readonly name: string;
  readonly tags: string;
  readonly v4: string;
  readonly v6: string;
}

const stations: readonly Station[] = [
  { name: 'office', tags: '8100:100', v4: '10.1.100.2', v6: '2001:db8:100::2' },
  { name: 'guests', tags: '8100:200', v4: '10.1.200.2', v6: '2001:db8:200::2' },
  { name: 'metroA', tags: '88a8:300,8100:10', v4: '10.1.10.2', v6: '2001:db8:310::2' },
  { name: 'metroB', tags: '88a8:300,8100:11', v4: '10.1.11.2', v6: '2001:db8:311::2' },
];

interface Bed {
  readonly netmill: Netmill;
  readonly wire: Traffic;
  readonly server: Traffic;
  readonly serverNode: Node;
  readonly router: Node;
  readonly mac: string;
}

function vlanTest(title: string, body: (t: ExecutionContext, bed: Bed) => Promise<void>): void {
  systemTest(title, async (t) => {
    const lab = await Lab.create();
    try {
      await body(t, await build(lab));
    } finally {
      await lab.close();
    }
  });
}

async function build(lab: Lab): Promise<Bed> {
  const [clients, router, serverNode] = [
    await lab.node('clients'),
    await lab.router('router'),
    await lab.node('server'),
  ];
  await lab.link(
    { node: clients, device: 'c0', mtu: 1600, addresses: ['10.0.1.2/24', '2001:db8:1::2/64'] },
    { node: router, device: 'r0', mtu: 1600, addresses: ['10.0.1.1/24', '2001:db8:1::1/64'] },
  );
  await lab.link(
    { node: serverNode, device: 's0', addresses: ['10.0.2.2/24', '2001:db8:2::2/64'] },
    { node: router, device: 'r1', addresses: ['10.0.2.1/24', '2001:db8:2::1/64'] },
  );
  await serverNode.ip('route add 0.0.0.0/0 via 10.0.2.1', 'route add ::/0 via 2001:db8:2::1');
  await router.ip('route add 10.9.0.0/16 via 10.0.2.2', 'route add 2001:db8:9::/48 via 2001:db8:2::2');
  const netmill = await Netmill.start(lab, router, await built(policy));
  const wire = await Traffic.on(lab, clients, 'c0');
  for (const { v4, v6, tags } of stations) {
    await wire.answer(v4, { tags });
    await wire.answer(v6, { tags });
  }
  const server = await Traffic.on(lab, serverNode, 's0');
  await serverNode.run('ping', '-c1', '-W2', '10.0.2.1');
  await serverNode.run('ping', '-c1', '-W2', '2001:db8:2::1');
  return { netmill, wire, server, serverNode, router, mac: await router.mac('r0') };
}

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

type Tag = { readonly tpid: number; readonly vid: number };

/** `88a8:300,8100:10` as the traffic tool has them. */
function tagsOf(text: string): readonly Tag[] {
  return text.split(',').map((one) => {
    const [tpid, vid] = one.split(':');
    return { tpid: Number.parseInt(tpid!, 16), vid: Number(vid) };
  });
}

/** IP packets of a family that came behind exactly these tags. */
function behindTags(frames: readonly Buffer[], tags: readonly Tag[], type: number): readonly Buffer[] {
  const header = ethernet('00:00:00:00:00:00', '00:00:00:00:00:00', type, Buffer.alloc(0), tags);
  const length = 14 + 4 * tags.length;
  return frames
    .filter((frame) => frame.subarray(12, length).equals(header.subarray(12, length)))
    .map((frame) => frame.subarray(length));
}

/** How large packets may be, by the errors that came behind these tags: RFC 1191 §4, RFC 4443 §3.2. */
function toldMtu(frames: readonly Buffer[], tags: readonly Tag[], family: 4 | 6): readonly number[] {
  if (family === 4)
    return behindTags(frames, tags, 0x0800)
      .filter((ip) => ip[9] === 1 && ip[20] === 3 && ip[21] === 4)
      .map((ip) => ip.readUInt16BE(26));
  return behindTags(frames, tags, 0x86dd)
    .filter((ip) => ip[6] === 58 && ip[40] === 2)
    .map((ip) => ip.readUInt32BE(44));
}

interface Large {
  readonly to: string;
  readonly tags?: readonly Tag[];
  readonly src: string;
  readonly dst: string;
  readonly dontFragment?: true;
}

/** A packet of 1,430 bytes. */
function large({ to, tags, src, dst, dontFragment }: Large): Buffer {
  const ends = { src, dst };
  const from = '02:00:00:00:00:0c';
  if (src.includes(':'))
    return ethernet(to, from, 0x86dd, ipv6(ends, udp(ends, 1, 2, Buffer.alloc(1382, 7))), tags);
  const fields = { ...ends, fragment: dontFragment ? 0x4000 : 0 };
  return ethernet(to, from, 0x0800, ipv4(fields, udp(ends, 1, 2, Buffer.alloc(1402, 7))), tags);
}

/** What is sent on one wire is told of behind the same tags, with this MTU. */
async function expectTold(t: ExecutionContext, from: Traffic, packet: Large, mtu: number): Promise<void> {
  const [tags, family] = [packet.tags ?? [], packet.src.includes(':') ? 6 : 4] as const;
  await from.capture();
  await from.raw(large({ ...packet, dontFragment: true }));
  const frames = await from.captured((some) => toldMtu(some, tags, family).length > 0);
  t.deepEqual(toldMtu(frames, tags, family), [mtu], `${packet.src} > ${packet.dst}`);
}

vlanTest('what is too large for a VLAN is cut up behind its tags, or its source is told', async (t, bed) => {
  const { wire, server, serverNode, router, netmill } = bed;
  await netmill.deploy(policy.replaceAll("/64'], mtu: 1500 }", "/64'], mtu: 1400 }"));
  const to = await router.mac('r1');
  for (const { name, tags, v4, v6 } of stations) {
    t.is(await serverNode.pings(3, v4, '-s', '1372', '-M', 'do'), 3, `${name} carries 1,400 bytes`);
    t.is(await serverNode.pings(3, v6, '-s', '1352', '-M', 'do'), 3, `${name} carries 1,400 bytes of IPv6`);
    const pieces = (frames: readonly Buffer[]) =>
      behindTags(frames, tagsOf(tags), 0x0800).filter((ip) => ip[9] === 17);
    await wire.capture();
    await server.raw(large({ to, src: '10.0.2.2', dst: v4 }));
    const cut = pieces(await wire.captured((frames) => pieces(frames).length === 2));
    t.deepEqual(
      cut.map((ip) => [ip.readUInt16BE(2), ip.readUInt16BE(6)]),
      [
        [20 + 1376, 0x2000],
        [20 + 34, 1376 / 8],
      ],
      `${name}: two pieces, in order`,
    );
    await expectTold(t, server, { to, src: '10.0.2.2', dst: v4 }, 1400);
    await expectTold(t, server, { to, src: '2001:db8:2::2', dst: v6 }, 1400);
  }
});

vlanTest('who sends from behind tags is told there how large packets may be', async (t, bed) => {
  const { wire, router, netmill } = bed;
  await netmill.deploy(policy.replace("server: { port: 'xdp:r1',", "server: { port: 'xdp:r1', mtu: 1300,"));
  const to = await router.mac('r0');
  for (const { tags, v4, v6 } of stations) {
    await expectTold(t, wire, { to, tags: tagsOf(tags), src: v4, dst: '10.9.0.1' }, 1300);
    await expectTold(t, wire, { to, tags: tagsOf(tags), src: v6, dst: '2001:db8:9::1' }, 1300);
  }
});
