/**
 * The daemon's one composition root: every part is made here, from named dependencies, in the order in which it is
 * needed, and stopped in the reverse order. Nothing that matters is only in memory: after a SIGKILL the next daemon
 * finds the engine running, its generation's manifest in the run directory, and what was changed in the kernel in
 * the journal.
 */
import { logAudit } from './audit-log.js';
import { controlFib } from './control/fib-control.js';
import { createHandler } from './control/handlers.js';
import { requireFree, startControlServer } from './control/server.js';
import { type Core, composeCore } from './core.js';
import type { DaemonOptions } from './daemon-options.js';
import { type BuildPolicy, buildInChild } from './deploy/build.js';
import type { Bundle } from './deploy/bundle.js';
import type { Plan } from './deploy/plan.js';
import { withBundle } from './deploy/source.js';
import { type GenerationStore, openStore } from './deploy/store.js';
import { type EngineProcesses, engineProcesses } from './engine-process.js';
import { messageOf } from './errors.js';
import { type Fpm, startFpm } from './fpm.js';
import { removePidfile, takeLock, writePidfile } from './lock.js';
import type { Logger } from './log.js';
import type { EngineLink, Native, Rib } from './native.js';
import { packetMemory } from './packet-memory.js';
import { makeRundir, type RunPaths, runPaths } from './paths.js';
import { watchRules } from './rule-log.js';
import { version } from './version.js';
import { watchEngine } from './watch.js';

export interface DaemonDependencies {
  readonly native: Native;
  readonly log: Logger;
  /** Aborted: stop, and hand the ports back. */
  readonly signal: AbortSignal;
}

export interface Daemon {
  readonly generation: number;
  readonly socket: string;
  /** SIGHUP. */
  reload(): Promise<void>;
  /** Resolves when everything has stopped. */
  readonly done: Promise<void>;
}

/** What has been started, to be stopped the other way round. */
type Stop = () => void | Promise<void>;

const RECEIVE_BUFFER = 128 * 1024 * 1024;
/** zebra tries to connect every three seconds. */
const FPM_WAIT_MS = 5000;

export async function startDaemon(options: DaemonOptions, dependencies: DaemonDependencies): Promise<Daemon> {
  const { log } = dependencies;
  const stops: Stop[] = [];
  const stopAll = async (): Promise<void> => {
    for (const stop of stops.reverse().splice(0)) {
      await Promise.resolve()
        .then(stop)
        .catch((error: unknown) => log.error({ error: messageOf(error) }, 'while stopping'));
    }
  };
  try {
    return await compose(options, dependencies, stops, stopAll);
  } catch (error) {
    await stopAll();
    throw error;
  }
}

interface Startup {
  readonly stops: Stop[];
  readonly stopAll: () => Promise<void>;
  readonly paths: RunPaths;
  readonly store: GenerationStore;
  readonly engines: EngineProcesses;
  /** The engine that runs already. */
  readonly found: EngineLink | undefined;
  /** What is to run: the found engine's generation, else the one to deploy. */
  readonly bundle: Bundle;
  /** Of the bundle that was made; undefined: the found engine's generation is known and goes on. */
  readonly number: number | undefined;
}

/** Finds out what there is, and builds what is missing, before anything is started or changed. */
async function compose(
  options: DaemonOptions,
  dependencies: DaemonDependencies,
  stops: Stop[],
  stopAll: () => Promise<void>,
): Promise<Daemon> {
  const { native, log, signal } = dependencies;
  const paths = runPaths(options.rundir);
  makeRundir(paths);
  const lock = takeLock(paths.lock);
  stops.push(() => lock.release());
  const store = openStore(paths.generations);
  const engines = engineProcesses({ native, paths });
  const found = await engines.find();
  const known = found === undefined || found.running === 0 ? undefined : store.find(found.running);
  const common = { stops, stopAll, paths, store, engines, found };
  if (known !== undefined) {
    return run(options, dependencies, { ...common, bundle: known.bundle, number: undefined });
  }
  const number = store.nextNumber(found === undefined ? [] : [found.running, ...found.retained]);
  const onStep = (step: string): void => log.info(step);
  const build: BuildPolicy = (request) => buildInChild({ ...request, starting: true });
  return withBundle({ source: options.source, number, build, signal, onStep }, (bundle) =>
    run(options, dependencies, { ...common, bundle, number }),
  );
}

