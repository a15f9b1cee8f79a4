import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import type { MillError } from '../../runtime/errors.js';
import { startTime, takeLock } from '../../runtime/lock.js';

function place(): string {
  return join(mkdtempSync(join(tmpdir(), 'netmill-lock-')), 'netmilld.lock');
}

/** Field 22 of proc(5) stat, of a dead process too. */
function startOf(pid: number): string {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  return stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19]!;
}

test('a lock is held while its process lives, and free after its release', (t) => {
  const path = place();
  const lock = takeLock(path);
  t.is(t.throws<MillError>(() => takeLock(path))?.code, 'busy');
  lock.release();
  t.notThrows(() => takeLock(path).release());
});

test('the lock of a process that has gone is taken over', (t) => {
  const path = place();
  writeFileSync(path, '4194305 1\n');
  t.notThrows(() => takeLock(path).release());
});

test('the lock of another process with the same number is taken over', (t) => {
  const path = place();
  writeFileSync(path, `${process.pid} 1\n`);
  t.notThrows(() => takeLock(path).release());
});

test('a dead process that nobody has asked for holds no lock', async (t) => {
  // The shell becomes a program that never waits for the child it had before; then the child may end.
  const parent = spawn('sh', ['-c', 'cat <&3 & echo $!; exec sleep 60'], {
    stdio: ['ignore', 'pipe', 'ignore', 'pipe'],
  });
  t.teardown(() => parent.kill('SIGKILL'));
  const [line] = (await once(parent.stdout!, 'data')) as [Buffer];
  const pid = Number(line.toString());
  const pause = () => new Promise((resolve) => setTimeout(resolve, 10));
  while (!/^sleep/.test(readFileSync(`/proc/${parent.pid}/comm`, 'utf8'))) await pause();
  (parent.stdio[3] as Socket).destroy();
  while (!/\) Z /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'))) {
    await pause();
  }
  const path = place();
  writeFileSync(path, `${pid} ${startOf(pid)}\n`);
  t.is(startTime(pid), '');
  t.notThrows(() => takeLock(path).release());
});
