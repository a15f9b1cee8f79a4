/** The CLI's end of the control socket. */
import net from 'node:net';
import { type ErrorCode, errnoOf, MillError } from '../errors.js';
import { encodeFrame, FrameReader, MAX_REPLY } from './frame.js';
import { PROTOCOL_VERSION, type Reply, type RequestBody } from './protocol.js';

export interface CallOptions {
  readonly socket: string;
  /** Nothing more is read of the connection until what it returns has settled. */
  readonly onPart?: (part: never) => unknown;
  readonly onProgress?: (text: string) => void;
  readonly signal?: AbortSignal;
}

/**
 * One request, one answer, of which never more than a frame is kept.
 * @throws MillError as the daemon gave it, or `unavailable` without a daemon
 */
export async function call<T>(body: RequestBody, options: CallOptions): Promise<T> {
  const socket = net.connect(options.socket);
  let broken: Error | undefined;
  socket.once('error', (error) => {
    broken = error;
  });
  const interrupt = (): void => {
    socket.destroy(new MillError('unavailable', 'interrupted'));
  };
  options.signal?.addEventListener('abort', interrupt);
  try {
    socket.write(encodeFrame({ v: PROTOCOL_VERSION, id: 1, body }));
    return (await answerOf(socket, options)) as T;
  } catch (error) {
    throw error === broken && !(error instanceof MillError)
      ? connectError(error as Error, options.socket)
      : error;
  } finally {
    options.signal?.removeEventListener('abort', interrupt);
    socket.destroy();
  }
}

async function answerOf(socket: net.Socket, options: CallOptions): Promise<unknown> {
  const reader = new FrameReader(MAX_REPLY);
  for await (const chunk of socket) {
    for (const message of reader.push(chunk as Buffer)) {
      const reply = message as Reply;
      if ('part' in reply) await options.onPart?.(reply.part as never);
      else if ('progress' in reply) options.onProgress?.(reply.progress);
      else if (reply.ok) return reply.value;
      else {
        const { code, message, fix, details } = reply.error;
        throw new MillError(code, message, fix, details);
      }
    }
  }
  throw new MillError('unavailable', 'netmilld closed the connection without an answer');
}

const explained: Readonly<Record<string, readonly [ErrorCode, string, string]>> = {
  ENOENT: ['unavailable', 'no netmilld listens there', 'start one: netmilld POLICY'],
  ECONNREFUSED: ['unavailable', 'no netmilld listens there any more', 'start one: netmilld POLICY'],
  EACCES: [
    'permission',
    'the socket is not yours to open',
    'run the command as root, or use the socket ending in .ro',
  ],
};

function connectError(error: Error, path: string): MillError {
  const known = explained[errnoOf(error)];
  if (known === undefined) return new MillError('unavailable', `${path}: ${error.message}`);
  return new MillError(known[0], `${path}: ${known[1]}`, known[2]);
}
