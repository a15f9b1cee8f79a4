/** Sets that change at run time, as the daemon keeps them: what is large is done beside the event loop. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test, { type ExecutionContext } from 'ava';
import { pino } from 'pino';
import { noContents } from '../../codegen/sets/contents.js';
import { initialSetFile, setImage } from '../../codegen/sets/image.js';
import { prefixesOf } from '../../codegen/sets/ranges.js';
import { formatPrefix } from '../../dsl/address.js';
import { openUploads } from '../../runtime/control/sets.js';
import type { Bundle } from '../../runtime/deploy/bundle.js';
import type { EngineLink } from '../../runtime/native.js';
import { openSets } from '../../runtime/sets/sets.js';
import { plan } from './fixtures.js';

/** As much of an engine as sets ask for. */
function engine(): Pick<EngineLink, 'putSet' | 'dropSet' | 'sets' | 'readSet'> {
  const held = new Map<string, Buffer>();
  return {
    putSet: async (path) => {
      const image = readFileSync(path);
      held.set(image.toString('latin1', 8, image.indexOf(0, 8)), image);
    },
    dropSet: async (name) => void held.delete(name),
    sets: () => [...held.keys()],
    readSet: (name) => held.get(name),
  };
}

const set = { name: 'blocked', families: [4, 6] as const, origin: 'edge.ts:3:5' };

async function bed(t: ExecutionContext) {
  const dir = mkdtempSync(join(tmpdir(), 'netmill-sets-'));
  const bundle = { dir, plan: { ...plan(), sets: [set] } } as unknown as Bundle;
  writeFileSync(
    join(dir, 'policy.json'),
    JSON.stringify({ version: 3, router: { ports: [], mustReach: [] } }),
  );
  writeFileSync(join(dir, initialSetFile('blocked')), setImage('blocked', noContents, 0));
  const sets = openSets(join(dir, 'sets'), pino({ level: 'silent' }));
  t.teardown(async () => {
    await sets.close();
    rmSync(dir, { recursive: true });
  });
  const link = engine();
  await sets.provide(bundle, link);
  const change = async (action: 'add' | 'delete' | 'replace', upload: number) =>
    sets.change(bundle, { set, action, upload, force: false }, link);
  const held = async () => {
    const contents = await sets.read('blocked', link);
    return [...prefixesOf(contents[4]), ...prefixesOf(contents[6])].map(formatPrefix);
  };
  return { dir, sets, link, change, held };
}

test('what was added, deleted and replaced is held, and written down', async (t) => {
  const { dir, sets, link, change, held } = await bed(t);
  const send = async (upload: number, text: string) => {
    await sets.upload(upload, text);
    return upload;
  };
  t.deepEqual(await change('add', await send(1, '10.0.0.0/9\n2001:db8::/32')), { changed: true, before: 0 });
  await sets.upload(2, '10.128.0.0/9');
  t.deepEqual(await change('add', await send(2, '10.0.0.1')), { changed: true, before: 2 });
  t.deepEqual(await held(), ['10.0.0.0/8', '2001:db8::/32']);
  t.deepEqual(await change('delete', await send(3, '192.0.2.1')), { changed: false, before: 2 });
  await change('delete', await send(4, '::/0'));
  t.deepEqual(await held(), ['10.0.0.0/8']);
  t.deepEqual(readFileSync(join(dir, 'sets', 'blocked.set')), link.readSet('blocked'));
  t.deepEqual(readdirSync(join(dir, 'sets')), ['blocked.set']);
  const some = [0x0a000001n, 0x0b000001n].map((bits) => ({ family: 4 as const, bits }));
  t.deepEqual(prefixesOf((await sets.among('blocked', some, link))[4]).map(formatPrefix), ['10.0.0.1/32']);
});

test('what is wrong changes nothing, and the thread goes on', async (t) => {
  const { sets, change, held } = await bed(t);
  await sets.upload(1, '9.9.9.9');
  await change('add', 1);
  await sets.upload(2, '9.9.9.8\n9.9.9.x');
  await t.throwsAsync(change('add', 2), { message: /a line is wrong/, name: 'MillError' });
  await sets.forget(2);
  await t.throwsAsync(change('add', 2), { message: /not here any more/ });
  t.deepEqual(await held(), ['9.9.9.9/32']);
});

test('lists on their way have numbers, and there are few at a time', async (t) => {
  const { sets } = await bed(t);
  const uploads = openUploads(sets);
  const all = [];
  for (let i = 0; i < 4; i++) all.push(await uploads.add(undefined, '9.9.9.9'));
  t.deepEqual(all, [1, 2, 3, 4]);
  await t.throwsAsync(uploads.add(undefined, '9.9.9.9'), { message: /on their way/ });
  t.is(await uploads.add(2, '9.9.9.8'), 2);
  uploads.take(2);
  t.throws(() => uploads.take(2), { message: /no list 2/ });
  t.is(await uploads.add(undefined, ''), 5);
});

test('while a large set is built, the event loop turns', async (t) => {
  const { sets, change } = await bed(t);
  const lines = Array.from({ length: 200_000 }, (_, i) => `10.${i >> 16}.${(i >> 8) & 255}.${i & 255}`);
  // Every other address: nothing is joined.
  await sets.upload(1, lines.filter((_, i) => i % 2 === 0).join('\n'));
  let turns = 0;
  let done = false;
  const turn = (): void => {
    turns++;
    if (!done) setImmediate(turn);
  };
  setImmediate(turn);
  const changed = await change('replace', 1);
  done = true;
  t.deepEqual(changed, { changed: true, before: 0 });
  t.true(turns > 100, `${turns} turns`);
});
