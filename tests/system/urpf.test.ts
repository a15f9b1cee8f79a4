/**
 * `urpf` of an interface against the kernel's rp_filter, on two routers in the same topology (support/line.ts). IPv6, for
 * which the kernel has none, is held against what is written here.
 */
import { isDeepStrictEqual } from 'node:util';
import type { Urpf } from '../../dsl/model.js';
import { type Outcome, outcome, outcomes } from '../support/compare.js';
import { Line } from '../support/line.js';
import { Netmill } from '../support/netmill.js';
import { until } from '../support/netns.js';
import { echo, ipv4, ipv6, udp } from '../support/packet.js';
import { systemTest } from '../support/system-test.js';
import { craftedRoutes, data, frame4, frame6 } from './crafted.js';

const policy = (urpf: Urpf) => `import { router } from 'netmill'
export default router('urpf', {
  interfaces: {
    client: { port: 'xdp:r0', fallback: 'drop', urpf: '${urpf}' },
    server: { port: 'xdp:r1', fallback: 'drop' },
    provider: { port: 'xdp:r2', fallback: 'drop' },
  },
})
`;

/** Whether what comes from there passes: with 'strict', 'loose', and 'strict' while the default route leads to the client. */
type Passes = readonly [strict: boolean, loose: boolean, byDefault: boolean];

const sources: Readonly<Record<string, Passes>> = {
  // on the link, behind it, behind another one, on another one
  '10.0.1.77': [true, true, true],
  '10.1.2.3': [true, true, true],
  '10.8.0.9': [false, true, false],
  '10.0.3.9': [false, true, false],
  // two ways, of which one or none leads back
  '10.6.0.9': [true, true, true],
  '10.5.0.9': [false, true, false],
  // by a device that is not netmill's
  '10.4.0.9': [false, true, false],
  // no way; ways that refuse; a broadcast address; nobody's
  '172.20.0.9': [false, false, true],
  '10.7.1.9': [false, false, false],
  '10.7.2.9': [false, false, false],
  '10.7.3.9': [false, false, false],
  '10.0.1.255': [false, false, false],
  '10.0.3.1': [false, false, false],
  '2001:db8:1::77': [true, true, true],
  '2001:db8:10::9': [true, true, true],
  '2001:db8:8::9': [false, true, false],
  '2001:db8:3::9': [false, true, false],
  '2001:db8:6::9': [true, true, true],
  '2001:db8:5::9': [false, true, false],
  '2001:db8:4::9': [false, true, false],
  '2001:db8:ffff::9': [false, false, true],
  '2001:db8:7:1::9': [false, false, false],
  '2001:db8:7:2::9': [false, false, false],
  '2001:db8:3::1': [false, false, false],
};

const routes = [
  ...craftedRoutes,
  'route add 10.6.0.0/16 nexthop via 10.0.1.2 nexthop via 10.0.3.2',
  'route add 10.5.0.0/16 nexthop via 10.0.2.2 nexthop via 10.0.3.2',
  'route add 2001:db8:10::/48 via 2001:db8:1::2',
  'route add 2001:db8:6::/48 nexthop via 2001:db8:1::2 nexthop via 2001:db8:3::2',
  'route add 2001:db8:5::/48 nexthop via 2001:db8:2::2 nexthop via 2001:db8:3::2',
  'link add other0 type veth peer other1',
  'addr add 10.0.4.1/24 dev other0',
  'addr add 2001:db8:44::1/64 dev other0 nodad',
  'link set other0 up',
  'link set other1 up',
  'route add 10.4.0.0/16 via 10.0.4.2',
  'route add 2001:db8:4::/48 via 2001:db8:44::2',
];

function through(src: string): Buffer {
  if (!src.includes(':'))
    return frame4(ipv4({ src, dst: '10.9.0.1' }, udp({ src, dst: '10.9.0.1' }, 1, 2, data(9))));
  const ends = { src, dst: '2001:db8:9::1' };
  return frame6(ipv6(ends, udp(ends, 1, 2, data(9))));
}

