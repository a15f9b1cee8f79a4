/** Directories for work under way. They go with its end, also when that is a signal: of a build that somebody stops nothing is left. */
import { mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const inUse = new Set<string>();
const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

export function makeScratch(name: string): string {
  // First: without a listener a signal ends the process at any instant, also between the next two lines.
  if (inUse.size === 0) listen();
  try {
    const directory = realpathSync(mkdtempSync(join(tmpdir(), `netmill-${name}-`)));
    inUse.add(directory);
    return directory;
  } finally {
    if (inUse.size === 0) ignore();
  }
}

export function removeScratch(directory: string): void {
  // A C compiler that is being stopped may still write there.
  rmSync(directory, { recursive: true, force: true, maxRetries: 5, retryDelay: 20 });
  inUse.delete(directory);
  if (inUse.size === 0) ignore();
}

function listen(): void {
  process.on('exit', removeAll);
  for (const signal of signals) process.on(signal, end);
}

function ignore(): void {
  process.off('exit', removeAll);
  for (const signal of signals) process.off(signal, end);
}

function removeAll(): void {
  for (const directory of [...inUse]) removeScratch(directory);
}

function end(signal: NodeJS.Signals): void {
  ignore();
  try {
    removeAll();
  } catch {
    // The signal counts; what could not be removed stays.
  }
  // Who listens, too, says how it ends; otherwise the signal does what it does without a listener.
  if (process.listenerCount(signal) === 0) process.kill(process.pid, signal);
}
