/** Settings of the engine and the daemon. */

import { formatAddress, parseAddress } from './address.js';
import type {
  DaemonConfig,
  EngineConfig,
  EventMode,
  FlowHash,
  FpmConfig,
  LookupMethod,
  Origin,
  WorkerConfig,
} from './model.js';
import { inside } from './origin.js';
import { note, show } from './problems.js';
import { type PuntClass, type PuntRates, puntClasses, usualPunt } from './punt.js';
import { choice, knownKeys, line, wholeNumber } from './read.js';

export interface WorkerSpec<N extends string = string> {
  /** Processor that the worker is pinned to. */
  readonly core?: number;
  /** Receive rings that it owns, by the name of the port; rings that nobody names are dealt out. */
  readonly rings?: { readonly [K in N]?: readonly number[] };
}

export interface EngineSpec<N extends string = string> {
  /** How many workers, or each of them: 1 when not said. */
  readonly workers?: number | readonly WorkerSpec<N>[];
  /** How routes are looked up: `'auto'` when not said. */
  readonly lookup?: LookupMethod;
  /** `'poll'` sleeps until packets come, `'busy'` never sleeps, `'adaptive'` (when not said) sleeps when idle. */
  readonly events?: EventMode;
  /**
   * How flows are spread over the legs of a route: `'directed'` (when not said) or `'symmetric'`, so that the answers of a
   * flow take the leg of the same position.
   */
  readonly flowHash?: FlowHash;
  /** Megabytes for the tables of long lists: 256 when not said. A list for which they do not suffice is searched rule by rule. */
  readonly aclMemory?: number;
  /** Packets a second that the router's own host stack gets of each class, at most: RFC 6192. */
  readonly punt?: Partial<PuntRates>;
}

export interface DaemonSpec {
  readonly pidfile?: string;
  readonly socket?: { readonly path?: string; readonly mode?: number };
  /** Clients of the control socket at the same time. */
  readonly maxClients?: number;
  /** Where `netmill route dump` writes. */
  readonly routeDumpFile?: string;
  /** Requests for a neighbour, one a second, before it counts as unreachable. */
  readonly arpMaxTries?: number;
  /** Seconds between two audits of kernel, RIB and compiled FIB against each other; 0: none by itself. */
  readonly audit?: number;
  /** Takes routes from zebra's module dplane_fpm_nl too. */
  readonly fpm?: FpmSpec;
  /** The kernel's tables that are followed after its local one, in the order in which they are asked: `['main']`. */
  readonly tables?: readonly RoutingTable[];
}

export interface FpmSpec {
  /** A port of 127.0.0.1, or a loopback address with a port: `'[::1]:2620'`. 2620 when not said. */
  readonly listen?: number | string;
  /** Seconds that routes stay when zebra has gone: 120 when not said. */
  readonly grace?: number;
}

/** A routing table of the kernel: one of those with a name, or a number from 1 to 2³² − 1. */
export type RoutingTable = 'main' | 'default' | number;

/** MILL_MAX_WORKERS and MILL_MAX_RINGS of runtime/shm/limits.h. */
const mostWorkers = 16;
const mostRings = 16;
/** MAX_CODE of runtime/engine/generation.c leaves room for it. */
const mostAclMemory = 1024;

export function readEngine(spec: unknown, origin: Origin): EngineConfig {
  const keys = ['workers', 'lookup', 'events', 'flowHash', 'aclMemory', 'punt'];
  const given = spec === undefined ? {} : knownKeys(spec, keys, origin, 'the engine');
  return Object.freeze({
    workers: readWorkers(given.workers, inside(origin, 'workers')),
    lookup: choice<LookupMethod>(
      given.lookup,
      ['auto', 'flat', 'radix', 'dxr'],
      'auto',
      inside(origin, 'lookup'),
    ),
    events: choice<EventMode>(
      given.events,
      ['poll', 'busy', 'adaptive'],
      'adaptive',
      inside(origin, 'events'),
    ),
    flowHash: choice<FlowHash>(
      given.flowHash,
      ['directed', 'symmetric'],
      'directed',
      inside(origin, 'flowHash'),
    ),
    aclMemory:
      wholeNumber(given.aclMemory, 1, mostAclMemory, inside(origin, 'aclMemory'), 'NM4014', 'megabytes') ??
      256,
    punt: readPunt(given.punt, inside(origin, 'punt')),
  });
}

