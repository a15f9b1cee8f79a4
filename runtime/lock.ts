/**
 * One daemon a run directory. The lock file holds "pid start-time"; a process that has gone, or another one that
 * was given its number, does not hold the lock. Taking it is a link(2), which exactly one of several can win.
 */
import { linkSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { errnoOf, MillError } from './errors.js';
import { makeWritable } from './folders.js';

export interface Lock {
  release(): void;
}

/** @throws MillError `busy` when another daemon runs there */
export function takeLock(path: string): Lock {
  mkdirSync(dirname(path), { recursive: true, mode: 0o755 });
  const mine = `${process.pid} ${startTime(process.pid)}\n`;
  const draft = `${path}.${process.pid}`;
  writeFileSync(draft, mine, { mode: 0o644 });
  try {
    for (let attempt = 0; attempt < 10; attempt++) {
      if (tryLink(draft, path)) return { release: () => releaseOwn(path, mine) };
      removeStale(path);
    }
  } finally {
    rmSync(draft, { force: true });
  }
  throw new MillError('busy', `${path} changes hands all the time`, 'try again');
}

function tryLink(draft: string, path: string): boolean {
  try {
    linkSync(draft, path);
    return true;
  } catch (error) {
    if (errnoOf(error) === 'EEXIST') return false;
    throw error;
  }
}

function removeStale(path: string): void {
  const seen = read(path);
  if (seen === undefined) return;
  const holder = holderOf(seen);
  if (holder !== undefined) {
    throw new MillError(
      'busy',
      `netmilld runs already, as process ${holder}`,
      'use another --rundir, or stop that one',
    );
  }
  // Somebody else may have replaced it since: what was moved away is looked at again, and put back if it lives.
  const aside = `${path}.stale.${process.pid}`;
  try {
    renameSync(path, aside);
  } catch {
    return;
  }
  if (read(aside) !== seen) tryLink(aside, path);
  rmSync(aside, { force: true });
}

function releaseOwn(path: string, mine: string): void {
  if (read(path) === mine) rmSync(path, { force: true });
}

function holderOf(content: string): number | undefined {
  const [pid, start] = content.trim().split(' ');
  const number = Number(pid);
  return number > 0 && startTime(number) === start ? number : undefined;
}

function read(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return undefined;
  }
}

/**
 * Clock ticks after boot at which a process started: field 22 of proc(5) stat; '' when there is none. A dead one whose
 * parent has not asked for it (state Z, forever under some containers' first process) is none.
 */
export function startTime(pid: number): string {
  const stat = read(join('/proc', String(pid), 'stat'));
  if (stat === undefined) return '';
  const [state, ...rest] = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return state === 'Z' || state === 'X' ? '' : (rest[18] ?? '');
}

/** The pidfile is for others; the lock is what counts. */
export function writePidfile(path: string): void {
  makeWritable(
    dirname(path),
    'directory of the pidfile',
    'name another one: daemon.pidfile in the policy, or --pidfile FILE',
  );
  const draft = `${path}.${process.pid}`;
  writeFileSync(draft, `${process.pid}\n`, { mode: 0o644 });
  renameSync(draft, path);
}

export function removePidfile(path: string): void {
  if (read(path)?.trim() === String(process.pid)) rmSync(path, { force: true });
}
