/**
 * The daemon's one composition root: every part is made here, from named dependencies, in the order in which it is
 * needed, and stopped in the reverse order. Nothing that matters is only in memory: after a SIGKILL the next daemon
 * finds the engine running, its generation's manifest in the run directory, and what was changed in the kernel in
 * the journal.
 */
import { mkdirSync } from 'node:fs';
import { logAudit } from './audit-log.js';
import type { Handler } from './control/connection.js';
import { controlFib } from './control/fib-control.js';
import { createHandler } from './control/handlers.js';
import { openLocalRoutes } from './control/local-routes.js';
import { startControlServer } from './control/server.js';
import type { DaemonOptions } from './daemon-options.js';
import { buildInChild } from './deploy/build.js';
import type { Bundle } from './deploy/bundle.js';
import { createDeployer, type Deployer, withBundle } from './deploy/deployer.js';
import { type GenerationStore, openStore } from './deploy/store.js';
import { type EngineProcesses, engineProcesses } from './engine-process.js';
import { messageOf } from './errors.js';
import { startFpm } from './fpm.js';
import { keepInterfaces } from './interfaces.js';
import { openJournal } from './journal.js';
import { removePidfile, takeLock, writePidfile } from './lock.js';
import type { Logger } from './log.js';
import { followEvents, type SlotNames } from './log-events.js';
import { openSyslog } from './log-syslog.js';
import type { EngineLink, Native } from './native.js';
import { buffersFor } from './packet-memory.js';
import { type RunPaths, runPaths } from './paths.js';
import { followRates, type Sample } from './rates.js';
import { supervise } from './supervisor.js';
import { version } from './version.js';

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
  mkdirSync(paths.dir, { recursive: true, mode: 0o755 });
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
  return withBundle({ source: options.source, number, build: buildInChild, signal, onStep }, (bundle) =>
    run(options, dependencies, { ...common, bundle, number }),
  );
}

async function run(
  options: DaemonOptions,
  { native, log, signal }: DaemonDependencies,
  { stops, stopAll, paths, store, engines, found, bundle, number }: Startup,
): Promise<Daemon> {
  const startedAt = new Date();
  const settings = bundle.plan.daemon;
  // Ends the loops that read the engine; the parts that change something stop one by one.
  const reading = new AbortController();
  const rib = native.createRib({
    receiveBuffer: RECEIVE_BUFFER,
    arpMaxTries: settings.arpMaxTries,
    audit: settings.audit,
    tables: settings.tables,
  });
  rib.onAudit((report) => logAudit(log, report));
  rib.start();
  stops.push(() => rib.stop());

  const first = found ?? (await engines.start(signal, buffersFor(bundle.plan)));
  log.info(
    { engine: first.pid, generation: first.running },
    found ? 'engine found running' : 'engine started',
  );

  const interfaces = keepInterfaces({ kernel: native.kernel, rib, journal: openJournal(paths.journal), log });
  const supervisor = supervise(first, {
    engines,
    buffers: () => buffersFor(deployer.active?.bundle.plan ?? bundle.plan),
    log,
    signal,
    onEngine: (link, adopted) => serveEngine(link, adopted),
    onNotice: (notice) => {
      if (notice.kind === 'resolve') resolveNeighbour(notice.interface, notice.address);
      else refresh();
    },
    onCrashLoop: (generation) => giveUp(generation),
  });
  const link = (): EngineLink => supervisor.link;
  const deployer = createDeployer({
    native,
    rib,
    store,
    interfaces,
    build: buildInChild,
    link,
    log,
    signal,
  });

  const localRoutes = openLocalRoutes({ path: paths.localRoutes, rib, log });
  const refresh = (): void => {
    localRoutes.apply();
    deployer
      .refresh()
      .catch((error: unknown) => log.warn({ error: messageOf(error) }, 'interfaces not refreshed'));
  };
  const resolveNeighbour = (slot: number, address: string): void => {
    const ifindex = ifindexOfSlot(slot, deployer, rib, link());
    if (ifindex !== undefined) rib.resolve(ifindex, address);
  };
  const serveEngine = async (next: EngineLink, adopted: boolean): Promise<void> => {
    rib.attach(next);
    const source = deployer.active?.bundle.dir;
    if (adopted) await deployer.refresh();
    else if (source !== undefined) await deployer.deploy(source, () => undefined);
  };
  const giveUp = async (generation: number): Promise<void> => {
    log.error({ generation }, 'the engine died twice within a minute: rolling back');
    await deployer
      .rollback(undefined, `the engine died twice within a minute with generation ${generation}`)
      .catch((error: unknown) => log.error({ error: messageOf(error) }, 'rollback failed'));
  };

  // An engine that was started here goes when the first deploy fails; one that was found goes on as it was.
  let ready = false;
  stops.push(async () => {
    supervisor.letGo();
    await deployer.idle();
    rib.attach(undefined);
    if (found !== undefined && !ready) return link().release();
    await link()
      .stop()
      .catch((error: unknown) => log.error({ error: messageOf(error) }, 'the engine did not stop cleanly'));
    link().release();
    interfaces.restore();
  });
  // A RIB that does not know the interfaces yet would send everything by the kernel for a moment.
  const resumed = number === undefined && (await deployer.resume(first.running));
  localRoutes.apply();
  const fpm = settings.fpm && (await startFpm({ ...settings.fpm, rib, log }));
  if (fpm) stops.push(() => fpm.stop());
  if (resumed && fpm && !(await fpm.caughtUp(FPM_WAIT_MS)))
    log.warn('FPM: zebra has not come back; its routes are the kernel’s until it has');
  rib.attach(first);
  if (resumed) log.info({ generation: first.running }, 'running generation taken over as it is');
  else {
    await deployer.deploy(options.source, (step) => log.info(step), { dir: bundle.dir, number });
  }
  rib.onLinks(refresh);
  refresh();

  const syslog = openSyslog({
    path: '/dev/log',
    tag: 'netmilld',
    fallback: (line, severity) => log.info({ severity }, line),
  });
  const events = followEvents({
    state: () => link().state,
    names: slotNames(deployer, link),
    syslog,
    signal: reading.signal,
  });
  const rates = followRates({ read: () => readTraffic(deployer, link()), signal: reading.signal });
  stops.push(async () => {
    reading.abort();
    await Promise.all([events.done, rates.done]);
    await syslog.stop();
  });

  const asked = new AbortController();
  const handler: Handler = createHandler({
    version,
    startedAt,
    link,
    rib,
    fib: controlFib(rib, fpm),
    localRoutes,
    deployer,
    store,
    rates,
    recentEvents: events.recent,
    // The answer goes out first.
    shutdown: () => setTimeout(() => asked.abort(), 50),
    log,
  });
  const socket = options.socket ?? settings.socket.path;
  const server = await startControlServer({
    path: socket,
    mode: settings.socket.mode,
    maxClients: settings.maxClients,
    handler,
    credentials: native.peerCredentials,
  });
  stops.push(() => server.stop());

  const pidfile = options.pidfile ?? settings.pidfile;
  writePidfile(pidfile);
  stops.push(() => removePidfile(pidfile));
  ready = true;
  log.info({ socket, generation: link().running }, 'ready');

  const stopping = AbortSignal.any([signal, asked.signal]);
  const done = aborted(stopping).then(async () => {
    log.info('stopping');
    await stopAll();
    log.info('stopped');
  });
  const reload = async (): Promise<void> => {
    const source = deployer.active?.record.source ?? options.source;
    await deployer.deploy(source, (step) => log.debug(step));
  };
  return { generation: link().running, socket, reload, done };
}

