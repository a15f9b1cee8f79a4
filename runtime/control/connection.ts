/**
 * One client of the control socket. Replies are queued in the socket's own buffer; a client that lets it grow
 * beyond `maxQueued` bytes, or that does not drain it for `stallMs`, is disconnected. Nobody ever waits for it
 * but the handler of its own request; of one that asks without end, others have their turn after each answer.
 */
import type { Socket } from 'node:net';
import { setImmediate as othersFirst } from 'node:timers/promises';
import { type ErrorData, errorData, MillError } from '../errors.js';
import { encodeFrame, FrameReader, MAX_REQUEST } from './frame.js';
import {
  needsPrivilege,
  PROTOCOL_VERSION,
  parseRequest,
  type Reply,
  type Request,
  type RequestBody,
} from './protocol.js';

/** What a handler may do with the request that it answers. */
export interface Exchange {
  readonly signal: AbortSignal;
  /** Resolves when the client has room for the next part. @throws when the client is gone or too slow */
  part(value: unknown): Promise<void>;
  progress(text: string): void;
}

export type Handler = (body: RequestBody, exchange: Exchange) => Promise<unknown>;

export interface Refusal {
  readonly message: string;
  readonly fix: string;
}

export interface ConnectionOptions {
  readonly socket: Socket;
  readonly handler: Handler;
  /** Why this client may not do what needs a privilege, and what to do; undefined: it may. */
  readonly refusal: Refusal | undefined;
  readonly maxQueued: number;
  readonly stallMs: number;
  readonly signal: AbortSignal;
}

/** Requests of one client that may wait for their turn. */
const MAX_PENDING = 32;
/** Frames of one client that are looked at before others have their turn. */
const MAX_TURN = 32;

export function serveConnection(options: ConnectionOptions): void {
  const { socket } = options;
  const reader = new FrameReader(MAX_REQUEST);
  const gone = new AbortController();
  const signal = AbortSignal.any([options.signal, gone.signal]);
  let pending = 0;
  let turn = Promise.resolve();

  const send = (reply: Reply): void => {
    if (socket.destroyed) return;
    socket.write(encodeFrame(reply));
    if (socket.writableLength > options.maxQueued) socket.destroy();
  };
  const refuse = (id: number, error: ErrorData): void => send({ v: PROTOCOL_VERSION, id, ok: false, error });

  /** Why a request is not even tried. */
  const whyNot = (request: Request): ErrorData | undefined => {
    if (options.refusal !== undefined && needsPrivilege(request.body))
      return { code: 'permission', ...options.refusal };
    if (pending >= MAX_PENDING) return { code: 'busy', message: 'too many requests are waiting' };
    return undefined;
  };

  const accept = (message: unknown): void => {
    const parsed = parseRequest(message);
    if (!parsed.ok) {
      refuse(parsed.id, parsed.error);
      return;
    }
    const { request } = parsed;
    const error = whyNot(request);
    if (error) {
      refuse(request.id, error);
      return;
    }
    pending += 1;
    turn = turn
      .then(() => answer(request, options, signal, send))
      .then(() => othersFirst())
      .finally(() => {
        pending -= 1;
      });
  };

  /** Reads on when nothing whole is left of what was read: meanwhile nobody would hear that the client has gone. */
  const readAll = (): void => {
    try {
      for (let frames = 0; frames < MAX_TURN; frames++) {
        const message = reader.next();
        if (message === undefined) {
          socket.resume();
          return;
        }
        accept(message);
      }
    } catch (error) {
      refuse(0, errorData(error));
      socket.end();
      socket.removeAllListeners('data');
      socket.resume();
      return;
    }
    socket.pause();
    setImmediate(() => {
      if (!socket.destroyed) readAll();
    });
  };

  socket.on('data', (chunk: Buffer) => {
    reader.add(chunk);
    readAll();
  });
  socket.on('error', () => socket.destroy());
  socket.on('close', () => gone.abort());
}

async function answer(
  request: Request,
  options: ConnectionOptions,
  signal: AbortSignal,
  send: (reply: Reply) => void,
): Promise<void> {
  const head = { v: PROTOCOL_VERSION, id: request.id };
  const exchange: Exchange = {
    signal,
    part: async (value) => {
      send({ ...head, part: value });
      await drained(options.socket, options.stallMs);
    },
    progress: (text) => send({ ...head, progress: text }),
  };
  try {
    const value = await options.handler(request.body, exchange);
    send({ ...head, ok: true, value: value ?? null });
  } catch (error) {
    send({ ...head, ok: false, error: errorData(error) });
  }
}

/** Resolves when what was written has left the process far enough to write more. */
function drained(socket: Socket, stallMs: number): Promise<void> {
  if (socket.destroyed) return Promise.reject(new MillError('frame', 'the client has gone'));
  if (!socket.writableNeedDrain) return Promise.resolve();
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => socket.destroy(), stallMs);
    const settle = (act: () => void) => () => {
      clearTimeout(timer);
      socket.off('drain', onDrain);
      socket.off('close', onClose);
      act();
    };
    const onDrain = settle(resolve);
    const onClose = settle(() => reject(new MillError('frame', 'the client did not read its answer')));
    socket.once('drain', onDrain);
    socket.once('close', onClose);
  });
}
