/*
 * Stations behind tags. The kernel here may have no VLAN devices, so they are played by the traffic
 * tool, and the router's face in the kernel is a tap.
 *
 *   stations c0 ════ r0 router r1 ──── s0 server      10.0.2.0/24, 2001:db8:2::/64
 *     untagged              10.0.1.0/24    2001:db8:1::/64
 *     VLAN 100     office   10.1.100.0/24  2001:db8:100::/64
 *     VLAN 200     guests   10.1.200.0/24  2001:db8:200::/64
 *     S-tag 300.10 metroA   10.1.10.0/24   2001:db8:310::/64     tpid 0x88a8
 *     S-tag 300.11 metroB   10.1.11.0/24   2001:db8:311::/64
 */
import type { ExecutionContext } from 'ava';
import { built, Netmill } from '../support/netmill.js';
import { Lab, type Node } from '../support/netns.js';
import { systemTest } from '../support/system-test.js';
import { Traffic } from '../support/traffic.js';

export const policy = `import { router } from 'netmill'
export default router('tags', {
  interfaces: {
    lan: {
      port: 'xdp:r0',
      fallback: 'drop',
      mtu: 1500,
      vlans: {
        office: { id: 100, address: ['10.1.100.1/24', '2001:db8:100::1/64'], mtu: 1500 },
        guests: { id: 200, address: ['10.1.200.1/24', '2001:db8:200::1/64'], mtu: 1500 },
      },
      qinq: { outer: 300, tpid: 0x88a8, inner: {
        metroA: { id: 10, address: ['10.1.10.1/24', '2001:db8:310::1/64'], mtu: 1500 },
        metroB: { id: 11, address: ['10.1.11.1/24', '2001:db8:311::1/64'], mtu: 1500 },
      } },
    },
    server: { port: 'xdp:r1', fallback: 'kernel' },
  },
})
`;

export interface Station {
  readonly name: string;
  readonly tags: string;
  readonly v4: string;
  readonly v6: string;
}

export const stations: readonly Station[] = [
  { name: 'office', tags: '8100:100', v4: '10.1.100.2', v6: '2001:db8:100::2' },
  { name: 'guests', tags: '8100:200', v4: '10.1.200.2', v6: '2001:db8:200::2' },
  { name: 'metroA', tags: '88a8:300,8100:10', v4: '10.1.10.2', v6: '2001:db8:310::2' },
  { name: 'metroB', tags: '88a8:300,8100:11', v4: '10.1.11.2', v6: '2001:db8:311::2' },
];

export interface Bed {
  readonly netmill: Netmill;
  readonly wire: Traffic;
  readonly server: Traffic;
  readonly serverNode: Node;
  readonly router: Node;
  readonly mac: string;
}

export function vlanTest(title: string, body: (t: ExecutionContext, bed: Bed) => Promise<void>): void {
  systemTest(title, async (t) => {
    const lab = await Lab.create();
    try {
      await body(t, await build(lab));
    } finally {
      await lab.close();
    }
  });
}

async function build(lab: Lab): Promise<Bed> {
  const [clients, router, serverNode] = [
    await lab.node('clients'),
    await lab.router('router'),
    await lab.node('server'),
  ];
  await lab.link(
    { node: clients, device: 'c0', mtu: 1600, addresses: ['10.0.1.2/24', '2001:db8:1::2/64'] },
    { node: router, device: 'r0', mtu: 1600, addresses: ['10.0.1.1/24', '2001:db8:1::1/64'] },
  );
  await lab.link(
    { node: serverNode, device: 's0', addresses: ['10.0.2.2/24', '2001:db8:2::2/64'] },
    { node: router, device: 'r1', addresses: ['10.0.2.1/24', '2001:db8:2::1/64'] },
  );
  await serverNode.ip('route add 0.0.0.0/0 via 10.0.2.1', 'route add ::/0 via 2001:db8:2::1');
  await router.ip('route add 10.9.0.0/16 via 10.0.2.2', 'route add 2001:db8:9::/48 via 2001:db8:2::2');
  const netmill = await Netmill.start(lab, router, await built(policy));
  const wire = await Traffic.on(lab, clients, 'c0');
  for (const { v4, v6, tags } of stations) {
    await wire.answer(v4, { tags });
    await wire.answer(v6, { tags });
  }
  const server = await Traffic.on(lab, serverNode, 's0');
  await serverNode.run('ping', '-c1', '-W2', '10.0.2.1');
  await serverNode.run('ping', '-c1', '-W2', '2001:db8:2::1');
  return { netmill, wire, server, serverNode, router, mac: await router.mac('r0') };
}
