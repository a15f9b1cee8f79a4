/*
 * Packets larger than half a page: the engine starts with buffers of a whole one, or of four, where a device or the policy needs
 * them. Topology: support/line.ts, with 3,360 or 9,000 bytes on each wire but the provider's.
 */
import { closeSync, openSync, readdirSync, readFileSync, readlinkSync, readSync } from 'node:fs';
import { behind, Line, macs, own } from '../support/line.js';
import { built, Netmill } from '../support/netmill.js';
import { sleep, until } from '../support/netns.js';
import { scaled, systemTest } from '../support/system-test.js';
import { settled } from '../support/traffic.js';
import { numbered, plain } from './policies.js';

/** Buffers of a size, and what does not fit into them. */
const kinds = [
  {
    most: 3360,
    bytes: 4096,
    larger: 3400,
    atMost: String.raw`3360 \(16000 when netmill starts anew, after netmill shutdown\)`,
  },
  { most: 9000, bytes: 16_384, larger: 16_001, atMost: '16000' },
] as const;

/** KiB of packet memory that a process has in huge pages. */
function mappedHuge(pid: number): number {
  const mappings = readFileSync(`/proc/${pid}/smaps`, 'utf8').split(/^(?=[0-9a-f]+-[0-9a-f]+ )/m);
  const region = mappings.filter((one) => one.includes('/memfd:netmill-region'));
  return region.reduce((sum, one) => sum + Number(/ShmemPmdMapped: +(\d+)/.exec(one)?.[1] ?? 0), 0);
}

for (const { most, bytes, larger, atMost } of kinds)
  systemTest(
    `packets of ${most} bytes are forwarded, cut up, and answered, and go on when the engine is killed`,
    async (t) => {
      const line = await Line.create({ mtu: most, providerMtu: 1280 });
      try {
        const netmill = await Netmill.start(line.lab, line.router, await built(plain));
        const { client } = line;
        /** What ping puts behind the headers of a packet of this size. */
        const payload = { 4: most - 28, 6: most - 48 } as const;
        const all = async (when: string) => {
          for (const [target, size] of [
            ['10.0.2.2', payload[4]],
            ['2001:db8:2::2', payload[6]],
            ['10.0.1.1', payload[4]],
            ['2001:db8:1::1', payload[6]],
          ] as const)
            t.is(await client.pings(5, target, '-M', 'do', '-s', `${size}`), 5, `${target} ${when}`);
          t.is(
            await client.pings(5, '10.0.3.2', '-M', 'dont', '-s', `${payload[4]}`),
            5,
            `in pieces ${when}`,
          );
        };
        const said = new RegExp(
          `packet memory: \\d+ buffers of ${bytes} bytes, (in|some in) (huge|ordinary) pages`,
        );
        const huge = said.exec(netmill.logs())?.slice(1).join(' ') === 'in huge';
        t.regex(netmill.logs(), said);
        t.is(mappedHuge(await netmill.enginePid()) >= 100 * 1024, huge, 'as the kernel has it');
        await line.warm();
        await all('at first');
        const refused = await client.try('ping', '-c1', '-W2', '-M', 'do', '-s', `${payload[4]}`, '10.0.3.2');
        t.regex(refused.stdout + refused.stderr, /mtu ?= ?1280/);
        const refused6 = await client.try(
          'ping',
          '-c1',
          '-W2',
          '-M',
          'do',
          '-s',
          `${payload[6]}`,
          '2001:db8:3::2',
        );
        t.regex(refused6.stdout + refused6.stderr, /mtu ?= ?1280/);

        const engine = await netmill.enginePid();
        process.kill(engine, 'SIGKILL');
        await until('another engine', async () => (await netmill.enginePid()) !== engine);
        await netmill.ready();
        await all('afterwards');

        await line.lab.link(
          { node: line.provider, device: 'p9', mtu: larger },
          { node: line.router, device: 'r9', mtu: larger },
        );
        const more = plain.replace(
          '    client:',
          "    more: { port: 'xdp:r9', fallback: 'kernel' },\n    client:",
        );
        await t.throwsAsync(netmill.deploy(more), {
          message: new RegExp(
            `its MTU is ${larger}, and the engine's packet buffers take at most ${atMost}: ip link set r9 mtu`,
          ),
        });
        await all('after a deploy that was refused');
      } finally {
        await line.close();
      }
    },
    { seconds: 90 },
  );

/** Says the digest of what comes by one connection. */
const sink = `require('net').createServer((socket) => {
  const digest = require('crypto').createHash('sha256');
  socket.on('data', (data) => digest.update(data));
  socket.on('end', () => { console.log(digest.digest('hex')); process.exit(); });
}).listen(5201);`;
/** Sends 32 MiB, no two pieces alike, and says their digest. */
const source = `const data = Buffer.alloc(32 << 20);
for (let i = 0; i < data.length; i += 4) data.writeUInt32LE((i ^ (i << 7)) >>> 0, i);
require('net').connect(5201, '10.0.2.2').end(data);
console.log(require('crypto').createHash('sha256').update(data).digest('hex'));`;

