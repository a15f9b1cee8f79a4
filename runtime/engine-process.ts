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
  /** A new engine goes on with what `dead` held: ports, FIB, generations. */
  adopt(dead: EngineLink, signal: AbortSignal): Promise<EngineLink>;
}

export interface EngineProcessOptions {
  readonly native: Pick<Native, 'connectEngine'>;
  readonly paths: RunPaths;
  /** Another program than the package's, for tests. */
  readonly binary?: string;
}

/** nice(2) of the engine. */
const ENGINE_NICE = -15;
const START_TIMEOUT_MS = 5_000;
const notListening: ReadonlySet<string> = new Set(['ENOENT', 'ECONNREFUSED']);

export function engineProcesses(options: EngineProcessOptions): EngineProcesses {
  const { native, paths } = options;
  const binary = options.binary ?? engineBinary;
  return {
    find: async () => {
      try {
        return await native.connectEngine(paths.engineSocket);
      } catch (error) {
        if (notListening.has(errnoOf(error))) return undefined;
        throw new MillError('engine', `an engine listens on ${paths.engineSocket}, but: ${messageOf(error)}`);
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
    adopt: async (dead, signal) => {
      const child = launch(binary, ['--rundir', paths.dir, '--adopt'], paths);
      return untilListening(child, paths, signal, () => dead.adoptInto(paths.engineSocket));
    },
  };
}

interface Launched {
  readonly pid: number;
  /** Why it is gone; undefined while it runs. */
  readonly ended: () => string | undefined;
}

function launch(binary: string, args: readonly string[], paths: RunPaths): Launched {
  const log = openSync(paths.engineLog, 'a', 0o640);
  let ended: string | undefined;
  try {
    const child = spawn(binary, args, { detached: true, stdio: ['ignore', log, log], cwd: '/' });
    child.on('error', (error) => {
      ended = error.message;
    });
    child.on('exit', (code, by) => {
      ended = by === null ? `it exited with code ${code}` : `it was ended by ${by}`;
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
        throw new MillError(
          'engine',
          `the engine does not start: ${messageOf(error)}`,
          `see ${paths.engineLog}`,
        );
      }
    }
    const ended = child.ended();
    if (ended !== undefined)
      throw new MillError('engine', `the engine does not start: ${ended}`, `see ${paths.engineLog}`);
    if (performance.now() > deadline)
      throw new MillError('engine', 'the engine does not answer', `see ${paths.engineLog}`);
    await sleep(1, undefined, { signal });
  }
}
