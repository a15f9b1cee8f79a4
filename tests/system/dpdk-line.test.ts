/*
 * A router all of whose ports are DPDK's, on the kernel's devices. Topology: support/line.ts. Client and server meet the
 * kernel by taps, the provider the engine itself. Kernels have copies of what such ports receive, and must
 * not answer, nor forward, nor say that they have no route: settings of these devices see to that.
 */
import { fileURLToPath } from 'node:url';
import type { InterfaceReply } from '../../runtime/control/types.js';
import { Line, mixedFlows, own } from '../support/line.js';
import { built, cli, Netmill } from '../support/netmill.js';
import { until } from '../support/netns.js';
import { systemTest } from '../support/system-test.js';
import { settled } from '../support/traffic.js';

const plugin = fileURLToPath(new URL('../../../runtime/engine/build/netmill-dpdk.so', import.meta.url));

/** @param n a number, so that each text is another generation @param more keys of the server's interface */
const policy = (n: number, provider = true, more = '') => `import { router } from 'netmill'
export default router('line', {
  interfaces: {
    client: { port: 'dpdk:net_af_packet0,iface=r0', host: 'tap', address: ['10.0.1.1/24', '2001:db8:1::1/64'] },
    server: { port: 'dpdk:net_af_packet1,iface=r1', ${more}host: 'tap', address: ['10.0.2.1/24', '2001:db8:2::1/64'] },
    ${provider ? "provider: { port: 'dpdk:net_af_packet2,iface=r2', host: 'none', address: ['10.0.3.1/24', '2001:db8:3::1/64'] }," : ''}
  },
  routes: {
    '10.9.0.0/16': '10.0.2.2', '2001:db8:9::/48': '2001:db8:2::2', '10.77.${n}.0/24': '10.0.2.2',
  },
})
`;

async function withLine(body: (line: Line, netmill: Netmill) => Promise<void>): Promise<void> {
  const line = await Line.create({ faceless: true });
  try {
    for (const device of ['r0', 'r1', 'r2'])
      await line.router.sysctl({
        [`net.ipv4.conf.${device}.forwarding`]: 0,
        [`net.ipv4.conf.${device}.rp_filter`]: 1,
        [`net.ipv4.conf.${device}.arp_ignore`]: 8,
        [`net.ipv6.conf.${device}.disable_ipv6`]: 1,
      });
    await body(line, await Netmill.start(line.lab, line.router, await built(policy(0))));
  } finally {
    await line.close();
  }
}

systemTest(
  'three ports of DPDK’s: both families, a tap, deploys and a daemon killed under traffic, a port that comes and goes',
  async (t) => {
    await withLine(async (line, netmill) => {
      const { client, provider, router } = line;
      await line.warmFromOutside();
      const answered = async (when: string, withProvider = true) => {
        for (const target of [
          ...['10.0.1.1', '2001:db8:1::1', '10.0.2.1', '2001:db8:2::1', own.server.v4, own.server.v6],
          ...(withProvider ? [own.provider.v4, own.provider.v6] : []),
        ])
          t.is(await client.pings(3, target), 3, `${target} ${when}`);
      };
      await answered('at first');
      t.is(await router.pings(3, own.client.v4), 3, 'the kernel, by its tap');
      t.is(await router.pings(3, own.client.v6), 3);
      t.is(await provider.pings(3, '10.0.3.1', '-M', 'do', '-s', '1472'), 3, 'the engine itself');
      const tired = await client.try('ping', '-c1', '-W9', '-t1', own.server.v4);
      t.regex(tired.stdout, /From 10\.0\.1\.1 .*Time to live exceeded/);

      const ends = await line.traffic();
      await mixedFlows(ends.client, 'server');
      await ends.client.start(3000);
      await netmill.deploy(policy(1));
      await netmill.deploy(policy(2, false));
      t.is(await provider.pings(1, '10.0.3.1', '-w1'), 0, 'the port is gone');
      await netmill.deploy(policy(3));
      await until('the port to be there again', async () => (await provider.pings(1, '10.0.3.1')) === 1);
      await netmill.rollback();
      await netmill.deploy(policy(4));
      await netmill.killDaemon();
      await netmill.startDaemon();
      await ends.client.stop();
      const seen = await settled(ends.client, ends.server);
      t.log(`${seen.sent} packets, longest gap ${seen.gapMs.toFixed(1)} ms`);
      t.like(seen, { lost: 0, reordered: 0, duplicates: 0, bad: 0 });
      await answered('after all that');

      const engine = await netmill.enginePid();
      process.kill(engine, 'SIGKILL');
      await until('another engine', async () => (await netmill.enginePid()) !== engine);
      await netmill.ready();
      await line.warmFromOutside();
      await answered('with another engine');
    });
  },
  { files: [plugin], seconds: 180 },
);