const mostPunted = 1_000_000;

function readPunt(spec: unknown, origin: Origin): PuntRates {
  const given = spec === undefined ? {} : knownKeys(spec, [...puntClasses], origin, 'the host stack');
  const rate = (one: PuntClass): number =>
    wholeNumber(given[one], 0, mostPunted, inside(origin, one), 'NM4014', 'packets a second') ??
    usualPunt[one];
  return Object.freeze(Object.fromEntries(puntClasses.map((one) => [one, rate(one)])) as PuntRates);
}

export function readDaemon(spec: unknown, origin: Origin): DaemonConfig {
  const keys = ['pidfile', 'socket', 'maxClients', 'routeDumpFile', 'arpMaxTries', 'audit', 'tables', 'fpm'];
  const given = spec === undefined ? {} : knownKeys(spec, keys, origin, 'the daemon');
  const at = inside(origin, 'socket');
  const socket =
    given.socket === undefined ? {} : knownKeys(given.socket, ['path', 'mode'], at, 'the control socket');
  return Object.freeze({
    pidfile: absolute(given.pidfile, '/run/netmill/netmilld.pid', inside(origin, 'pidfile')),
    socket: Object.freeze({
      path: absolute(socket.path, '/run/netmill/netmill.sock', inside(at, 'path'), mostSocketPath),
      mode: wholeNumber(socket.mode, 0, 0o777, inside(at, 'mode'), 'NM4014', 'the mode of a socket') ?? 0o660,
    }),
    maxClients: wholeNumber(given.maxClients, 1, 1024, inside(origin, 'maxClients')) ?? 10,
    routeDumpFile: absolute(
      given.routeDumpFile,
      '/var/lib/netmill/routes.dump',
      inside(origin, 'routeDumpFile'),
    ),
    arpMaxTries: wholeNumber(given.arpMaxTries, 1, 100, inside(origin, 'arpMaxTries')) ?? 5,
    audit: wholeNumber(given.audit, 0, 86_400, inside(origin, 'audit')) ?? 60,
    tables: readTables(given.tables, inside(origin, 'tables')),
    ...(given.fpm !== undefined && { fpm: readFpm(given.fpm, inside(origin, 'fpm')) }),
  });
}

/** sun_path of unix(7), less what the read-only socket's name has more, and an end. */
const mostSocketPath = 104;

/** A daemon has no directory of its own that a path could begin at. */
function absolute(value: unknown, usual: string, origin: Origin, most = 4095): string {
  const path = line(value, usual, origin);
  if (path.startsWith('/') && path.length <= most) return path;
  note('NM4014', origin, `${show(path)} is no path that the daemon can use`, {
    expected: `a path that begins with '/', of at most ${most} characters`,
    got: show(path),
  });
  return usual;
}

/** zebra's own choice, and that of others who speak FPM. */
const fpmPort = 2620;

function readFpm(spec: unknown, origin: Origin): FpmConfig {
  const given = knownKeys(spec, ['listen', 'grace'], origin, 'the FPM listener');
  return Object.freeze({
    ...readListen(given.listen, inside(origin, 'listen')),
    grace: wholeNumber(given.grace, 1, 3600, inside(origin, 'grace')) ?? 120,
  });
}

