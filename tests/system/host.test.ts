/*
 * What is for the router itself, through ports that netmill owns, does not get in the way of what it forwards.
 * Topology: support/line.ts. Routing daemons have a file of their own, daemons.test.ts.
 */
import { behind, Line, macs, own } from '../support/line.js';
import { Netmill } from '../support/netmill.js';
import { systemTest } from '../support/system-test.js';
import { settled } from '../support/traffic.js';
import { plain } from './policies.js';

systemTest('a flood at the router itself does not stop forwarding, nor a ping of it for good', async (t) => {
  const line = await Line.create();
  try {
    const limited = plain.replace(
      "router('line', {",
      "router('line', {\n  engine: { punt: { local: 2_000 } },",
    );
    const netmill = await Netmill.start(line.lab, line.router, limited);
    await line.warm();
    const { client, server } = await line.traffic();
    await client.flow({ id: 1, src: own.client.v4, dst: behind.server.v4, dmac: macs.r0 });
    await client.flow({ id: 2, src: own.client.v4, dst: '10.0.1.1', dmac: macs.r0, dport: 33333, n: 3 });
    await client.send(20_000, { ms: 2000 });
    t.is((await settled(client, server, [1])).lost, 0);
    t.is(await line.client.pings(5, '10.0.1.1'), 5);
    const { punt, drops } = (await netmill.counters()).interfaces.find((one) => one.name === 'client')!;
    t.true(punt.local!.policed + punt.local!.full > 0, 'the flood is over its rate');
    for (const one of ['bgp', 'ospf', 'arp', 'nd', 'ttl', 'exception'])
      t.is(punt[one]!.policed + punt[one]!.full, 0, `${one} is not`);
    t.is(punt.local!.policed, drops['punt-policed'] ?? 0);
    t.is(punt.local!.full, drops['punt-full'] ?? 0);
    t.regex((await netmill.run('counter')).stdout, /client +host local (policed|full) +[1-9]/);
  } finally {
    await line.close();
  }
});
