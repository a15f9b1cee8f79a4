/**
 * The listener for zebra's module dplane_fpm_nl: a second source of routes beside the kernel. zebra connects and tells
 * all it has chosen, then what changes; it is told of each route that forwards (RTM_F_OFFLOAD), so that BGP can hold
 * back what does not yet (`bgp suppress-fib-pending`). The bytes are understood in the addon; here are connections
 * and time. One zebra: a new connection takes the place of the one before.
 */
import net, { type AddressInfo, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { MillError, messageOf } from './errors.js';
import type { Logger } from './log.js';
import type { Rib } from './native.js';

export interface FpmOptions {
  readonly host: string;
  readonly port: number;
  /** Seconds that routes stay after zebra has gone, and after it came back without telling them again. */
  readonly grace: number;
  readonly rib: Pick<Rib, 'fpmOpen' | 'fpmTake' | 'fpmSweep' | 'settled' | 'status'>;
  readonly log: Logger;
}

export interface FpmStatus {
  readonly listen: string;
  readonly connected: boolean;
  /** Since when it is connected, or not. */
  readonly since: string;
  readonly routes: number;
}

export interface Fpm {
  /**
   * Resolves when zebra is connected and has paused, so has told all that it has; or in vain after so many milliseconds.
   * For a daemon that takes over an engine: what it does not know when it attaches, the engine forgets.
   */
  caughtUp(limitMs: number): Promise<boolean>;
  status(): FpmStatus;
  stop(): Promise<void>;
}

/** Bytes of acknowledgements that may wait for the engine; with more, zebra is not listened to for a moment. */
const HOLD_BACK = 4 * 1024 * 1024;
/** While the FIB is frozen zebra is listened to all the same. Beyond this it has to tell all again afterwards. */
const MAX_WAITING = 16 * 1024 * 1024;
/** How often a frozen FIB is looked at. */
const LOOK_MS = 200;
/** zebra sends what it has without a pause of that length. */
const PAUSE_MS = 300;

export async function startFpm(options: FpmOptions): Promise<Fpm> {
  const { rib, log, grace } = options;
  let current: Socket | undefined;
  let since = new Date().toISOString();
  let timer: NodeJS.Timeout | undefined;
  let lastHeard: number | undefined;

  const sweepLater = (before: () => void): void => {
    clearTimeout(timer);
    timer = setTimeout(() => {
      before();
      const routes = rib.fpmSweep();
      if (routes > 0) log.warn({ routes, grace }, 'FPM: routes that were not told again went');
    }, grace * 1000);
  };
  const leave = (socket: Socket): void => {
    if (current !== socket) return;
    current = undefined;
    since = new Date().toISOString();
    log.warn({ grace }, 'FPM: the connection is lost; its routes stay for a while');
    sweepLater(() => rib.fpmOpen());
  };
  const welcome = (socket: Socket): void => {
    const before = current;
    current = socket;
    before?.destroy();
    since = new Date().toISOString();
    log.info({ peer: socket.remoteAddress }, 'FPM: zebra is connected');
    rib.fpmOpen();
    sweepLater(() => undefined);
    const acknowledge = acknowledgeTo(socket, options);
    socket.on('data', (bytes: Buffer) => {
      if (current !== socket) return;
      lastHeard = performance.now();
      try {
        acknowledge(rib.fpmTake(bytes));
      } catch (error) {
        log.error({ error: messageOf(error) }, 'FPM: not understood; the connection is closed');
        socket.destroy();
      }
    });
    socket.on('end', () => socket.destroy());
    socket.on('error', () => socket.destroy());
    socket.on('close', () => leave(socket));
  };

  const server = net.createServer({ allowHalfOpen: true }, welcome);
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) =>
      reject(
        new MillError(
          'system',
          `FPM cannot listen on ${options.host}:${options.port}: ${error.message}`,
          'stop what listens there, or name another port: daemon.fpm.listen',
        ),
      ),
    );
    server.listen(options.port, options.host, resolve);
  });
  server.on('error', (error) => log.error({ error: error.message }, 'FPM: the listener failed'));
  const { address, port } = server.address() as AddressInfo;
  const listen = address.includes(':') ? `[${address}]:${port}` : `${address}:${port}`;
  log.info({ listen }, 'FPM: waiting for zebra');
  const hasPaused = (): boolean =>
    current !== undefined && lastHeard !== undefined && performance.now() - lastHeard > PAUSE_MS;
  return {
    caughtUp: async (limitMs) => {
      const until = performance.now() + limitMs;
      while (!hasPaused() && performance.now() < until) await sleep(PAUSE_MS / 10);
      return hasPaused();
    },
    status: () => ({ listen, connected: current !== undefined, since, routes: rib.status().fpmRoutes }),
    stop: async () => {
      clearTimeout(timer);
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      const last = current;
      current = undefined;
      last?.destroy();
      await closed;
    },
  };
}

/** Sends acknowledgements when the engine forwards by what they acknowledge, many at a time, in order. */
function acknowledgeTo(socket: Socket, { rib, log }: FpmOptions): (frames: Buffer) => void {
  const gone = new Promise((resolve) => socket.once('close', resolve));
  let waiting: Buffer[] = [];
  let size = 0;
  let running = false;
  const forwards = (): boolean => {
    const { coupled, synced } = rib.status();
    return coupled && synced;
  };
  /** Resolves when all that the RIB knows now is in force; false when nobody waits for it any more. */
  const inForce = async (): Promise<boolean> => {
    while (!socket.destroyed) {
      const before = forwards();
      await rib.settled();
      if (before && forwards()) return true;
      socket.resume();
      await sleep(LOOK_MS);
    }
    return false;
  };
  const run = async (): Promise<void> => {
    while (size > 0) {
      const frames = waiting;
      const all = size <= MAX_WAITING;
      waiting = [];
      size = 0;
      if (!(await inForce())) return;
      if (!all) {
        log.warn('FPM: too much changed while the FIB was decoupled; zebra is to connect again');
        socket.destroy();
        return;
      }
      if (!socket.write(Buffer.concat(frames)))
        await Promise.race([gone, new Promise((resolve) => socket.once('drain', resolve))]);
      socket.resume();
    }
  };
  return (frames) => {
    if (frames.length === 0) return;
    size += frames.length;
    if (size <= MAX_WAITING) waiting.push(frames);
    else waiting = [];
    if (size > HOLD_BACK && forwards()) socket.pause();
    if (running) return;
    running = true;
    // The RIB refuses to be waited for only when the daemon stops.
    run()
      .catch(() => undefined)
      .finally(() => {
        running = false;
      });
  };
}