/** Whoever may connect may change every route, and FPM asks nobody who he is: so it is for this machine only. */
function readListen(listen: unknown, origin: Origin): { readonly host: string; readonly port: number } {
  if (listen === undefined) return { host: '127.0.0.1', port: fpmPort };
  const text = typeof listen === 'number' ? `127.0.0.1:${listen}` : listen;
  const [, v6, v4, digits] =
    (typeof text === 'string' && /^(?:\[([\da-f:]+)\]|([\d.]+)):(\d{1,5})$/i.exec(text)) || [];
  const address = parseAddress(v6 ?? v4 ?? '');
  const port = Number(digits);
  const loopback = address?.family === 4 ? address.bits >> 24n === 127n : address?.bits === 1n;
  if (address !== undefined && loopback && port >= 1 && port <= 65_535)
    return { host: formatAddress(address), port };
  note('NM4014', origin, `${show(listen)} is no place where FPM may listen`, {
    expected: "a port, or a loopback address with one, such as '127.0.0.1:2620'",
    got: show(listen),
    fix: 'FPM knows no passwords: let zebra run on this machine, or bring its connection here by a tunnel.',
  });
  return { host: '127.0.0.1', port: fpmPort };
}

/** RT_TABLE_* of linux/rtnetlink.h. */
const tableNumbers = { default: 253, main: 254, local: 255 };
/** `max_tables` of runtime/native/rib/rib.h, without the local one. */
const mostTables = 7;

function readTables(spec: unknown, origin: Origin): readonly number[] {
  const given = spec === undefined ? ['main'] : Array.isArray(spec) ? spec : [];
  const numbers = given.flatMap((table: unknown, i) => {
    if (table === 'main' || table === 'default') return tableNumbers[table];
    return (
      wholeNumber(table, 1, 2 ** 32 - 1, inside(origin, i), 'NM4014', "a table: 'main', 'default'") ?? []
    );
  });
  const tables = [tableNumbers.local, ...numbers];
  if (given.length < 1 || given.length > mostTables || new Set(tables).size !== tables.length)
    note('NM4014', origin, 'these are not tables to follow', {
      expected: `1 to ${mostTables} tables, each once, without the local one, which is always asked first`,
      got: Array.isArray(spec) ? `[${spec.map(show).join(', ')}]` : show(spec),
    });
  return Object.freeze(tables);
}

function readWorkers(spec: unknown, origin: Origin): readonly WorkerConfig[] {
  if (spec === undefined) return [{}];
  if (!Array.isArray(spec)) {
    const count = wholeNumber(spec, 1, mostWorkers, origin, 'NM4014', 'a number of workers') ?? 1;
    return Array.from({ length: count }, () => ({}));
  }
  if (spec.length === 0)
    note('NM4014', origin, 'a router needs at least one worker', {
      expected: 'a list of workers',
      got: 'an empty list',
    });
  return spec.map((worker, i) => readWorker(worker, inside(origin, i)));
}

function readWorker(spec: unknown, origin: Origin): WorkerConfig {
  const given = knownKeys(spec, ['core', 'rings'], origin, 'a worker');
  const core = wholeNumber(
    given.core,
    0,
    4095,
    inside(origin, 'core'),
    'NM4014',
    'the number of a processor',
  );
  const at = inside(origin, 'rings');
  const rings = given.rings === undefined ? undefined : readRings(given.rings, at);
  return Object.freeze({ ...(core === undefined ? {} : { core }), ...(rings && { rings }) });
}

function readRings(spec: unknown, origin: Origin): Readonly<Record<string, readonly number[]>> {
  if (typeof spec !== 'object' || spec === null || Array.isArray(spec)) {
    note('NM4016', origin, `${show(spec)} are not rings`, { expected: '{ wan: [0, 1] }', got: show(spec) });
    return {};
  }
  const read = ([port, numbers]: [string, unknown]): [string, readonly number[]] => {
    const at = inside(origin, port);
    if (Array.isArray(numbers))
      return [
        port,
        numbers.flatMap((n, i) => wholeNumber(n, 0, mostRings - 1, inside(at, i), 'NM4016', 'a ring') ?? []),
      ];
    note('NM4016', at, `${show(numbers)} are not rings`, {
      expected: 'an array of ring numbers',
      got: show(numbers),
    });
    return [port, []];
  };
  return Object.freeze(Object.fromEntries(Object.entries(spec).map(read)));
}