function ifindexOfSlot(
  slot: number,
  deployer: Deployer,
  rib: { links(): readonly { readonly name: string; readonly ifindex: number }[] },
  link: EngineLink,
): number | undefined {
  const faces = deployer.active?.faces ?? new Map<string, { device: string }>();
  for (const [name, face] of faces) {
    if (link.state.interfaceSlot(name) !== slot) continue;
    return rib.links().find((l) => l.name === face.device)?.ifindex;
  }
  return undefined;
}

function slotNames(deployer: Deployer, link: () => EngineLink): SlotNames {
  return {
    rule: (slot) => {
      const at = link().runningConfiguration().ruleSlots.indexOf(slot);
      const rule = deployer.active?.bundle.plan.rules[at];
      if (rule === undefined) return { id: `slot ${slot}`, action: 'matched', origin: 'a generation before' };
      return { id: rule.name ?? rule.text, action: rule.action, origin: rule.origin };
    },
    interface: (slot) => {
      const plan = deployer.active?.bundle.plan;
      return (
        plan?.interfaces.find((i) => link().state.interfaceSlot(i.name) === slot)?.name ?? `slot ${slot}`
      );
    },
  };
}

function readTraffic(deployer: Deployer, link: EngineLink): ReadonlyMap<string, Sample> {
  const samples = new Map<string, Sample>();
  const { state } = link;
  const plan = deployer.active?.bundle.plan;
  for (const { name } of plan?.ports ?? []) {
    const port = state.port(state.portSlot(name));
    samples.set(`port ${name} rx`, { packets: port.rxPackets, bytes: port.rxBytes });
    samples.set(`port ${name} tx`, { packets: port.txPackets, bytes: port.txBytes });
  }
  for (const { name } of plan?.interfaces ?? []) {
    const counters = state.interfaceCounters(state.interfaceSlot(name));
    samples.set(`interface ${name} rx`, counters.rx);
    samples.set(`interface ${name} tx`, counters.tx);
  }
  return samples;
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener('abort', () => resolve(), { once: true });
  });
}
