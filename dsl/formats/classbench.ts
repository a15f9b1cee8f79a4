/**
 * ClassBench filter sets: `@source destination sports dports protocol/mask flags/mask` (Taylor and Turner, ClassBench: A Packet
 * Classification Benchmark, INFOCOM 2005). The last field is the first two bytes that a firewall tests behind the
 * ports: of TCP the flags, in its upper byte; of ICMP type and code.
 */
import type { PortRange } from '../model.js';

export interface Masked {
  readonly value: number;
  readonly mask: number;
}

export interface Filter {
  /** 1-based. */
  readonly line: number;
  readonly from: string;
  readonly to: string;
  readonly sources: PortRange;
  readonly ports: PortRange;
  /** Absent: every protocol. */
  readonly proto?: number;
  readonly flags: Masked;
}

const form =
  /^@([\d.]+\/\d+)\s+([\d.]+\/\d+)\s+(\d+) : (\d+)\s+(\d+) : (\d+)\s+0x([\da-f]{2})\/0x([\da-f]{2})(?:\s+0x([\da-f]{4})\/0x([\da-f]{4}))?\s*$/i;

/** `line` alone: what stands there is no filter. Blank lines are left out. */
export function parseClassbench(text: string): readonly (Filter | { readonly line: number })[] {
  return text.split(/\r?\n/).flatMap((whole, i) => (whole.trim() === '' ? [] : [parseLine(whole, i + 1)]));
}

function parseLine(whole: string, line: number): Filter | { readonly line: number } {
  const found = form.exec(whole);
  if (found === null) return { line };
  const [, from, to, ...numbers] = found;
  const [firstSource, lastSource, first, last] = numbers.slice(0, 4).map(Number) as [
    number,
    number,
    number,
    number,
  ];
  const [proto, mask, value, bits] = numbers.slice(4).map((hex) => Number.parseInt(hex ?? '0', 16));
  // A part of a protocol number means nothing.
  if (mask !== 0 && mask !== 255) return { line };
  return {
    line,
    from: from!,
    to: to!,
    sources: { from: firstSource, to: lastSource },
    ports: { from: first, to: last },
    ...(mask === 255 && { proto: proto! }),
    flags: { value: value!, mask: bits! },
  };
}
