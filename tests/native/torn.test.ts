/**
 * The daemon dies between two records of a batch (tear.c kills it there): the engine forwards by whole batches alone, address
 * by address, and the next daemon, which writes over what was torn, puts everything right.
 */
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { ExecutionContext } from 'ava';
import type { AuditReport } from '../../runtime/native.js';
import { scaled, systemTest } from '../support/system-test.js';
import { startEngine, type TestEngine } from './engine.js';
import { type Remote, seeded, startAgent } from './remote.js';
import { follow, inPlace, mapInterfaces, type Place } from './scene.js';

const root = fileURLToPath(new URL('../../..', import.meta.url));

interface Tear {
  /** Records of whole batches that the daemon wrote, and records behind them. */
  readonly whole: number;
  readonly torn: number;
  /** Prefixes of the whole batches; `-` in front: deleted. */
  readonly changes: readonly string[];
}

/** Kills the daemon when it has written `ahead` records of what `change` makes it write. */
async function tear(
  { lab, router }: Place,
  engine: TestEngine,
  daemon: Remote,
  ahead: number,
  change: () => Promise<unknown>,
): Promise<Tear> {
  const program = join(lab.directory, 'tear');
  const include = join(root, 'runtime');
  execFileSync('gcc', [
    '-D_GNU_SOURCE',
    '-O2',
    `-I${include}`,
    '-o',
    program,
    join(root, 'tests/native/tear.c'),
  ]);
  await daemon.call('rib', 'settled');
  const pids = [engine.pid, await daemon.call<number>('agent', 'pid')];
  const child = lab.own(router.start(program, [...pids, ahead].map(String), { conversation: true }));
  child.stderr!.pipe(process.stderr);
  const lines = createInterface({ input: child.stdout! });
  const said: string[] = [];
  lines.on('line', (line) => said.push(line));
  await once(lines, 'line');
  await change();
  await once(lines, 'close');
  return JSON.parse(said[1] ?? 'null') as Tear;
}

const prefixes = (count: number): string[] =>
  Array.from({ length: count }, (_, i) => `20.${i >> 8}.${i & 255}.0/24`);

const gateways = async (asker: Remote, all: readonly string[]): Promise<Map<string, string>> => {
  const addresses = all.map((prefix) => prefix.replace('0/24', '1'));
  const said = await asker.call<string[]>('agent', 'compiled', addresses);
  return new Map(all.map((prefix, i) => [prefix, said[i]!]));
};

interface Round {
  readonly all: readonly string[];
  readonly torn: Tear;
  /** Gateway of every prefix before, and of those that whole batches changed. */
  readonly before: string;
  readonly after: string;
}

/** What is left of a round must be whole batches and nothing else; then another daemon takes over. */
async function whole(t: ExecutionContext, place: Place, engine: TestEngine, round: Round): Promise<Remote> {
  const { all, torn, before, after } = round;
  const next = startAgent(place.lab, place.router);
  await next.call('rib', 'start');
  await next.call('agent', 'connect', engine.socket);
  await mapInterfaces(next);
  const changed = new Set(torn.changes.map((change) => change.replace('-', '')));
  const now = await gateways(next, all);
  const wrong = all.filter((prefix) => now.get(prefix) !== (changed.has(prefix) ? after : before));
  t.deepEqual(
    wrong.slice(0, 5),
    [],
    `${wrong.length} prefixes are neither in nor out: ${JSON.stringify({ ...torn, changes: changed.size })}`,
  );
  await next.call('agent', 'attach');
  await next.call('rib', 'settled');
  const report = await next.call<AuditReport>('rib', 'audit');
  t.like(report, { compiled: true, divergences: 0, last: [] }, 'after the next daemon');
  return next;
}

const rounds = 3;
/** Rounds at most until one dies within a batch: on a busy machine the daemon may be done before it is killed. */
const patience = 20;

/** Gateways that the routes had, and have after a round. */
const ways = (round: number) =>
  (round % 2 ? ['10.1.1.2', '10.1.0.2'] : ['10.1.0.2', '10.1.1.2']) as [string, string];

systemTest('a daemon killed within a batch of changes: all of it or none', async (t) => {
  await inPlace(async (place) => {
    const { router } = place;
    const engine = await startEngine(place.lab, router, 'engine');
    const random = seeded(31);
    const all = prefixes(scaled(20_000));
    await router.ip(...all.map((prefix) => `route add ${prefix} via 10.1.0.2`));
    let daemon = await follow(place, engine.socket);
    let torn = 0;
    for (let i = 0; i < rounds || (torn === 0 && i < patience); i++) {
      const [before, after] = ways(i);
      await daemon.call('rib', 'settled');
      await daemon.call('rib', 'decouple'); // what waits comes in the largest batches
      await router.ip(...all.map((prefix) => `route replace ${prefix} via ${after}`));
      const left = await tear(place, engine, daemon, 1 + random(all.length / 2), () =>
        daemon.call('rib', 'couple').catch(() => undefined),
      );
      torn += left.torn;
      daemon = await whole(t, place, engine, { all, torn: left, before, after });
    }
    t.true(torn > 0, 'it never died within a batch');
  });
});

systemTest('a daemon killed while it tells everything anew: no address is without a way', async (t) => {
  await inPlace(async (place) => {
    const { router } = place;
    const engine = await startEngine(place.lab, router, 'engine');
    const random = seeded(32);
    const all = prefixes(scaled(20_000));
    await router.ip(...all.map((prefix) => `route add ${prefix} via 10.1.0.2`));
    let daemon = await follow(place, engine.socket);
    let torn = 0;
    for (let i = 0; i < rounds || (torn === 0 && i < patience); i++) {
      await daemon.call('rib', 'settled');
      daemon.kill();
      const [before, after] = ways(i);
      await router.ip(...all.map((prefix) => `route replace ${prefix} via ${after}`));
      daemon = startAgent(place.lab, router);
      await daemon.call('rib', 'start');
      await daemon.call('agent', 'connect', engine.socket);
      await mapInterfaces(daemon);
      const left = await tear(place, engine, daemon, 1 + random(all.length / 2), () =>
        daemon.call('agent', 'attach').catch(() => undefined),
      );
      torn += left.torn;
      daemon = await whole(t, place, engine, { all, torn: left, before, after });
    }
    t.true(torn > 0, 'it never died within a batch');
  });
});
