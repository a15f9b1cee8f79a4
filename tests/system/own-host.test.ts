/*
 * A router without a face in the kernel: the engine stands for it on both interfaces, answers ARP and Neighbour Discovery,
 * resolves its neighbours, and tells sources what became of their packets. The stations are kernels.
 *
 *   client c0 ──── r0 router r1 ──── s0 server, with 10.9.0.1 and 2001:db8:9::1 behind it
 *        10.0.1.0/24              10.0.2.0/24
 *        2001:db8:1::/64          2001:db8:2::/64
 */
import type { ExecutionContext } from 'ava';
import type { InterfaceReply, NeighbourReply, RouteGetReply } from '../../runtime/control/types.js';
import { built, Netmill } from '../support/netmill.js';
import { Lab, type Node, until } from '../support/netns.js';
import { systemTest } from '../support/system-test.js';

const policyWith = (lan: string) => `import { nets, nexthop, pbr, router } from 'netmill'
const spare = pbr('spare', [
  nexthop(['10.0.2.2', '2001:db8:2::2'], { to: nets('10.77.0.0/16', '2001:db8:77::/48') }).or(['10.0.2.3', '2001:db8:2::3']),
])
export default router('faceless', {
  interfaces: {
    lan: { port: 'xdp:r0', host: 'none', fallback: 'drop', address: ${lan}, pbr: spare },
    server: { port: 'xdp:r1', host: 'none', fallback: 'drop', address: ['10.0.2.1/24', '2001:db8:2::1/64'] },
  },
  routes: { '10.9.0.0/16': '10.0.2.2', '2001:db8:9::/48': '2001:db8:2::2' },
})
`;
const policy = policyWith("['10.0.1.1/24', '2001:db8:1::1/64']");

interface Bed {
  readonly lab: Lab;
  readonly client: Node;
  readonly server: Node;
  readonly router: Node;
  readonly netmill: Netmill;
}

function bedTest(title: string, body: (t: ExecutionContext, bed: Bed) => Promise<void>): void {
  systemTest(
    title,
    async (t) => {
      const lab = await Lab.create();
      try {
        await body(t, await build(lab));
      } finally {
        await lab.close();
      }
    },
    { seconds: 120 },
  );
}

async function build(lab: Lab): Promise<Bed> {
  const [client, router, server] = [
    await lab.node('client'),
    await lab.node('router'),
    await lab.node('server'),
  ];
  await lab.link(
    { node: client, device: 'c0', addresses: ['10.0.1.2/24', '2001:db8:1::2/64'] },
    { node: router, device: 'r0' },
  );
  await lab.link(
    {
      node: server,
      device: 's0',
      addresses: ['10.0.2.2/24', '10.0.2.3/24', '2001:db8:2::2/64', '2001:db8:2::3/64'],
    },
    { node: router, device: 'r1' },
  );
  await client.ip('route add default via 10.0.1.1', 'route add ::/0 via 2001:db8:1::1');
  await server.ip(
    'route add default via 10.0.2.1',
    'route add ::/0 via 2001:db8:2::1',
    'address add 10.9.0.1/32 dev lo',
    'address add 2001:db8:9::1/128 dev lo',
  );
  const netmill = await Netmill.start(lab, router, await built(policy));
  await verified(netmill);
  return { lab, client, server, router, netmill };
}

/** Waits until every address is in use that nobody else has: IPv6's are asked for first. */
async function verified(netmill: Netmill): Promise<void> {
  const all = () => netmill.call<readonly InterfaceReply[]>({ op: 'ifconfig' });
  await until('the addresses to be ours', async () =>
    (await all()).every(({ unused }) => !Object.values(unused).includes('tentative')),
  );
}

const near = ['10.0.1.1', '2001:db8:1::1', '10.0.2.1', '2001:db8:2::1'];
const far = ['10.0.2.2', '2001:db8:2::2', '10.9.0.1', '2001:db8:9::1'];

async function reachable(t: ExecutionContext, from: Node, targets: readonly string[]): Promise<void> {
  const answered = await Promise.all(targets.map((target) => from.pings(3, target)));
  t.deepEqual(
    answered,
    targets.map(() => 3),
    targets.join(' '),
  );
}

function neighbour(all: readonly NeighbourReply[], address: string): NeighbourReply | undefined {
  return all.find((one) => one.address === address);
}

