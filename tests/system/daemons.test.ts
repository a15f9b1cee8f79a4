/*
 * Routing daemons as Debian ships them, unmodified, beside netmill. Topology: support/line.ts. The provider speaks
 * BGP and announces real prefixes of both families; the server speaks OSPF (version 2 and 3, multicast, on a broadcast
 * network) and announces its own. All sessions end in the router's host stack, through ports that netmill owns; what they
 * teach has to reach the compiled FIB, and to leave it again.
 */
import type { ExecutionContext } from 'ava';
import { sampleRoutes } from '../../examples/data/tables.js';
import { Line, macs, own } from '../support/line.js';
import { Netmill } from '../support/netmill.js';
import { until } from '../support/netns.js';
import { bird, type Daemon, frr } from '../support/routing.js';
import { systemTest } from '../support/system-test.js';
import { settled, type Traffic } from '../support/traffic.js';
import { plain } from './policies.js';

const COUNT = { v4: 4000, v6: 1000 } as const;
/** Spread over the table, and outside what the topology uses. */
const usable = (prefix: string): boolean => !/^(10\.|2001:db8:)/.test(prefix);
const pick = (family: 4 | 6, count: number): readonly string[] => {
  const all = sampleRoutes(family)
    .map(({ prefix }) => prefix)
    .filter(usable);
  const step = Math.floor(all.length / count);
  return Array.from({ length: count }, (_, i) => all[i * step]!);
};
const announced = { v4: pick(4, COUNT.v4), v6: pick(6, COUNT.v6) };

/** An address inside a prefix: its first, which no longer prefix of the sample need have. */
const inside = (prefix: string): string => prefix.split('/')[0]!;

const statics = (name: string, family: 4 | 6, prefixes: readonly string[]): string =>
  `protocol static ${name} { ipv${family}; ${prefixes.map((p) => `route ${p} blackhole;`).join('\n')} }\n`;

const bgp = (local: string, localAs: number, peer: string, peerAs: number, channels: string): string => `
protocol bgp upstream {
  local ${local} as ${localAs};
  neighbor ${peer} as ${peerAs};
  connect delay time 1; connect retry time 1; error wait time 1,2;
  ${channels}
}
`;

const providerConfig =
  statics('four', 4, announced.v4) +
  statics('six', 6, announced.v6) +
  bgp(
    '10.0.3.2',
    65002,
    '10.0.3.1',
    65001,
    `ipv4 { import none; export all; next hop self; };
     ipv6 { import none; export all; next hop address 2001:db8:3::2; };`,
  );

/** Version 2 for IPv4, version 3 for IPv6, whose routes go by link-local addresses. */
const ospf = (device: string, exports: string): string =>
  ([4, 6] as const)
    .map(
      (family) => `
protocol ospf v${family === 4 ? 2 : 3} inner${family} {
  ipv${family} { import all; export ${exports}; };
  area 0 { interface "${device}" { type broadcast; hello 1; wait 2; dead 4; }; };
}
`,
    )
    .join('');
const innerPrefixes = { v4: ['20.99.0.0/16', '20.98.1.0/24'], v6: ['2001:db8:99::/48'] } as const;
const serverConfig =
  statics('inner_routes4', 4, innerPrefixes.v4) +
  statics('inner_routes6', 6, innerPrefixes.v6) +
  ospf('s0', 'where source = RTS_STATIC');

interface Bed {
  readonly line: Line;
  readonly netmill: Netmill;
  readonly provider: Daemon;
  readonly server: Daemon;
  readonly ends: { readonly client: Traffic; readonly server: Traffic; readonly provider: Traffic };
}

/** Waits until kernel, RIB and compiled FIB agree that these addresses leave by an interface, or by none. */
async function leaveBy(
  t: ExecutionContext,
  netmill: Netmill,
  addresses: readonly string[],
  iface: string | undefined,
): Promise<void> {
  for (const address of addresses) {
    const as = async () => {
      const one = await netmill.route(address);
      return one.agree && one.compiled.legs[0]?.interface === iface ? one : undefined;
    };
    const answer = await until(`${address} to go by ${iface}`, as, 30_000).catch(() =>
      netmill.route(address),
    );
    t.deepEqual(
      { agree: answer.agree, by: answer.compiled.legs.map((leg) => leg.interface).join() || undefined },
      { agree: true, by: iface },
      `${address}: ${JSON.stringify(answer)}`,
    );
  }
}

/** 1,000 packets to each address: how many came out at provider and server. */
async function arrive(bed: Bed, addresses: readonly string[]): Promise<{ provider: number; server: number }> {
  const { client, provider, server } = bed.ends;
  await Promise.all([client.clear(), provider.reset(), server.reset()]);
  for (const [i, dst] of addresses.entries()) {
    const src = dst.includes(':') ? own.client.v6 : own.client.v4;
    await client.flow({ id: i + 1, src, dst, dmac: macs.r0 });
  }
  await client.send(5000, { count: 1000 * addresses.length });
  await settled(client, provider);
  const count = async (end: Traffic) => (await end.stats()).flows.reduce((sum, flow) => sum + flow.unique, 0);
  return { provider: await count(provider), server: await count(server) };
}

