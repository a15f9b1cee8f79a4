/*
 * What is dropped counts, each by its reason, on the interface where it came in; and nothing else counts there. Frames cut short
 * at every byte do no harm, and each of them is accounted for. Topology: support/line.ts, with a face in the kernel and without.
 */
import type { ExecutionContext } from 'ava';
import { dropReasons } from '../../runtime/control/drops.js';
import { behind, Line, macs, own } from '../support/line.js';
import { built, Netmill } from '../support/netmill.js';
import { until } from '../support/netns.js';
import { ethernet, ipv4, ipv6, tcpSyn, udp } from '../support/packet.js';
import { systemTest } from '../support/system-test.js';
import { named } from './conformance/clause.js';
import {
  type Crafted,
  craftedRoutes,
  data,
  far4,
  far6,
  frame4,
  frame6,
  options,
  repairChecksum,
} from './crafted.js';

const kinds = ['auto', 'none'] as const;
type Kind = (typeof kinds)[number];

/** What is said of an interface besides its port. */
function face(kind: Kind, net: number): string {
  const address = `address: ['10.0.${net}.1/24', '2001:db8:${net}::1/64']`;
  return kind === 'auto' ? "fallback: 'drop'" : `host: 'none', fallback: 'drop', ${address}`;
}
const routes: Readonly<Record<Kind, string>> = {
  auto: '',
  none: `'10.9.0.0/16': '10.0.2.2', '2001:db8:9::/48': '2001:db8:2::2', '10.8.0.0/16': '10.0.3.2',
    '2001:db8:8::/48': '2001:db8:3::2', '10.1.0.0/16': '10.0.1.2'`,
};

const policy = (kind: Kind) => `import { acl, allow, deny, router, udp } from 'netmill'
export default router('drops', {
  interfaces: {
    client: { port: 'xdp:r0', ${face(kind, 1)}, urpf: 'strict', in: acl('in', { default: 'allow' }, [
      deny({ service: udp(7) }), allow({ service: udp(8) }).police('1 packets/s', { burst: '1 packets' }) ]) },
    server: { port: 'xdp:r1', ${face(kind, 2)}, out: acl('out', { default: 'allow' }, [deny({ service: udp(11) })]) },
    provider: { port: 'xdp:r2', ${face(kind, 3)} },
  },
  routes: { ${routes[kind]} },
})
`;

/** To behind the server (or elsewhere), in both families. */
function toPort(dport: number, to: { v4: string; v6: string } = behind.server): readonly Buffer[] {
  const [four, six] = [
    { src: own.client.v4, dst: to.v4 },
    { src: own.client.v6, dst: to.v6 },
  ];
  return [
    frame4(ipv4(four, udp(four, 4000, dport, data(20)))),
    frame6(ipv6(six, udp(six, 4000, dport, data(20)))),
  ];
}

const large = (packet: number) => {
  const four = { src: own.client.v4, dst: behind.provider.v4 };
  const six = { src: own.client.v6, dst: behind.provider.v6 };
  return [
    frame4(ipv4({ ...four, fragment: 0x4000 }, udp(four, 1, 2, data(packet - 28)))),
    frame6(ipv6(six, udp(six, 1, 2, data(packet - 48)))),
  ];
};

const frames = (...all: readonly string[]) => named(...all).map((one: Crafted) => one.frame);
const link = (type: number) => ethernet(macs.r0, macs.c0, type, data(0));
const unread = [
  frame4(ipv4(far4, data(4))),
  frame4(ipv4({ ...far4, protocol: 6 }, data(19))),
  frame6(ipv6(far6, data(7))),
  // a header that says it is longer than the packet; nine headers, one behind the other
  frame6(ipv6({ ...far6, nextHeader: 60 }, options([17, 9, 1, 4, 0, 0, 0, 0]))),
  frame6(
    ipv6(
      { ...far6, nextHeader: 60 },
      Buffer.concat(Array.from({ length: 9 }, () => options([60, 0, 1, 4, 0, 0, 0, 0]))),
    ),
  ),
];
const elsewhere = (src4: string, src6: string) => [
  frame4(ipv4({ ...far4, src: src4 }, udp({ ...far4, src: src4 }, 1, 2, data(9)))),
  frame6(ipv6({ ...far6, src: src6 }, udp({ ...far6, src: src6 }, 1, 2, data(9)))),
];

interface Row {
  readonly frames: readonly Buffer[];
  /** Of what the kernel answers, where it has a face there. */
  readonly only?: Kind;
  /** Fewer than there are frames: some may pass. */
  readonly dropped?: number;
}

