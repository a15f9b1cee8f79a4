/**
 * Rules with several gateways, over the topology of support/line.ts: the server is one (weight 3), the provider the other
 * (weight 1), and the routing table sends everything back to the client, so that what no gateway takes is seen there.
 */
import type { ExecutionContext } from 'ava';
import type { TraceReply } from '../../runtime/control/types.js';
import { Line, macs, own } from '../support/line.js';
import { built, Netmill } from '../support/netmill.js';
import { until } from '../support/netns.js';
import { systemTest } from '../support/system-test.js';
import { atRest, type Traffic } from '../support/traffic.js';

const policy = (note: string) => `import { nets, nexthop, pbr, router, udp } from 'netmill'
const shares = { '10.0.2.2': 3, '10.0.3.2': 1, '2001:db8:2::2': 3, '2001:db8:3::2': 1 } as const
const way = pbr('way', [
  nexthop('10.0.2.2', { service: udp(${note}) }).why('another generation'),
  nexthop(shares, { to: nets('10.50.0.0/16', '2001:db8:50::/48') }).id('shared'),
  nexthop(shares, { to: nets('10.51.0.0/16', '2001:db8:51::/48') }).id('dropping').orDrop(),
  nexthop(['10.0.3.2', '2001:db8:3::2'], { to: nets('10.52.0.0/16', '2001:db8:52::/48') }).id('ordered')
    .or(['10.0.2.2', '2001:db8:2::2']),
])
export default router('line', {
  interfaces: {
    client: { port: 'xdp:r0', fallback: 'kernel', pbr: way },
    server: { port: 'xdp:r1', fallback: 'kernel' },
    provider: { port: 'xdp:r2', fallback: 'kernel' },
  },
})
`;

type Sink = 'client' | 'server' | 'provider';
type Rule = 'shared' | 'dropping' | 'ordered';

interface Bed {
  readonly line: Line;
  readonly netmill: Netmill;
  readonly traffic: Readonly<Record<Sink, Traffic>>;
}

const flows = 96;
const net: Readonly<Record<Rule, number>> = { shared: 50, dropping: 51, ordered: 52 };
const sinks: readonly Sink[] = ['client', 'server', 'provider'];

async function makeBed(): Promise<Bed> {
  const line = await Line.create();
  try {
    for (const device of ['r1', 'r2'])
      for (const family of ['ipv4', 'ipv6'])
        await line.router.sysctl({
          [`net.${family}.neigh.${device}.base_reachable_time_ms`]: 500,
          [`net.${family}.neigh.${device}.delay_first_probe_time`]: 0,
          [`net.${family}.neigh.${device}.retrans_time_ms`]: 100,
          [`net.${family}.neigh.${device}.ucast_solicit`]: 2,
          [`net.${family}.neigh.${device}.mcast_solicit`]: 2,
        });
    for (const each of Object.values(net))
      await line.router.ip(
        `route add 10.${each}.0.0/16 via ${own.client.v4}`,
        `route add 2001:db8:${each}::/48 via ${own.client.v6}`,
      );
    const netmill = await Netmill.start(line.lab, line.router, await built(policy('30000')));
    await line.warm();
    return { line, netmill, traffic: await line.traffic() };
  } catch (error) {
    await line.close();
    throw error;
  }
}

const isSix = (flow: number) => flow > flows;

/** The flows that came to each sink. */
function arrived(traffic: Bed['traffic'], packets: number) {
  return atRest(
    () =>
      Promise.all(
        sinks.map(async (sink) => {
          const { flows } = await traffic[sink].stats();
          return [sink, flows.filter((flow) => flow.received > 0)] as const;
        }),
      ),
    (came) => {
      const received = came.flatMap(([, flows]) => flows).reduce((sum, flow) => sum + flow.received, 0);
      return { received, all: received >= packets };
    },
  );
}