/** What must hold whichever daemons the router runs. */
async function followed(t: ExecutionContext, bed: Bed, sessions: () => Promise<string>): Promise<void> {
  const { netmill } = bed;
  const has = async (least: number, most: number) => {
    const { routes4, routes6 } = (await netmill.status()).fib;
    return routes4 + routes6 >= least && routes4 + routes6 <= most;
  };
  const all = COUNT.v4 + COUNT.v6;
  await until(
    'the prefixes of both daemons',
    () => has(all + innerPrefixes.v4.length + innerPrefixes.v6.length, Infinity),
    45_000,
  ).catch(async (error) => {
    t.fail(`${error.message}\n${await sessions()}\n${JSON.stringify((await netmill.status()).fib)}`);
  });
  const some = [announced.v4[0]!, announced.v4[1999]!, announced.v4[3999]!].map(inside);
  const some6 = [announced.v6[0]!, announced.v6[999]!].map(inside);
  const inner = [...innerPrefixes.v4, ...innerPrefixes.v6].map(inside);
  await leaveBy(t, netmill, [...some, ...some6], 'provider');
  await leaveBy(t, netmill, inner, 'server');
  await bed.line.warm();
  t.deepEqual(await arrive(bed, [some[1]!, some6[1]!, ...inner]), { provider: 2000, server: 3000 });
  const during = await sessions();
  t.notRegex(during, /Idle|Connect|Active/, `a session broke under traffic: ${during}`);

  await bed.provider.ask('disable four');
  await until('the withdrawal', () => has(COUNT.v6, COUNT.v6 + 200), 20_000);
  await leaveBy(t, netmill, some, undefined);
  await leaveBy(t, netmill, some6, 'provider');
  t.deepEqual(await arrive(bed, [some[1]!, some6[1]!]), { provider: 1000, server: 0 });

  for (const family of [4, 6]) await bed.server.ask(`disable inner_routes${family}`);
  await leaveBy(t, netmill, inner, undefined);
  await bed.provider.ask('enable four');
  await until('the announcement', () => has(all, Infinity), 20_000);
  await leaveBy(t, netmill, some, 'provider');
}

type RouterDaemon = (line: Line) => Promise<() => Promise<string>>;

function daemonTest(title: string, tools: readonly string[], policy: string, router: RouterDaemon): void {
  systemTest(
    title,
    async (t) => {
      const line = await Line.create();
      try {
        // What has a tap has no addresses of its own.
        if (policy.includes("'tap'")) await line.router.ip('addr flush dev r1');
        const netmill = await Netmill.start(line.lab, line.router, policy);
        const provider = await bird(line.lab, line.provider, '10.0.3.2', providerConfig);
        const server = await bird(line.lab, line.server, '10.0.2.2', serverConfig);
        const sessions = await router(line);
        await followed(t, { line, netmill, provider, server, ends: await line.traffic() }, sessions);
      } finally {
        await line.close();
      }
    },
    { tools, seconds: 150 },
  );
}

const birdRouter: RouterDaemon = async ({ lab, router }) => {
  const daemon = await bird(
    lab,
    router,
    '10.0.3.1',
    `protocol kernel { ipv4 { import none; export all; }; }
       protocol kernel { ipv6 { import none; export all; }; }
       ${bgp('10.0.3.1', 65001, '10.0.3.2', 65002, 'ipv4 { import all; export none; }; ipv6 { import all; export none; };')}
       ${ospf('server', 'none')}`,
  );
  return () => daemon.ask('show protocols');
};

/** The server's port has no kernel face but a tap: OSPF's multicast has to find its way into it and out of it. */
const tapped = plain.replace(
  "server: { port: 'xdp:r1', fallback: 'kernel' }",
  "server: { port: 'xdp:r1', host: 'tap', address: ['10.0.2.1/24', '2001:db8:2::1/64'], fallback: 'drop' }",
);

daemonTest('bird2: BGP through a port of netmill, OSPF through a tap', ['bird'], tapped, birdRouter);

const frrConfig = `
interface r1
 ip ospf area 0
 ip ospf hello-interval 1
 ip ospf dead-interval 4
 ipv6 ospf6 area 0
 ipv6 ospf6 hello-interval 1
 ipv6 ospf6 dead-interval 4
!
router ospf
 ospf router-id 10.0.3.1
!
router ospf6
 ospf6 router-id 10.0.3.1
!
router bgp 65001
 bgp router-id 10.0.3.1
 no bgp ebgp-requires-policy
 no bgp network import-check
 neighbor 10.0.3.2 remote-as 65002
 neighbor 10.0.3.2 timers connect 1
 neighbor 10.0.3.2 advertisement-interval 0
 address-family ipv6 unicast
  neighbor 10.0.3.2 activate
 exit-address-family
`;

daemonTest(
  'frr: BGP and OSPF through ports of netmill',
  ['bird', 'vtysh'],
  plain,
  async ({ lab, router }) => {
    const daemon = await frr(lab, router, frrConfig, { daemons: ['bgpd', 'ospfd', 'ospf6d'] });
    return async () =>
      `${await daemon.ask('show bgp summary')}\n${await daemon.ask('show ip ospf neighbor')}\n${await daemon.ask('show ipv6 ospf6 neighbor')}`;
  },
);