bedTest('the router is reached, and reached through, in both families', async (t, bed) => {
  const { client, server, netmill } = bed;
  // Nothing is sent to those that stand in, and yet they are known when they are needed.
  for (const address of ['10.0.2.3', '2001:db8:2::3'])
    await until(`${address} to be known`, async () =>
      Boolean(neighbour(await netmill.json<NeighbourReply[]>('arp'), address)?.mac),
    );
  await reachable(t, client, [...near, ...far]);
  await reachable(t, server, ['10.0.1.2', '2001:db8:1::2']);
  const gateways = await netmill.json<NeighbourReply[]>('arp');
  for (const address of ['10.0.2.2', '2001:db8:2::2'])
    t.like(neighbour(gateways, address), {
      mac: await server.mac('s0'),
      interface: 'server',
      device: 'engine:server',
    });
  const route = await netmill.route('10.9.0.1');
  t.like(route, { agree: true, rib: { source: 'engine', protocol: 'static', prefix: '10.9.0.0/16' } });
  t.like(route.compiled.legs[0], { kind: 'forward', interface: 'server', nexthop: '10.0.2.2' });
  const lan = (await netmill.json<InterfaceReply[]>('ifconfig')).find((one) => one.name === 'lan')!;
  t.deepEqual([lan.face, lan.up, lan.carrier], ['none', true, true]);
  t.deepEqual(lan.addresses, ['10.0.1.1/24', '2001:db8:1::1/64']);
  t.true(lan.said['echo-reply']! >= 12);
  t.true(lan.said['arp-reply']! >= 1 && lan.said['neighbour-advertisement']! >= 1);
});

bedTest('sources are told in both families what became of their packets', async (t, { client, netmill }) => {
  await reachable(t, client, far);
  const says = async (expected: RegExp, target: string, ...options: readonly string[]) => {
    const { stdout } = await client.try('ping', '-c1', '-W9', ...options, target);
    t.regex(stdout, expected, `${options.join(' ')} ${target}`);
  };
  await Promise.all([
    says(/From 10\.0\.1\.1 .*Time to live exceeded/, '10.9.0.1', '-t1'),
    says(/From 2001:db8:1::1 .*Time exceeded: Hop limit/, '2001:db8:9::1', '-t1'),
    says(/ 1 received/, '10.0.1.1', '-t1'), // the last hop of a traceroute
    says(/ 1 received/, '2001:db8:2::1', '-t1'),
    says(/From 10\.0\.1\.1 .*Destination Net Unreachable/, '172.16.0.1'),
    says(/From 2001:db8:1::1 .*Destination unreachable: No route/, '2001:db8:ffff::1'),
    says(/From 10\.0\.1\.1 .*Destination Host Unreachable/, '10.0.2.99'),
    says(/From 2001:db8:1::1 .*Destination unreachable: Address unreachable/, '2001:db8:2::99'),
  ]);
  await netmill.deploy(policy.replace("port: 'xdp:r1',", "port: 'xdp:r1', mtu: 1400,"));
  await reachable(t, client, far);
  await Promise.all([
    says(/From 10\.0\.1\.1 .*Frag needed and DF set \(mtu = 1400\)/, '10.9.0.1', '-s1400', '-Mdo'),
    says(/From 2001:db8:1::1 .*Packet too big: mtu=1400/, '2001:db8:9::1', '-s1400', '-Mdo'),
  ]);
  // Router alert asks for nothing but a look; a record of the route is not this router's to write.
  t.is(await client.pings(1, '10.9.0.1'), 1);
  t.is((await client.try('ping', '-c1', '-W1', '-R', '10.9.0.1')).code, 1);
});

bedTest('the daemon dies, another comes, the engine dies: the router stays', async (t, bed) => {
  const { client, netmill } = bed;
  await reachable(t, client, far);
  await netmill.killDaemon();
  await client.ip('neigh flush dev c0');
  await reachable(t, client, [...near, ...far]); // the engine answers by itself
  await netmill.startDaemon();
  const known = await netmill.json<NeighbourReply[]>('arp');
  t.truthy(neighbour(known, '10.0.2.2')?.mac); // from the engine's own table
  t.is((await netmill.route('10.9.0.1')).compiled.legs[0]?.kind, 'forward');
  process.kill(await netmill.enginePid(), 'SIGKILL');
  await until('the router to answer again', async () => (await client.pings(1, '10.9.0.1')) === 1);
  await reachable(t, client, [...near, ...far]);
});

bedTest(
  'a gateway that comes back with another MAC is found again',
  async (t, { client, server, netmill }) => {
    await reachable(t, client, far);
    await server.ip('link set s0 down', 'link set s0 address 02:00:00:00:99:99', 'link set s0 up');
    await server.ip(
      'address replace 2001:db8:2::2/64 dev s0 nodad',
      'route replace default via 10.0.2.1',
      'route replace ::/0 via 2001:db8:2::1',
    );
    await server.pings(1, '10.0.2.1'); // it asks for the router, as whoever comes up does
    await server.pings(1, '2001:db8:2::1');
    await until('the gateway to be reached', async () => (await client.pings(1, '10.9.0.1')) === 1);
    await reachable(t, client, far);
    const known = await netmill.json<NeighbourReply[]>('arp');
    for (const address of ['10.0.2.2', '2001:db8:2::2'])
      t.is(neighbour(known, address)?.mac, '02:00:00:00:99:99', address);
  },
);

