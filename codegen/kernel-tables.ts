/**
 * How many routes this machine's kernel has in the tables that a policy is coupled to, from files of proc(5) that anybody
 * may read: `fib_triestat` counts the prefixes of each IPv4 table, `rt6_stats` those of all IPv6 tables together.
 */
import { readFileSync } from 'node:fs';
import type { Router } from '../dsl/model.js';

const here = '/proc/self/net';

/**
 * Prefixes of both families; undefined where this is not the router's machine: it has not all of the policy's network
 * devices, or does not say.
 */
export function coupledPrefixes(router: Router, proc = here): number | undefined {
  try {
    const devices = devicesIn(readFileSync(`${proc}/dev`, 'utf8'));
    if (!router.ports.every((port) => hasDevice(port.spec, devices))) return undefined;
    const four = prefixes4(readFileSync(`${proc}/fib_triestat`, 'utf8'), router.daemon.tables);
    return four + prefixes6(() => readFileSync(`${proc}/rt6_stats`, 'utf8'));
  } catch {
    return undefined;
  }
}

function devicesIn(text: string): ReadonlySet<string> {
  return new Set([...text.matchAll(/^\s*([^\s:]+):/gm)].map((found) => found[1]!));
}

/** Ports of other kinds are on any machine. */
function hasDevice(spec: string, devices: ReadonlySet<string>): boolean {
  const name = /^(?:xdp:)?([^:]+)$/.exec(spec)?.[1];
  return name === undefined || devices.has(name);
}

const names: Readonly<Record<string, number>> = { Local: 255, Main: 254 };

/** Without the local table: it is the router's own addresses, and counted in the main one where both are one trie. */
function prefixes4(text: string, tables: readonly number[]): number {
  let sum = 0;
  for (const found of text.matchAll(/^(?:(Local|Main)|Id (\d+)):\n(?:\s.*\n)*?\s*Prefixes:\s+(\d+)$/gm)) {
    const table = found[1] === undefined ? Number(found[2]) : names[found[1]]!;
    if (table !== names.Local && tables.includes(table)) sum += Number(found[3]);
  }
  return sum;
}

/** The second number: nodes with routes. None of it where the kernel has no IPv6. */
function prefixes6(read: () => string): number {
  try {
    return Number.parseInt(read().split(' ')[1] ?? '', 16) || 0;
  } catch {
    return 0;
  }
}
