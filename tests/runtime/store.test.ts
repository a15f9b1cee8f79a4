/** Bundles as they were built, and generations as they are kept. */
import { readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import test from 'ava';
import { readBundle } from '../../runtime/deploy/bundle.js';
import { openStore } from '../../runtime/deploy/store.js';
import { MillError } from '../../runtime/errors.js';
import { scratch, writeBundle } from './fixtures.js';

test('a bundle whose code is not its manifest’s is refused', (t) => {
  const dir = writeBundle(join(scratch(t), 'b'));
  writeFileSync(join(dir, 'fwd-1-x.so'), 'other code');
  t.throws(() => readBundle(dir), { instanceOf: MillError, message: /not what its manifest describes/ });
});

test('a directory that is no bundle is refused', (t) => {
  t.throws(() => readBundle(scratch(t)), { instanceOf: MillError, message: /no bundle: .* is missing/ });
});

test('a bundle without its code is refused', (t) => {
  const dir = writeBundle(join(scratch(t), 'b'));
  rmSync(join(dir, 'fwd-1-x.so'));
  t.throws(() => readBundle(dir), { instanceOf: MillError, message: /fwd-1-x.so is missing/ });
});

test('a manifest of another shape is refused in one line', (t) => {
  const dir = writeBundle(join(scratch(t), 'b'));
  writeFileSync(join(dir, 'forwarder.json'), '{"version":3}');
  const error = t.throws<MillError>(() => readBundle(dir));
  t.regex(error?.message ?? '', /is no manifest of this netmill: abi: .* \(and \d+ more\)$/);
});

test('a manifest that was edited after the build is refused', (t) => {
  const path = join(writeBundle(join(scratch(t), 'b')), 'forwarder.json');
  writeFileSync(path, readFileSync(path, 'utf8').replace('"spec": "xdp:', '"spec": "pipe:'));
  const error = t.throws<MillError>(() => readBundle(join(path, '..')));
  t.regex(error?.message ?? '', /it was changed after the build: its digest is [0-9a-f]{64}, not /);
  t.regex(error?.fix ?? '', /build the policy again/);
});

test('numbers of generations only grow, whatever was removed', (t) => {
  const dir = scratch(t);
  const bundle = readBundle(writeBundle(join(dir, 'b')));
  const store = openStore(join(dir, 'generations'));
  const number = store.nextNumber([]);
  store.add(bundle, { generation: number, source: '/x', builtAt: '', gateways: {} });
  store.remove(number);
  t.is(openStore(join(dir, 'generations')).nextNumber([]), number + 1);
  t.is(openStore(join(dir, 'generations')).nextNumber([41]), 42);
});

test('what is half written is no generation', (t) => {
  const dir = scratch(t);
  const store = openStore(dir);
  writeBundle(join(dir, '.draft-3'));
  writeBundle(join(dir, '4'));
  t.is(store.find(4), undefined);
  t.deepEqual(store.records(), []);
});

test('what does not fit on the disk leaves nothing behind', (t) => {
  const dir = scratch(t);
  const store = openStore(join(dir, 'generations'));
  const bundle = readBundle(writeBundle(join(dir, 'b')));
  const files = [...bundle.files, 'missing'];
  const record = { generation: 7, source: dir, builtAt: new Date().toISOString(), gateways: {} };
  const error = t.throws<MillError>(() => store.add({ ...bundle, files }, record));
  t.is(error?.code, 'system');
  t.regex(error?.message ?? '', /cannot be kept in .*generations: ENOENT/);
  t.deepEqual(readdirSync(join(dir, 'generations')), []);
});