systemTest(
  'what DPDK’s devices cannot do is refused by a deploy, and the generation that runs goes on',
  async (t) => {
    await withLine(async (line, netmill) => {
      await line.warmFromOutside();
      const refused = async (text: string, message: RegExp) => {
        await t.throwsAsync(netmill.deploy(text), { message });
        t.is(await line.client.pings(2, own.server.v4), 2, `${message}`);
      };
      await refused(
        policy(0, true, 'mtu: 1600, '),
        /interface server: an MTU of 1600, and the device of dpdk:net_af_packet1,iface=r1 carries 1500 at most: that is the kernel's to set: ip link set r1 mtu 1600/,
      );
      const first = 'net_af_packet2,iface=r2';
      await refused(policy(0).replace(first, 'net_af_packet2,iface=none'), /port provider .*none/);
      await refused(policy(0).replace(first, `${first},rings=2`), /it would have 2 rings: the device has 1/);

      const up = async (name: string) =>
        (await netmill.status()).ports.find((port) => port.name === name)!.up;
      await line.server.ip('link set s0 down');
      await until('no carrier', async () => !(await up('server')));
      t.true(await up('client'));
      await line.server.ip('link set s0 up', 'route add default via 10.0.2.1');
      await until('a carrier', () => up('server'));
      await until('an answer', async () => (await line.client.pings(1, own.server.v4)) === 1);

      // The kernel's device may be given another MTU while its port is open.
      await line.router.ip('link set r1 mtu 1700');
      await until('the deploy', async () =>
        netmill.deploy(policy(0, true, 'mtu: 1600, ')).then(
          () => true,
          () => false,
        ),
      );
      const shown = await netmill.call<readonly InterfaceReply[]>({ op: 'ifconfig' });
      t.is(shown.find(({ name }) => name === 'server')!.mtu, 1600);
    });
  },
  { files: [plugin], seconds: 120 },
);

systemTest(
  'a tap takes no copy of a packet larger than its MTU: it is dropped and counted, and smaller ones go on',
  async (t) => {
    const line = await Line.create({ mtu: 3000 });
    try {
      const mirrored = `import { acl, allow, router, udp } from 'netmill'
const fromClient = acl('from-client', { default: 'allow' }, [allow({ service: udp(9) }).mirror('ids')])
export default router('line', { interfaces: {
  client: { port: 'xdp:r0', in: fromClient, fallback: 'kernel' },
  server: { port: 'xdp:r1', fallback: 'kernel' },
  ids: { port: 'dpdk:net_tap0,iface=ids0', host: 'none', address: ['192.0.2.1/24'] },
} })
`;
      const netmill = await Netmill.start(line.lab, line.router, mirrored);
      await line.warm();
      const copies = async () =>
        Number(await line.router.run('cat', '/sys/class/net/ids0/statistics/rx_packets'));
      await line.router.ip('link set ids0 up');
      const ids = async () => (await netmill.status()).ports.find(({ name }) => name === 'ids')!;
      await until('its carrier', async () => (await ids()).up);
      const before = await copies();
      const packets = ['--from', own.client.v4, '--to', '10.9.0.1', '--count', '400', '--rate', '2k'];
      const wire = ['--send', 'xdp:c0', '--to-mac', '02:00:00:00:01:00', '--size', '3014,1514,100,1515'];
      await line.client.run(...cli, 'gen', ...wire, ...packets);
      await until('the copies', async () => (await copies()) - before >= 200);
      t.is((await ids()).txFull, 200);
      t.regex(netmill.logs(), /port ids .*a frame of 3014 bytes is dropped, and so is each that is longer/);

      // DPDK itself lets no tap have more.
      const mtu = async () => Number(await line.router.run('cat', '/sys/class/net/ids0/mtu'));
      t.is(await mtu(), 1500);
      await netmill.deploy(mirrored.replace("ids0',", "ids0', mtu: 1504,"));
      t.is(await mtu(), 1504, 'the device is set up for it');
      await t.throwsAsync(netmill.deploy(mirrored.replace("ids0',", "ids0', mtu: 1600,")), {
        message:
          /interface ids: an MTU of 1600, and the device of dpdk:net_tap0,iface=ids0 carries 1504 at most: /,
      });
      await netmill.deploy(
        mirrored
          .replace("ids0',", "ids0', address: ['192.0.2.3/24'],")
          .replace(", address: ['192.0.2.1/24']", ''),
      );
      t.is(await mtu(), 1500, 'and no longer');
    } finally {
      await line.close();
    }
  },
  { files: [plugin], seconds: 90 },
);
