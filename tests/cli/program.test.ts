import {
  accessSync,
  constants,
  copyFileSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import test from 'ava';
import { execa } from 'execa';
import { completions, splitLine } from '../../runtime/cli/interactive.js';
import { commandFirst, createProgram, runProgram } from '../../runtime/cli/program.js';
import { schemas } from '../../runtime/cli/schemas.js';
import type { Handler } from '../../runtime/control/connection.js';
import { startControlServer } from '../../runtime/control/server.js';
import { type ErrorCode, MillError } from '../../runtime/errors.js';
import { packageRoot } from '../../runtime/paths.js';
import { netmill } from './netmill.js';

const directory = mkdtempSync(join(tmpdir(), 'netmill-cli-'));
test.after.always(() => rmSync(directory, { recursive: true, force: true }));
let sockets = 0;

/** A daemon that answers `handler`, for one command line. */
async function withDaemon<T>(handler: Handler, use: (socket: string) => Promise<T>): Promise<T> {
  const path = join(directory, `sock-${++sockets}`);
  const credentials = () => ({ uid: 0 });
  const server = await startControlServer({ path, mode: 0o600, maxClients: 4, handler, credentials });
  try {
    return await use(path);
  } finally {
    await server.stop();
  }
}

const asks = test.macro(async (t, line: string, expected: unknown) => {
  let asked: unknown;
  const handler: Handler = async (body) => {
    asked = body;
    throw new MillError('busy', 'seen');
  };
  await withDaemon(handler, (socket) => netmill(['-s', socket, ...line.split(' ')]));
  t.deepEqual(asked, expected);
});

test('status', asks, 'status', { op: 'status' });
test('ifconfig', asks, 'ifconfig', { op: 'ifconfig' });
test('arp', asks, 'arp', { op: 'arp' });
test('nd is arp', asks, 'nd', { op: 'arp' });
test('counter', asks, 'counter', { op: 'counter' });
test('generations', asks, 'generations', { op: 'generations' });
test('rollback to the one before', asks, 'rollback', { op: 'rollback' });
test('rollback to one that is named', asks, 'rollback 17', { op: 'rollback', generation: 17 });
test('deploy makes its path absolute', asks, 'deploy .', { op: 'deploy', path: process.cwd() });
test('route', asks, 'route', { op: 'route.list' });
test('route of one family', asks, 'route -6', { op: 'route.list', family: 6 });
test('route of both families', asks, 'route -4 -6', { op: 'route.list' });
test('route top, once', asks, 'route top --once -n 5 -i 0.5', { op: 'route.top', seconds: 0.5, limit: 5 });
test('route get', asks, 'route get 192.0.2.1', { op: 'route.get', address: '192.0.2.1' });
test('trace', asks, 'trace udp', { op: 'trace', packet: 'udp' });
test('route add by a gateway', asks, 'route add 10.0.0.0/8 192.0.2.1', {
  op: 'route.add',
  prefix: '10.0.0.0/8',
  gateway: '192.0.2.1',
});
test('route add on an interface', asks, 'route add 10.0.0.0/8 --iface lan.office', {
  op: 'route.add',
  prefix: '10.0.0.0/8',
  iface: 'lan.office',
});
test('route add by a gateway on an interface', asks, 'route add 2001:db8:7::/48 fe80::1 --iface lan', {
  op: 'route.add',
  prefix: '2001:db8:7::/48',
  gateway: 'fe80::1',
  iface: 'lan',
});
test('route add of the default route', asks, 'route add default 192.0.2.1', {
  op: 'route.add',
  prefix: '0.0.0.0/0',
  gateway: '192.0.2.1',
});
test("route add of IPv6's default route", asks, 'route add default 2001:db8::1', {
  op: 'route.add',
  prefix: '::/0',
  gateway: '2001:db8::1',
});
test("route add of IPv6's default route on an interface", asks, 'route add default --iface wan -6', {
  op: 'route.add',
  prefix: '::/0',
  iface: 'wan',
});
test('route delete of the default route', asks, 'route delete default', {
  op: 'route.delete',
  prefix: '0.0.0.0/0',
});
test("route delete of IPv6's default route", asks, 'route delete -6 default', {
  op: 'route.delete',
  prefix: '::/0',
});
test('route delete', asks, 'route delete 10.0.0.0/8', { op: 'route.delete', prefix: '10.0.0.0/8' });
test("route dump to the policy's file", asks, 'route dump', { op: 'route.dump' });
test('route dump to a file', asks, 'route dump /tmp/x', { op: 'route.dump', file: '/tmp/x' });
test('fib couple', asks, 'fib couple', { op: 'fib', action: 'couple' });
test('fib decouple', asks, 'fib decouple', { op: 'fib', action: 'decouple' });
test('fib recouple', asks, 'fib recouple', { op: 'fib', action: 'recouple' });
test('fib audit', asks, 'fib audit', { op: 'fib', action: 'audit' });
test('fib status', asks, 'fib status', { op: 'fib', action: 'status' });
test('acl list', asks, 'acl list', { op: 'acl.list' });
test('acl reload', asks, 'acl reload', { op: 'acl.reload' });
test('acl enable', asks, 'acl enable', { op: 'acl.set', enabled: true });
test('acl disable', asks, 'acl disable', { op: 'acl.set', enabled: false });
test('log', asks, 'log', { op: 'log' });
test('shutdown', asks, 'shutdown', { op: 'shutdown' });

const refuses = test.macro(async (t, line: string, code: number, expected: RegExp) => {
  const ran = await netmill(['-s', '/nonexistent/sock', ...line.split(' ').filter(Boolean)]);
  t.is(ran.code, code, ran.err);
  t.regex(ran.err, expected);
  t.is(ran.out, '');
});

test('an unknown command is a usage error', refuses, 'explode', 64, /there is no command 'explode'/);
test('an unknown option is a usage error', refuses, 'status --explode', 64, /--explode/);
test('a missing argument is a usage error', refuses, 'route get', 64, /route get ADDR/);
test('one argument too many is a usage error', refuses, 'route get 1.2.3.4 5', 64, /"5"/);
test('a route needs a gateway or an interface', refuses, 'route add 10.0.0.0/8', 64, /a gateway, or --iface/);
test('an unknown FIB action is a usage error', refuses, 'fib uncouple', 64, /got 'uncouple'/);
test('a generation is a number', refuses, 'rollback yesterday', 64, /got 'yesterday'/);
test('a rate needs time', refuses, 'route top -i 0', 64, /0\.1 to 60/);
test('route top has rows', refuses, 'route top -n many', 64, /got 'many'/);
test('generation 0 is none', refuses, 'rollback 0', 64, /got '0'/);
test(
  'without a daemon the service is unavailable',
  refuses,
  'status',
  69,
  /no netmilld listens.*\n.*fix: start one/,
);
test('a policy that does not exist is no input', refuses, 'check /nonexistent.ts', 66, /does not exist/);
test(
  'a policy to build that does not exist is no input',
  refuses,
  'build /nonexistent.ts',
  66,
  /does not exist/,
);
test(
  'a policy to deploy that does not exist is no input',
  refuses,
  'deploy /nonexistent.ts',
  66,
  /does not exist/,
);

test('of a subcommand that is not understood only its own line is shown, and its own help', async (t) => {
  const { err } = await netmill(['route', 'get', '--explode']);
  t.regex(err, /--explode.*\n {2}netmill route get ADDR\n {2}fix: see netmill route get --help\n$/);
  const group = await netmill(['acl', 'explode']);
  t.regex(group.err, /acl reload\n.*\n.*\n {2}fix: see netmill help acl\n$/);
});

const refusesAsJson = test.macro(async (t, line: string, expected: RegExp) => {
  const ran = await netmill(line.split(' '));
  t.deepEqual([ran.code, ran.err], [64, '']);
  const { error } = schemas.error.parse(JSON.parse(ran.out));
  t.is(error.code, 'usage');
  t.regex(error.message, expected);
  t.regex(error.fix!, /^see netmill /);
});

test('an unknown command, as JSON', refusesAsJson, 'explode --json', /there is no command 'explode'/);
test('an unknown option, as JSON', refusesAsJson, 'status --explode --json', /--explode/);
test('a value that is not possible, as JSON', refusesAsJson, 'rollback x --json', /got 'x'/);
test(
  'a value that is not possible, by its format',
  refusesAsJson,
  'check x.ts --format json --today x',
  /got 'x'/,
);

const tooLong = test.macro(async (t, argv: readonly string[], expected: RegExp) => {
  const ran = await withDaemon(
    async () => t.fail() as never,
    (socket) => netmill(['-s', socket, ...argv]),
  );
  t.is(ran.code, 64);
  t.regex(ran.err, expected);
});
test('a packet that is empty', tooLong, ['trace', ''], /netmill: packet is empty\n/);
test(
  'an address of 100 characters',
  tooLong,
  ['route', 'get', '1'.repeat(100)],
  /address is too long: expected at most 64 char/,
);

test('one route is not routes', async (t) => {
  const ran = await withDaemon(
    async () => ({ file: '/x', routes: 1 }),
    (socket) => netmill(['-s', socket, 'route', 'dump']),
  );
  t.is(ran.out, '1 route written to /x\n');
});

const exits = test.macro(async (t, error: ErrorCode, code: number) => {
  const handler: Handler = async () => {
    throw new MillError(error, 'no', 'do something', 'the details');
  };
  const text = await withDaemon(handler, (socket) => netmill(['status', '-s', socket]));
  t.is(text.code, code);
  t.regex(text.err, /netmill: no\n {2}fix: do something/);
  const json = await withDaemon(handler, (socket) => netmill(['status', '--json', '-s', socket]));
  t.is(json.code, code);
  t.like(JSON.parse(json.out), { error: { code: error, message: 'no' } });
});

test('exit code of a usage error', exits, 'usage', 64);
test('exit code of a refused policy', exits, 'policy', 65);
test('exit code of something missing', exits, 'not-found', 66);
test('exit code of an engine that refuses', exits, 'engine', 69);
test('exit code of a bug', exits, 'internal', 70);
test('exit code of a daemon that is busy', exits, 'busy', 75);
test('exit code of a missing right', exits, 'permission', 77);

test('an answer is JSON when it is asked for', async (t) => {
  const ran = await withDaemon(
    async () => ({ enabled: false }),
    (socket) => netmill(['-s', socket, 'acl', 'disable', '--json']),
  );
  t.deepEqual([ran.code, JSON.parse(ran.out)], [0, { enabled: false }]);
});

const route = (prefix: string) => ({
  prefix,
  source: 'kernel',
  protocol: 'bird',
  type: 'unicast',
  metric: 32,
  group: 7,
  use: { packets: 12, bytes: 3400 },
  nexthops: [{ gateway: '192.0.2.1', device: 'wan', weight: 1, dead: false }],
});
const table: Handler = async (_body, exchange) => {
  await exchange.part([route('10.0.0.0/8'), route('10.1.0.0/16')]);
  await exchange.part([route('10.2.0.0/16')]);
  return { routes: 3 };
};

test('a routing table as JSON is an object a line', async (t) => {
  const ran = await withDaemon(table, (socket) => netmill(['route', '--json', '-s', socket]));
  const lines = ran.out.trimEnd().split('\n');
  t.deepEqual(
    lines.map((one) => (JSON.parse(one) as { prefix: string }).prefix),
    ['10.0.0.0/8', '10.1.0.0/16', '10.2.0.0/16'],
  );
});

test('an empty routing table is nothing', async (t) => {
  const ran = await withDaemon(
    async () => ({ routes: 0 }),
    (socket) => netmill(['route', '--json', '-s', socket]),
  );
  t.deepEqual([ran.code, ran.out], [0, '']);
});

test('a routing table whose reader stops is held back at the daemon, and goes on with the reader', async (t) => {
  const page = Array.from({ length: 500 }, (_, i) => route(`10.${i >> 8}.${i & 255}.0/24`));
  let pages = 0;
  const long: Handler = async (_body, exchange) => {
    for (; pages < 100; pages++) await exchange.part(page);
    return { routes: 50_000 };
  };
  await withDaemon(long, async (socket) => {
    const stdout = new PassThrough();
    const running = runProgram(['route', '-s', socket], { stdout } as never);
    await new Promise((resolve) => setTimeout(resolve, 300));
    const before = pages;
    t.true(before < 20, `${before} of 100 pages were taken, and nobody reads`);
    let lines = 0;
    stdout.on('data', (chunk) => {
      lines += String(chunk).split('\n').length - 1;
    });
    t.is(await running, 0);
    t.is(lines, 50_000);
  });
});

test('a routing table as text is a route a line', async (t) => {
  const ran = await withDaemon(table, (socket) => netmill(['route', '-s', socket]));
  t.deepEqual(ran.out.split('\n').slice(0, 2), [
    '10.0.0.0/8 via 192.0.2.1 dev wan proto bird metric 32 group 7 packets 12 bytes 3400',
    '10.1.0.0/16 via 192.0.2.1 dev wan proto bird metric 32 group 7 packets 12 bytes 3400',
  ]);
  t.is(ran.out.trimEnd().split('\n').length, 3);
});

const topReply = {
  seconds: 1,
  rows: [
    {
      group: 7,
      prefix: '10.0.0.0/8',
      uses: 1200,
      type: 'unicast',
      nexthops: route('').nexthops,
      rate: { packets: 81234, bits: 55_000_000 },
      use: { packets: 123_456, bytes: 9_999 },
    },
  ],
};

test('what is used most is a table, once where nobody looks on', async (t) => {
  const ran = await withDaemon(
    async () => topReply,
    (socket) => netmill(['route', 'top', '-s', socket]),
  );
  const [head, row] = ran.out.split('\n');
  t.regex(head!, /^ *RATE +BITS +PACKETS +BYTES +ROUTES +ROUTE +WAY$/);
  t.regex(row!, /81\.2 kpps +55\.0 Mbit\/s +123,456 +9,999 +1,200 +10\.0\.0\.0\/8 +via 192\.0\.2\.1 dev wan/);
});

test('what is used most is shown again and again on a terminal, until q', async (t) => {
  const modes: boolean[] = [];
  const stdin = Object.assign(new PassThrough(), {
    isTTY: true,
    setRawMode(mode: boolean) {
      modes.push(mode);
      return this;
    },
  });
  const stdout = Object.assign(new PassThrough(), { isTTY: true, rows: 5, columns: 60 });
  const asked: unknown[] = [];
  const looks: Handler = async (body) => {
    asked.push(body);
    if (asked.length === 3) stdin.write('q');
    if (asked.length > 3) await new Promise((resolve) => setTimeout(resolve, 1000));
    return topReply;
  };
  const streams = { stdin, stdout, stderr: new PassThrough() };
  const code = await withDaemon(looks, (socket) =>
    runProgram(['route', 'top', '-s', socket], streams as never),
  );
  t.is(code, 0);
  t.deepEqual(asked[0], { op: 'route.top', seconds: 1, limit: 3 });
  t.deepEqual(modes, [true, false], 'the terminal is left as it was');
  const esc = String.fromCharCode(27);
  const text = String(stdout.read());
  t.true(text.startsWith(`${esc}[H${esc}[2J`));
  const lines = text.split('\n').map((line) => line.replaceAll(new RegExp(`${esc}\\[\\w+`, 'g'), ''));
  t.true(lines.filter((line) => line.includes('81.2 kpps')).length >= 2);
  t.true(lines.every((line) => line.length <= 60));
});

test('what is used most, of the prompt: q ends it, and the prompt goes on', async (t) => {
  const stdin = Object.assign(new PassThrough(), {
    isTTY: true,
    isRaw: false,
    setRawMode(mode: boolean) {
      this.isRaw = mode;
      return this;
    },
  });
  const stdout = Object.assign(new PassThrough(), { isTTY: true, rows: 5, columns: 60 });
  let text = '';
  let looks = 0;
  const look: Handler = async () => {
    looks += 1;
    if (looks === 2) stdin.write('q');
    if (looks > 2) await new Promise((resolve) => setTimeout(resolve, 1000));
    return topReply;
  };
  const ended = await withDaemon(look, async (socket) => {
    const running = runProgram(['cli', '-s', socket], { stdin, stdout, stderr: new PassThrough() } as never);
    let prompts = 0;
    stdout.on('data', (chunk) => {
      text += String(chunk);
      const shown = text.split('netmill> ').length - 1;
      if (shown === prompts) return;
      prompts = shown;
      if (looks === 0) stdin.write('route top\r');
      else if (!text.includes('netmill 0.1.0')) stdin.write('version\r');
      else stdin.end('exit\r');
    });
    return await Promise.race([running, new Promise((resolve) => setTimeout(resolve, 20_000, 'deaf'))]);
  });
  t.is(ended, 0);
  t.true(text.includes('netmill 0.1.0'), text);
  t.false(text.includes('qversion'));
});

test('what is no terminal gets no colours', async (t) => {
  const ran = await netmill(['help']);
  t.is(ran.code, 0);
  t.false(ran.out.includes(String.fromCharCode(27)));
});

test('help names every command', async (t) => {
  const { out } = await netmill(['help']);
  for (const { path } of createProgram(new PassThrough()).definitions())
    t.true(out.includes(path.replace('netmill ', '')), path);
});

const group = test.macro(async (t, word: string, alone: boolean) => {
  const { code, out } = await netmill([word, '--help']);
  t.is(code, 0);
  t.is((await netmill(['help', word])).out, out);
  for (const { path, description } of createProgram(new PassThrough()).definitions()) {
    const command = path.replace('netmill ', '');
    if (command.split(' ')[0] !== word) continue;
    t.regex(out, new RegExp(`^  ${command}\\b`, 'm'));
    t.true(out.includes(description!.trim()), command);
  }
  t.is(/^Usage$/m.test(out), alone);
});

test('help for vale names what is done to switches', group, 'vale', false);
test('help for set', group, 'set', false);
test('help for acl', group, 'acl', false);
test('help for route, which is a command itself', group, 'route', true);
test('a bridge of one port, and of a host and a port', async (t) => {
  const twice = await netmill(['bridge', 'xdp:a0', 'xdp:a0']);
  t.deepEqual(
    [twice.code, twice.err.split('\n')[0]],
    [64, 'netmill: xdp:a0 twice: a bridge joins two ports'],
  );
  const turned = await netmill(['bridge', 'host', 'xdp:a0']);
  t.is(turned.code, 64);
  t.regex(turned.err, /host is the second one: netmill bridge xdp:a0 host/);
});
test('a port whose spec is too long', async (t) => {
  const long = `pcap:,/tmp/${'x'.repeat(200)}`;
  const sent = await netmill(['gen', '--send', long, '--to-mac', '02:00:00:00:00:01', '--count', '1']);
  t.deepEqual([sent.code, sent.err.split(':')[1]], [64, ' a port spec has at most 127 bytes, got 211']);
  const joined = await netmill(['bridge', long, 'host']);
  t.deepEqual([joined.code, joined.err.split(':')[1]], [64, ' a port spec has at most 127 bytes, got 211']);
  const piped = await netmill(['gen', '--receive', 'pipe:a', '--rundir', `/tmp/${'x'.repeat(100)}`]);
  t.is(piped.code, 64);
  t.regex(piped.err, /a pipe's socket has a path of at most 107 bytes, got 117/);
});
test('help for one command of a group', async (t) => {
  const { out } = await netmill(['vale', 'attach', '--help']);
  t.regex(out, /\$ netmill vale attach/);
  t.notRegex(out, /vale detach/);
});

test('the programs that package.json names may be run: npx sees to it once, and not after another build', (t) => {
  const { bin } = JSON.parse(readFileSync(join(packageRoot, 'package.json'), 'utf8')) as {
    readonly bin: Readonly<Record<string, string>>;
  };
  for (const file of Object.values(bin))
    t.notThrows(() => accessSync(join(packageRoot, file), constants.X_OK), file);
});

test('every command has a description and examples', (t) => {
  for (const { path, description, examples } of createProgram(new PassThrough()).definitions()) {
    t.truthy(description, path);
    t.truthy(examples?.length, path);
  }
});

test('no arguments show the help', async (t) => {
  t.is((await netmill([])).out, (await netmill(['help'])).out);
});

const policyOf = (interfaces: string): string => {
  const file = join(directory, `policy-${++sockets}.ts`);
  writeFileSync(
    file,
    `import { acl, allow, nets, router, tcp } from 'netmill'\nexport default router('r', { interfaces: { ${interfaces} } })\n`,
  );
  return file;
};

test('check of a policy that is right ends with 0', async (t) => {
  const ran = await netmill(['check', policyOf("wan: { port: 'xdp:eth9' }")]);
  t.is(ran.code, 0, ran.err + ran.out);
});

test('check of a policy that is wrong ends with 65 and says where', async (t) => {
  const file = policyOf("wan: { port: 'xdp:eth9', address: ['10.0.300.0/24'] }");
  const text = await netmill(['check', file]);
  t.is(text.code, 65);
  t.regex(text.out, /:2:\d+ - error NM/);
  const json = JSON.parse((await netmill(['check', file, '--json'])).out) as {
    ok: boolean;
    diagnostics: { line: number }[];
  };
  t.false(json.ok);
  t.is(json.diagnostics[0]?.line, 2);
});

test('plan tells what another version does differently, and binds a deploy to it', async (t) => {
  const guarded = (rule: string) =>
    policyOf(
      `wan: { port: 'xdp:eth9', fallback: 'drop', in: acl('in', {}, [allow({ to: nets('192.0.2.0/24'), service: ${rule} })]) }`,
    );
  const [old, fresh] = [guarded('tcp(22)'), guarded('tcp(22, 443)')];
  const file = join(directory, 'bound.plan');
  const text = await netmill(['plan', fresh, '--against', old, '--no-build', '-o', file]);
  t.is(text.code, 0, text.err);
  t.regex(text.out, /newly allowed:\n {2}in wan tcp 198.51.100.10:40000 > 192.0.2.10:443 syn\n/);
  t.regex(text.out, /4\.0 × 10⁹ sources, 256 destinations/);
  t.regex(text.out, /- denied {2}policy-\d+.ts:2 {2}default of "in"\n {4}\+ routed {2}policy-\d+.ts:2 /);
  const json = JSON.parse((await netmill(['plan', fresh, '--against', old, '--no-build', '--json'])).out);
  t.like(json.packets[0], { effect: 'allowed', interface: 'wan', family: 4, destinations: '256' });
  const planned = JSON.parse(readFileSync(file, 'utf8'));
  t.is(planned.againstHash, undefined, 'it was not made against what runs');
  let asked: unknown;
  const handler: Handler = async (body) => {
    asked = body;
    throw new MillError('busy', 'seen');
  };
  await withDaemon(handler, (socket) => netmill(['-s', socket, 'deploy', fresh, '--plan', file]));
  t.deepEqual(asked, { op: 'deploy', path: fresh, expect: { policyHash: planned.policyHash } });
});

test('plan against git finds the policy as it was', async (t) => {
  const repository = mkdtempSync(join(directory, 'repository-'));
  const policy = join(repository, 'edge.ts');
  const git = (...args: string[]) =>
    execa('git', ['-C', repository, '-c', 'user.name=n', '-c', 'user.email=n@example.org', ...args]);
  await git('init', '-q');
  copyFileSync(policyOf("wan: { port: 'xdp:eth9', mtu: 1400 }"), policy);
  await git('add', '.');
  await git('commit', '-q', '-m', 'first');
  copyFileSync(policyOf("wan: { port: 'xdp:eth9', mtu: 1500 }"), policy);
  const ran = await netmill(['plan', policy, '--against', 'git:HEAD', '--no-build']);
  t.regex(ran.out, /interface wan changed\n {4}- mtu 1400\n {4}\+ mtu 1500/, ran.err);
  const wrong = await netmill(['plan', policy, '--against', 'git:nowhere', '--no-build']);
  t.is(wrong.code, 66);
  t.regex(wrong.err, /git knows no 'nowhere'/);
});

test('explain shows every line that was tried, and why', async (t) => {
  const policy = policyOf(
    `wan: { port: 'xdp:eth9', fallback: 'drop', in: acl('in', {}, [allow({ to: nets('192.0.2.0/24'), service: tcp(22) })]) }`,
  );
  const ran = await netmill(['explain', policy, 'in wan tcp 9.9.9.9:1234 > 192.0.2.10:443 syn']);
  t.is(ran.code, 0, ran.err);
  t.regex(ran.out, /ACL "in": deny\n/);
  t.regex(ran.out, /· policy-\d+.ts:2 .*\n {6}tcp port 443 is not the service of the rule\n/);
  t.regex(ran.out, /✔ policy-\d+.ts:2 {2}default of "in"\nfate: denied\n/);
  const json = await netmill(['explain', policy, 'in wan tcp 9.9.9.9:1 > 192.0.2.10:22', '--json']);
  t.like(JSON.parse(json.out), { interface: 'wan', fate: 'routed' });
  const wrong = await netmill(['explain', policy, 'in lan udp 9.9.9.9:1 > 192.0.2.10:22']);
  t.is(wrong.code, 64);
  t.regex(wrong.err, /expected an interface \(wan\), got 'lan'/);
});

test(
  'a file that is no plan is refused',
  refuses,
  `deploy . --plan ${process.cwd()}/package.json`,
  65,
  /is not a plan/,
);

const first = test.macro((t, given: string, expected: string) => {
  t.deepEqual(commandFirst(given.split(' ')), expected.split(' '));
});

test('options may come before the command', first, '-s /x -v status --json', 'status --json -s /x -v');
test('a command with its options after it stays', first, 'status -s /x', 'status -s /x');
test('a lone option stays', first, '--version', '--version');

test('the prompt runs its lines, and ends with the code of the last', async (t) => {
  const asked: string[] = [];
  const handler: Handler = async (body) => {
    asked.push(body.op);
    return { enabled: true };
  };
  const script = '# a comment\nacl enable\n\nacl disable # now\nnonsense\n';
  const ran = await withDaemon(handler, (socket) => netmill(['cli', '-s', socket], script));
  t.deepEqual(asked, ['acl.set', 'acl.set']);
  t.is(ran.code, 64);
  t.regex(ran.err, /nonsense/);
});

test('options of the prompt are those of its lines', async (t) => {
  const ran = await netmill(['cli', '--json'], 'version\n');
  t.is(typeof JSON.parse(ran.out).version, 'string');
});

test('help names the value of an option', async (t) => {
  const { out } = await netmill(['help', 'route', 'top']);
  t.regex(out, /^ {2}-s,--socket VALUE +control socket/m);
  t.false(out.includes('#0'));
  const columns = [...out.matchAll(/^( {2}-\S+(?: VALUE)? +)\S/gm)].map(([, before]) => before!.length);
  t.deepEqual([columns.length, new Set(columns).size], [6, 1], 'what options mean begins in one column');
});

test('exit ends the prompt', async (t) => {
  const ran = await netmill(['cli'], 'version\nexit\nnonsense\n');
  t.is(ran.code, 0);
});

const completes = test.macro((t, line: string, expected: string[]) => {
  const words = ['acl list', 'acl reload', 'arp', 'route', 'route get', 'route add'];
  t.deepEqual(completions(line, words)[0], expected);
});

test('an empty line may become anything', completes, '', ['acl ', 'arp ', 'exit ', 'route ']);
test('a beginning is completed', completes, 'ro', ['route ']);
test('after a group come its commands', completes, 'route ', ['add ', 'get ']);
test('the second word is completed', completes, 'acl re', ['reload ']);
test('nothing follows what nobody knows', completes, 'explode ', []);

test('words in quotes stay together', (t) => {
  t.deepEqual(splitLine(`deploy "a b.ts" 'c d' e`), ['deploy', 'a b.ts', 'c d', 'e']);
});