/** Which sources' packets came out at the server. */
function passed(frames: readonly string[]): readonly string[] {
  const seen = (frame: Buffer) => Object.keys(sources).find((src) => arrived(frame, through(src)));
  return frames.flatMap((frame) => seen(Buffer.from(frame, 'hex')) ?? []).sort();
}

function arrived(frame: Buffer, sent: Buffer): boolean {
  const [from, to] = sent.readUInt16BE(12) === 0x0800 ? [26, 30] : [22, 38];
  return (
    frame.subarray(from, to).equals(sent.subarray(from, to)) &&
    frame.readUInt16BE(12) === sent.readUInt16BE(12)
  );
}

const all = Object.keys(sources);
const four = (some: readonly string[]) => some.filter((src) => !src.includes(':'));

systemTest(
  'what has no way back to its source is dropped, as with rp_filter, in both families',
  async (t) => {
    const [mill, kernel] = await Promise.all([Line.create(), Line.create()]);
    try {
      await Promise.all([mill, kernel].map((line) => line.router.ip(...routes)));
      const netmill = await Netmill.start(mill.lab, mill.router, policy('strict'));
      await Promise.all([mill, kernel].map((line) => line.warm()));
      const ends = [await mill.traffic(), await kernel.traffic()] as const;
      const drops = async () =>
        (await netmill.status()).drops.find(({ reason }) => reason === 'urpf')?.packets ?? 0;

      const dropped = async (before: number, wanted: number) => {
        await until('the drops', async () => (await drops()) - before >= wanted).catch(() => undefined);
        t.is((await drops()) - before, wanted);
      };

      const compare = async (column: 0 | 1 | 2) => {
        const expected = all.filter((src) => sources[src]![column]).sort();
        const before = await drops();
        const seen = ([ours, theirs]: readonly Outcome[]) => ({
          ours: passed(ours!.server),
          kernel: four(passed(theirs!.server)),
        });
        const wanted = { ours: expected, kernel: four(expected) };
        const right = (out: readonly Outcome[]) => isDeepStrictEqual(seen(out), wanted);
        t.deepEqual(seen(await outcomes(ends, all.map(through), right)), wanted);
        // IPv4's own addresses are martian whatever is asked for.
        await dropped(before, all.length - expected.length - 1);
      };
      await kernel.router.sysctl({ 'net.ipv4.conf.r0.rp_filter': 1 });
      await compare(0);

      // What is for the router itself is asked, too; who speaks on the link alone is not.
      const ask = (src: string, dst: string) => {
        const message = echo({ src, dst }, data(8));
        return src.includes(':')
          ? frame6(ipv6({ src, dst, nextHeader: 58 }, message))
          : frame4(ipv4({ src, dst, protocol: 1 }, message));
      };
      const before = await drops();
      const toRouter = await outcome(ends[0], [
        ask('10.8.0.9', '10.0.1.1'),
        ask('2001:db8:8::9', '2001:db8:1::1'),
        ask('10.8.0.9', '224.0.0.5'),
        ask('2001:db8:8::9', 'ff02::2'),
      ]);
      t.deepEqual(toRouter, { client: [], server: [], provider: [] });
      await dropped(before, 4);
      t.is(await mill.client.pings(2, '10.0.1.1'), 2);
      t.is(await mill.client.pings(2, 'fe80::ff:fe00:100%c0'), 2);

      const theDefault = ['route add default via 10.0.1.2', 'route add ::/0 via 2001:db8:1::2'];
      await Promise.all([mill, kernel].map((line) => line.router.ip(...theDefault)));
      await until(
        'the default routes',
        async () =>
          (await netmill.route('172.20.0.9')).agree && (await netmill.route('2001:db8:ffff::9')).agree,
      );
      await compare(2);

      const gone = ['route del default via 10.0.1.2', 'route del ::/0 via 2001:db8:1::2'];
      await Promise.all([mill, kernel].map((line) => line.router.ip(...gone)));
      await kernel.router.sysctl({ 'net.ipv4.conf.r0.rp_filter': 2 });
      await netmill.deploy(policy('loose'));
      await compare(1);
    } finally {
      await mill.close();
      await kernel.close();
    }
  },
  { seconds: 120 },
);