systemTest(
  'TCP with segments of 9,000 bytes is whole, and a deploy under such packets loses none',
  async (t) => {
    const line = await Line.create({ mtu: 9000 });
    try {
      const netmill = await Netmill.start(line.lab, line.router, await built(plain));
      const { client } = line;
      await line.warm();
      const server = line.lab.own(line.server.start(process.execPath, ['-e', sink]));
      await until('the server', async () => (await line.server.run('ss', '-tln')).includes(':5201'));
      const sent = await client.run(process.execPath, '-e', source);
      t.is((await server).stdout.trim(), sent.trim(), 'as it was sent');
      const state = (await netmill.status()).ports.find(({ name }) => name === 'client')!;
      t.true(state.rx.bytes / state.rx.packets > 4096, 'in frames larger than a page');
      const [answers] = await Promise.all([
        client.pings(300, '10.0.2.2', '-M', 'do', '-s', '8972'),
        netmill.deploy(numbered(1)),
      ]);
      t.is(answers, 300, 'over a deploy');
    } finally {
      await line.close();
    }
  },
  { seconds: 60 },
);

/** How many packet buffers are free, by the engine's own memory (struct mill_region_header of runtime/engine/region.h). */
function freeBuffers(pid: number): number {
  const name = readdirSync(`/proc/${pid}/fd`).find((fd) => {
    try {
      return readlinkSync(`/proc/${pid}/fd/${fd}`).startsWith('/memfd:netmill-region');
    } catch {
      return false;
    }
  });
  const region = openSync(`/proc/${pid}/fd/${name}`, 'r');
  try {
    const header = Buffer.alloc(64);
    readSync(region, header, 0, header.length, 0);
    const owners = Buffer.alloc(header.readUInt32LE(12));
    readSync(region, owners, 0, owners.length, Number(header.readBigUInt64LE(24)));
    return owners.subarray(1).reduce((free, owner) => free + (owner === 0 ? 1 : 0), 0);
  } finally {
    closeSync(region);
  }
}

/** Of one piece, at the edges of one and two, and of three. */
const sizes = [60, 1514, 3854, 3900, 7694, 9014];

/** Frames of all sizes from the client to behind the server, and from there to behind the provider. */
async function mixedSizes(ends: Awaited<ReturnType<Line['traffic']>>): Promise<void> {
  for (const [from, to, dmac] of [
    ['client', 'server', macs.r0],
    ['server', 'provider', macs.r1],
  ] as const) {
    await ends[from].clear();
    await ends[to].reset();
    for (const [i, size] of sizes.entries()) {
      const flow = { dmac, size, sport: 3000 + i, dport: 4000 };
      await ends[from].flow({ id: 1 + i * 2, src: own[from].v4, dst: behind[to].v4, ...flow });
      if (size > 100)
        await ends[from].flow({ id: 2 + i * 2, src: own[from].v6, dst: behind[to].v6, ...flow });
    }
  }
}

const alone = `import { router } from 'netmill'
export default router('line', { interfaces: { more: { port: 'xdp:r9', fallback: 'kernel' } } })
`;

systemTest(
  'the engine killed under frames of one piece and of several: the next goes on, none is damaged, no memory is lost',
  async (t) => {
    const line = await Line.create({ mtu: 9000 });
    try {
      await line.lab.link(
        { node: line.provider, device: 'p9', mtu: 9000 },
        { node: line.router, device: 'r9', mtu: 9000 },
      );
      const netmill = await Netmill.start(line.lab, line.router, await built(plain));
      await line.warm();
      const ends = await line.traffic();
      const free = async () => freeBuffers(await netmill.enginePid());
      const atFirst = await free();
      for (let kill = 1; kill <= scaled(6); kill++) {
        await mixedSizes(ends);
        await Promise.all([ends.client.start(4000), ends.server.start(4000)]);
        await sleep(150 + 37 * kill);
        process.kill(await netmill.enginePid(), 'SIGKILL');
        await until('another engine', async () => {
          const status = await netmill.status().catch(() => undefined);
          return status?.fib.synced === true && status.engine.adopted >= kill;
        });
        await sleep(200);
        await Promise.all([ends.client.stop(), ends.server.stop()]);
        for (const [from, to] of [
          ['client', 'server'],
          ['server', 'provider'],
        ] as const) {
          const seen = await settled(ends[from], ends[to]);
          t.like(seen, { reordered: 0, duplicates: 0, bad: 0 }, JSON.stringify(seen));
          t.true(seen.received > seen.sent / 3, `${from}: ${JSON.stringify(seen)}`);
        }
        t.is(await line.client.pings(20, own.server.v4, '-M', 'do', '-s', '8972'), 20, `after kill ${kill}`);
        // Of each ring, at most what one sync had in its hands.
        const now = await free();
        t.log(`${atFirst - now} buffers fewer after ${kill} kills`);
        t.true(atFirst - now <= kill * 3 * 2 * 128, `${atFirst} buffers free at first, ${now} now`);
      }
      // What was lost comes back with the port that had it.
      await netmill.deploy(alone);
      await netmill.deploy(plain);
      await until('all memory to be back', async () => (await free()) === atFirst);
      await line.warm();
      t.is(await line.client.pings(5, own.server.v4, '-M', 'do', '-s', '8972'), 5);
    } finally {
      await line.close();
    }
  },
  { seconds: 120 },
);

systemTest('an engine with buffers of half a page says what it takes, and what to do', async (t) => {
  const line = await Line.create();
  try {
    const netmill = await Netmill.start(line.lab, line.router, await built(plain));
    const larger = plain.replace("'xdp:r1',", "'xdp:r1', mtu: 3000,");
    await t.throwsAsync(netmill.deploy(larger), {
      message: /interface server: an MTU of 3000, .* at most 1770; .* netmill shutdown, then start netmilld/,
    });
    t.is(await line.client.pings(3, '10.0.2.2'), 3);
  } finally {
    await line.close();
  }
});
