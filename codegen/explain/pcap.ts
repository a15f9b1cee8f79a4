/** Frames of a capture file: classic pcap of Ethernet, either byte order, micro- or nanoseconds. See pcap-savefile(5). */

export interface Captured {
  /** From 1. */
  readonly number: number;
  readonly bytes: Uint8Array;
  /** Bytes that the frame had on the wire; more than were captured, when it was cut. */
  readonly length: number;
}

const ethernet = 1;
const magics: Readonly<Record<number, boolean>> = { 2712847316: true, 2712812621: true };

/** @throws Error with what was expected and what came */
export function readPcap(file: Buffer): readonly Captured[] {
  if (file.length < 24) throw new Error(`expected a pcap file, got ${file.length} bytes`);
  const little = magics[file.readUInt32LE(0)] === true;
  if (!little && magics[file.readUInt32BE(0)] !== true)
    throw new Error(`expected a pcap file, got one that begins with 0x${file.toString('hex', 0, 4)}`);
  const word = (at: number) => (little ? file.readUInt32LE(at) : file.readUInt32BE(at));
  const link = word(20) & 0x0fffffff;
  if (link !== ethernet)
    throw new Error(`expected a capture of Ethernet (link type 1), got link type ${link}`);
  const frames: Captured[] = [];
  for (let at = 24; at < file.length; ) {
    const number = frames.length + 1;
    if (at + 16 > file.length) throw new Error(`frame ${number} ends within its header`);
    const [captured, length] = [word(at + 8), word(at + 12)];
    if (at + 16 + captured > file.length)
      throw new Error(
        `frame ${number} says that it has ${captured} bytes, and ${file.length - at - 16} are left`,
      );
    frames.push({ number, bytes: file.subarray(at + 16, at + 16 + captured), length });
    at += 16 + captured;
  }
  return frames;
}