/** Two packets of each flow of both families; where each flow went. `lost`: nowhere. */
async function whereTo(t: ExecutionContext, { netmill, traffic }: Bed, rule: Rule) {
  const { client } = traffic;
  for (const sink of sinks) {
    await traffic[sink].clear();
    await traffic[sink].reset();
  }
  const before = await counted(netmill, rule);
  const common = { dmac: macs.r0, n: flows, sport: 20000, dport: 5000 };
  await client.flow({ ...common, id: 1, src: own.client.v4, dst: `10.${net[rule]}.1.1` });
  await client.flow({ ...common, id: 1 + flows, src: own.client.v6, dst: `2001:db8:${net[rule]}::1` });
  await client.send(4000, { count: 4 * flows });
  const went = new Map<number, Sink>();
  for (const [sink, received] of await arrived(traffic, 4 * flows)) {
    for (const flow of received) {
      t.is(flow.received, 2, `flow ${flow.id} went more than one way`);
      t.false(went.has(flow.id), `flow ${flow.id} went more than one way`);
      went.set(flow.id, sink);
    }
  }
  t.is((await counted(netmill, rule)) - before, 4 * flows, 'the rule did not count exactly');
  return went;
}

async function counted(netmill: Netmill, rule: Rule): Promise<number> {
  const { rules } = await netmill.rules();
  return rules.find((one) => one.id === rule)!.packets;
}

async function noGateway({ netmill }: Bed): Promise<number> {
  const { interfaces } = await netmill.counters();
  const { drops } = interfaces.find((one) => one.name === 'client')!;
  return drops['no-gateway'] ?? 0;
}

/** Until both families' ways have these gateways alone. */
async function uses({ netmill }: Bed, rule: Rule, gateways: readonly Sink[]): Promise<void> {
  const wanted = [...gateways].sort().join();
  for (const [src, dst] of [
    [own.client.v4, `10.${net[rule]}.1.1:5000`],
    [`[${own.client.v6}]`, `[2001:db8:${net[rule]}::1]:5000`],
  ])
    await until(`${rule} to use ${wanted}`, async () => {
      const packet = `in client udp ${src}:20000 > ${dst}`;
      const { diverted } = await netmill.call<TraceReply>({ op: 'trace', packet });
      const legs = diverted!.compiled.legs.filter((leg) => leg.kind === 'forward');
      return (
        legs.length === diverted!.compiled.legs.length &&
        legs
          .map((leg) => leg.interface)
          .sort()
          .join() === wanted
      );
    });
}

const gateways = {
  server: { device: 's0', v4: '10.0.2.2/24', v6: '2001:db8:2::2/64' },
  provider: { device: 'p0', v4: '10.0.3.2/24', v6: '2001:db8:3::2/64' },
} as const;

/** Nobody answers for its addresses any more, as when the machine has died behind a switch. */
async function silence({ line }: Bed, name: 'server' | 'provider'): Promise<void> {
  const { device, v4, v6 } = gateways[name];
  await line[name].ip(`addr del ${v4} dev ${device}`, `addr del ${v6} dev ${device}`);
}

async function revive({ line }: Bed, name: 'server' | 'provider'): Promise<void> {
  const { device, v4, v6 } = gateways[name];
  await line[name].ip(`addr replace ${v4} dev ${device}`, `addr replace ${v6} dev ${device} nodad`);
}

function numbers(went: ReadonlyMap<number, Sink>, sink: Sink, six: boolean): number {
  return [...went].filter(([flow, where]) => where === sink && isSix(flow) === six).length;
}

function splitByWeight(t: ExecutionContext, went: ReadonlyMap<number, Sink>): void {
  for (const six of [false, true]) {
    const [server, provider] = [numbers(went, 'server', six), numbers(went, 'provider', six)];
    t.is(server + provider, flows);
    // Three quarters of 96 are 72; six standard deviations of a fair draw, and 6 % of buckets.
    t.true(server >= 46 && server <= 94, `${server} to the server, ${provider} to the provider`);
  }
}

/** Those that went by the lost gateway went by the other; all others stayed. */
function onlyTheLostMoved(
  t: ExecutionContext,
  before: ReadonlyMap<number, Sink>,
  after: ReadonlyMap<number, Sink>,
  other: Sink,
  lost: Sink,
): void {
  for (const [flow, where] of before) t.is(after.get(flow), where === lost ? other : where, `flow ${flow}`);
}

async function withBed(t: ExecutionContext, body: (bed: Bed) => Promise<void>): Promise<void> {
  const bed = await makeBed();
  try {
    await body(bed);
  } catch (error) {
    t.log(bed.netmill.logs());
    throw error;
  } finally {
    await bed.line.close();
  }
}

