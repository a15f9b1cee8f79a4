/**
 * The topology of most system tests: a client, a router, a server and a second provider, with addresses and MAC
 * addresses that never change, so that two of them, one routed by the kernel and one by netmill, are comparable
 * byte by byte.
 *
 *   client c0 ──── r0 router r1 ──── s0 server      10.9.0.0/16, 2001:db8:9::/48 are behind server
 *                            r2 ──── p0 provider    10.8.0.0/16, 2001:db8:8::/48 are behind provider
 *
 *   client–router 10.0.1.0/24 2001:db8:1::/64, router–server …2…, router–provider …3…; the router is .1, peers .2
 */
import { Lab, type Node, until } from './netns.js';
import { Traffic } from './traffic.js';

export const macs = {
  c0: '02:00:00:00:00:0c',
  r0: '02:00:00:00:01:00',
  r1: '02:00:00:00:01:01',
  r2: '02:00:00:00:01:02',
  s0: '02:00:00:00:00:05',
  p0: '02:00:00:00:00:09',
} as const;

/** An address behind a peer that nobody owns: whatever arrives for it is silently eaten, and counted. */
export const behind = {
  server: { v4: '10.9.0.1', v6: '2001:db8:9::1' },
  provider: { v4: '10.8.0.1', v6: '2001:db8:8::1' },
} as const;

export const own = {
  client: { v4: '10.0.1.2', v6: '2001:db8:1::2' },
  server: { v4: '10.0.2.2', v6: '2001:db8:2::2' },
  provider: { v4: '10.0.3.2', v6: '2001:db8:3::2' },
} as const;

export interface LineOptions {
  /** Bytes of IP packet on all wires; 1500 when not said. */
  readonly mtu?: number;
  /** The same on the wire between router and server. */
  readonly serverMtu?: number;
  /** The same between router and provider. */
  readonly providerMtu?: number;
  /** The router's devices have no addresses and its kernel no routes over them: somebody else stands for it there. */
  readonly faceless?: boolean;
  /** Leave veth's offloads as they come. */
  readonly offloads?: boolean;
}

const pairs = [
  ['client', 'c0', 'r0', 1],
  ['server', 's0', 'r1', 2],
  ['provider', 'p0', 'r2', 3],
] as const;

export class Line {
  private constructor(
    readonly lab: Lab,
    readonly client: Node,
    readonly router: Node,
    readonly server: Node,
    readonly provider: Node,
  ) {}

  static async create(options: LineOptions = {}): Promise<Line> {
    const lab = await Lab.create();
    try {
      return await Line.build(lab, options);
    } catch (error) {
      await lab.close();
      throw error;
    }
  }

  private static async build(lab: Lab, options: LineOptions): Promise<Line> {
    const router = await lab.router('router');
    const peers = {
      client: await lab.node('client'),
      server: await lab.node('server'),
      provider: await lab.node('provider'),
    };
    for (const [name, device, port, net] of pairs) {
      const own = { client: undefined, server: options.serverMtu, provider: options.providerMtu }[name];
      const mtu = own ?? options.mtu ?? 1500;
      await lab.link(
        {
          node: peers[name],
          device,
          mac: macs[device],
          mtu,
          addresses: [`10.0.${net}.2/24`, `2001:db8:${net}::2/64`],
        },
        {
          node: router,
          device: port,
          mac: macs[port],
          mtu,
          addresses: options.faceless ? [] : [`10.0.${net}.1/24`, `2001:db8:${net}::1/64`],
        },
        { offloads: options.offloads ?? false },
      );
      await peers[name].ip(`route add 0.0.0.0/0 via 10.0.${net}.1`, `route add ::/0 via 2001:db8:${net}::1`);
    }
    if (!options.faceless)
      await router.ip(
        'route add 10.9.0.0/16 via 10.0.2.2',
        'route add 2001:db8:9::/48 via 2001:db8:2::2',
        'route add 10.8.0.0/16 via 10.0.3.2',
        'route add 2001:db8:8::/48 via 2001:db8:3::2',
      );
    return new Line(lab, peers.client, router, peers.server, peers.provider);
  }

  /** Has the router's neighbours resolved, so that a measurement does not begin with a question. */
  async warm(): Promise<void> {
    for (const [, , , net] of pairs) {
      await this.router.try('ping', '-c1', '-W2', `10.0.${net}.2`);
      await this.router.try('ping', '-c1', '-W2', `2001:db8:${net}::2`);
    }
  }

  /** The same where the router has no face: its peers ask for it, and it learns who they are. */
  async warmFromOutside(): Promise<void> {
    for (const [name, , , net] of pairs)
      for (const address of [`10.0.${net}.1`, `2001:db8:${net}::1`])
        await until(`${address} to answer`, async () => (await this[name].pings(1, address)) === 1);
  }

  /** A traffic tool at the end of each wire. */
  async traffic(): Promise<{
    readonly client: Traffic;
    readonly server: Traffic;
    readonly provider: Traffic;
  }> {
    return {
      client: await Traffic.on(this.lab, this.client, 'c0'),
      server: await Traffic.on(this.lab, this.server, 's0'),
      provider: await Traffic.on(this.lab, this.provider, 'p0'),
    };
  }

  close(): Promise<void> {
    return this.lab.close();
  }
}

/** A few flows of both families and several protocols from the client to what is behind `to`; ids from `id` on. */
export async function mixedFlows(from: Traffic, to: 'server' | 'provider', id = 1): Promise<void> {
  const v4 = { src: own.client.v4, dst: behind[to].v4, dmac: macs.r0 };
  const v6 = { src: own.client.v6, dst: behind[to].v6, dmac: macs.r0 };
  await from.flow({ id, ...v4, n: 4, sport: 20000, dport: 5000 });
  await from.flow({ id: id + 4, ...v4, proto: 'tcp', dport: 80, size: 600 });
  await from.flow({ id: id + 5, ...v4, proto: 'icmp', size: 98 });
  await from.flow({ id: id + 6, ...v6, n: 2, sport: 21000, dport: 5000, size: 400 });
  await from.flow({ id: id + 8, ...v6, proto: 'tcp', dport: 443, size: 1514 });
}
