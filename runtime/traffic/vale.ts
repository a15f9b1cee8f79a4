/** What `netmill vale` is asked for: from what people write to what the program netmill-vale takes. */
import { MillError } from '../errors.js';

/** Of a port: slots and rings as `TX,RX` or one number for both, the number of a memory of netmap's; none: netmap's own choice. */
export interface ValeConfig {
  readonly slots?: string | undefined;
  readonly rings?: string | undefined;
  readonly memory?: string | undefined;
}

function wrong(name: string, expected: string, got: string): MillError {
  return new MillError('usage', `${name}: expected ${expected}, got '${got}'`);
}

function whole(name: string, text: string, most: number): number {
  const value = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN;
  if (!(value <= most)) throw wrong(name, `0 to ${most}`, text);
  return value;
}

function both(name: string, text: string | undefined, most: number): readonly [number, number] {
  if (text === undefined) return [0, 0];
  const [tx = '', rx = tx, more] = text.split(',');
  if (more !== undefined) throw wrong(name, 'TX,RX, or one number for both', text);
  return [whole(name, tx, most), whole(name, rx, most)];
}

/** CONFIG of netmill-vale. @throws MillError `usage` */
export function configText({ slots, rings, memory }: ValeConfig): string {
  return [
    ...both('--slots', slots, 2 ** 20),
    ...both('--rings', rings, 256),
    memory === undefined ? 0 : whole('--memory', memory, 65_535),
  ].join(',');
}

/** SWITCH:IF, whose switch is called vale and something. @throws MillError `usage` */
export function portOf(text: string): string {
  if (!/^vale[A-Za-z0-9_]*:[^:\s]+$/.test(text)) throw wrong('the port', 'SWITCH:IF, as vale0:eth1', text);
  return text;
}

/** SWITCH, or what stands before the colon of SWITCH:IF. @throws MillError `usage` */
export function switchOf(text: string): string {
  if (!/^vale[A-Za-z0-9_]*(:.*)?$/.test(text)) throw wrong('the switch', 'a name as vale0', text);
  return text.split(':')[0]!;
}

/** A name for a new interface. @throws MillError `usage` */
export function interfaceOf(text: string): string {
  if (!/^[^\s/:]{1,15}$/.test(text) || text.startsWith('vale'))
    throw wrong('the interface', "at most 15 characters, not beginning with 'vale'", text);
  return text;
}

/** Who polls: one core all rings, or of cores FIRST-LAST each the ring of its own number. */
export interface Polling {
  readonly core?: string | undefined;
  readonly cores?: string | undefined;
}

/** What follows `poll SWITCH:IF`. @throws MillError `usage` */
export function pollingWords({ core, cores }: Polling): readonly string[] {
  if ((core === undefined) === (cores === undefined))
    throw new MillError('usage', 'expected --core N, --cores FIRST-LAST or --off, and only one of them');
  if (core !== undefined) return ['one', String(whole('--core', core, 65_535)), '1'];
  const [first, last] = /^(\d{1,5})-(\d{1,5})$/.exec(cores!)?.slice(1).map(Number) ?? [];
  if (first === undefined || last === undefined || last < first)
    throw wrong('--cores', 'FIRST-LAST, as 0-3', cores!);
  return ['each', String(first), String(last - first + 1)];
}
