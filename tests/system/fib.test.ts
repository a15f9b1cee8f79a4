/*
 * The engine's FIB follows the kernel's. Topology: support/line.ts. Every change is judged twice: by `route get`,
 * where the kernel's, the RIB's and the compiled FIB's answers must agree, and by where packets go.
 */
import type { ExecutionContext } from 'ava';
import { Line, macs, own } from '../support/line.js';
import { built, Netmill } from '../support/netmill.js';
import { sleep, until } from '../support/netns.js';
import { nexthopGroup } from '../support/routes.js';
import { systemTest } from '../support/system-test.js';
import { atRest, type Traffic } from '../support/traffic.js';
import { plain } from './policies.js';

interface Bed {
  readonly line: Line;
  readonly netmill: Netmill;
  readonly ends: { readonly client: Traffic; readonly server: Traffic; readonly provider: Traffic };
}

function fibTest(title: string, body: (t: ExecutionContext, bed: Bed) => Promise<void>): void {
  systemTest(title, async (t) => {
    const line = await Line.create();
    try {
      const netmill = await Netmill.start(line.lab, line.router, await built(plain));
      await line.warm();
      await body(t, { line, netmill, ends: await line.traffic() });
    } finally {
      await line.close();
    }
  });
}

/** Waits until the three answers agree, and returns the compiled one's legs by interface. */
async function agreed(t: ExecutionContext, netmill: Netmill, address: string): Promise<readonly string[]> {
  const answer = await until(
    `the three answers for ${address} to agree`,
    async () => {
      const one = await netmill.route(address);
      return one.agree ? one : undefined;
    },
    5000,
  ).catch(async () => netmill.route(address));
  t.true(answer.agree, `${address}: ${answer.differences.join('; ')} ${JSON.stringify(answer)}`);
  return answer.compiled.legs.map((leg) => leg.interface);
}

/** How many of 200 packets to an address came out at server and provider. */
async function whereTo(
  bed: Bed,
  dst: string,
): Promise<{ readonly server: number; readonly provider: number }> {
  const { client, server, provider } = bed.ends;
  const src = dst.includes(':') ? own.client.v6 : own.client.v4;
  await Promise.all([client.clear(), server.reset(), provider.reset()]);
  await client.flow({ id: 1, src, dst, dmac: macs.r0, n: 100 });
  await client.send(10_000, { count: 200 });
  const sum = async (end: Traffic) =>
    (await end.stats()).flows.reduce((total, flow) => total + flow.unique, 0);
  return atRest(
    async () => ({ server: await sum(server), provider: await sum(provider) }),
    (seen) => ({ received: seen.server + seen.provider, all: seen.server + seen.provider >= 200 }),
  );
}

for (const [family, prefix, address, toServer, toProvider] of [
  ['IPv4', '10.77.0.0/16', '10.77.1.1', '10.0.2.2', '10.0.3.2'],
  ['IPv6', '2001:db8:77::/48', '2001:db8:77::1', '2001:db8:2::2', '2001:db8:3::2'],
] as const) {
  fibTest(`${family} routes are added, replaced and deleted`, async (t, bed) => {
    const { line, netmill } = bed;
    await line.router.ip(`route add ${prefix} via ${toServer}`);
    t.deepEqual(await agreed(t, netmill, address), ['server']);
    t.deepEqual(await whereTo(bed, address), { server: 200, provider: 0 });
    await line.router.ip(`route replace ${prefix} via ${toProvider}`);
    t.deepEqual(await agreed(t, netmill, address), ['provider']);
    t.deepEqual(await whereTo(bed, address), { server: 0, provider: 200 });
    await line.router.ip(`route del ${prefix}`);
    await agreed(t, netmill, address);
    t.deepEqual(await whereTo(bed, address), { server: 0, provider: 0 });
  });

  fibTest(`${family} flows are spread over equal paths, each on one of them`, async (t, bed) => {
    const { line, netmill } = bed;
    await line.router.ip(`route add ${prefix} nexthop via ${toServer} nexthop via ${toProvider}`);
    t.deepEqual([...(await agreed(t, netmill, address))].sort(), ['provider', 'server']);
    const { server, provider } = await whereTo(bed, address);
    t.is(server + provider, 200);
    t.true(server >= 50 && provider >= 50, `${server} and ${provider} of 200`);
    t.is(server % 2, 0, 'two packets of one flow took different ways');
  });

  fibTest(`${family} blackhole, unreachable and prohibit`, async (t, bed) => {
    const { line, netmill } = bed;
    const six = family === 'IPv6';
    const source = {
      blackhole: six ? '2001:db8:1::11/64 dev c0 nodad' : '10.0.1.11/24 dev c0',
      unreachable: six ? '2001:db8:1::12/64 dev c0 nodad' : '10.0.1.12/24 dev c0',
      prohibit: six ? '2001:db8:1::13/64 dev c0 nodad' : '10.0.1.13/24 dev c0',
    };
    for (const [kind, ping] of [
      ['blackhole', /100% packet loss/],
      ['unreachable', /[Uu]nreachable/],
      ['prohibit', /[Pp]rohibited|filtered/],
    ] as const) {
      await line.router.ip(`route replace ${kind} ${prefix}`);
      await agreed(t, netmill, address);
      // Before the flood, which uses up what the kernel grants a host in ICMP errors.
      await line.client.ip(`addr replace ${source[kind]}`);
      const from = source[kind].split(/[/ ]/)[0]!;
      const patience = kind === 'blackhole' ? '-W1' : '-W9'; // an error ends it at once
      const said = await line.client.try('ping', '-c1', patience, '-I', from, address);
      t.regex(said.stdout, ping, kind);
      if (kind === 'blackhole') t.notRegex(said.stdout, /[Uu]nreachable|[Pp]rohibited/);
      t.deepEqual(await whereTo(bed, address), { server: 0, provider: 0 });
      await line.router.ip(`route del ${kind} ${prefix}`);
    }
  });

  fibTest(
    `${family} a lost carrier leaves the other path, and its return brings both back`,
    async (t, bed) => {
      const { line, netmill } = bed;
      await line.router.ip(`route add ${prefix} nexthop via ${toServer} nexthop via ${toProvider}`);
      await agreed(t, netmill, address);
      await line.server.ip('link set s0 down');
      await until('the path to go', async () => (await netmill.route(address)).compiled.legs.length === 1);
      t.deepEqual(await agreed(t, netmill, address), ['provider']);
      t.deepEqual(await whereTo(bed, address), { server: 0, provider: 200 });
      await line.server.ip('link set s0 up');
      await sleep(300);
      await line.server.ip(`addr replace ${toServer}/${family === 'IPv4' ? 24 : 64} dev s0`);
      await until('both paths', async () => (await netmill.route(address)).compiled.legs.length === 2);
      t.deepEqual([...(await agreed(t, netmill, address))].sort(), ['provider', 'server']);
    },
  );
}

