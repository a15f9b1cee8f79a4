/* Packets that are too large for a tagged interface, or that come in on one. Topology: tagged.ts. */
import type { ExecutionContext } from 'ava';
import { ethernet, ipv4, ipv6, udp } from '../support/packet.js';
import type { Traffic } from '../support/traffic.js';
import { policy, stations, vlanTest } from './tagged.js';

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
