/*
 * A router on DPDK's devices, in a namespace of its own, and `netmill bridge` on two others. The stations are kernels.
 *
 *   client c0 ──── r0 af_packet, router, memif ════ memif, netmill bridge, tap s0 server
 *        10.0.1.0/24, 10.0.5.0/24 (VLAN 5)                     10.0.2.0/24
 *        2001:db8:1::/64                                       2001:db8:2::/64
 */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import type { InterfaceReply } from '../../runtime/control/types.js';
import { cli, Netmill } from '../support/netmill.js';
import { Lab, type Node, until } from '../support/netns.js';
import { systemTest } from '../support/system-test.js';

const plugin = fileURLToPath(new URL('../../../runtime/engine/build/netmill-dpdk.so', import.meta.url));

const policyWith = (server: string) => `import { router } from 'netmill'
export default router('dpdk', {
  interfaces: {
    lan: {
      port: 'dpdk:net_af_packet0,iface=r0', host: 'none', address: ['10.0.1.1/24', '2001:db8:1::1/64'],
      vlans: { five: { id: 5, host: 'none', address: ['10.0.5.1/24'] } },
    },
    server: { port: '${server}', host: 'none', fallback: 'drop', address: ['10.0.2.1/24', '2001:db8:2::1/64'] },
  },
})
`;

/** Joins the router's memif to a tap in the server's namespace, which becomes the server's only interface. */
async function bridge(lab: Lab, server: Node, memif: string): Promise<void> {
  const ports = [`dpdk:net_memif0,role=client,${memif}`, 'dpdk:net_tap0,iface=s0'];
  lab.own(
    execa('ip', ['netns', 'exec', server.namespace, ...cli, 'bridge', ...ports], {
      reject: false,
      buffer: false,
    }),
  );
  await until('the tap', async () => (await server.try('ip', 'link', 'show', 's0')).code === 0);
  await server.ip(
    'address add 10.0.2.2/24 dev s0',
    'address add 2001:db8:2::2/64 dev s0 nodad',
    'link set s0 up',
    'route add default via 10.0.2.1',
    'route add ::/0 via 2001:db8:2::1',
  );
}

systemTest(
  'a router on DPDK’s devices',
  async (t) => {
    const lab = await Lab.create();
    try {
      const [client, router, server] = [
        await lab.node('client'),
        await lab.node('router'),
        await lab.node('server'),
      ];
      await lab.link(
        { node: client, device: 'c0', addresses: ['10.0.1.2/24', '2001:db8:1::2/64'] },
        { node: router, device: 'r0' },
      );
      await client.ip('route add default via 10.0.1.1', 'route add ::/0 via 2001:db8:1::1');
      const memif = `socket=${join(lab.directory, 'm.sock')},socket-abstract=no`;
      const policy = policyWith(`dpdk:net_memif0,role=server,${memif}`);
      const netmill = await Netmill.start(lab, router, policy);
      const shown = async (name: string) =>
        (await netmill.call<readonly InterfaceReply[]>({ op: 'ifconfig' })).find((one) => one.name === name)!;
      const carrier = (up: boolean) =>
        until(`carrier ${up}`, async () => (await shown('server')).carrier === up);
      const reachable = async () => {
        for (const target of ['10.0.2.2', '2001:db8:2::2'])
          await until(`an answer of ${target}`, async () => (await client.pings(3, target)) === 3, 20_000);
      };

      t.false((await shown('server')).carrier, 'a memif without a peer has no carrier');
      const lan = await shown('lan');
      t.deepEqual([lan.face, lan.carrier, lan.mac], ['none', true, await router.mac('r0')]);
      await bridge(lab, server, memif);
      await carrier(true);
      await reachable();

      const tagged = ['--to-mac', lan.mac, '--vlan', '5', '--from', '10.0.5.2', '--to', '10.0.2.2'];
      const before = (await shown('lan.five')).rx.packets;
      await client.run(...cli, 'gen', '--send', 'xdp:c0', ...tagged, '--count', '100', '--rate', '1k');
      await until('tagged frames', async () => (await shown('lan.five')).rx.packets - before === 100);
    } finally {
      await lab.close();
    }
  },
  { files: [plugin], seconds: 120 },
);

systemTest('without the plugin the error says what to install', async (t) => {
  const lab = await Lab.create();
  try {
    const gen = join(lab.directory, 'netmill-gen');
    const built = fileURLToPath(new URL('../../../runtime/engine/build/netmill-gen', import.meta.url));
    t.true(existsSync(built));
    await execa('cp', [built, gen]);
    const node = await lab.node('alone');
    const { code, stderr } = await node.try(gen, '--receive', 'dpdk:net_null0', '--ms', '10');
    t.not(code, 0);
    t.regex(stderr, /netmill-dpdk\.so, which was not built: install DPDK \(Debian: libdpdk-dev\)/);
    for (const [plugin, why] of [
      ['const unsigned other;', 'undefined symbol'],
      ['const struct { unsigned abi; } mill_dpdk_plugin = { 1 };', 'it is of another version'],
    ] as const) {
      const library = join(lab.directory, 'netmill-dpdk.so');
      await execa('gcc', ['-shared', '-fPIC', '-x', 'c', '-', '-o', library], { input: plugin });
      const wrong = await node.try(gen, '--receive', 'dpdk:net_null0', '--ms', '10');
      t.not(wrong.code, 0);
      t.regex(wrong.stderr, new RegExp(`netmill-dpdk\\.so cannot be loaded: .*${why}.*; install DPDK`));
    }
  } finally {
    await lab.close();
  }
});
