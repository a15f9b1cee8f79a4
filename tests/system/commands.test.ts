/*
 * The netmill command against a running daemon, logging to syslog, and the way back to the kernel. Topology:
 * support/line.ts.
 */
import { readdirSync, readFileSync, statSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { AclReply, FibReply, RouteReply, TopReply, TraceReply } from '../../runtime/control/types.js';
import { behind, Line, macs, own } from '../support/line.js';
import { built, Netmill } from '../support/netmill.js';
import { sleep, until } from '../support/netns.js';
import { systemTest } from '../support/system-test.js';
import { settled } from '../support/traffic.js';
import { numbered, plain } from './policies.js';

systemTest('every command of a running daemon answers, as text and as JSON', async (t) => {
  const line = await Line.create();
  try {
    const netmill = await Netmill.start(line.lab, line.router, await built(numbered(0)));
    await line.warm();
    for (const command of [
      ['status'],
      ['ifconfig'],
      ['arp'],
      ['route'],
      ['route', 'get', own.server.v4],
      ['route', 'get', own.server.v6],
      ['trace', `in client tcp ${own.client.v4}:1234 > ${own.server.v4}:80 syn`],
      ['acl', 'list'],
      ['generations'],
      ['fib', 'status'],
    ]) {
      const text = await netmill.run(...command);
      t.is(text.code, 0, `${command.join(' ')}: ${text.stderr}`);
      t.true(text.stdout.trim().length > 20, `${command.join(' ')} says next to nothing`);
      const json = await netmill.run(...command, '--json');
      // The table is an object a line, everything else one value.
      const values = command.join(' ') === 'route' ? json.stdout.trimEnd().split('\n') : [json.stdout];
      t.notThrows(
        () => values.map((value) => JSON.parse(value)),
        `${command.join(' ')} --json: ${json.stdout.slice(0, 200)}`,
      );
    }
    t.regex((await netmill.run('status')).stdout, /^events {6}adaptive: workers sleep when idle$/m);
    t.is((await netmill.run('nonsense')).code, 64);
    t.is((await netmill.run('route', 'get', 'not-an-address')).code, 64);
    const other = await line.router.try(
      process.execPath,
      'dist/runtime/cli/main.js',
      '-s',
      '/nowhere',
      'status',
    );
    t.is(other.code, 69);
  } finally {
    await line.close();
  }
});

systemTest('the running forwarder answers for a packet, and no worker notices', async (t) => {
  const line = await Line.create();
  try {
    const netmill = await Netmill.start(line.lab, line.router, await built(numbered(0)));
    await line.warm();
    const trace = (packet: string) => netmill.json<TraceReply>('trace', packet);
    // Neighbours go on asking for each other meanwhile.
    const counted = async () =>
      (await netmill.json<AclReply>('acl', 'list')).rules
        .filter((one) => !one.id.startsWith('builtin:'))
        .map((one) => [one.text, one.packets]);
    const before = await counted();
    const sent = await trace(`in client tcp ${own.client.v4}:1234 > ${own.server.v4}:80 syn`);
    t.deepEqual(
      sent.rules.map((one) => [one.list, one.action, one.text]),
      [['from-client', 'allow', "allow({ from: nets('10.0.1.0/24', '2001:db8:1::/64') }).id('client')"]],
    );
    t.is(sent.fate, `sent by server to ${macs.s0}`);
    t.is(sent.compiled.legs[0]?.interface, 'server');
    t.is((await trace(`in client udp ${own.client.v4}:1 > ${own.server.v4}:7`)).fate, 'dropped: acl');
    t.is((await trace(`in client udp [${own.client.v6}]:1 > [${own.server.v6}]:7`)).fate, 'dropped: acl');
    t.is(
      (await trace(`in client tcp ${own.client.v4}:1 > 10.0.1.1:22 syn`)).fate,
      'to host of client (local)',
    );
    t.is(
      (await trace(`in client tcp ${own.client.v4}:1 > ${own.server.v4}:80 ttl 1`)).fate,
      'to host of client (ttl)',
    );
    t.deepEqual(await counted(), before);
    t.is((await netmill.run('acl', 'disable')).code, 0);
    const open = await trace(`in client udp ${own.client.v4}:1 > ${own.server.v4}:7`);
    t.like(open, { aclEnabled: false, rules: [], fate: `sent by server to ${macs.s0}` });
    t.is((await netmill.run('trace', 'in nowhere tcp 1.1.1.1:1 > 2.2.2.2:2')).code, 64);
    t.is(
      (await netmill.run('trace', `in client udp ${own.client.v4}:1 > ${own.server.v4}:7 cut-short`)).code,
      64,
    );
  } finally {
    await line.close();
  }
});

systemTest('static routes are added and deleted, by gateway and by interface', async (t) => {
  const line = await Line.create();
  try {
    const netmill = await Netmill.start(line.lab, line.router, await built(plain));
    await line.warm();
    const said = async (...args: string[]) => {
      const { stdout, stderr } = await netmill.run('route', 'add', ...args);
      return (stdout + stderr).split('\n')[0] ?? '';
    };
    const before = Date.now();
    t.is(await said('10.66.0.0/16', '10.0.3.2'), 'added 10.66.0.0/16 via 10.0.3.2');
    const added = Date.now();
    const legs = async (address: string) =>
      (await netmill.route(address)).compiled.legs.map((leg) => leg.interface);
    await until('the route', async () => (await legs('10.66.1.1'))[0] === 'provider');
    const { client, provider } = await line.traffic();
    await client.flow({ id: 1, src: own.client.v4, dst: '10.66.1.1', dmac: macs.r0 });
    await client.send(1000, { count: 100 });
    t.is((await settled(client, provider)).lost, 0);
    const listed = (await netmill.run('route', '-4', '--json')).stdout.trimEnd().split('\n');
    const ofPrefix = (prefix: string) =>
      listed.map((one) => JSON.parse(one) as RouteReply).find((route) => route.prefix === prefix)!;
    t.like(ofPrefix('10.66.0.0/16'), { source: 'local', use: { packets: 100 } });
    t.like(ofPrefix('10.9.0.0/16'), { use: { packets: 0, bytes: 0 } });
    t.regex(
      (await netmill.run('route', 'get', '10.66.1.1')).stdout,
      /proto netmill, since 20.*: 100 packets/,
    );
    await client.start(2000);
    const top = await until('a second of packets', async () => {
      const seen = await netmill.json<TopReply>('route', 'top');
      return (seen.rows[0]?.rate.packets ?? 0) > 500 && seen;
    });
    await client.stop();
    await until('seconds', () => Date.now() - added > 2500);
    await line.router.ip('route add 10.70.0.0/16 via 10.0.2.2');
    await netmill.call({ op: 'fib', action: 'couple' });
    const since = Date.parse((await netmill.route('10.66.1.1')).rib!.since!);
    const late = "a change of the kernel's routes is none of this one";
    t.true(since >= before - 1000 && since <= added + 1000, late);
    const [first] = top.rows;
    // With the route to what is behind the provider, and the neighbour's own.
    t.like(first, { prefix: '10.66.0.0/16', uses: 3, type: 'unicast' });
    t.true(
      first!.use.packets > 100 && first!.rate.packets > 500 && first!.rate.bits > 0,
      JSON.stringify(first),
    );
    t.is((await netmill.run('route', 'delete', '10.66.0.0/16')).code, 0);
    await until('the route to go', async () => (await legs('10.66.1.1')).length === 0);
    t.is((await netmill.run('route', 'add', '10.67.0.0/16', '--iface', 'server')).code, 0);
    await until('the route', async () => (await legs('10.67.1.1'))[0] === 'server');
    t.is((await netmill.run('route', 'add', '10.66.0.0/16', '10.0.3.2')).code, 0);
    const waits = '; not in force: there is no way to the gateway';
    const far = '2001:db8:99::1';
    t.is(await said('2001:DB8:66:0::/48', far), `added 2001:db8:66::/48 via ${far}${waits}`);
    t.is(await said('fd67::/16', 'fe80::2', '--iface', 'r1'), 'added fd67::/16 via fe80::2 on r1');
    const refused = async (prefix: string, gateway: string | undefined, message: RegExp) =>
      t.throwsAsync(netmill.call({ op: 'route.add', prefix, gateway }), { message });
    await refused('fd68::/16', 'fe80::2', /one link only/);
    await refused('224.0.0.0/8', '10.0.3.2', /no router forwards to 224/);
    await refused('10.68.0.0/16', '127.0.0.1', /address of the router/);
    await refused('10.68.0.0/16', '10.0.1.1', /address of the router/);
    await refused('10.68.0.0/16', '224.0.0.5', /no neighbour's address/);
    await refused('10.68.0.0/16', undefined, /expected a gateway or an interface/);
    const ours = async () =>
      (await netmill.run('route')).stdout
        .split('\n')
        .filter((one) => one.includes('proto netmill'))
        .map((one) => one.replace(/ group \d+ packets \d+ bytes \d+/, ''));
    const expected = [
      '10.66.0.0/16 via 10.0.3.2 dev r2 proto netmill',
      '10.67.0.0/16 dev r1 proto netmill',
      'fd67::/16 via fe80::2 dev r1 proto netmill',
      '2001:db8:66::/48 via 2001:db8:99::1 proto netmill (not in force: no way there)',
    ];
    t.deepEqual(await ours(), expected);
    t.is((await netmill.run('fib', 'recouple')).code, 0);
    const audited = await netmill.json<FibReply>('fib', 'audit');
    t.like(audited.audit, { compiled: true, divergences: 0 });
    t.true(audited.audit!.prefixes > 20 && audited.audit!.addresses > 20, JSON.stringify(audited));
    t.regex((await netmill.run('fib', 'audit')).stdout, /addresses asked of the compiled FIB.*\n.*all agree/);
    t.deepEqual(await ours(), expected, 'after the kernel was read afresh');
    t.is((await netmill.run('fib', 'decouple')).code, 0);
    const frozen = (await netmill.run('fib', 'audit')).stdout;
    t.regex(frozen, /, 0 changes wait;(.*\n)*.*not asked: it is decoupled.*\nverdict +kernel and RIB agree/);
    t.is((await netmill.run('fib', 'couple')).code, 0);
    await netmill.killDaemon();
    await netmill.startDaemon();
    t.deepEqual(await ours(), expected, 'with the next daemon');
    t.deepEqual(await legs('10.66.1.1'), ['provider']);
    t.is((await netmill.run('route', 'delete', '2001:db8:66::/48')).code, 0);
    t.regex((await netmill.run('route', 'delete', '10.9.0.0/16')).stderr, /was not added by netmill/);
    t.is((await netmill.run('route', 'add', '10.9.0.0/16', '10.0.3.2')).code, 0);
    t.regex((await netmill.run('route', 'get', '10.9.0.1')).stdout, /verdict .*the route is netmill's alone/);
    t.regex((await netmill.run('route', 'get', 'fe80::1')).stdout, /verdict .*not compared/);
    t.regex((await netmill.run('route', 'add', '10.66.1.0/16', '10.0.3.2')).stderr, /write 10\.66\.0\.0\/16/);
  } finally {
    await line.close();
  }
});

systemTest('the table is dumped whole, or not at all when the disk is full', async (t) => {
  const line = await Line.create();
  try {
    const small = join(line.lab.directory, 'small');
    await mkdir(small);
    // Mounted where the daemon alone sees it: `ip netns exec` gives it a mount namespace of its own.
    const wrapper = ['sh', '-ec', `mount -t tmpfs -o size=16k none ${small}; exec "$@"`, 'sh'];
    const policy = plain.replace(
      'interfaces:',
      `daemon: { routeDumpFile: '${small}/a/routes' },\n  interfaces:`,
    );
    const netmill = await Netmill.start(line.lab, line.router, policy, wrapper);
    const inside = `/proc/${(await netmill.status()).daemon.pid}/root${small}/a`;
    t.is((await netmill.run('route', 'dump')).code, 0);
    const before = readFileSync(`${inside}/routes`, 'utf8');
    t.regex(before, /^10\.9\.0\.0\/16 unicast via 10\.0\.2\.2 dev r1 proto boot$/m);
    const many = Array.from(
      { length: 2000 },
      (_, i) => `route add 20.${i >> 8}.${i & 255}.0/24 via 10.0.2.2`,
    );
    await line.router.ip(...many);
    await until('the routes', async () => (await netmill.status()).fib.routes4 > 2000);
    const full = await netmill.run('route', 'dump');
    t.is(full.code, 71);
    t.regex(full.stderr, /routes was not written: the disk is full; no part of it is left\n.*fix: make room/);
    t.deepEqual(readdirSync(inside), ['routes']);
    t.is(readFileSync(`${inside}/routes`, 'utf8'), before, 'the dump before is still whole');
    const file = join(line.lab.directory, 'routes.txt');
    const dumped = await netmill.json<{ routes: number }>('route', 'dump', file);
    t.is(readFileSync(file, 'utf8').trimEnd().split('\n').length, dumped.routes);
    t.regex((await netmill.run('route', 'dump', '/nonexistent/routes')).stderr, /there is no such directory/);
    const pipe = join(line.lab.directory, 'pipe');
    await line.router.run('mkfifo', pipe);
    t.regex((await netmill.run('route', 'dump', pipe)).stderr, /it is no file/);
    t.true(statSync(pipe).isFIFO());
  } finally {
    await line.close();
  }
});

systemTest('ACLs are switched off and on at once, on the running generation', async (t) => {
  const line = await Line.create();
  try {
    const netmill = await Netmill.start(line.lab, line.router, await built(numbered(0)));
    await line.warm();
    const { client, server } = await line.traffic();
    const arriving = async () => {
      await Promise.all([client.clear(), server.reset()]);
      await client.flow({ id: 1, src: own.client.v4, dst: behind.server.v4, dmac: macs.r0, dport: 7 });
      await client.send(2000, { count: 100 });
      return (await settled(client, server)).received;
    };
    const { generation } = await netmill.status();
    t.is(await arriving(), 0);
    t.is((await netmill.run('acl', 'disable')).code, 0);
    t.is(await arriving(), 100);
    t.is((await netmill.run('acl', 'enable')).code, 0);
    t.is(await arriving(), 0);
    t.is((await netmill.status()).generation.running, generation.running);
    const rule = (await netmill.rules()).rules.find((one) => one.id === 'echo')!;
    t.is(rule.packets, 200);
    t.regex(rule.origin, /policy\.ts:\d+/);
  } finally {
    await line.close();
  }
});

/** Datagrams that come to a syslog socket, into a file. */
const listener = `
import socket, sys
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
s.bind(sys.argv[1])
out = open(sys.argv[2], 'a', buffering=1)
while True:
    out.write(s.recv(65536).decode(errors='replace').rstrip('\\0\\n') + '\\n')
`;

systemTest(
  'a denied packet is logged to syslog with rule, policy line and packet, at the rule’s rate and no faster',
  async (t) => {
    const line = await Line.create();
    try {
      // A /dev of its own for the daemon, in the mount namespace that \`ip netns exec\` gives it.
      const dev = join(line.lab.directory, 'dev');
      const lines = join(line.lab.directory, 'syslog');
      const script = join(line.lab.directory, 'listener.py');
      await writeFile(script, listener);
      await writeFile(lines, '');
      await line.router.run(
        'sh',
        '-ec',
        `mkdir ${dev}; cp -a /dev/null /dev/zero /dev/full /dev/random /dev/urandom ${dev}; [ ! -d /dev/net ] || cp -a /dev/net ${dev}`,
      );
      line.lab.own(line.router.start('python3', [script, join(dev, 'log'), lines]));
      await until(
        'the listener',
        async () => (await line.router.try('test', '-S', join(dev, 'log'))).code === 0,
      );
      const wrapper = ['sh', '-ec', `mount --bind ${dev} /dev; exec "$@"`, 'sh'];
      await Netmill.start(line.lab, line.router, numbered(0), wrapper);
      await line.warm();
      const { client } = await line.traffic();
      await client.flow({
        id: 1,
        src: own.client.v4,
        dst: behind.server.v4,
        dmac: macs.r0,
        sport: 1234,
        dport: 7,
      });
      await client.send(1000, { ms: 3000 });
      await sleep(1000);
      const said = (await line.router.run('cat', lines))
        .split('\n')
        .filter((one) => one.includes('10.9.0.1'));
      t.true(said.length >= 10 && said.length <= 30, `${said.length} lines for 3 s at 5/s`);
      t.regex(said[0]!, /policy-\d+\.ts:\d+/, said[0]);
      t.regex(said[0]!, /10\.0\.1\.2/);
      t.regex(said[0]!, /1234/);
    } finally {
      await line.close();
    }
  },
  { tools: ['python3', 'logger'] },
);

systemTest('shutdown hands the ports back: the kernel routes as if nothing had been', async (t) => {
  const line = await Line.create();
  try {
    const look = async () => [
      await line.router.run('ip', '-br', 'addr'),
      await line.router.run('ip', 'route'),
      await line.router.run('ethtool', '-k', 'r0'),
      await line.router.run('ethtool', '-k', 'r1'),
    ];
    await line.warm();
    // The kernel tells of a new link within a second.
    await until(
      'all links',
      async () =>
        !/DOWN|LOWERLAYER/.test((await look())[0]!) && (await look())[0]!.match(/fe80/g)?.length === 3,
    );
    const before = await look();
    const netmill = await Netmill.start(line.lab, line.router, await built(plain));
    const { client, server } = await line.traffic();
    await client.flow({ id: 1, src: own.client.v4, dst: behind.server.v4, dmac: macs.r0, n: 4 });
    await line.warm();
    await client.start(1000);
    await sleep(300);
    t.is((await netmill.run('shutdown')).code, 0);
    await until('netmilld to end', async () => (await netmill.status().catch(() => undefined)) === undefined);
    await sleep(1000);
    await client.stop();
    const seen = await settled(client, server);
    t.true(seen.lost < 100, `${seen.lost} of ${seen.sent} were lost on the way back to the kernel`);
    const links = await line.router.ipJson<{ ifname: string; xdp?: unknown }[]>('link', 'show');
    t.deepEqual(
      links.filter((link) => link.xdp !== undefined),
      [],
    );
    t.deepEqual(await look(), before);
    t.is(await line.client.pings(5, own.server.v4), 5);
  } finally {
    await line.close();
  }
});
