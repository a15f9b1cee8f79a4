/*
 * What is for the router itself, through ports that netmill owns: a BGP session of Debian's BIRD with the router,
 * and what it teaches the router. Topology: support/line.ts.
 */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { behind, Line, macs, own } from '../support/line.js';
import { Netmill } from '../support/netmill.js';
import { type Node, until } from '../support/netns.js';
import { systemTest } from '../support/system-test.js';
import { settled } from '../support/traffic.js';
import { plain } from './policies.js';

async function bird(line: Line, node: Node, id: string, body: string) {
  const at = (what: string) => join(line.lab.directory, `${node.name}.${what}`);
  await writeFile(at('conf'), `router id ${id};\nprotocol device { scan time 1; }\n${body}`);
  line.lab.own(node.start('bird', ['-f', '-c', at('conf'), '-s', at('ctl'), '-P', at('pid')]));
  return async (command: string) => (await node.try('birdc', '-s', at('ctl'), ...command.split(' '))).stdout;
}

const session = (local: string, localAs: number, peer: string, peerAs: number, exports: string) => `
protocol bgp upstream {
  local ${local} as ${localAs};
  neighbor ${peer} as ${peerAs};
  connect delay time 1; connect retry time 1; error wait time 1,2;
  ipv4 { import all; export ${exports}; next hop self; };
}
`;

systemTest(
  'a BGP session with the router itself comes up through netmill’s port, and its routes are forwarded by',
  async (t) => {
    const line = await Line.create();
    try {
      const netmill = await Netmill.start(line.lab, line.router, plain);
      const routes = Array.from({ length: 200 }, (_, i) => `route 20.0.${i}.0/24 blackhole;`).join(' ');
      await bird(
        line,
        line.provider,
        '10.0.3.2',
        `protocol static { ipv4; ${routes} }\n${session('10.0.3.2', 65002, '10.0.3.1', 65001, 'all')}`,
      );
      const ask = await bird(
        line,
        line.router,
        '10.0.3.1',
        `protocol kernel { ipv4 { export all; }; }\n${session('10.0.3.1', 65001, '10.0.3.2', 65002, 'none')}`,
      );
      await until(
        'the session',
        async () => /Established/.test(await ask('show protocols upstream')),
        40_000,
      );
      await until('its routes', async () => (await netmill.status()).fib.routes4 >= 200, 15_000);
      await until('the FIB to agree', async () => (await netmill.route('20.0.150.1')).agree);
      t.deepEqual(
        (await netmill.route('20.0.150.1')).compiled.legs.map((leg) => leg.interface),
        ['provider'],
      );

      const { client, provider } = await line.traffic();
      await line.warm();
      await client.flow({ id: 1, src: own.client.v4, dst: '20.0.150.1', dmac: macs.r0, n: 4 });
      await client.send(10_000, { count: 10_000 });
      t.like(await settled(client, provider), { sent: 10_000, lost: 0 });
      t.regex(await ask('show protocols upstream'), /Established/, 'the session broke under traffic');
    } finally {
      await line.close();
    }
  },
  { tools: ['bird'], seconds: 90 },
);

systemTest('a flood at the router itself does not stop forwarding, nor a ping of it for good', async (t) => {
  const line = await Line.create();
  try {
    await Netmill.start(line.lab, line.router, plain);
    await line.warm();
    const { client, server } = await line.traffic();
    await client.flow({ id: 1, src: own.client.v4, dst: behind.server.v4, dmac: macs.r0 });
    await client.flow({ id: 2, src: own.client.v4, dst: '10.0.1.1', dmac: macs.r0, dport: 33333, n: 3 });
    await client.send(40_000, { ms: 2000 });
    t.is((await settled(client, server, [1])).lost, 0);
    const said = await line.client.try('ping', '-c5', '-i0.2', '-W2', '10.0.1.1');
    t.regex(said.stdout, / 0% packet loss/);
  } finally {
    await line.close();
  }
});
