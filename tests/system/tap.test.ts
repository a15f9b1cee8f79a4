/*
 * A router on tap ports, whose far ends are devices in two other namespaces, as containers have them.
 *
 *   client e0 ════ tap:e0  router  tap:e1 ════ e1 server        10.0.1.0/24, 10.0.2.0/24, 2001:db8:1::/64, 2001:db8:2::/64
 */
import { execa } from 'execa';
import { cli, Netmill } from '../support/netmill.js';
import { Lab, type Node, until } from '../support/netns.js';
import { systemTest } from '../support/system-test.js';

const needed = { files: ['/dev/net/tun'] };
const tap = (i: number) =>
  `port: 'tap:e${i}', host: 'none', fallback: 'drop', address: ['10.0.${i + 1}.1/24', '2001:db8:${i + 1}::1/64']`;
const policy = `import { router } from 'netmill'
export default router('taps', { interfaces: { left: { ${tap(0)} }, right: { ${tap(1)} } } })
`;

/** The device goes to its station, which routes everything by it. */
async function give(router: Node, station: Node, i: number): Promise<void> {
  await router.ip(`link set e${i} netns ${station.namespace}`);
  await station.ip(
    `addr add 10.0.${i + 1}.2/24 dev e${i}`,
    `addr add 2001:db8:${i + 1}::2/64 dev e${i} nodad`,
    `link set e${i} up`,
    `route add default via 10.0.${i + 1}.1`,
    `route add ::/0 via 2001:db8:${i + 1}::1`,
  );
}

systemTest(
  'a router on taps, which engines and daemons may leave and others find again',
  async (t) => {
    const lab = await Lab.create();
    try {
      const [router, client, server] = [
        await lab.node('router'),
        await lab.node('client'),
        await lab.node('server'),
      ];
      const netmill = await Netmill.start(lab, router, policy);
      const up = async (name: string) => (await netmill.status()).ports.find((one) => one.name === name)!.up;
      const reachable = async (what: string) => {
        for (const target of ['10.0.2.2', '2001:db8:2::2'])
          await until(`${what}: ${target}`, async () => (await client.pings(3, target)) === 3, 20_000);
      };
      t.deepEqual([await up('left'), await up('right')], [true, true], 'made, and set up');
      await give(router, client, 0);
      await give(router, server, 1);
      await reachable('by taps in other namespaces');
      t.is(await client.pings(20, '10.0.2.2', '-s', '1472', '-M', 'do'), 20, 'frames as large as the wire');

      await client.ip('link set e0 mtu 4000');
      t.is(await client.pings(3, '10.0.2.2', '-s', '3000'), 0, 'larger than a packet buffer');
      const dropped = (await netmill.status()).ports.find(({ name }) => name === 'left')!;
      t.true(dropped.rxTooLong >= 3 && dropped.rxDropped === dropped.rxTooLong);
      await client.ip('link set e0 mtu 1500');

      await server.ip('link set e1 down');
      await until('the carrier to be lost', async () => !(await up('right')));
      t.true(await up('left'));
      await server.ip(
        'link set e1 up',
        'addr replace 2001:db8:2::2/64 dev e1 nodad',
        'route replace default via 10.0.2.1',
        'route replace ::/0 via 2001:db8:2::1',
      );
      await until('the carrier to be back', () => up('right'));
      await reachable('after a carrier was lost');

      const engine = await netmill.enginePid();
      process.kill(engine, 'SIGKILL');
      await until('another engine', async () => {
        const pid = await netmill.enginePid().catch(() => engine);
        return pid !== engine && pid > 0;
      });
      await reachable('by an engine that adopted');
      await netmill.killDaemon();
      t.is(await client.pings(20, '10.0.2.2'), 20, 'without a daemon');
      await netmill.startDaemon();

      await server.ip('link del e1');
      await until(
        'another one of its name',
        async () => (await router.try('ip', 'link', 'show', 'e1')).code === 0,
      );
      await give(router, server, 1);
      await reachable('by a tap that was deleted and made again');

      await netmill.stop();
      await until('the tap to go', async () => (await client.try('ip', 'link', 'show', 'e0')).code !== 0);
    } finally {
      await lab.close();
    }
  },
  needed,
);

systemTest(
  'a tap that is there already stays, and is taken from nobody',
  async (t) => {
    const lab = await Lab.create();
    try {
      const node = await lab.node('node');
      await node.run('ip', 'tuntap', 'add', 'dev', 'kept', 'mode', 'tap');
      await node.ip('addr add 10.7.0.1/24 dev kept', 'link set kept up');
      const run = (name: string) => node.try(...cli, 'gen', '--receive', `tap:${name}`, '--seconds', '1');
      const other = lab.own(
        execa(
          'ip',
          ['netns', 'exec', node.namespace, ...cli, 'gen', '--receive', 'tap:kept', '--seconds', '5'],
          {
            reject: false,
          },
        ),
      );
      await until('it to be open', async () => {
        const [link] = await node.ipJson<{ operstate: string }[]>('link', 'show', 'kept');
        return link!.operstate === 'UP';
      });
      t.regex((await run('kept')).stderr, /tap kept: Device or resource busy; another process has a tap/);
      other.kill('SIGTERM');
      await other;
      t.is((await run('kept')).code, 0);
      t.regex(await node.run('ip', '-4', 'addr', 'show', 'kept'), /10\.7\.0\.1/);
      t.regex((await run('lo')).stderr, /tap lo: Invalid argument; an interface of this name exists/);
      t.regex((await run('a%d')).stderr, /expected tap:NAME/);
    } finally {
      await lab.close();
    }
  },
  needed,
);

systemTest(
  'a bridge between a wire and a tap, with the generator on either',
  async (t) => {
    const lab = await Lab.create();
    try {
      const [far, near] = [await lab.node('far'), await lab.node('near')];
      await lab.link({ node: far, device: 'f0', addresses: ['10.0.1.2/24'] }, { node: near, device: 'n0' });
      lab.own(
        execa('ip', ['netns', 'exec', near.namespace, ...cli, 'bridge', 'xdp:n0', 'tap:inner'], {
          reject: false,
        }),
      );
      await until('the tap', async () => (await near.try('ip', 'link', 'show', 'inner')).code === 0);
      await near.ip('addr add 10.0.1.1/24 dev inner');
      // The wire's own ARP stays with its kernel, so both know each other.
      const [wire, inner] = [await far.mac('f0'), await near.mac('inner')];
      await far.ip(`neigh replace 10.0.1.1 lladdr ${inner} dev f0 nud permanent`);
      await near.ip(`neigh replace 10.0.1.2 lladdr ${wire} dev inner nud permanent`);
      await until('an answer', async () => (await far.pings(1, '10.0.1.1')) === 1, 20_000);
      t.is(await far.pings(50, '10.0.1.1', '-s', '1000'), 50);
    } finally {
      await lab.close();
    }
  },
  needed,
);
