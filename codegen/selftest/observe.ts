/** What a forwarder did with a frame, in the words in which the evaluator's outcome can be put, too. */

import { puntClasses } from '../../dsl/punt.js';
import type { Outcome } from '../evaluate/outcome.js';
import { dropReasons } from '../evaluate/outcome.js';
import { addressBytes } from '../evaluate/output.js';
import type { Ir } from '../ir.js';
import { bucketOf } from '../treatment.js';
import { type PathNumbers, slots } from './protocol.js';

/** Sorted lines; equal lists of them are the same behaviour. */
export interface Observation {
  /** `lan.dmz sent 1 packet 74 bytes`, one for each counter that changed. */
  readonly counters: readonly string[];
  /** Local numbers of those that counted. */
  readonly rules: readonly number[];
  /** `sent by port lan: 02aa…`; the longest part is the frame as hex. */
  readonly actions: readonly string[];
}

export interface Observations {
  readonly frames: readonly Observation[];
  /** Frames that did something else when they came together. */
  readonly burst?: { readonly first: number; readonly n: number };
}

const counterNames = ['received', 'sent', ...puntClasses.map((one) => `to host (${one})`)];

export function expected(
  ir: Ir,
  bytes: Uint8Array,
  { iface, network, rules, logs, policed, copies, samples, fate }: Outcome,
  paths: PathNumbers,
): Observation {
  const name = ir.interfaces[iface]!.name;
  const counters = [
    counter(name, counterNames[0]!, 1, bytes.length),
    ...rules.map((rule) => counter(`rule ${rule}`, 'took', 1, bytes.length)),
    ...policed.flatMap(({ rule, conforms }) =>
      conforms ? [] : [counter(`rule ${rule}`, 'policed', 1, bytes.length)],
    ),
  ];
  const lost = copies.filter((one) => one.lost).length;
  if (lost > 0) counters.push(counter(name, 'dropped: mirror-full', lost, 0));
  const actions = [
    ...logs.map((rule) => logged(rule, ir.rules[rule]!.logPerSecond!, name, network, bytes)),
    ...policed.map(({ rule }) => {
      const police = ir.rules[rule]!.treatment!.police!;
      const { cost, burst } = bucketOf(police);
      return limited(rule, cost, burst, police.unit === 'bits' ? bytes.length : 1);
    }),
    ...copies.flatMap(({ port, oneIn, lost }) =>
      lost ? [] : [copied(ir.ports[port]!.name, oneIn, hex(bytes))],
    ),
    ...samples.map(({ rule, oneIn }) => sampled(rule, oneIn, name, network, hex(bytes))),
  ];
  switch (fate.verdict) {
    case 'drop':
      counters.push(counter(name, `dropped: ${fate.reason}`, 1, 0));
      if (fate.tells) actions.push(`the source is told from ${name}: ${hex(fate.tells)}`);
      if (fate.resets) actions.push(`the source is reset on ${name}: ${hex(fate.resets)}`);
      break;
    case 'punt':
      counters.push(counter(name, `to host (${fate.class})`, 1, bytes.length));
      actions.push(`to host of ${name} (${fate.class}): @${network} ${hex(fate.frame)}`);
      break;
    case 'forward': {
      const out = ir.interfaces[fate.iface]!;
      counters.push(counter(out.name, counterNames[1]!, 1, fate.frame.length));
      actions.push(`sent by port ${ir.ports[out.port]!.name}: ${hex(fate.frame)}`);
      break;
    }
    case 'defer':
      actions.push(
        `deferred to path ${paths.get(fate.path)} until ${padded(addressBytes(fate.neighbour))} answers: @${network} ${hex(fate.frame)}`,
      );
      break;
    case 'fragment':
      actions.push(`to be cut up for path ${paths.get(fate.path)}: @${network} ${hex(fate.frame)}`);
      break;
  }
  return sorted({ counters, rules, actions });
}

function sorted({ counters, rules, actions }: Observation): Observation {
  return {
    counters: [...counters].sort(),
    rules: [...rules].sort((a, b) => a - b),
    actions: [...actions].sort(),
  };
}

function counter(iface: string, what: string, packets: number, bytes: number): string {
  return `${iface} ${what} ${packets}/${bytes}`;
}

function logged(rule: number, perSecond: number, iface: string, network: number, bytes: Uint8Array): string {
  return `event of rule ${rule} (${perSecond}/s) on ${iface}: @${network} ${hex(bytes)}`;
}

function limited(rule: number, cost: bigint, burst: bigint, amount: number): string {
  return `the limit of rule ${rule} (${cost}, ${burst}) is asked for ${amount}`;
}

function copied(port: string, oneIn: number, frame: string): string {
  return `one in ${oneIn} is copied to port ${port}: ${frame}`;
}

function sampled(rule: number, oneIn: number, iface: string, network: number, frame: string): string {
  return `one in ${oneIn} is an event of rule ${rule} on ${iface}: @${network} ${frame}`;
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('hex');
}

