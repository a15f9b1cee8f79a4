/** What a standard asks of a router that forwards, as packets and what must come of each. */

import { behind } from '../../support/line.js';
import { type Crafted, crafted, largeTo } from '../crafted.js';
import type { Expectation } from './came.js';

/** What comes where somebody does otherwise, and why. */
export interface Otherwise {
  readonly meets: Expectation;
  readonly why: string;
}

export interface Case {
  readonly packet: Crafted;
  readonly meets: Expectation;
  /** The kernel, and netmill beside it where the kernel answers; it is no oracle then for the engine. */
  readonly kernel?: Otherwise;
  /** The engine, where it stands for the router: `host: 'none'`. */
  readonly faceless?: Otherwise;
}

export interface Clause {
  /** `RFC 1812 §5.3.1` */
  readonly cites: string;
  readonly says: string;
  readonly cases: readonly Case[];
  /** The kernel looks for a neighbour in vain, and says so when it gives up: after three seconds (RFC 4861 §7.2.2). */
  readonly late?: true;
}

const known = new Map([...crafted, ...largeTo(behind.provider)].map((one) => [one.name, one]));

/** Packets of crafted.ts, by name. */
export function named(...names: readonly string[]): readonly Crafted[] {
  return names.map((name) => {
    const found = known.get(name);
    if (found === undefined) throw new Error(`no packet is named '${name}'`);
    return found;
  });
}

export function clause(
  cites: string,
  says: string,
  meets: Expectation,
  packets: readonly Crafted[],
  otherwise: Pick<Case, 'kernel' | 'faceless'> = {},
): Clause {
  return { cites, says, cases: packets.map((packet) => ({ packet, meets, ...otherwise })) };
}

/** A rule's way may be another one than the table's, so the engine asks how long a packet lives before where it goes. */
export function lifeFirst(meets: Expectation): Pick<Case, 'faceless'> {
  return { faceless: { meets, why: 'the time to live, or hop limit, is looked at before the route' } };
}

/** Of malformed IPv4 options. */
export const wrongLength =
  'a wrong length is told by the octet that holds it; the kernel names the one where the option begins';