/** The order of life: RIB, engine, generation, what looks at it, control socket. */
async function run(
  options: DaemonOptions,
  { native, log, signal }: DaemonDependencies,
  startup: Startup,
): Promise<Daemon> {
  const { stops, store, found, bundle } = startup;
  const startedAt = new Date();
  const settings = bundle.plan.daemon;
  const socket = options.socket ?? settings.socket.path;
  await requireFree(socket);
  const rib = startRib(native, settings, log);
  stops.push(() => rib.stop());
  const first = found ?? (await startup.engines.start(signal, packetMemory(bundle.plan)));
  const running = { engine: first.pid, generation: first.running };
  log.info(running, found ? 'engine found running' : 'engine started');

  const core = composeCore({ ...startup, native, rib, first, log, signal });
  const { link, deployer, localRoutes, sets } = core;
  // An engine that was started here goes when the first deploy fails; one that was found goes on as it was.
  let ready = false;
  stops.push(() => core.stop(found === undefined || ready));
  const fpm = await takeOver(options, startup, core, rib, log);
  const sayRules = watchRules(rib, log);
  rib.onLinks(() => {
    core.refresh();
    sayRules();
  });
  core.refresh();
  const watch = watchEngine(deployer, link, log);
  stops.push(() => watch.stop());

  const asked = new AbortController();
  const server = await startControlServer({
    path: socket,
    mode: settings.socket.mode,
    maxClients: settings.maxClients,
    handler: createHandler({
      version,
      startedAt,
      link,
      rib,
      kernel: native.kernel,
      fib: controlFib(rib, fpm),
      localRoutes,
      sets,
      deployer,
      store,
      rates: watch.rates,
      recentEvents: watch.recentEvents,
      // The answer goes out first.
      shutdown: () => setTimeout(() => asked.abort(), 50),
      log,
    }),
    credentials: native.peerCredentials,
  });
  stops.push(() => server.stop());
  const pidfile = options.pidfile ?? settings.pidfile;
  writePidfile(pidfile);
  stops.push(() => removePidfile(pidfile));
  ready = true;
  log.info({ socket, generation: link().running }, 'ready');

  const done = aborted(AbortSignal.any([signal, asked.signal])).then(async () => {
    log.info('stopping');
    await startup.stopAll();
    log.info('stopped');
  });
  const reload = async (): Promise<void> => {
    const source = deployer.active?.record.source ?? options.source;
    await deployer.deploy(source, (step) => log.debug(step));
  };
  return { generation: link().running, socket, reload, done };
}

function startRib(native: Native, settings: Plan['daemon'], log: Logger): Rib {
  const rib = native.createRib({
    receiveBuffer: RECEIVE_BUFFER,
    arpMaxTries: settings.arpMaxTries,
    audit: settings.audit,
    tables: settings.tables,
  });
  rib.onAudit((report) => logAudit(log, report));
  rib.start();
  return rib;
}

/** The running generation is taken over as it is, or the bundle is deployed. Gives the FPM listener, where the policy wants one. */
async function takeOver(
  options: DaemonOptions,
  { stops, bundle, number }: Startup,
  { link, deployer, localRoutes }: Core,
  rib: Rib,
  log: Logger,
): Promise<Fpm | undefined> {
  const first = link();
  const settings = bundle.plan.daemon;
  // A RIB that does not know the interfaces yet would send everything by the kernel for a moment.
  const resumed = number === undefined && (await deployer.resume(first.running));
  localRoutes.apply();
  const fpm = settings.fpm && (await startFpm({ ...settings.fpm, rib, log }));
  if (fpm) stops.push(() => fpm.stop());
  if (resumed && fpm && !(await fpm.caughtUp(FPM_WAIT_MS)))
    log.warn('FPM: zebra has not come back; its routes are the kernel’s until it has');
  rib.attach(first);
  if (resumed) log.info({ generation: first.running }, 'running generation taken over as it is');
  else await deployer.deploy(options.source, (step) => log.info(step), { dir: bundle.dir, number });
  return fpm;
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