function padded(address: Buffer): string {
  return address.toString('hex').padEnd(32, '0');
}

/** Reads what netmill-selftest wrote. Undefined: it ends too early. */
export function decode(ir: Ir, output: Buffer, frames: number): Observations | undefined {
  const reader = readerOf(output);
  const seen: Observation[] = [];
  while (seen.length < frames) {
    const one = decodeFrame(ir, reader);
    if (one === undefined) return undefined;
    seen.push(one);
  }
  if (!reader.has(8)) return undefined;
  const [first, n] = [reader.u32(), reader.u32()];
  return first === 0xffffffff ? { frames: seen } : { frames: seen, burst: { first, n } };
}

function decodeFrame(ir: Ir, reader: Reader): Observation | undefined {
  if (!reader.has(16)) return undefined;
  const [nCounters, nRules, nActions, unannounced] = [reader.u32(), reader.u32(), reader.u32(), reader.u32()];
  const counters: string[] = [];
  const rules: number[] = [];
  const actions: string[] = unannounced > 0 ? ['sent without a mark in tx_dirty'] : [];
  for (let i = 0; i < nCounters; i++) {
    if (!reader.has(12)) return undefined;
    const [iface, what, packets, bytes] = [reader.u16(), reader.u16(), reader.u32(), reader.u32()];
    const name = counterNames[what] ?? `dropped: ${dropReasons[what - 16] ?? what}`;
    counters.push(counter(ifaceName(ir, iface), name, packets, bytes));
  }
  for (let i = 0; i < nRules; i++) {
    if (!reader.has(20)) return undefined;
    const [slot, packets, bytes] = [reader.u32(), reader.u32(), reader.u32()];
    const [policed, policedBytes] = [reader.u32(), reader.u32()];
    const rule = slot - slots.rule(0);
    rules.push(rule);
    counters.push(counter(`rule ${rule}`, 'took', packets, bytes));
    if (policed > 0) counters.push(counter(`rule ${rule}`, 'policed', policed, policedBytes));
  }
  for (let i = 0; i < nActions; i++) {
    const action = decodeAction(ir, reader);
    if (action === undefined) return undefined;
    actions.push(action);
  }
  return sorted({ counters, rules, actions });
}

function ifaceName(ir: Ir, slot: number): string {
  return ir.interfaces.find((one) => slots.iface(one.local) === slot)?.name ?? `interface slot ${slot}`;
}

function portName(ir: Ir, slot: number): string {
  return ir.ports.find((one) => slots.port(one.local) === slot)?.name ?? `slot ${slot}`;
}

function decodeAction(ir: Ir, reader: Reader): string | undefined {
  if (!reader.has(32)) return undefined;
  const [kind, punt, slot] = [reader.u8(), reader.u8(), reader.u16()];
  const [number, perSecond, length] = [reader.u32(), reader.u32(), reader.u16()];
  const l3 = reader.u16();
  const neighbour = reader.hex(16);
  if (!reader.has(length)) return undefined;
  const frame = reader.hex(length);
  switch (kind) {
    case 1:
      return `sent by port ${portName(ir, slot)}: ${frame}`;
    case 2:
      return `to host of ${ifaceName(ir, slot)} (${puntClasses[punt]}): @${l3} ${frame}`;
    case 3:
      return `deferred to path ${number} until ${neighbour} answers: @${l3} ${frame}`;
    case 4:
      return `to be cut up for path ${number}: @${l3} ${frame}`;
    case 6:
      return `the source is told from ${ifaceName(ir, slot)}: ${frame}`;
    case 7:
      return `the source is reset on ${ifaceName(ir, slot)}: ${frame}`;
    case 8: {
      const numbers = Buffer.from(neighbour, 'hex');
      const [cost, burst] = [numbers.readBigUInt64LE(0), numbers.readBigUInt64LE(8)];
      return limited(number - slots.rule(0), cost, burst, perSecond);
    }
    case 9:
      return copied(portName(ir, slot), perSecond, frame);
    case 10:
      return sampled(number - slots.rule(0), perSecond, ifaceName(ir, slot), l3, frame);
    default:
      return `event of rule ${number - slots.rule(0)} (${perSecond}/s) on ${ifaceName(ir, slot)}: @${l3} ${frame}`;
  }
}

/** Little-endian numbers, one after the other. */
type Reader = ReturnType<typeof readerOf>;

function readerOf(bytes: Buffer) {
  let at = 0;
  const skip = (n: number) => {
    at += n;
    return at - n;
  };
  return {
    has: (n: number) => bytes.length - at >= n,
    u8: () => bytes.readUInt8(skip(1)),
    u16: () => bytes.readUInt16LE(skip(2)),
    u32: () => bytes.readUInt32LE(skip(4)),
    hex: (n: number) => bytes.toString('hex', skip(n), at),
  };
}
