/** Reads what a forwarder says of itself from its file, without loading it. System V ABI, chapters 4 and 5; ELF-64. */

export interface ForwarderHeader {
  readonly abi: number;
  readonly layout: number;
  readonly policyHash: string;
}

interface Section {
  readonly type: number;
  readonly address: number;
  readonly offset: number;
  readonly size: number;
  readonly link: number;
}

const dynamicSymbols = 11; // SHT_DYNSYM
const symbolBytes = 24;

/** The first fields of struct mill_forwarder; undefined when the file has none. */
export function forwarderHeader(file: Buffer): ForwarderHeader | undefined {
  if (file.length < 64 || file.readUInt32BE(0) !== 0x7f454c46) return undefined;
  const all = sections(file);
  const at = symbolOffset(file, all, 'mill_forwarder');
  if (at === undefined || at + 40 > file.length) return undefined;
  return {
    abi: file.readUInt32LE(at),
    layout: file.readUInt32LE(at + 4),
    policyHash: file.toString('hex', at + 8, at + 40),
  };
}

function sections(file: Buffer): readonly Section[] {
  const start = Number(file.readBigUInt64LE(40));
  const size = file.readUInt16LE(58);
  return Array.from({ length: file.readUInt16LE(60) }, (_, i) => {
    const at = start + i * size;
    return {
      type: file.readUInt32LE(at + 4),
      address: Number(file.readBigUInt64LE(at + 16)),
      offset: Number(file.readBigUInt64LE(at + 24)),
      size: Number(file.readBigUInt64LE(at + 32)),
      link: file.readUInt32LE(at + 40),
    };
  });
}

function symbolOffset(file: Buffer, all: readonly Section[], name: string): number | undefined {
  const table = all.find((section) => section.type === dynamicSymbols);
  const names = table && all[table.link];
  if (table === undefined || names === undefined) return undefined;
  for (let at = table.offset; at < table.offset + table.size; at += symbolBytes) {
    const from = names.offset + file.readUInt32LE(at);
    if (file.toString('latin1', from, from + name.length + 1) !== `${name}\0`) continue;
    const value = Number(file.readBigUInt64LE(at + 8));
    const home = all[file.readUInt16LE(at + 6)];
    return home && home.offset + (value - home.address);
  }
  return undefined;
}