systemTest(
  'flows are shared by weight; a gateway that fails gives up its own alone, and gets them back',
  (t) =>
    withBed(t, async (bed) => {
      await uses(bed, 'shared', ['server', 'provider']);
      const first = await whereTo(t, bed, 'shared');
      splitByWeight(t, first);
      for (const [lost, other] of [
        ['provider', 'server'],
        ['server', 'provider'],
      ] as const) {
        await silence(bed, lost);
        await uses(bed, 'shared', [other]);
        onlyTheLostMoved(t, first, await whereTo(t, bed, 'shared'), other, lost);
        await revive(bed, lost);
        await uses(bed, 'shared', ['server', 'provider']);
        t.deepEqual(await whereTo(t, bed, 'shared'), first, 'flows did not come back');
      }
      await bed.line.provider.ip('link set p0 down');
      await uses(bed, 'shared', ['server']);
      onlyTheLostMoved(t, first, await whereTo(t, bed, 'shared'), 'server', 'provider');
      await bed.line.provider.ip('link set p0 up');
      await revive(bed, 'provider');
      await uses(bed, 'shared', ['server', 'provider']);
      t.deepEqual(await whereTo(t, bed, 'shared'), first, 'flows did not come back with the carrier');
    }),
);

systemTest('when no gateway answers: by the routing table, or dropped and counted, as the rule says', (t) =>
  withBed(t, async (bed) => {
    await uses(bed, 'dropping', ['server', 'provider']);
    splitByWeight(t, await whereTo(t, bed, 'dropping'));
    t.is(await noGateway(bed), 0);
    for (const name of ['server', 'provider'] as const) await silence(bed, name);
    for (const rule of ['shared', 'dropping', 'ordered'] as const) await uses(bed, rule, []);
    const routed = await whereTo(t, bed, 'shared');
    t.is(routed.size, 2 * flows);
    t.deepEqual(new Set(routed.values()), new Set(['client']));
    t.is(await noGateway(bed), 0);
    t.is((await whereTo(t, bed, 'dropping')).size, 0);
    t.is(await noGateway(bed), 4 * flows);
    await revive(bed, 'provider');
    for (const rule of ['shared', 'dropping', 'ordered'] as const) await uses(bed, rule, ['provider']);
    t.deepEqual(new Set((await whereTo(t, bed, 'dropping')).values()), new Set(['provider']));
    t.is(await noGateway(bed), 4 * flows);
  }),
);

systemTest('a gateway stands in while the one before it does not answer', (t) =>
  withBed(t, async (bed) => {
    const all = async (sink: Sink) => {
      await uses(bed, 'ordered', [sink]);
      const went = await whereTo(t, bed, 'ordered');
      t.is(went.size, 2 * flows);
      t.deepEqual(new Set(went.values()), new Set([sink]));
    };
    await all('provider');
    await silence(bed, 'provider');
    await all('server');
    await revive(bed, 'provider');
    await all('provider');
    await bed.line.provider.ip('link set p0 down');
    await all('server');
  }),
);

systemTest('each flow keeps its gateway over deploy, rollback, and the death of engine and daemon', (t) =>
  withBed(t, async (bed) => {
    const { netmill } = bed;
    const both = () => uses(bed, 'shared', ['server', 'provider']);
    await both();
    // What a table was before it was dealt is told apart in tests/engine/fib/fib_paths.c.
    const first = await whereTo(t, bed, 'shared');
    const stays = async (what: string) => {
      await both();
      t.deepEqual(await whereTo(t, bed, 'shared'), first, what);
    };
    await netmill.deploy(policy('30001'));
    await stays('a deploy moved flows');
    await netmill.rollback();
    await stays('a rollback moved flows');
    const pid = await netmill.enginePid();
    process.kill(pid, 'SIGKILL');
    await until('another engine', async () => {
      const { engine, fib } = await netmill.status();
      return engine.pid !== pid && fib.synced;
    });
    await stays('an engine that adopted moved flows');
    await netmill.killDaemon();
    await netmill.startDaemon();
    await stays('a daemon that started anew moved flows');
  }),
);