bedTest('static neighbours, deploys and rollbacks', async (t, bed) => {
  const { client, netmill } = bed;
  const mac = '02:00:00:00:77:77';
  t.is((await netmill.run('arp', 'add', '10.0.2.7', mac)).code, 0);
  t.is((await netmill.run('arp', 'add', '2001:db8:2::7', mac)).code, 0);
  t.is((await netmill.run('arp', 'add', '192.0.2.7', mac)).code !== 0, true, 'on no network of the router');
  const leg = async (address: string): Promise<RouteGetReply['compiled']['legs'][number] | undefined> =>
    (await netmill.route(address)).compiled.legs[0];
  for (const address of ['10.0.2.7', '2001:db8:2::7']) {
    await until(`${address} to be known`, async () => (await leg(address))?.mac === mac);
    t.is(neighbour(await netmill.json<NeighbourReply[]>('arp'), address)?.state, 'permanent');
  }
  t.is((await netmill.run('arp', 'delete', '10.0.2.7')).code, 0);
  await until('it to be forgotten', async () => (await leg('10.0.2.7'))?.kind === 'glean');
  t.not((await netmill.run('arp', 'delete', '10.0.2.7')).code, 0);

  await netmill.deploy(policyWith("['10.0.1.1/24', '10.0.1.9/24']"));
  await reachable(t, client, ['10.0.1.9', '10.0.1.1', '10.9.0.1']);
  t.is(await client.pings(1, '2001:db8:1::1', '-w1'), 0);
  await netmill.call({ op: 'rollback' });
  await verified(netmill);
  await reachable(t, client, [...near, ...far]);
  t.is(await client.pings(1, '10.0.1.9', '-w1'), 0);
  const known = await netmill.json<NeighbourReply[]>('arp');
  t.is(neighbour(known, '2001:db8:2::7')?.state, 'permanent', 'the interface has been there all the time');
});

bedTest('an IPv6 address that somebody has is left to him, and ours to us', async (t, bed) => {
  const { client, server, netmill } = bed;
  const taken = '2001:db8:1::2/64';
  await netmill.deploy(policyWith(`['10.0.1.1/24', '2001:db8:1::1/64', '${taken}']`));
  await verified(netmill);
  const lan = async () =>
    (await netmill.json<InterfaceReply[]>('ifconfig')).find((one) => one.name === 'lan')!;
  t.deepEqual((await lan()).unused, { [taken]: 'duplicate' });
  t.regex(
    (await netmill.run('ifconfig')).stdout,
    /address 2001:db8:1::2\/64 \(a duplicate: somebody else has it\)/,
  );
  await reachable(t, client, [...near, ...far]);
  await reachable(t, server, ['2001:db8:1::2']);
  await client.sysctl({ 'net.ipv6.conf.c0.accept_dad': 1 });
  await client.ip('addr add 2001:db8:1::1/64 dev c0');
  const flags = async () => {
    const [link] = await client.ipJson<readonly { addr_info: { local: string; dadfailed?: boolean }[] }[]>(
      'addr',
      'show',
      'c0',
    );
    return link!.addr_info.find((one) => one.local === '2001:db8:1::1')?.dadfailed;
  };
  await until('the client to leave us ours', async () => (await flags()) === true);
  t.true((await lan()).said['listener-report']! >= 2);
});

systemTest(
  'a switch that listens in hears which groups the router is in, and asks again',
  async (t) => {
    const lab = await Lab.create();
    try {
      const [client, middle, router] = [
        await lab.node('client'),
        await lab.node('switch'),
        await lab.node('router'),
      ];
      await lab.link(
        { node: client, device: 'c0', addresses: ['2001:db8:1::2/64'] },
        { node: middle, device: 'm0' },
      );
      await lab.link({ node: router, device: 'r0' }, { node: middle, device: 'm1' });
      await lab.link({ node: router, device: 'r1' }, { node: middle, device: 'unused' });
      await middle.ip(
        'link add br0 type bridge mcast_snooping 1 mcast_querier 1 mcast_mld_version 2 mcast_query_interval 150 mcast_startup_query_interval 100 mcast_query_response_interval 50',
        'link set m0 master br0',
        'link set m1 master br0',
        'link set m1 type bridge_slave mcast_flood off', // groups that nobody asks for do not go there
        'link set br0 up',
      );
      const netmill = await Netmill.start(lab, router, await built(policy));
      await verified(netmill);
      t.is(await client.pings(3, '2001:db8:1::1'), 3);
      const groups = await middle.run('bridge', 'mdb', 'show', 'dev', 'br0');
      t.regex(groups, /port m1 grp ff02::1:ff00:1 /);
      const reports = async () =>
        (await netmill.call<readonly InterfaceReply[]>({ op: 'ifconfig' }))[0]!.said['listener-report']!;
      const before = await reports();
      await until('answers to queries', async () => (await reports()) > before + 1);
    } finally {
      await lab.close();
    }
  },
  { tools: ['bridge'] },
);
