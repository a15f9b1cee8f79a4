/*
 * What rules do besides letting packets pass, on the running engine: refusals that end a real connect(), a policed rate,
 * copies at a mirror port. Topology: support/line.ts; the provider's wire is the mirror.
 */
import type { ExecutionContext } from 'ava';
import { behind, Line, macs, own } from '../support/line.js';
import { Netmill } from '../support/netmill.js';
import { type Node, until } from '../support/netns.js';
import { ipv4, ipv6, tcpSyn } from '../support/packet.js';
import { systemTest } from '../support/system-test.js';
import { settled } from '../support/traffic.js';
import { frame4, frame6 } from './crafted.js';

const policy = (rules: string) => `import { acl, allow, deny, reject, router, tcp, udp } from 'netmill'
const fromClient = acl('from-client', { default: 'allow' }, [
${rules}
])
export default router('line', { interfaces: {
  client: { port: 'xdp:r0', in: fromClient, fallback: 'kernel' },
  server: { port: 'xdp:r1', fallback: 'kernel' },
  provider: { port: 'xdp:r2', fallback: 'kernel' },
} })
`;

/** How a real connection, or a connected datagram, ends: an errno's name. */
async function outcome(
  from: Node,
  kind: 'tcp' | 'udp',
  address: string,
  port: number,
  patience = 20_000,
): Promise<string> {
  const program =
    kind === 'tcp'
      ? `const s = require('net').connect(${port}, '${address}');
         s.on('connect', () => say('connected')); s.on('error', (e) => say(e.code));`
      : `const s = require('dgram').createSocket('${address.includes(':') ? 'udp6' : 'udp4'}');
         s.on('error', (e) => say(e.code)); s.connect(${port}, '${address}', () => s.send('x'));`;
  const say = `const say = (text) => { console.log(text); process.exit(0); }; setTimeout(say, ${patience}, 'silence');`;
  return (await from.run(process.execPath, '-e', say + program)).trim();
}

systemTest('what is rejected hears of it at once, in both families', async (t) => {
  const line = await Line.create();
  try {
    await Netmill.start(
      line.lab,
      line.router,
      policy(`  reject({ service: tcp(25) }).id('mail'),
  reject({ service: tcp(26) }, { tcp: 'icmp' }),
  reject({ service: udp(53) }, { icmp: 'port-unreachable' }),
  deny({ service: tcp(27) }),`),
    );
    await line.warm();
    for (const address of [own.server.v4, own.server.v6]) {
      t.is(await outcome(line.client, 'tcp', address, 25), 'ECONNREFUSED', `a reset, ${address}`);
      t.is(await outcome(line.client, 'udp', address, 53), 'ECONNREFUSED', `port unreachable, ${address}`);
      // The same port without a rule: the server's own kernel says it.
      t.is(await outcome(line.client, 'tcp', address, 80), 'ECONNREFUSED', `beyond the router, ${address}`);
    }
    // A connection being set up takes "administratively prohibited" for the end in either family.
    t.is(await outcome(line.client, 'tcp', own.server.v4, 26), 'EHOSTUNREACH');
    t.is(await outcome(line.client, 'tcp', own.server.v6, 26), 'EACCES');
    // TCP asks again after one second.
    t.is(await outcome(line.client, 'tcp', own.server.v4, 27, 2500), 'silence', 'denied, and nobody is told');
  } finally {
    await line.close();
  }
});

systemTest('TTL security: a session is taken only from who is on the link, in both families', async (t) => {
  const line = await Line.create();
  try {
    const rules = `  deny({ service: tcp(179), ttl: [0, 254] }).id('gtsm'),`;
    const netmill = await Netmill.start(line.lab, line.router, policy(rules));
    await line.warm();
    const { client } = await line.traffic();
    let denied = 0;
    for (const dst of ['10.0.1.1', '2001:db8:1::1']) {
      const [four, ends] = [
        !dst.includes(':'),
        { src: dst.includes(':') ? own.client.v6 : own.client.v4, dst },
      ];
      for (const ttl of [255, 254, 64, 1, 255]) {
        const syn = tcpSyn(ends, 40_000 + ttl, 179);
        const packet = four
          ? ipv4({ ...ends, ttl, protocol: 6 }, syn)
          : ipv6({ ...ends, hopLimit: ttl, nextHeader: 6 }, syn);
        const reset = (frame: Buffer) =>
          frame.length >= (four ? 54 : 74) &&
          frame.readUInt16BE(four ? 34 : 54) === 179 &&
          (frame[four ? 47 : 67]! & 4) !== 0;
        await client.capture();
        await client.raw((four ? frame4 : frame6)(packet));
        if (ttl === 255) {
          t.true((await client.captured((all) => all.some(reset))).some(reset), `${dst}: TTL 255 is let in`);
          continue;
        }
        denied += 1;
        const rule = async () => (await netmill.rules()).rules.find(({ id }) => id === 'gtsm')!.packets;
        await until('the rule to count it', async () => (await rule()) === denied);
        t.false((await client.captured()).some(reset), `${dst}: TTL ${ttl} is not`);
      }
    }
  } finally {
    await line.close();
  }
});