fibTest(
  'a nexthop object that goes takes its routes along, though the kernel says nothing',
  async (t, bed) => {
    const { line, netmill } = bed;
    await line.router.ip('nexthop add id 7 via 10.0.2.2 dev r1', 'route add 10.77.0.0/16 nhid 7');
    t.deepEqual(await agreed(t, netmill, '10.77.1.1'), ['server']);
    await line.router.ip('nexthop del id 7');
    await agreed(t, netmill, '10.77.1.1');
    t.deepEqual(await whereTo(bed, '10.77.1.1'), { server: 0, provider: 0 });
  },
);

fibTest('the best of several routes to one prefix counts, and the next when it goes', async (t, bed) => {
  const { line, netmill } = bed;
  await line.router.ip(
    'route add 10.77.0.0/16 via 10.0.2.2 metric 10',
    'route add 10.77.0.0/16 via 10.0.3.2 metric 20',
  );
  t.deepEqual(await agreed(t, netmill, '10.77.1.1'), ['server']);
  await line.router.ip('route del 10.77.0.0/16 metric 10');
  t.deepEqual(await agreed(t, netmill, '10.77.1.1'), ['provider']);
});

fibTest(
  'flows are spread by the weights of a nexthop group, beyond 256 where the kernel has such',
  async (t, bed) => {
    const { line, netmill } = bed;
    await line.router.ip(
      'nexthop add id 1 via 10.0.2.2 dev r1',
      'nexthop add id 2 via 10.0.3.2 dev r2',
      'nexthop add id 9 group 1/2',
      'route add 10.77.0.0/16 nhid 9',
    );
    const large = await nexthopGroup(line.router, 9, { 1: 511, 2: 2561 }); // in their low bytes 255 and 1
    if (!large) await nexthopGroup(line.router, 9, { 1: 40, 2: 200 });
    t.deepEqual([...(await agreed(t, netmill, '10.77.1.1'))].sort(), ['provider', 'server']);
    const { server, provider } = await whereTo(bed, '10.77.1.1');
    t.is(server + provider, 200);
    t.true(server > 8 && server < 58, `${server} of 200, where one in six is right`);
  },
);

fibTest('20,000 routes at once are followed, and their withdrawal', async (t, bed) => {
  const { line, netmill } = bed;
  const lines = (verb: string) =>
    Array.from({ length: 20_000 }, (_, i) => {
      const via = i % 2 ? '10.0.3.2' : '10.0.2.2';
      return `route ${verb} 20.${i >> 8}.${i & 255}.0/24 via ${via}`;
    });
  const before = (await netmill.status()).fib.routes4;
  await line.router.ip(...lines('add'));
  await until('all routes', async () => (await netmill.status()).fib.routes4 === before + 20_000);
  for (const i of [0, 1, 4999, 12_345, 19_999]) {
    const address = `20.${i >> 8}.${i & 255}.9`;
    t.deepEqual(await agreed(t, netmill, address), [i % 2 ? 'provider' : 'server']);
  }
  t.deepEqual(await whereTo(bed, '20.1.0.9'), { server: 200, provider: 0 });
  await line.router.ip(...lines('del'));
  await until('none of them', async () => (await netmill.status()).fib.routes4 === before);
  await agreed(t, netmill, '20.1.0.9');
});

fibTest('decoupled, the forwarding table stays; coupled again, it catches up', async (t, bed) => {
  const { line, netmill } = bed;
  await line.router.ip('route add 10.77.0.0/16 via 10.0.2.2');
  await agreed(t, netmill, '10.77.1.1');
  t.is((await netmill.run('fib', 'decouple')).code, 0);
  await line.router.ip('route replace 10.77.0.0/16 via 10.0.3.2');
  await sleep(300);
  t.deepEqual(await whereTo(bed, '10.77.1.1'), { server: 200, provider: 0 });
  const apart = await netmill.route('10.77.1.1');
  t.false(apart.agree);
  t.regex(
    apart.differences.join(),
    /the RIB says via 10\.0\.3\.2 on r2, the compiled FIB via 10\.0\.2\.2 on r1/,
  );
  const { decoupledSince, pending } = (await netmill.status()).fib;
  t.true(pending >= 1 && apart.differSince! >= decoupledSince!, JSON.stringify([apart, decoupledSince]));
  t.is((await netmill.run('fib', 'couple')).code, 0);
  t.deepEqual(await agreed(t, netmill, '10.77.1.1'), ['provider']);
  t.deepEqual(await whereTo(bed, '10.77.1.1'), { server: 0, provider: 200 });
});
