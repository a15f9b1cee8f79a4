import test from 'ava';
import { pino } from 'pino';
import type { EngineLink, EngineNotice } from '../../runtime/native.js';
import { supervise } from '../../runtime/supervisor.js';

interface FakeEngine {
  readonly link: EngineLink;
  readonly die: () => void;
}

function engine(pid: number): FakeEngine {
  let tell: (notice: EngineNotice) => void = () => {};
  const link = {
    pid,
    state: { running: 1 },
    onNotice: (callback: typeof tell) => {
      tell = callback;
    },
    release: () => {},
  };
  return { link: link as unknown as EngineLink, die: () => tell({ kind: 'closed' } as EngineNotice) };
}

const unused = async (): Promise<never> => {
  throw new Error('not to be called');
};

test('while no engine can be started, the daemon goes on trying', async (t) => {
  const first = engine(1);
  const second = engine(2);
  let attempts = 0;
  const served = new Promise<[EngineLink, boolean]>((resolve) => {
    supervise(first.link, {
      engines: {
        adopt: async () => {
          throw new Error('nothing to adopt');
        },
        start: async () => {
          attempts += 1;
          if (attempts < 3) throw new Error('no memory');
          return second.link;
        },
      },
      memory: () => ({ buffers: 1024, bytes: 2048 }),
      log: pino({ level: 'silent' }),
      signal: new AbortController().signal,
      onEngine: async (link, adopted) => resolve([link, adopted]),
      onNotice: () => {},
    });
  });
  first.die();
  t.deepEqual(await served, [second.link, false]);
  t.is(attempts, 3);
});

test('a daemon that ends stops trying', async (t) => {
  const first = engine(1);
  const ending = new AbortController();
  let attempts = 0;
  supervise(first.link, {
    engines: {
      adopt: unused,
      start: async () => {
        attempts += 1;
        setImmediate(() => ending.abort());
        throw new Error('no memory');
      },
    },
    memory: () => ({ buffers: 1024, bytes: 2048 }),
    log: pino({ level: 'silent' }),
    signal: ending.signal,
    onEngine: unused,
    onNotice: () => {},
  });
  first.die();
  await new Promise((resolve) => setTimeout(resolve, 1500));
  t.is(attempts, 1);
});
