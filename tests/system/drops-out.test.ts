/*
 * What is dropped on its way out counts by its reason, too. The interface out of which it is to go is a pipe whose peer is
 * stopped, and then killed. Topology: support/line.ts.
 */
import { readFileSync } from 'node:fs';
import type { InterfaceReply } from '../../runtime/control/types.js';
import { behind, Line, macs, own } from '../support/line.js';
import { cli, Netmill } from '../support/netmill.js';
import { until } from '../support/netns.js';
import { systemTest } from '../support/system-test.js';
import { settled } from '../support/traffic.js';

const policy = `import { acl, allow, router, udp } from 'netmill'
export default router('outwards', {
  interfaces: {
    client: { port: 'xdp:r0', fallback: 'drop', in: acl('in', { default: 'allow' }, [
      allow({ service: udp(9) }).mirror('narrow') ]) },
    server: { port: 'xdp:r1', fallback: 'drop' },
    narrow: { port: 'pipe:narrow', host: 'none', fallback: 'drop', address: ['10.6.0.1/24'] },
  },
  routes: { '10.60.0.0/16': '10.6.0.2' },
})
`;

/** A peer of the narrow pipe; whoever it is given to stops it, or ends it. */
async function peerOf({ line, netmill }: { line: Line; netmill: Netmill }): Promise<number> {
  const flags = ['gen', '--receive', 'pipe:narrow', '--rundir', netmill.rundir];
  const { pid } = line.lab.own(line.router.start(cli[0], [cli[1], ...flags]));
  const up = async () => (await netmill.status()).ports.find(({ name }) => name === 'narrow')!.up;
  await until('the peer', up);
  return Number(readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ')[0]);
}

systemTest(
  'what finds no room, no carrier or no neighbour on its way out counts by its reason',
  async (t) => {
    const line = await Line.create();
    try {
      const netmill = await Netmill.start(line.lab, line.router, policy);
      await line.warm();
      const { client, server } = await line.traffic();
      t.is((await netmill.run('arp', 'add', '10.6.0.2', macs.p0, '--iface', 'narrow')).code, 0);
      const peer = await peerOf({ line, netmill });
      const said = async () => {
        const all = await netmill.call<readonly InterfaceReply[]>({ op: 'ifconfig' });
        const own = Object.values(all.find(({ name }) => name === 'narrow')!.said);
        return own.reduce((sum, each) => sum + each, 0);
      };
      const look = async () => {
        const { interfaces } = await netmill.counters();
        const all = (name: string) => interfaces.map(({ drops }) => drops[name] ?? 0).reduce((a, b) => a + b);
        const { tx } = interfaces.find(({ name }) => name === 'narrow')!;
        const of = ['tx-full', 'mirror-full', 'egress-down', 'unresolved'] as const;
        const [full, mirror, down, unresolved] = of.map(all) as [number, number, number, number];
        return { sent: tx.packets, full, mirror, down, unresolved };
      };
      const send = async (dst: string, dport: number, count: number) => {
        await client.clear();
        await server.reset();
        await client.flow({ id: 1, src: own.client.v4, dst, dmac: macs.r0, dport });
        await client.send(10_000, { count });
      };

      /** To the narrow interface; when it returns, what becomes of them is decided: one behind them has come through. */
      const through = async (count: number) => {
        await send('10.60.0.1', 5, count);
        await send(behind.server.v4, 5, 1);
        t.is((await settled(client, server)).lost, 0);
      };

      process.kill(peer, 'SIGSTOP');
      const before = await look();
      t.deepEqual(before, { ...before, full: 0, mirror: 0, down: 0, unresolved: 0 });
      await through(6000);
      const filled = await look();
      // What the engine says by itself on that interface, such as ARP for its peer, is sent or dropped, too.
      const gone = filled.sent - before.sent + filled.full;
      t.true(gone >= 6000 && gone <= 6000 + (await said()), `${gone} of 6000 were sent or dropped`);

      /** What the engine says by itself is not counted as lost. */
      const sees = async (then: typeof filled, lost: Partial<typeof filled>) => {
        const { full, mirror, down, unresolved } = { ...then, ...lost };
        t.like(await look(), { full, mirror, down, unresolved });
      };

      await send(behind.server.v4, 9, 100);
      t.is((await settled(client, server)).lost, 0, 'the packets themselves go on');
      await sees(filled, { mirror: 100 });

      // Coupled, the table would no longer have the route.
      t.is((await netmill.run('fib', 'decouple')).code, 0);
      process.kill(peer, 'SIGKILL');
      await until('the port to be down', async () => {
        await through(1);
        return (await look()).down > 0;
      });
      // What came before the port was known to be down found no room.
      const closed = await look();
      await through(50);
      await sees(closed, { down: closed.down + 50 });
      t.is((await netmill.run('fib', 'couple')).code, 0);

      await send('10.0.2.99', 5, 20);
      await until('nobody to answer', async () => (await look()).unresolved >= 20).catch(() => undefined);
      await sees(closed, { down: closed.down + 50, unresolved: 20 });
    } finally {
      await line.close();
    }
  },
);
