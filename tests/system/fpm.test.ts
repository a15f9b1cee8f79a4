/*
 * zebra's FPM as a second source of routes: Debian's frr with its module dplane_fpm_nl, and a zebra of the test's own that
 * says what frr does not. Topology: support/line.ts; the provider announces real prefixes by BGP.
 */
import type { ExecutionContext } from 'ava';
import { sampleRoutes } from '../../examples/data/tables.js';
import { acknowledged, frame, group, nexthop, nexthopGone, route, type Way } from '../support/fpm.js';
import { Line, macs, own } from '../support/line.js';
import { built, Netmill } from '../support/netmill.js';
import { type Lab, type Node, sleep, until } from '../support/netns.js';
import { bird, frr } from '../support/routing.js';
import { systemTest } from '../support/system-test.js';
import { settled, type Traffic } from '../support/traffic.js';
import { plain } from './policies.js';

const policy = (grace: number) =>
  plain.replace('interfaces:', `daemon: { fpm: { grace: ${grace} } },\n  interfaces:`);

async function carries(from: Traffic, to: Traffic, dst: string): Promise<number> {
  await Promise.all([from.clear(), to.reset()]);
  const src = dst.includes(':') ? own.client.v6 : own.client.v4;
  await from.flow({ id: 1, src, dst, dmac: macs.r0 });
  await from.send(5000, { count: 500 });
  await settled(from, to);
  return (await to.stats()).flows.reduce((sum, flow) => sum + flow.unique, 0);
}

const real = (family: 4 | 6, count: number): readonly string[] =>
  sampleRoutes(family)
    .map(({ prefix }) => prefix)
    .filter((prefix) => !/^(10\.|2001:db8:)/.test(prefix))
    .slice(0, count);
const announced = [...real(4, 3000), ...real(6, 1000)];
const blackholes = (family: 4 | 6): string =>
  `protocol static routes${family} { ipv${family};
  ${announced
    .filter((prefix) => prefix.includes(':') === (family === 6))
    .map((prefix) => `route ${prefix} blackhole;`)
    .join('\n')} }\n`;

systemTest(
  'frr: what BGP learns comes by FPM, forwards without the kernel’s routes, and goes some time after zebra',
  async (t) => {
    const line = await Line.create();
    try {
      const { lab, router } = line;
      const netmill = await Netmill.start(lab, router, await built(policy(6)));
      const announcing = `${blackholes(4)}${blackholes(6)}
        protocol bgp upstream {
          local 10.0.3.2 as 65002; neighbor 10.0.3.1 as 65001; connect delay time 1; connect retry time 1; error wait time 1, 2;
          ipv4 { import none; export all; next hop self; };
          ipv6 { import none; export all; next hop address ${own.provider.v6}; };
        }`;
      const provider = await bird(lab, line.provider, '10.0.3.2', announcing);
      const zebra = await frr(
        lab,
        router,
        `fpm address 127.0.0.1 port 2620
router bgp 65001
 bgp router-id 10.0.3.1
 bgp suppress-fib-pending
 no bgp ebgp-requires-policy
 neighbor 10.0.3.2 remote-as 65002
 neighbor 10.0.3.2 timers connect 1
 address-family ipv6 unicast
  neighbor 10.0.3.2 activate
 exit-address-family
`,
        { daemons: ['bgpd'], zebra: ['-M', 'dplane_fpm_nl'] },
      );
      const fib = async () => (await netmill.status()).fib;
      await until('the routes', async () => (await fib()).fpmRoutes >= announced.length, 40_000).catch(
        async (error: Error) => {
          const said = [await zebra.ask('show fpm counters'), await zebra.ask('show bgp summary')];
          t.fail([error.message, JSON.stringify(await fib()), ...said].join('\n'));
        },
      );
      t.true((await fib()).fpm?.connected);
      const [address, address6] = [announced[1500]!, announced[3500]!].map(
        (prefix) => prefix.split('/')[0]!,
      ) as [string, string];
      for (const one of [address, address6])
        t.like(await netmill.route(one), { rib: { source: 'fpm', protocol: 'bgp' }, agree: true });
      t.regex((await netmill.run('fib', 'status')).stdout, /FPM +zebra is connected, since 20/);

      await router.ip('nexthop flush');
      await until('the kernel to be empty', async () => (await netmill.route(address)).kernel === undefined);
      await line.warm();
      const traffic = await line.traffic();
      for (const one of [address, address6])
        t.is(await carries(traffic.client, traffic.provider, one), 500, `${one} without the kernel`);

      for (const family of [4, 6]) await provider.ask(`disable routes${family}`);
      await until('the withdrawals', async () => (await fib()).fpmRoutes === 0, 20_000);
      t.is(await carries(traffic.client, traffic.provider, address), 0);
      for (const family of [4, 6]) await provider.ask(`enable routes${family}`);
      await until('the routes again', async () => (await fib()).fpmRoutes >= announced.length, 20_000);
      t.regex(await zebra.ask('show fpm counters'), /Connection closes: 0/, 'acknowledgements disturb frr');

      await router.ip('nexthop flush');
      zebra.stop('zebra');
      await until('the loss to be seen', async () => (await fib()).fpm?.connected === false);
      t.true((await fib()).fpmRoutes >= announced.length);
      t.is(await carries(traffic.client, traffic.provider, address), 500, 'in the time of grace');
      await until('the end of grace', async () => (await fib()).fpmRoutes === 0);
      t.is(await carries(traffic.client, traffic.provider, address), 0);
    } finally {
      await line.close();
    }
  },
  { tools: ['bird', 'vtysh'], seconds: 150 },
);

