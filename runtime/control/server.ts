/** The control socket and, beside it, the read-only one (`<path>.ro`): who may connect, how many, and who may do what. */
import { chmodSync, rmSync } from 'node:fs';
import net, { type Server, type Socket } from 'node:net';
import { MillError } from '../errors.js';
import { type Handler, serveConnection } from './connection.js';
import { encodeFrame } from './frame.js';
import { PROTOCOL_VERSION } from './protocol.js';

export interface ControlServerOptions {
  readonly path: string;
  readonly mode: number;
  readonly maxClients: number;
  readonly handler: Handler;
  /** SO_PEERCRED of a connected socket's descriptor. */
  readonly credentials: (fd: number) => { readonly uid: number };
  /** Bytes that may wait for one client. */
  readonly maxQueued?: number;
  /** How long a client may leave its answer unread: as long as somebody may read a page of it. */
  readonly stallMs?: number;
}

export interface ControlServer {
  readonly path: string;
  stop(): Promise<void>;
}

/** Anybody on the machine may look: what the read-only socket tells is what `ip route` and `ss` tell. */
const READ_ONLY_MODE = 0o666;

export async function startControlServer(options: ControlServerOptions): Promise<ControlServer> {
  const stopping = new AbortController();
  const sockets = new Set<Socket>();
  const open = (readOnly: boolean) => (socket: Socket) => {
    if (sockets.size >= options.maxClients) return turnAway(socket, options.maxClients);
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    serveConnection({
      socket,
      handler: options.handler,
      refusal: readOnly ? 'this is the read-only socket' : refusalOf(socket, options.credentials),
      maxQueued: options.maxQueued ?? 8 * 1024 * 1024,
      stallMs: options.stallMs ?? 600_000,
      signal: stopping.signal,
    });
  };
  const main = await listen(options.path, options.mode, open(false));
  const readOnly = await listen(`${options.path}.ro`, READ_ONLY_MODE, open(true)).catch(
    async (error: unknown) => {
      await close(main);
      throw error;
    },
  );
  return {
    path: options.path,
    stop: async () => {
      stopping.abort();
      const closing = [close(main), close(readOnly)];
      for (const socket of sockets) socket.destroySoon();
      const timer = setTimeout(() => {
        for (const socket of sockets) socket.destroy();
      }, 500);
      await Promise.all(closing);
      clearTimeout(timer);
    },
  };
}

function refusalOf(
  socket: Socket,
  credentials: (fd: number) => { readonly uid: number },
): string | undefined {
  const fd = (socket as unknown as { _handle?: { fd?: number } })._handle?.fd;
  const own = process.getuid?.() ?? 0;
  try {
    if (fd === undefined || fd < 0) return 'the kernel does not say who you are';
    const { uid } = credentials(fd);
    return uid === 0 || uid === own ? undefined : `uid ${uid} may look, but not change anything`;
  } catch (error) {
    return `the kernel does not say who you are: ${(error as Error).message}`;
  }
}

function turnAway(socket: Socket, limit: number): void {
  const error = {
    code: 'busy',
    message: `${limit} clients are connected already`,
    fix: 'close one, or raise maxClients',
  };
  socket.on('error', () => socket.destroy());
  socket.end(encodeFrame({ v: PROTOCOL_VERSION, id: 0, ok: false, error }));
}

function listen(path: string, mode: number, onSocket: (socket: Socket) => void): Promise<Server> {
  if (Buffer.byteLength(path) > 107) {
    throw new MillError(
      'usage',
      `the socket path has ${Buffer.byteLength(path)} bytes`,
      'use one of at most 107',
    );
  }
  rmSync(path, { force: true });
  const server = net.createServer(onSocket);
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    // Until chmod the daemon's umask holds, which lets nobody else write, and so nobody connect.
    server.listen(path, () => {
      chmodSync(path, mode);
      server.off('error', reject);
      server.on('error', () => undefined);
      resolve(server);
    });
  });
}

function close(server: Server): Promise<void> {
  return new Promise((resolve) => server.close(() => resolve()));
}