const rows: Readonly<Record<string, Row>> = {
  'truncated-frame': {
    frames: [link(0x8100).subarray(0, 16), link(0x88a8).subarray(0, 17), link(0x8100).subarray(0, 14)],
  },
  'other-mac': {
    frames: frames(
      'IPv4 to another station',
      'IPv6 to another station',
      'IPv4 in a broadcast frame',
      'IPv6 in a multicast frame',
    ),
  },
  'unknown-vlan': {
    frames: frames(
      'IPv4 behind a tag that nobody has',
      'IPv4 behind a service tag that nobody has',
      'IPv4 behind a priority tag and a tag that nobody has',
    ),
  },
  'ip-header': {
    frames: [
      ...frames(
        'IPv4 cut in the header',
        'IPv4 version 5',
        'IPv4 version 6 in an IPv4 frame',
        'IPv4 header of 4 words',
        'IPv4 header longer than the packet',
        'IPv4 total length below the header',
        'IPv4 total length above the frame',
        'IPv6 version 4 in an IPv6 frame',
        'IPv6 payload length above the frame',
      ),
      link(0x0800).subarray(0, 14),
      link(0x0800).subarray(0, 33),
      frame6(ipv6(far6, data(40))).subarray(0, 53),
    ],
  },
  'ip-checksum': { frames: frames('IPv4 wrong header checksum', 'IPv4 header checksum 0xffff') },
  'martian-source': {
    frames: frames(
      'IPv4 from 127.0.0.1',
      'IPv4 from 0.0.0.0',
      'IPv4 from 224.0.0.1',
      'IPv4 from 255.255.255.255',
      'IPv4 from 10.0.1.1',
      'IPv4 from 10.0.2.1',
      'IPv6 from ::1',
      'IPv6 from ff02::5',
    ),
  },
  'martian-destination': { frames: frames('IPv4 to 127.0.0.1', 'IPv4 to 0.0.0.0', 'IPv6 to ::1') },
  acl: { frames: toPort(7) },
  'acl-out': { frames: toPort(11) },
  policed: { frames: [...toPort(8), ...toPort(8)], dropped: 3 },
  blackhole: { frames: toPort(9, { v4: '10.7.1.1', v6: '2001:db8:7:1::1' }) },
  urpf: { frames: elsewhere('10.8.0.9', '2001:db8:8::9') },
  'l4-header': { frames: unread },
  'no-route': { only: 'none', frames: toPort(9, { v4: '172.31.0.1', v6: '2001:db8:ffff::1' }) },
  'ttl-expired': {
    only: 'none',
    frames: frames('IPv4 TTL 1', 'IPv4 TTL 0', 'IPv6 hop limit 1', 'IPv6 hop limit 0'),
  },
  'too-big': { only: 'none', frames: large(1281) },
  'host-refused': { only: 'none', frames: toPort(9, { v4: '10.0.1.1', v6: '2001:db8:1::1' }) },
  'link-local': { only: 'none', frames: frames('IPv6 from fe80::5') },
};

async function clientDrops(netmill: Netmill): Promise<Readonly<Record<string, number>>> {
  const { interfaces } = await netmill.counters();
  return interfaces.find(({ name }) => name === 'client')!.drops;
}

async function bed(kind: Kind) {
  const line = await Line.create({ providerMtu: 1280, faceless: kind === 'none' });
  await line.router.ip(...craftedRoutes.filter((one) => kind === 'auto' || !one.includes(' via ')));
  const netmill = await Netmill.start(line.lab, line.router, await built(policy(kind)));
  await (kind === 'none' ? line.warmFromOutside() : line.warm());
  return { line, netmill, ends: await line.traffic() };
}