interface Sending {
  readonly line: Line;
  readonly netmill: Netmill;
  readonly rate: number;
  readonly size: number;
}

/** Sends for two seconds beyond a limit. @returns what came, and what the limit allows of that time */
async function beyond(t: ExecutionContext, { line, netmill, rate, size }: Sending) {
  const { client, server } = await line.traffic();
  await client.flow({
    id: 1,
    src: own.client.v4,
    dst: behind.server.v4,
    dmac: macs.r0,
    dport: 9,
    size,
    n: 4,
  });
  const { ns } = await client.send(rate, { ms: 2000 });
  const { sent, received } = await settled(client, server, [1, 2, 3, 4]);
  const rule = (await netmill.rules()).rules.find(({ id }) => id === 'limited')!;
  t.is(rule.packets, sent, 'the rule counts what it took');
  t.is(rule.policed.packets, sent - received, 'and what was over its limit: nothing is lost elsewhere');
  return { received, seconds: ns / 1e9 };
}

for (const [limit, rate, size, perSecond, burst] of [
  ['500 packets/s', 4000, 100, 500, 25],
  ['4 Mbit/s', 4000, 1000, 500, 25],
] as const)
  systemTest(`a rule of ${limit} holds its rate`, async (t) => {
    const line = await Line.create();
    try {
      const rules = `  allow({ service: udp(9) }).id('limited').police('${limit}'),`;
      const netmill = await Netmill.start(line.lab, line.router, policy(rules));
      await line.warm();
      const { received, seconds } = await beyond(t, { line, netmill, rate, size });
      const allowed = perSecond * seconds + burst;
      // A turn's worth more, and less where the sender paused for longer than the burst lasts.
      t.true(received <= allowed * 1.05 + 64, `${received} of ${allowed}`);
      t.true(received >= allowed * 0.5, `${received} of ${allowed}`);
    } finally {
      await line.close();
    }
  });

systemTest('copies come whole to the mirror port, and the packets go on', async (t) => {
  const line = await Line.create();
  try {
    const rules = `  allow({ service: udp(9) }).mirror('provider'),`;
    await Netmill.start(line.lab, line.router, policy(rules));
    await line.warm();
    const { client, server, provider } = await line.traffic();
    const v4 = { src: own.client.v4, dst: behind.server.v4, dmac: macs.r0, size: 333 };
    const v6 = { src: own.client.v6, dst: behind.server.v6, dmac: macs.r0, size: 444 };
    await client.flow({ id: 1, ...v4, dport: 9 });
    await client.flow({ id: 2, ...v6, dport: 9 });
    await client.flow({ id: 3, ...v4, dport: 10 });
    await provider.capture();
    await client.send(300, { count: 60 });
    t.is((await settled(client, server, [1, 2, 3])).lost, 0);
    const toServer = (frame: Buffer): boolean => frame.subarray(0, 6).equals(mac(macs.r0));
    const copies = (await provider.captured((frames) => frames.filter(toServer).length >= 40)).filter(
      toServer,
    );
    t.deepEqual(
      [333, 444].map((size) => copies.filter(({ length }) => length === size).length),
      [20, 20],
    );
    t.is(copies.length, 40, 'and nothing else');
    // As it came in: the router's own address, the sender's, and the TTL before the hop.
    t.true(copies.every((frame) => frame.subarray(6, 12).equals(mac(macs.c0))));
    t.true(copies.every((frame) => frame[frame[12] === 0x08 ? 22 : 21] === 64));
  } finally {
    await line.close();
  }
});

function mac(text: string): Buffer {
  return Buffer.from(text.replaceAll(':', ''), 'hex');
}
