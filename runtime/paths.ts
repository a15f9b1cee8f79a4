/** Where things are: in the installed package, and below the daemon's run directory. */
import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { MillError } from './errors.js';
import { makeWritable } from './folders.js';

/** The directory with package.json, from sources and from dist/ alike. */
export const packageRoot = findRoot(dirname(fileURLToPath(import.meta.url)));

function findRoot(from: string): string {
  for (let at = from; ; at = dirname(at)) {
    if (existsSync(join(at, 'package.json')) && !at.endsWith('/dist')) return at;
    if (at === dirname(at)) return from;
  }
}

const engineBuild = join(packageRoot, 'runtime', 'engine', 'build');
export const engineBinary = join(engineBuild, 'netmill-engine');

export function toolBinary(tool: string): string {
  return join(engineBuild, `netmill-${tool}`);
}

export const DEFAULT_RUNDIR = '/run/netmill';
export const DEFAULT_SOCKET = `${DEFAULT_RUNDIR}/netmill.sock`;

export interface RunPaths {
  readonly dir: string;
  readonly lock: string;
  readonly engineSocket: string;
  readonly engineLog: string;
  readonly daemonLog: string;
  readonly generations: string;
  /** What sets hold that change at run time. */
  readonly sets: string;
  /** What was changed in the kernel, to be undone. */
  readonly journal: string;
  /** Routes of `netmill route add`. */
  readonly localRoutes: string;
}

export function runPaths(dir: string): RunPaths {
  return {
    dir,
    lock: join(dir, 'netmilld.lock'),
    engineSocket: join(dir, 'engine.sock'),
    engineLog: join(dir, 'engine.log'),
    daemonLog: join(dir, 'netmilld.log'),
    generations: join(dir, 'generations'),
    sets: join(dir, 'sets'),
    journal: join(dir, 'kernel-changes.json'),
    localRoutes: join(dir, 'local-routes.json'),
  };
}

/** sun_path of unix(7), less its end. */
const MAX_SOCKET_PATH = 107;

/** @throws MillError when it cannot be made or written to */
export function makeRundir(paths: RunPaths): void {
  if (Buffer.byteLength(`${paths.dir}/netmill.sock.ro`) > MAX_SOCKET_PATH)
    throw new MillError(
      'usage',
      `run directory ${paths.dir}: its sockets' paths would have more than ${MAX_SOCKET_PATH} bytes`,
      'choose a shorter one: --rundir DIR',
    );
  makeWritable(paths.dir, 'run directory', 'run netmilld as root, or choose another one: --rundir DIR');
}
