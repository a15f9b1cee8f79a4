/** Drawn bytes at the control socket: whatever a client says, it is answered or disconnected, and the next one is served. */
import { once } from 'node:events';
import { mkdtempSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import fc from 'fast-check';
import { call } from '../../runtime/control/client.js';
import { encodeFrame } from '../../runtime/control/frame.js';
import { startControlServer } from '../../runtime/control/server.js';

/** Requests that are nearly right. */
const request = fc.record(
  {
    v: fc.oneof(fc.constant(1), fc.jsonValue()),
    id: fc.oneof(fc.nat(), fc.jsonValue()),
    body: fc.oneof(
      fc.record(
        {
          op: fc.oneof(
            fc.constantFrom(
              'status',
              'route.get',
              'route.add',
              'deploy',
              'rollback',
              'acl.enable',
              'fib.couple',
            ),
            fc.string(),
          ),
          address: fc.jsonValue(),
          prefix: fc.jsonValue(),
          path: fc.jsonValue(),
          generation: fc.jsonValue(),
        },
        { requiredKeys: [] },
      ),
      fc.jsonValue(),
    ),
  },
  { requiredKeys: [] },
);

const bytes = fc.oneof(
  fc.uint8Array({ maxLength: 300 }).map((drawn) => Buffer.from(drawn)),
  request.map((one) => encodeFrame(one)),
  // A true length, and anything behind it.
  fc.uint8Array({ minLength: 1, maxLength: 200 }).map((drawn) => {
    const frame = Buffer.alloc(4 + drawn.length, Buffer.from(drawn));
    frame.writeUInt32BE(drawn.length, 0);
    frame.set(drawn, 4);
    return frame;
  }),
);

/** Says it, says no more, and waits until the server has closed. */
async function say(path: string, parts: readonly Buffer[]): Promise<void> {
  const socket = net.connect(path);
  socket.on('error', () => undefined);
  socket.resume();
  for (const part of parts) socket.write(part);
  socket.end();
  await once(socket, 'close');
}

test('whatever comes, it is answered or disconnected, and the next client is served', async (t) => {
  const path = join(mkdtempSync(join(tmpdir(), 'netmill-fuzz-')), 'sock');
  let understood = 0;
  const server = await startControlServer({
    path,
    mode: 0o600,
    maxClients: 2,
    handler: async (body) => {
      understood++;
      return body;
    },
    credentials: () => ({ uid: 0 }),
  });
  t.teardown(() => server.stop());
  let served = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(bytes, { minLength: 1, maxLength: 4 }), async (parts) => {
      await say(path, parts);
      const before = understood;
      await call({ op: 'status' }, { socket: path });
      served += understood - before;
    }),
    { numRuns: 400, seed: 20_161 },
  );
  t.true(served >= 400);
});
