import { once } from 'node:events';
import { mkdtempSync, readFileSync, renameSync, statSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { call } from '../../runtime/control/client.js';
import type { Handler } from '../../runtime/control/connection.js';
import { encodeFrame, FrameReader } from '../../runtime/control/frame.js';
import { type ControlServerOptions, startControlServer } from '../../runtime/control/server.js';
import { MillError } from '../../runtime/errors.js';

async function serve(
  t: ExecutionContext,
  handler: Handler,
  more: Partial<ControlServerOptions> = {},
): Promise<string> {
  const path = join(mkdtempSync(join(tmpdir(), 'netmill-control-')), 'sock');
  const server = await startControlServer({
    path,
    mode: 0o660,
    maxClients: 4,
    handler,
    credentials: () => ({ uid: process.getuid!() }),
    ...more,
  });
  t.teardown(() => server.stop());
  return path;
}

const echo: Handler = async (body) => body;

interface Reply {
  readonly ok: boolean;
  readonly id?: number;
  readonly value?: unknown;
  readonly error: { readonly code: string; readonly message: string };
}

/** Says bytes, and hears what comes back until the other side closes or `replies` have come. */
async function say(
  path: string,
  bytes: Buffer,
  replies: number,
): Promise<{ replies: Reply[]; closed: boolean }> {
  const socket = net.connect(path);
  const reader = new FrameReader(1 << 20);
  const heard: unknown[] = [];
  socket.write(bytes);
  return new Promise((resolve) => {
    socket.on('data', (chunk) => {
      heard.push(...reader.push(chunk));
      if (heard.length >= replies) resolve({ replies: heard, closed: false });
    });
    socket.on('error', () => resolve({ replies: heard, closed: true }));
    socket.on('close', () => resolve({ replies: heard, closed: true }));
  }).finally(() => socket.destroy()) as Promise<{ replies: Reply[]; closed: boolean }>;
}

test('a socket on which somebody listens stays his, and a file that is none stays', async (t) => {
  const path = await serve(t, echo);
  const second = (at: string) =>
    startControlServer({
      path: at,
      mode: 0o660,
      maxClients: 4,
      handler: echo,
      credentials: () => ({ uid: 0 }),
    });
  t.like(await t.throwsAsync(second(path)), { code: 'busy' });
  t.deepEqual(await call({ op: 'status' }, { socket: path }), { op: 'status' });
  const file = join(dirname(path), 'file');
  writeFileSync(file, 'kept');
  t.like(await t.throwsAsync(second(file)), { code: 'usage' });
  t.is(readFileSync(file, 'utf8'), 'kept');
});

test('the socket of a daemon that is gone is in nobody’s way', async (t) => {
  const path = join(mkdtempSync(join(tmpdir(), 'netmill-control-')), 'sock');
  const gone = net.createServer().listen(`${path}.first`);
  await once(gone, 'listening');
  renameSync(`${path}.first`, path);
  await new Promise((resolve) => gone.close(resolve));
  t.true(statSync(path).isSocket());
  const credentials = () => ({ uid: 0 });
  const server = await startControlServer({ path, mode: 0o660, maxClients: 4, handler: echo, credentials });
  t.teardown(() => server.stop());
  t.deepEqual(await call({ op: 'status' }, { socket: path }), { op: 'status' });
});

test('a request is answered', async (t) => {
  const socket = await serve(t, echo);
  t.deepEqual(await call({ op: 'route.get', address: '192.0.2.1' }, { socket }), {
    op: 'route.get',
    address: '192.0.2.1',
  });
});

test('the sockets have the modes that they should have', async (t) => {
  const socket = await serve(t, echo);
  t.is(statSync(socket).mode & 0o777, 0o660);
  t.is(statSync(`${socket}.ro`).mode & 0o777, 0o666);
});

test('parts and progress come before the answer, in order', async (t) => {
  const socket = await serve(t, async (_body, exchange) => {
    exchange.progress('one moment');
    for (let i = 0; i < 3; i++) await exchange.part(i);
    return 'done';
  });
  const heard: unknown[] = [];
  const value = await call(
    { op: 'status' },
    { socket, onPart: (p) => heard.push(p), onProgress: (p) => heard.push(p) },
  );
  t.is(value, 'done');
  t.deepEqual(heard, ['one moment', 0, 1, 2]);
});

test('an error arrives with code, message and fix', async (t) => {
  const socket = await serve(t, async () => {
    throw new MillError('busy', 'not now', 'later');
  });
  const error = await t.throwsAsync(call({ op: 'status' }, { socket }), { instanceOf: MillError });
  t.like(error, { code: 'busy', message: 'not now', fix: 'later' });
});

const rejected = test.macro(async (t, body: unknown, expected: RegExp) => {
  const socket = await serve(t, echo);
  const { replies } = await say(socket, encodeFrame(body), 1);
  t.is(replies[0]!.ok, false);
  t.is(replies[0]!.error.code, 'usage');
  t.regex(replies[0]!.error.message, expected);
});

test('an unknown request is refused', rejected, { v: 1, id: 7, body: { op: 'explode' } }, /not understood/);
test(
  'an unknown key is refused',
  rejected,
  { v: 1, id: 7, body: { op: 'status', more: 1 } },
  /not understood.*more/,
);
test('a wrong type is refused', rejected, { v: 1, id: 7, body: { op: 'deploy', path: 7 } }, /body.path/);
test('a missing key is refused', rejected, { v: 1, id: 7, body: { op: 'route.get' } }, /body.address/);
test(
  'a path that is too long is refused',
  rejected,
  { v: 1, id: 7, body: { op: 'deploy', path: 'x'.repeat(5000) } },
  /path is too long: expected at most 4096 characters/,
);
test(
  'another version is refused, and says which',
  rejected,
  { v: 2, id: 7, body: { op: 'status' } },
  /expected protocol version 1, got 2/,
);
test('a message that is no object is refused', rejected, 'status', /not understood/);
test('null is refused', rejected, null, /not understood/);

test('a client that speaks another protocol is told so, and disconnected', async (t) => {
  const socket = await serve(t, echo);
  const { replies, closed } = await say(socket, Buffer.from('GET / HTTP/1.1\r\n\r\n'), 2);
  t.is(replies[0]!.error.code, 'frame');
  t.true(closed);
});

test('an oversized request is refused without being read', async (t) => {
  const socket = await serve(t, echo);
  const head = Buffer.alloc(4);
  head.writeUInt32BE(64 * 1024 + 1);
  const { replies, closed } = await say(socket, head, 2);
  t.regex(replies[0]!.error.message, /1 to 65536 bytes/);
  t.true(closed);
});

test('whoever is neither root nor the daemon may look, and change nothing', async (t) => {
  const socket = await serve(t, echo, { credentials: () => ({ uid: 54321 }) });
  await t.notThrowsAsync(call({ op: 'status' }, { socket }));
  await t.notThrowsAsync(call({ op: 'fib', action: 'status' }, { socket }));
  const bodies = [
    { op: 'deploy', path: '/x' },
    { op: 'rollback' },
    { op: 'shutdown' },
    { op: 'acl.reload' },
    { op: 'acl.set', enabled: false },
    { op: 'route.add', prefix: '10.0.0.0/8', gateway: '10.0.0.1' },
    { op: 'route.delete', prefix: '10.0.0.0/8' },
    { op: 'route.dump', file: '/etc/passwd' },
    { op: 'fib', action: 'decouple' },
  ] as const;
  for (const body of bodies) {
    const error = await t.throwsAsync(call(body, { socket }), { instanceOf: MillError }, body.op);
    t.is((error as MillError).code, 'permission', body.op);
    t.regex(error!.message, /uid 54321/);
  }
});

test('a client whose credentials are unknown may change nothing', async (t) => {
  const socket = await serve(t, echo, {
    credentials: () => {
      throw new Error('no such thing');
    },
  });
  await t.throwsAsync(call({ op: 'shutdown' }, { socket }), { message: /no such thing/ });
});

test('the read-only socket changes nothing, not even for root', async (t) => {
  const socket = await serve(t, echo, { credentials: () => ({ uid: 0 }) });
  await t.notThrowsAsync(call({ op: 'status' }, { socket: `${socket}.ro` }));
  const refused = await t.throwsAsync<MillError>(call({ op: 'shutdown' }, { socket: `${socket}.ro` }), {
    message: /read-only/,
  });
  t.is(refused?.fix, `use the other one, as root: -s ${socket}`);
});

/** Connected, and says half a frame. */
async function occupy(t: ExecutionContext, path: string): Promise<net.Socket> {
  const client = net.connect(path);
  t.teardown(() => client.destroy());
  await once(client, 'connect');
  client.write(Buffer.from([0, 0]));
  return client;
}

test('clients of the read-only socket do not keep others out', async (t) => {
  const socket = await serve(t, echo, { maxClients: 2 });
  await occupy(t, `${socket}.ro`);
  await occupy(t, `${socket}.ro`);
  t.is((await t.throwsAsync<MillError>(call({ op: 'arp' }, { socket: `${socket}.ro` })))?.code, 'busy');
  t.deepEqual(await call({ op: 'arp' }, { socket }), { op: 'arp' });
});

test('a client that was turned away and stays does not keep the server from stopping', async (t) => {
  const path = join(mkdtempSync(join(tmpdir(), 'netmill-control-')), 'sock');
  const credentials = () => ({ uid: process.getuid!() });
  const server = await startControlServer({ path, mode: 0o660, maxClients: 1, handler: echo, credentials });
  await occupy(t, path);
  const away = await occupy(t, path);
  await once(away, 'readable');
  await t.notThrowsAsync(server.stop());
});

test.serial('a thousand clients that do not go are no thousand descriptors', async (t) => {
  const socket = await serve(t, echo, { maxClients: 1 });
  await occupy(t, socket);
  const clients = Array.from({ length: 300 }, () => {
    const client = net.connect({ path: socket, allowHalfOpen: true });
    t.teardown(() => client.destroy());
    return client.on('error', () => undefined).resume();
  });
  await Promise.all(clients.map((client) => once(client, 'end').catch(() => undefined)));
  t.true(clients.filter((client) => client.bytesRead > 0).length <= 65);
});

test('one client too many is turned away', async (t) => {
  const socket = await serve(t, echo, { maxClients: 1 });
  const first = net.connect(socket);
  await once(first, 'connect');
  const { replies } = await say(socket, Buffer.alloc(0), 1);
  t.regex(replies[0]!.error.message, /1 clients are connected already/);
  first.destroy();
  await once(first, 'close');
  // The server hears of it a moment later.
  const again = () => call({ op: 'status' }, { socket });
  for (const end = Date.now() + 10_000; ; ) {
    const failed = await again().then(
      () => undefined,
      (error: Error) => error,
    );
    if (failed === undefined || Date.now() > end) return t.is(failed, undefined);
  }
});

test('a client that reads nothing is disconnected, and stalls nobody', async (t) => {
  let gone = false;
  const handler: Handler = async (body, exchange) => {
    if (body.op !== 'route.list') return 'quick';
    try {
      for (;;) await exchange.part('x'.repeat(100_000));
    } finally {
      gone = true;
    }
  };
  const socket = await serve(t, handler, { stallMs: 4000 });
  const slow = net.connect(socket);
  slow.pause();
  slow.write(encodeFrame({ v: 1, id: 1, body: { op: 'route.list' } }));
  await new Promise((resolve) => setTimeout(resolve, 100));
  t.is(await call({ op: 'status' }, { socket }), 'quick');
  t.false(gone, 'it was served only after the slow one had gone');
  for (const end = Date.now() + 30_000; !gone && Date.now() < end; )
    await new Promise((resolve) => setTimeout(resolve, 50));
  t.true(gone);
  slow.destroy();
});

test('of a client that asks without end, others have their turn', async (t) => {
  let asked = 0;
  const path = await serve(t, async (body) => {
    asked += 1;
    return body;
  });
  const flood = net.connect(path);
  t.teardown(() => flood.destroy());
  const questions = 10_000;
  let answers = 0;
  const reader = new FrameReader(1 << 20);
  const all = new Promise<void>((resolve) => {
    flood.on('data', (chunk) => {
      answers += reader.push(chunk).length;
      if (answers === questions) resolve();
    });
  });
  flood.write(Buffer.concat(Array.from({ length: questions }, () => encodeFrame(1))));
  let calm = 0;
  const others = async (): Promise<void> => {
    for (; answers < questions; calm++) await call({ op: 'status' }, { socket: path });
  };
  await Promise.all([all, others()]);
  t.log(`${calm} others were answered meanwhile`);
  t.true(calm > 40);
  t.is(asked, calm);
});

test('an answer too large for its client ends the connection, not the daemon', async (t) => {
  const socket = await serve(t, async () => 'x'.repeat(3_000_000), { maxQueued: 1_000_000 });
  const slow = net.connect(socket);
  slow.pause();
  slow.write(encodeFrame({ v: 1, id: 1, body: { op: 'status' } }));
  await new Promise((resolve) => setTimeout(resolve, 200));
  const other = await say(socket, encodeFrame({ v: 1, id: 1, body: { op: 'bad' } }), 1);
  t.is(other.replies[0]!.ok, false);
  slow.destroy();
});

test('requests of one client are answered in order', async (t) => {
  const socket = await serve(t, async (body) => {
    if (body.op === 'status') await new Promise((resolve) => setTimeout(resolve, 50));
    return body.op;
  });
  const both = Buffer.concat([
    encodeFrame({ v: 1, id: 1, body: { op: 'status' } }),
    encodeFrame({ v: 1, id: 2, body: { op: 'arp' } }),
  ]);
  const { replies } = await say(socket, both, 2);
  t.deepEqual(
    replies.map((r) => [r.id, r.value]),
    [
      [1, 'status'],
      [2, 'arp'],
    ],
  );
});

test('without a daemon the error says what to do', async (t) => {
  const error = await t.throwsAsync(call({ op: 'status' }, { socket: '/nonexistent/sock' }), {
    instanceOf: MillError,
  });
  t.like(error, { code: 'unavailable', fix: 'start one: netmilld POLICY' });
});
