/**
 * The engine as a process: found running, started detached, or started to adopt a dead one's descriptors. The
 * engine outlives the daemon on purpose, so it is no child in the usual sense: own session, own log file.
 */

import { spawn } from 'node:child_process';
import { closeSync, openSync, writeFileSync } from 'node:fs';
import { setPriority } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { errnoOf, MillError, messageOf } from './errors.js';
import type { EngineLink, Native } from './native.js';
import type { PacketMemory } from './packet-memory.js';
import { engineBinary, type RunPaths } from './paths.js';

export interface EngineProcesses {
  /** The engine that listens in the run directory; undefined: none does. */
  find(): Promise<EngineLink | undefined>;
  start(signal: AbortSignal, memory: PacketMemory): Promise<EngineLink>;
  /**
   * A new engine goes on with what `dead` held: ports, FIB, generations.
   * @param without a generation that it is not to have: it goes on with the one before
   * @throws EngineKilled when that one died, too
   */
  adopt(dead: EngineLink, signal: AbortSignal, without?: number): Promise<EngineLink>;
}

/** An engine that began and was ended by a signal: SIGSEGV of what it runs, the OOM killer, somebody. */
export class EngineKilled extends MillError {}

export interface EngineProcessOptions {
  readonly native: Pick<Native, 'connectEngine'>;
  readonly paths: RunPaths;
  /** Another program than the package's, for tests. */
  readonly binary?: string;
}

/** nice(2) of the engine. */
const ENGINE_NICE = -15;
const START_TIMEOUT_MS = 5_000;
const END_MS = 500;
const notListening: ReadonlySet<string> = new Set(['ENOENT', 'ECONNREFUSED']);
/** It waits to adopt; and it is going. */
const orphaned: ReadonlySet<string> = new Set(['EAGAIN', 'ECONNRESET']);

export function engineProcesses(options: EngineProcessOptions): EngineProcesses {
  const { native, paths } = options;
  const binary = options.binary ?? engineBinary;
  return {
    find: async () => {
      const deadline = performance.now() + START_TIMEOUT_MS;
      for (;;) {
        try {
          return await native.connectEngine(paths.engineSocket);
        } catch (error) {
          if (notListening.has(errnoOf(error))) return undefined;
          // A daemon died before this engine could adopt: now that it has been asked in vain, it goes.
          const goes = orphaned.has(errnoOf(error)) && performance.now() < deadline;
          if (!goes)
            throw new MillError(
              'engine',
              `an engine listens on ${paths.engineSocket}, but: ${messageOf(error)}`,
            );
          await sleep(1);
        }
      }
    },
    start: async (signal, { buffers, bytes }) => {
      const child = launch(
        binary,
        ['--rundir', paths.dir, '--buffers', String(buffers), '--buffer-bytes', String(bytes)],
        paths,
      );
      return untilListening(child, paths, signal, () => native.connectEngine(paths.engineSocket));
    },
    adopt: async (dead, signal, without) => {
      const child = launch(binary, ['--rundir', paths.dir, '--adopt'], paths);
      return untilListening(child, paths, signal, () => dead.adoptInto(paths.engineSocket, without));
    },
  };
}

interface Launched {
  readonly pid: number;
  /** Why it is gone; undefined while it runs. */
  readonly ended: () => { readonly why: string; readonly killed: boolean } | undefined;
}

function launch(binary: string, args: readonly string[], paths: RunPaths): Launched {
  const log = openSync(paths.engineLog, 'a', 0o640);
  let ended: ReturnType<Launched['ended']>;
  try {
    const child = spawn(binary, args, { detached: true, stdio: ['ignore', log, log], cwd: '/' });
    child.on('error', (error) => {
      ended = { why: error.message, killed: false };
    });
    child.on('exit', (code, by) => {
      ended =
        by === null
          ? { why: `it exited with code ${code}`, killed: false }
          : { why: `it was ended by ${by}`, killed: true };
    });
    child.unref();
    raisePriority(child.pid);
    return { pid: child.pid ?? 0, ended: () => ended };
  } finally {
    closeSync(log);
  }
}

/** Workers, which inherit it, go before builds and whatever else the machine does: packets do not wait. */
function raisePriority(pid: number | undefined): void {
  try {
    if (pid === undefined) return;
    setPriority(pid, ENGINE_NICE);
    // Where the kernel groups by session (sched(7), autogroup), what counts between sessions is the group's.
    writeFileSync(`/proc/${pid}/autogroup`, String(ENGINE_NICE));
  } catch {
    // It has ended already, which is told elsewhere; or priorities are not ours to give, as in a container.
  }
}

/** Tries until the socket answers: about a millisecond between tries, since a dead engine forwards nothing. */
async function untilListening(
  child: Launched,
  paths: RunPaths,
  signal: AbortSignal,
  connect: () => Promise<EngineLink>,
): Promise<EngineLink> {
  const deadline = performance.now() + START_TIMEOUT_MS;
  for (;;) {
    try {
      const link = await connect();
      // A dying engine may still have answered on the old socket.
      if (link.pid === child.pid || child.pid === 0) return link;
      link.release();
    } catch (error) {
      if (!notListening.has(errnoOf(error))) {
        await untilEnded(child);
        const reset = errnoOf(error) === 'ECONNRESET';
        if (!reset || child.ended() === undefined) throw notStarted(messageOf(error), paths);
      }
    }
    const ended = child.ended();
    if (ended !== undefined) throw notStarted(ended.why, paths, ended.killed ? EngineKilled : MillError);
    if (performance.now() > deadline)
      throw new MillError('engine', 'the engine does not answer', `see ${paths.engineLog}`);
    await sleep(1, undefined, { signal });
  }
}

/** The end of a process is seen a moment after that of its socket, and its memory and ports are free then. */
async function untilEnded(child: Launched): Promise<void> {
  const deadline = performance.now() + END_MS;
  while (child.ended() === undefined && performance.now() < deadline) await sleep(1);
}

function notStarted(why: string, paths: RunPaths, Kind = MillError): MillError {
  return new Kind('engine', `the engine does not start: ${why}`, `see ${paths.engineLog}`);
}