/** A zebra that says what it is told to, from inside the router. */
function zebraOf(lab: Lab, node: Node) {
  const script = `(function again() {
    const s = require('net').connect(2620, '127.0.0.1');
    s.on('error', () => undefined);
    s.on('connect', () => { process.stdin.pipe(s); s.pipe(process.stdout); });
    s.on('close', (failed) => (failed ? setTimeout(again, 100) : process.exit(0)));
  })()`;
  const child = lab.own(node.start(process.execPath, ['-e', script], { conversation: true }));
  const chunks: Buffer[] = [];
  child.stdout!.on('data', (bytes: Buffer) => chunks.push(bytes));
  return {
    say: (bytes: Buffer) => child.stdin!.write(bytes),
    heard: () => acknowledged(Buffer.concat(chunks)),
    closed: child.then(() => true),
  };
}

/** @param grace seconds for which routes stay without a zebra */
async function withZebra(
  grace: number,
  body: (
    line: Line,
    netmill: Netmill,
    connect: () => ReturnType<typeof zebraOf>,
    ifindex: (device: string) => Promise<number>,
  ) => Promise<void>,
): Promise<void> {
  const line = await Line.create();
  try {
    const netmill = await Netmill.start(line.lab, line.router, await built(policy(grace)));
    await line.warm();
    const ifindex = async (device: string) =>
      (await line.router.ipJson<{ ifindex: number }[]>('link', 'show', 'dev', device))[0]!.ifindex;
    await body(line, netmill, () => zebraOf(line.lab, line.router), ifindex);
  } finally {
    await line.close();
  }
}

async function goesBy(
  t: ExecutionContext,
  netmill: Netmill,
  address: string,
  ...interfaces: readonly string[]
): Promise<void> {
  const legs = async () => (await netmill.route(address)).compiled.legs.map((leg) => leg.interface).sort();
  await until(
    `${address} by ${interfaces}`,
    async () => (await legs()).join() === [...interfaces].sort().join(),
    5000,
  ).catch(() => undefined);
  t.deepEqual(await legs(), [...interfaces].sort(), address);
}

systemTest('FPM: routes are acknowledged when they forward, and not before', async (t) => {
  await withZebra(2, async (_line, netmill, connect, ifindex) => {
    const zebra = connect();
    const byServer: Way = { gateway: '10.0.2.2', ifindex: await ifindex('r1') };
    zebra.say(frame(route('20.1.0.0/16', byServer), route('20.2.0.0/16', byServer)));
    zebra.say(frame(route('20.3.0.0/16', { nexthop: 99 })));
    zebra.say(frame(route('20.4.0.0/16', { ...byServer, protocol: 2 })));
    await until('two acknowledgements', () => zebra.heard().length >= 2);
    await goesBy(t, netmill, '20.2.1.1', 'server');
    await sleep(200);
    t.deepEqual(zebra.heard(), ['20.1.0.0/16', '20.2.0.0/16']);
    await goesBy(t, netmill, '20.3.1.1');
    await goesBy(t, netmill, '20.4.1.1');

    await netmill.run('fib', 'decouple');
    zebra.say(frame(route('20.5.0.0/16', byServer)));
    await until('the RIB to know', async () => (await netmill.route('20.5.1.1')).rib !== undefined);
    await sleep(300);
    t.is(zebra.heard().length, 2, 'acknowledged, and the FIB is frozen');
    await netmill.run('fib', 'couple');
    await until('the acknowledgement', () => zebra.heard().length === 3);
    await goesBy(t, netmill, '20.5.1.1', 'server');
    zebra.say(frame(route('20.5.0.0/16', undefined)));
    await goesBy(t, netmill, '20.5.1.1');
    t.is((await netmill.json<{ audit: { divergences: number } }>('fib', 'audit')).audit.divergences, 0);
  });
});

