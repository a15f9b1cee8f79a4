/*
 * A router over netmap ports, wherever the kernel has netmap, beside one that the kernel routes: the same packets, one by one,
 * give the same result, of both families; flows pass over deploys, and the router itself is reached by the host rings.
 * Topology: support/line.ts.
 */
import { outcome } from '../support/compare.js';
import { Line, mixedFlows } from '../support/line.js';
import { Netmill } from '../support/netmill.js';
import { systemTest } from '../support/system-test.js';
import { settled } from '../support/traffic.js';
import { type Crafted, crafted, craftedRoutes, mutated } from './crafted.js';
import { numbered, plain } from './policies.js';

const needs = { files: ['/dev/netmap'], seconds: 600 } as const;

/** An answer of the kernel may be late: what is late would count for the next packet. */
const settleMs = 250;

function overNetmap(policy: string): string {
  return policy.replaceAll("'xdp:", "'netmap:");
}

async function milled(line: Line, policy: string): Promise<Netmill> {
  await line.router.ip(...craftedRoutes);
  const netmill = await Netmill.start(line.lab, line.router, overNetmap(policy));
  await line.warm();
  return netmill;
}

async function differences(packets: readonly Crafted[]): Promise<readonly string[]> {
  const [mill, kernel] = [await Line.create(), await Line.create()];
  try {
    await milled(mill, plain);
    await kernel.router.ip(...craftedRoutes);
    await kernel.warm();
    const ends = [await mill.traffic(), await kernel.traffic()] as const;
    const different: string[] = [];
    for (const { name, frame } of packets) {
      const [ours, theirs] = await Promise.all(ends.map((end) => outcome(end, [frame], settleMs)));
      if (JSON.stringify(ours) !== JSON.stringify(theirs))
        different.push(`${name}\n  netmill ${JSON.stringify(ours)}\n  kernel  ${JSON.stringify(theirs)}`);
    }
    return different;
  } finally {
    await mill.close();
    await kernel.close();
  }
}

systemTest(
  'the same packets over netmap ports give the same result as the kernel’s own forwarding',
  async (t) => {
    t.deepEqual(await differences([...crafted, ...mutated(100, 11)]), []);
  },
  needs,
);

systemTest(
  'flows over netmap ports outlive a deploy and a rollback',
  async (t) => {
    const line = await Line.create();
    try {
      const netmill = await milled(line, numbered(1));
      const { client, server } = await line.traffic();
      await mixedFlows(client, 'server');
      await client.send(2_000, { count: 20_000 });
      await netmill.deploy(overNetmap(numbered(2)));
      await netmill.rollback();
      /* Not in order: what an emulated device receives waits in a queue of each core, and the generator may change its core. */
      t.like(await settled(client, server), { sent: 20_000, lost: 0, duplicates: 0, bad: 0 });
      for (const address of ['10.0.1.1', '2001:db8:1::1']) {
        const { stdout } = await line.client.try('ping', '-c5', '-i0.1', '-W2', address);
        t.regex(stdout, / 0% packet loss/);
      }
    } finally {
      await line.close();
    }
  },
  needs,
);