async function counts(t: ExecutionContext, kind: Kind): Promise<void> {
  const { line, netmill, ends } = await bed(kind);
  try {
    for (const [reason, row] of Object.entries(rows)) {
      if (row.only !== undefined && row.only !== kind) continue;
      const before = await clientDrops(netmill);
      for (const frame of row.frames) await ends.client.raw(frame);
      const changed = async () => {
        const now = Object.entries(await clientDrops(netmill));
        return Object.fromEntries(
          now.flatMap(([name, n]) => (n === (before[name] ?? 0) ? [] : [[name, n - (before[name] ?? 0)]])),
        );
      };
      const expected = row.dropped ?? row.frames.length;
      await until(
        `${expected} to count as ${reason}`,
        async () => (await changed())[reason] === expected,
      ).catch(() => undefined);
      // A station's own chatter may be nobody's here; whoever looks for the reason does not find it elsewhere.
      const { 'host-refused': _, ...seen } = {
        ...(await changed()),
        ...(reason === 'host-refused' ? {} : { 'host-refused': 0 }),
      };
      t.deepEqual(
        reason === 'host-refused' ? {} : seen,
        reason === 'host-refused' ? {} : { [reason]: expected },
        reason,
      );
      t.true(((await clientDrops(netmill))[reason] ?? 0) >= expected, reason);
    }
    const { stdout } = await netmill.run('counter');
    for (const reason of [
      'truncated-frame',
      'ip-header',
      'ip-checksum',
      'unknown-vlan',
      'martian-source',
      'l4-header',
    ])
      t.regex(stdout, new RegExp(`client .*${reason} +[1-9]`), 'and an operator sees it');
    const said = (await netmill.status()).drops.map(({ reason }) => reason);
    t.deepEqual(
      said.filter((one) => !dropReasons.some(({ name }) => name === one)),
      [],
    );
  } finally {
    await line.close();
  }
}

for (const kind of kinds)
  systemTest(
    `each reason to drop a packet has a counter of its own: host '${kind}'`,
    (t) => counts(t, kind),
    {
      seconds: 120,
    },
  );

/** Its lengths say that it ends where it was cut: what is behind the IP header is cut short. */
function mended(frame: Buffer): Buffer {
  const copy = Buffer.from(frame);
  const type = copy.readUInt16BE(12);
  if (type === 0x0800 && copy.length > 14 && copy.length >= 14 + (copy[14]! & 15) * 4) {
    copy.writeUInt16BE(copy.length - 14, 16);
    repairChecksum(copy);
  } else if (type === 0x86dd && copy.length >= 54) {
    copy.writeUInt16BE(copy.length - 54, 18);
  }
  return copy;
}

/** One frame of each kind, with everything that is walked. */
const whole: readonly Buffer[] = [
  frame4(ipv4({ ...far4, protocol: 6, options: options([1, 1, 1, 0]) }, tcpSyn(far4, 4000, 80))),
  frame4(ipv4({ ...far4, protocol: 6 }, tcpSyn(far4, 4000, 80))),
  frame6(
    ipv6(
      { ...far6, nextHeader: 0 },
      Buffer.concat([
        options([43, 0, 1, 4, 0, 0, 0, 0]),
        options([44, 0, 2, 0, 0, 0, 0, 0]),
        options([60, 0, 0, 0, 0, 0, 0, 9]),
        options([17, 0, 1, 4, 0, 0, 0, 0]),
        udp(far6, 4000, 5000, data(8)),
      ]),
    ),
  ),
  ethernet(macs.r0, macs.c0, 0x86dd, ipv6(far6, udp(far6, 4000, 5000, data(8))), [
    { tpid: 0x88a8, vid: 0 },
    { tpid: 0x8100, vid: 0 },
  ]),
  ethernet(
    'ff:ff:ff:ff:ff:ff',
    macs.c0,
    0x0806,
    Buffer.concat([options([0, 1, 8, 0, 6, 4, 0, 1]), data(20)]),
  ),
];

for (const kind of kinds)
  systemTest(
    `frames cut short at every byte are accounted for, and do no harm: host '${kind}'`,
    async (t) => {
      const { line, netmill, ends } = await bed(kind);
      try {
        const engine = await netmill.enginePid();
        const client = async () =>
          (await netmill.counters()).interfaces.find(({ name }) => name === 'client')!;
        const before = await client();
        let sent = 0;
        for (const frame of whole)
          for (let cut = 14; cut < frame.length; cut++, sent += 2) {
            await ends.client.raw(frame.subarray(0, cut));
            await ends.client.raw(mended(frame.subarray(0, cut)));
          }
        // ARP of a port's own device is the kernel's without asking.
        const least = kind === 'auto' ? sent - 2 * (whole.at(-1)!.length - 14) : sent;
        await until('all to have come', async () => (await client()).rx.packets - before.rx.packets >= least);
        const now = await client();
        const grew = (one: string) => (now.drops[one] ?? 0) - (before.drops[one] ?? 0);
        t.true(
          grew('truncated-frame') >= 8 && grew('ip-header') >= 200 && grew('l4-header') >= 40,
          JSON.stringify(now.drops),
        );
        t.is(await netmill.enginePid(), engine, 'the engine lives');
        t.is(await line.client.pings(5, own.server.v4), 5);
        t.is(await line.client.pings(5, own.server.v6), 5);
      } finally {
        await line.close();
      }
    },
  );