systemTest('FPM: nexthops and groups, also behind a lost carrier, beside the kernel’s own', async (t) => {
  await withZebra(2, async (line, netmill, connect, ifindex) => {
    const zebra = connect();
    const [r1, r2] = [await ifindex('r1'), await ifindex('r2')];
    // The kernel's nexthop object has the number of one of zebra's, and means another way.
    await line.router.ip('nexthop add id 1 via 10.0.3.2 dev r2', 'route add 20.9.0.0/16 nhid 1');
    zebra.say(frame(nexthop(1, { gateway: '10.0.2.2', ifindex: r1 })));
    zebra.say(frame(nexthop(2, { gateway: '10.0.3.2', ifindex: r2 }), group(3, [1, 2])));
    zebra.say(frame(route('20.1.0.0/16', { nexthop: 1 }), route('20.2.0.0/16', { nexthop: 3 })));
    await goesBy(t, netmill, '20.1.1.1', 'server');
    await goesBy(t, netmill, '20.2.1.1', 'server', 'provider');
    await goesBy(t, netmill, '20.9.1.1', 'provider');
    zebra.say(frame(nexthop(1, { gateway: '10.0.3.2', ifindex: r2 })));
    await goesBy(t, netmill, '20.1.1.1', 'provider');
    zebra.say(frame(nexthop(1, { gateway: '10.0.2.2', ifindex: r1 })));
    await goesBy(t, netmill, '20.1.1.1', 'server');
    await line.server.ip('link set s0 down');
    await goesBy(t, netmill, '20.2.1.1', 'provider');
    await line.server.ip('link set s0 up');
    await goesBy(t, netmill, '20.2.1.1', 'server', 'provider');
    zebra.say(frame(route('20.7.0.0/16', { nexthop: 7 })));
    zebra.say(frame(nexthop(7, { gateway: '10.0.2.2', ifindex: r1 })));
    await goesBy(t, netmill, '20.7.1.1', 'server');
    zebra.say(frame(nexthopGone(7)));
    await goesBy(t, netmill, '20.7.1.1');
    await line.router.ip('route add 20.1.0.0/16 via 10.0.3.2');
    await goesBy(t, netmill, '20.1.1.1', 'server');
    zebra.say(frame(route('20.1.0.0/16', undefined)));
    await goesBy(t, netmill, '20.1.1.1', 'provider');
  });
});

systemTest('FPM: the next daemon waits for zebra, and no packet is lost', async (t) => {
  await withZebra(20, async (line, netmill, connect, ifindex) => {
    const routes = frame(route('20.1.0.0/16', { gateway: '10.0.2.2', ifindex: await ifindex('r1') }));
    connect().say(routes);
    await goesBy(t, netmill, '20.1.1.1', 'server');
    const { client, server } = await line.traffic();
    await client.flow({ id: 1, src: own.client.v4, dst: '20.1.1.1', dmac: macs.r0 });
    await client.start(2000);
    await netmill.killDaemon();
    netmill.launch();
    await sleep(500);
    connect().say(routes);
    await netmill.ready();
    await goesBy(t, netmill, '20.1.1.1', 'server');
    await sleep(300);
    await client.stop();
    const { sent, lost } = await settled(client, server);
    t.is(lost, 0, `of ${sent}`);
  });
});

systemTest('FPM: a stream that is none is closed, and zebra coming back finds its routes', async (t) => {
  await withZebra(4, async (_line, netmill, connect, ifindex) => {
    const first = connect();
    const byServer: Way = { gateway: '10.0.2.2', ifindex: await ifindex('r1') };
    first.say(frame(route('20.1.0.0/16', byServer), route('20.2.0.0/16', byServer)));
    await goesBy(t, netmill, '20.2.1.1', 'server');
    first.say(Buffer.from([2, 1, 0, 8, 0, 0, 0, 0]));
    t.true(await first.closed);
    const second = connect();
    second.say(frame(route('20.1.0.0/16', byServer)));
    await goesBy(t, netmill, '20.2.1.1', 'server');
    await until('the end of grace', async () => (await netmill.status()).fib.fpmRoutes === 1);
    await goesBy(t, netmill, '20.1.1.1', 'server');
    await goesBy(t, netmill, '20.2.1.1');
  });
});
