#!/usr/bin/env node
/** netmilld: reads its command line, goes into the background unless told not to, and turns signals into calls. */
import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, openSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { startDaemon } from './daemon.js';
import { type DaemonOptions, parseDaemonOptions, usage } from './daemon-options.js';
import { type ErrorData, errorData, MillError } from './errors.js';
import { exitCodeOf, exits } from './exit-codes.js';
import { createLogger } from './log.js';
import { native } from './native.js';
import { makeRundir, runPaths } from './paths.js';
import { version } from './version.js';

/** Set for the process in the background; it tells its parent by IPC how starting went. */
const CHILD = 'NETMILLD_CHILD';

type Report = { readonly ready: true } | { readonly ready: false; readonly error: ErrorData };

async function main(): Promise<number> {
  const parsed = parseDaemonOptions(process.argv.slice(2), process.cwd());
  if (parsed.kind === 'show') {
    process.stdout.write(parsed.what === 'help' ? usage : `netmilld ${version}\n`);
    return exits.ok;
  }
  const { options } = parsed;
  if (!existsSync(options.source))
    throw new MillError(
      'not-found',
      `${options.source} does not exist`,
      'name a policy file, or the directory of a bundle',
    );
  if (process.getuid?.() !== 0) throw new MillError('permission', 'netmilld needs to be started by root');
  if (options.foreground || process.env[CHILD] !== undefined) return serve(options);
  return daemonise(options);
}

async function serve(options: DaemonOptions): Promise<number> {
  process.umask(0o022);
  const inBackground = process.env[CHILD] !== undefined;
  delete process.env[CHILD];
  const log = createLogger({ verbose: options.verbose });
  const stopping = new AbortController();
  for (const name of ['SIGTERM', 'SIGINT'] as const) process.on(name, () => stopping.abort());
  let reload: () => Promise<void> = async () => undefined;
  process.on('SIGHUP', () => {
    reload().catch((error: unknown) => log.error(errorData(error), 'reload refused: nothing has changed'));
  });
  try {
    const daemon = await startDaemon(options, { native: native(), log, signal: stopping.signal });
    reload = daemon.reload;
    if (inBackground) report({ ready: true });
    await daemon.done;
    return exits.ok;
  } catch (error) {
    if (stopping.signal.aborted) log.info('stopped before it was ready');
    if (stopping.signal.aborted && !inBackground) return exits.ok;
    if (!inBackground) throw error;
    report({ ready: false, error: errorData(error) });
    log.fatal(errorData(error), 'not started');
    return exitCodeOf(errorData(error).code);
  }
}

function report(message: Report): void {
  if (!process.connected) return;
  process.send!(message, () => process.disconnect());
}

/** The same program again, in a session of its own; this one waits until it forwards or has failed. */
function daemonise(options: DaemonOptions): Promise<number> {
  const paths = runPaths(options.rundir);
  makeRundir(paths);
  const logFile = openSync(paths.daemonLog, 'a', 0o640);
  const child = spawn(process.execPath, [fileURLToPath(import.meta.url), ...process.argv.slice(2)], {
    detached: true,
    stdio: ['ignore', logFile, logFile, 'ipc'],
    env: { ...process.env, [CHILD]: '1' },
  });
  let stopped = false;
  // In a session of its own it does not hear of ^C; whoever types that wants no router.
  const stop = (): void => {
    stopped = true;
    child.kill('SIGTERM');
  };
  for (const name of ['SIGTERM', 'SIGINT'] as const) process.on(name, stop);
  return firstReport(child).then((message) => {
    child.unref();
    if (stopped) throw new MillError('unavailable', 'stopped before it was ready');
    if (message === undefined)
      throw new MillError('internal', `netmilld did not start: see ${paths.daemonLog}`);
    if (message.ready) return exits.ok;
    const { code, message: text, fix, details } = message.error;
    throw new MillError(code, text, fix, details);
  });
}

function firstReport(child: ChildProcess): Promise<Report | undefined> {
  return new Promise((resolve) => {
    child.once('message', (message) => resolve(message as Report));
    child.once('exit', () => resolve(undefined));
    child.once('error', () => resolve(undefined));
  });
}

function complain(error: unknown): number {
  const { code, message, fix, details } = errorData(error);
  const lines = [details, `netmilld: ${message}`, fix && `  fix: ${fix}`].filter((line) => line);
  process.stderr.write(`${lines.join('\n')}\n`);
  return exitCodeOf(code);
}

main()
  .catch(complain)
  .then((code) => {
    process.exitCode = code;
    // Handles of the addon must not keep a stopped daemon alive.
    process.exit();
  });
