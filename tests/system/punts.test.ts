/*
 * Each class of packets for the router's host stack has a rate of its own (RFC 6192): what floods one is held to its rate and
 * counted there, and no other class is touched. Topology: support/line.ts, with a face in the kernel and without.
 */
import { behind, Line, macs, own } from '../support/line.js';
import { Netmill } from '../support/netmill.js';
import { addressBytes, echo, ethernet, ipv4, ipv6, macBytes, tcpSyn, udp } from '../support/packet.js';
import { systemTest } from '../support/system-test.js';
import { atRest } from '../support/traffic.js';
import { icmpSum } from './conformance/came.js';
import { data, frame4, frame6 } from './crafted.js';

const kinds = ['auto', 'none'] as const;
type Kind = (typeof kinds)[number];
const rate = 200;

/** What is said of an interface besides its port. */
function face(kind: Kind, net: number): string {
  const address = `address: ['10.0.${net}.1/24', '2001:db8:${net}::1/64']`;
  return kind === 'auto' ? "fallback: 'drop'" : `host: 'none', fallback: 'drop', ${address}`;
}

const policy = (kind: Kind) => `import { router } from 'netmill'
export default router('punts', {
  engine: { punt: { ${['bgp', 'ospf', 'arp', 'nd', 'local', 'ttl', 'exception'].map((one) => `${one}: ${rate}`).join(', ')} } },
  interfaces: {
    client: { port: 'xdp:r0', ${face(kind, 1)} }, server: { port: 'xdp:r1', ${face(kind, 2)} }, provider: { port: 'xdp:r2', ${face(kind, 3)} },
  },
  routes: { ${kind === 'none' ? "'10.9.0.0/16': '10.0.2.2', '2001:db8:9::/48': '2001:db8:2::2'" : ''} },
})
`;

const router4 = { src: own.client.v4, dst: '10.0.1.1' };
const router6 = { src: own.client.v6, dst: '2001:db8:1::1' };
const far4 = { src: own.client.v4, dst: behind.server.v4 };
const far6 = { src: own.client.v6, dst: behind.server.v6 };
const nowhere4 = { src: own.client.v4, dst: '172.31.0.1' };

function toGroup(dst: string, protocol: number): Buffer {
  const packet = ipv4({ src: own.client.v4, dst, protocol, ttl: 1 }, data(40));
  return frame4(packet, dst === '224.0.0.5' ? '01:00:5e:00:00:05' : '01:00:5e:00:00:16');
}

function solicitation(): Buffer {
  const message = Buffer.concat([
    Buffer.from([135, 0, 0, 0, 0, 0, 0, 0]),
    addressBytes(router6.dst),
    Buffer.from([1, 1]),
    macBytes(macs.c0),
  ]);
  const ip = ipv6({ ...router6, hopLimit: 255, nextHeader: 58 }, message);
  ip.writeUInt16BE(icmpSum(ip), 42);
  return frame6(ip);
}

function request(): Buffer {
  const body = Buffer.concat([
    Buffer.from([0, 1, 8, 0, 6, 4, 0, 1]),
    macBytes(macs.c0),
    addressBytes(own.client.v4),
    Buffer.alloc(6),
    addressBytes('10.0.1.1'),
  ]);
  return ethernet('ff:ff:ff:ff:ff:ff', macs.c0, 0x0806, body);
}

interface Flood {
  readonly what: string;
  readonly class: string;
  readonly frame: Buffer;
  /** Untagged ARP is the kernel's own where it has a face on the port. */
  readonly only?: Kind;
}

const floods: readonly Flood[] = [
  { what: 'BGP', class: 'bgp', frame: frame4(ipv4({ ...router4, protocol: 6 }, tcpSyn(router4, 4000, 179))) },
  {
    what: 'BGP over IPv6',
    class: 'bgp',
    frame: frame6(ipv6({ ...router6, nextHeader: 6 }, tcpSyn(router6, 4000, 179))),
  },
  {
    what: 'BFD',
    class: 'bgp',
    frame: frame4(ipv4({ ...router4, ttl: 255 }, udp(router4, 49152, 3784, data(24)))),
  },
  { what: 'OSPF', class: 'ospf', frame: toGroup('224.0.0.5', 89) },
  { what: 'ARP', class: 'arp', frame: request(), only: 'none' },
  { what: 'Neighbour Discovery', class: 'nd', frame: solicitation() },
  { what: 'IGMP', class: 'nd', frame: toGroup('224.0.0.22', 2) },
  {
    what: 'pings',
    class: 'local',
    frame: frame4(ipv4({ ...router4, protocol: 1 }, echo(router4, data(40)))),
  },
  {
    what: 'UDP over IPv6',
    class: 'local',
    frame: frame6(ipv6(router6, udp(router6, 4000, 33333, data(40)))),
  },
  { what: 'TTL 1', class: 'ttl', frame: frame4(ipv4({ ...far4, ttl: 1 }, udp(far4, 1, 2, data(20)))) },
  {
    what: 'hop limit 1',
    class: 'ttl',
    frame: frame6(ipv6({ ...far6, hopLimit: 1 }, udp(far6, 1, 2, data(20)))),
  },
  { what: 'no route', class: 'exception', frame: frame4(ipv4(nowhere4, udp(nowhere4, 1, 2, data(20)))) },
];

interface Counts {
  readonly packets: number;
  readonly policed: number;
  readonly full: number;
}

async function punted(netmill: Netmill): Promise<Readonly<Record<string, Counts>>> {
  const { interfaces } = await netmill.counters();
  return interfaces.find(({ name }) => name === 'client')!.punt as Readonly<Record<string, Counts>>;
}

for (const kind of kinds)
  systemTest(
    `a flood of one class is held to its rate, and takes nothing from the others: host '${kind}'`,
    async (t) => {
      const line = await Line.create({ faceless: kind === 'none' });
      try {
        const netmill = await Netmill.start(line.lab, line.router, policy(kind));
        await (kind === 'none' ? line.warmFromOutside() : line.warm());
        const { client } = await line.traffic();
        for (const flood of floods) {
          if (flood.only !== undefined && flood.only !== kind) continue;
          const before = await punted(netmill);
          const began = performance.now();
          const { sent } = await client.blast(flood.frame, { ms: 600, rate: 5000 });
          const now = await atRest(
            () => punted(netmill),
            (all) => {
              const received = all[flood.class]!.packets + all[flood.class]!.policed + all[flood.class]!.full;
              return { received, all: false };
            },
          );
          const seconds = (performance.now() - began) / 1000;
          const grew = (one: string) => ({
            packets: now[one]!.packets - before[one]!.packets,
            policed: now[one]!.policed - before[one]!.policed,
            full: now[one]!.full - before[one]!.full,
          });
          const { packets, policed, full } = grew(flood.class);
          const passed = packets - policed;
          const text = `${flood.what}: of ${sent} in ${seconds} s ${JSON.stringify(grew(flood.class))}`;
          t.true(policed + full > 0, text);
          // What a station says by itself counts, too.
          t.true(packets + full >= sent && packets + full <= sent + 20, text);
          t.true(passed <= rate * seconds + rate / 10 + 1 && passed >= rate * 0.3, text);
          for (const other of Object.keys(now))
            if (other !== flood.class) t.is(grew(other).policed + grew(other).full, 0, `${text}: ${other}`);
        }
        t.regex((await netmill.run('counter')).stdout, /client +host bgp policed +[1-9]/);
        t.is(await line.client.pings(3, own.server.v4), 3);
      } finally {
        await line.close();
      }
    },
    { seconds: 120 },
  );
