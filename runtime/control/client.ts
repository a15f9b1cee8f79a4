/** The CLI's end of the control socket. */
import net from 'node:net';
import { type ErrorCode, errnoOf, MillError } from '../errors.js';
import { encodeFrame, FrameReader, MAX_REPLY } from './frame.js';
import { PROTOCOL_VERSION, type Reply, type RequestBody } from './protocol.js';

export interface CallOptions {
  readonly socket: string;
  readonly onPart?: (part: never) => void;
  readonly onProgress?: (text: string) => void;
  readonly signal?: AbortSignal;
}

/** One request, one answer. @throws MillError as the daemon gave it, or `unavailable` without a daemon */
export function call<T>(body: RequestBody, options: CallOptions): Promise<T> {
  return new Promise<T>((resolve, reject) => {
    const socket = net.connect(options.socket);
    const reader = new FrameReader(MAX_REPLY);
    let settled = false;
    const settle = (act: () => void): void => {
      if (settled) return;
      settled = true;
      socket.destroy();
      act();
    };
    options.signal?.addEventListener('abort', () =>
      settle(() => reject(new MillError('unavailable', 'interrupted'))),
    );
    socket.on('connect', () => socket.write(encodeFrame({ v: PROTOCOL_VERSION, id: 1, body })));
    socket.on('error', (error) => settle(() => reject(connectError(error, options.socket))));
    socket.on('close', () =>
      settle(() => reject(new MillError('unavailable', 'netmilld closed the connection without an answer'))),
    );
    socket.on('data', (chunk: Buffer) => {
      try {
        for (const message of reader.push(chunk)) receive(message as Reply);
      } catch (error) {
        settle(() => reject(error as Error));
      }
    });
    const receive = (reply: Reply): void => {
      if ('part' in reply) options.onPart?.(reply.part as never);
      else if ('progress' in reply) options.onProgress?.(reply.progress);
      else if (reply.ok) settle(() => resolve(reply.value as T));
      else {
        const { code, message, fix, details } = reply.error;
        settle(() => reject(new MillError(code, message, fix, details)));
      }
    };
  });
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
