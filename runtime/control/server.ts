/** The control socket and, beside it, the read-only one (`<path>.ro`): who may connect, how many, and who may do what. */
import { chmodSync, lstatSync, rmSync } from 'node:fs';
import net, { type Server, type Socket } from 'node:net';
import { MillError } from '../errors.js';
import { type Handler, type Refusal, serveConnection } from './connection.js';
import { encodeFrame } from './frame.js';
import { PROTOCOL_VERSION } from './protocol.js';

export interface ControlServerOptions {
  readonly path: string;
  readonly mode: number;
  /** Of each of the two sockets: whoever may only look cannot keep others out. */
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

/** Clients that were turned away and have not gone yet. */
const MAX_LEAVING = 64;

export async function startControlServer(options: ControlServerOptions): Promise<ControlServer> {
  await requireFree(options.path);
  const stopping = new AbortController();
  const served = { main: new Set<Socket>(), readOnly: new Set<Socket>() };
  const leaving = new Set<Socket>();
  const open = (readOnly: boolean) => (socket: Socket) => {
    const clients = readOnly ? served.readOnly : served.main;
    if (clients.size >= options.maxClients) {
      keep(socket, leaving);
      return turnAway(socket, options.maxClients, leaving.size);
    }
    keep(socket, clients);
    serveConnection({
      socket,
      handler: options.handler,
      refusal: readOnly
        ? { message: 'this is the read-only socket', fix: `use the other one, as root: -s ${options.path}` }
        : refusalOf(socket, options.credentials),
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
      const sockets = [...served.main, ...served.readOnly, ...leaving];
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
): Refusal | undefined {
  const fix = 'run the command as root';
  const fd = (socket as unknown as { _handle?: { fd?: number } })._handle?.fd;
  const own = process.getuid?.() ?? 0;
  try {
    if (fd === undefined || fd < 0) return { message: 'the kernel does not say who you are', fix };
    const { uid } = credentials(fd);
    if (uid === 0 || uid === own) return undefined;
    return { message: `uid ${uid} may look, but not change anything`, fix };
  } catch (error) {
    return { message: `the kernel does not say who you are: ${(error as Error).message}`, fix };
  }
}

function keep(socket: Socket, among: Set<Socket>): void {
  among.add(socket);
  socket.on('close', () => among.delete(socket));
}

/** Says why, and gives the client a second to hear it; where too many do not go, without a word. */
function turnAway(socket: Socket, limit: number, leaving: number): void {
  const error = {
    code: 'busy',
    message: `${limit} clients are connected already`,
    fix: 'close one, or raise maxClients',
  };
  socket.on('error', () => socket.destroy());
  if (leaving > MAX_LEAVING) {
    socket.destroy();
    return;
  }
  // Unread, its request would keep the end of the stream from being seen, and the socket for good.
  socket.resume();
  socket.end(encodeFrame({ v: PROTOCOL_VERSION, id: 0, ok: false, error }));
  const timer = setTimeout(() => socket.destroy(), 1000);
  socket.on('close', () => clearTimeout(timer));
}

/**
 * The socket of a daemon that is gone is in nobody's way.
 *
 * @throws MillError `busy` where somebody listens, `usage` where something else lies
 */
export async function requireFree(path: string): Promise<void> {
  for (const each of [path, `${path}.ro`]) {
    const there = lstatSync(each, { throwIfNoEntry: false });
    if (there === undefined) continue;
    const fix = 'use another one: -s SOCKET, or daemon.socket.path in the policy';
    if (!there.isSocket())
      throw new MillError(
        'usage',
        `control socket ${each}: expected a free path, got what is no socket`,
        fix,
      );
    if (await answers(each))
      throw new MillError('busy', `control socket ${each}: another program listens there`, fix);
  }
}

function answers(path: string): Promise<boolean> {
  const socket = net.connect(path);
  return new Promise<boolean>((resolve) => {
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
  }).finally(() => socket.destroy());
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
