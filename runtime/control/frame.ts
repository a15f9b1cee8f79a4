/** Frames of the control socket: four bytes of length, big endian, then that many bytes of JSON. */
import { MillError } from '../errors.js';

/** A request is small: a path, an address, a prefix. */
export const MAX_REQUEST = 64 * 1024;
/** The largest reply frame that a client takes; long tables come in pages. */
export const MAX_REPLY = 16 * 1024 * 1024;

export function encodeFrame(message: unknown): Buffer {
  const body = Buffer.from(JSON.stringify(message), 'utf8');
  const frame = Buffer.allocUnsafe(4 + body.length);
  frame.writeUInt32BE(body.length, 0);
  body.copy(frame, 4);
  return frame;
}

/** Cuts a byte stream into messages. What it keeps is what it was given and has not cut yet: once a frame is whole, nothing is copied for it. */
export class FrameReader {
  private readonly limit: number;
  private chunks: Buffer[] = [];
  private size = 0;

  constructor(limit: number) {
    this.limit = limit;
  }

  /** Messages completed by `chunk`. @throws MillError of code `frame` when the stream is no sequence of frames */
  push(chunk: Buffer): unknown[] {
    this.add(chunk);
    const messages: unknown[] = [];
    for (let message = this.next(); message !== undefined; message = this.next()) messages.push(message);
    return messages;
  }

  add(chunk: Buffer): void {
    this.chunks.push(chunk);
    this.size += chunk.length;
  }

  /** The next message that is whole. @throws MillError of code `frame` when the stream is no sequence of frames */
  next(): unknown {
    if (this.size < 4) return undefined;
    const length = this.peekLength();
    if (length === 0 || length > this.limit)
      throw new MillError('frame', `expected a frame of 1 to ${this.limit} bytes, got a length of ${length}`);
    if (this.size < 4 + length) return undefined;
    if (this.chunks[0]!.length < 4 + length) this.chunks = [Buffer.concat(this.chunks)];
    const [first, ...others] = this.chunks as [Buffer, ...Buffer[]];
    const rest = first.subarray(4 + length);
    this.chunks = rest.length > 0 ? [rest, ...others] : others;
    this.size -= 4 + length;
    return parse(first.subarray(4, 4 + length));
  }

  private peekLength(): number {
    if (this.chunks[0]!.length < 4) this.chunks = [Buffer.concat(this.chunks)];
    return this.chunks[0]!.readUInt32BE(0);
  }
}

function parse(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString('utf8'));
  } catch {
    throw new MillError('frame', 'expected JSON in the frame, got something else');
  }
}
