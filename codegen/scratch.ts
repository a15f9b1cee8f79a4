/** Directories for work under way. They go with its end, also when that is a signal: of a build that somebody stops nothing is left. */
import { mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const inUse = new Set<string>();
const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

export function makeScratch(name: string): string {
  const directory = realpathSync(mkdtempSync(join(tmpdir(), `netmill-${name}-`)));
  if (inUse.size === 0) {
    process.on('exit', removeAll);
    for (const signal of signals) process.on(signal, end);
  }
  inUse.add(directory);
  return directory;
}

export function removeScratch(directory: string): void {
  rmSync(directory, { recursive: true, force: true });
  inUse.delete(directory);
  if (inUse.size > 0) return;
  process.off('exit', removeAll);
  for (const signal of signals) process.off(signal, end);
}

function removeAll(): void {
  for (const directory of [...inUse]) removeScratch(directory);
}

function end(signal: NodeJS.Signals): void {
  removeAll();
  // Who listens, too, says how it ends; otherwise the signal does what it does without a listener.
  if (process.listenerCount(signal) === 0) process.kill(process.pid, signal);
}
