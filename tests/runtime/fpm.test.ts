import { once } from 'node:events';
import net from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import test, { type ExecutionContext } from 'ava';
import { startFpm } from '../../runtime/fpm.js';
import type { Logger } from '../../runtime/log.js';

/** A RIB that notes what it is told; `settle` says when the engine has it. */
async function bed(t: ExecutionContext, grace: number) {
  const said: string[] = [];
  const made = { said, coupled: true, settle: Promise.resolve(), refuse: false, ack: '' };
  const log = { info: () => undefined, warn: () => undefined, error: () => undefined } as unknown as Logger;
  const fpm = await startFpm({
    host: '127.0.0.1',
    port: 0,
    grace,
    log,
    rib: {
      fpmOpen: () => void said.push('open'),
      fpmTake: (bytes) => {
        if (made.refuse) throw new Error('no FPM');
        said.push(`take ${bytes}`);
        return Buffer.from(made.ack || `ack ${bytes}`);
      },
      fpmSweep: () => said.push('sweep'),
      settled: () => made.settle,
      status: () => ({ coupled: made.coupled, synced: true, fpmRoutes: 3 }) as never,
    },
  });
  t.teardown(() => fpm.stop());
  const connect = async () => {
    const socket = net.connect(Number(fpm.status().listen.split(':')[1]), '127.0.0.1');
    let heard = '';
    socket.on('data', (bytes) => {
      heard += String(bytes);
    });
    await once(socket, 'connect');
    return { socket, heard: () => heard };
  };
  return { ...made, made, fpm, connect };
}

async function until(what: () => boolean): Promise<void> {
  for (let i = 0; i < 500 && !what(); i++) await sleep(10);
  if (!what()) throw new Error(`in vain: ${what}`);
}

test('what zebra tells is taken, and acknowledged when it is in force', async (t) => {
  const { made, connect, fpm } = await bed(t, 60);
  let inForce = (): void => undefined;
  made.settle = new Promise((resolve) => {
    inForce = resolve;
  });
  const zebra = await connect();
  zebra.socket.write('one');
  await until(() => made.said.includes('take one'));
  await sleep(50);
  t.is(zebra.heard(), '');
  inForce();
  await until(() => zebra.heard() === 'ack one');
  t.like(fpm.status(), { connected: true, routes: 3 });
});

test('nothing is acknowledged while the FIB is decoupled', async (t) => {
  const { made, connect } = await bed(t, 60);
  made.coupled = false;
  const zebra = await connect();
  zebra.socket.write('one');
  await sleep(300);
  t.is(zebra.heard(), '');
  made.coupled = true;
  await until(() => zebra.heard() === 'ack one');
});

test('when zebra goes its routes stay for the grace time', async (t) => {
  const { made, connect, fpm } = await bed(t, 3);
  const zebra = await connect();
  zebra.socket.destroy();
  await until(() => !fpm.status().connected);
  t.deepEqual(made.said, ['open']);
  await until(() => made.said.length === 3);
  t.deepEqual(made.said, ['open', 'open', 'sweep']);
});

test('when zebra comes back in time, what it does not tell again goes', async (t) => {
  const { made, connect, fpm } = await bed(t, 3);
  const first = await connect();
  first.socket.destroy();
  await until(() => !fpm.status().connected);
  const second = await connect();
  second.socket.write('again');
  await until(() => made.said.includes('sweep'));
  t.deepEqual(made.said, ['open', 'open', 'take again', 'sweep']);
});

test('a new connection takes the place of the one before', async (t) => {
  const { made, connect } = await bed(t, 60);
  const first = await connect();
  const closed = once(first.socket, 'close');
  const second = await connect();
  await closed;
  second.socket.write('new');
  await until(() => second.heard() === 'ack new');
  t.deepEqual(made.said, ['open', 'open', 'take new']);
});

test('a stream that is not understood ends the connection, and nothing else', async (t) => {
  const { made, connect } = await bed(t, 60);
  made.refuse = true;
  const wrong = await connect();
  wrong.socket.write('GET / HTTP/1.1');
  await once(wrong.socket, 'close');
  made.refuse = false;
  const right = await connect();
  right.socket.write('x');
  await t.notThrowsAsync(until(() => right.heard() === 'ack x'));
});

test('when much waits to be acknowledged zebra is held back, and not while the FIB is decoupled', async (t) => {
  const { made, connect } = await bed(t, 60);
  const say = async (socket: net.Socket, words: readonly string[]) => {
    for (const word of words) {
      socket.write(word);
      await sleep(50);
    }
  };
  made.ack = 'x'.repeat(3 << 20);
  let inForce = (): void => undefined;
  made.settle = new Promise((resolve) => {
    inForce = resolve;
  });
  const zebra = await connect();
  await say(zebra.socket, ['a', 'b', 'c', 'd', 'e']);
  t.true(made.said.length <= 4, made.said.join());
  inForce();
  await until(() => made.said.join('').replaceAll(/open|take| /g, '') === 'abcde');
  await until(() => zebra.heard().length === 5 * (3 << 20));

  made.coupled = false;
  // 48 MiB, one by one: however many are taken at once, more than 16 MiB are left over.
  for (let word = 1; word <= 16; word++) {
    zebra.socket.write(`w${word}`);
    await until(() => made.said.at(-1) === `take w${word}`);
  }
  t.false(zebra.socket.destroyed);
  made.coupled = true;
  await once(zebra.socket, 'close');
});

test('zebra has told all when it pauses', async (t) => {
  const { connect, fpm } = await bed(t, 60);
  t.false(await fpm.caughtUp(200), 'nobody is there');
  const zebra = await connect();
  const all = fpm.caughtUp(20_000);
  zebra.socket.write('x');
  t.true(await all);
});

test('a port that is taken is an error that says what to do', async (t) => {
  const { fpm } = await bed(t, 60);
  const port = Number(fpm.status().listen.split(':')[1]);
  const error = await t.throwsAsync(
    startFpm({ host: '127.0.0.1', port, grace: 1, rib: {} as never, log: {} as never }),
  );
  t.regex(error!.message, /cannot listen on 127\.0\.0\.1:\d+.*EADDRINUSE/);
});
