/** Which packets a device puts into the receive queues that netmill takes of it; all others stay the kernel's. */
import type { Flow, NetSet, Origin, Service } from './model.js';
import type { Nets } from './nets.js';
import { inside } from './origin.js';
import { note, show } from './problems.js';
import { knownKeys, ofKind, wholeNumber } from './read.js';

/** A device has at most so many queues of which netmill takes some: MILL_MAX_QUEUES of runtime/shm/limits.h. */
export const maxQueues = 256;

export interface FlowSpec {
  readonly from?: Nets;
  readonly to?: Nets;
  /** Protocols, TCP and UDP ports one by one. */
  readonly service?: Service;
  /** One of `queues`; they take turns when not said. */
  readonly queue?: number;
}

/** Ascending; undefined: all that the device has. */
export function readQueues(value: unknown, origin: Origin): readonly number[] | undefined {
  if (value === undefined) return undefined;
  const numbers: readonly unknown[] = Array.isArray(value) ? value : [];
  if (numbers.length === 0 || new Set(numbers).size < numbers.length) {
    const got = Array.isArray(value) ? `[${numbers.slice(0, 8).map(show).join(', ')}]` : show(value);
    note('NM4014', origin, `${got} are no queues of a device`, {
      expected: 'numbers of its receive queues, each once: [2, 3]',
      got,
    });
    return undefined;
  }
  const queues = numbers.flatMap(
    (one, i) => wholeNumber(one, 0, maxQueues - 1, inside(origin, i), 'NM4014', 'a queue of a device') ?? [],
  );
  return Object.freeze(queues.sort((a, b) => a - b));
}

export function readFlows(value: unknown, origin: Origin): readonly Flow[] {
  if (value === undefined) return Object.freeze([]);
  if (!Array.isArray(value)) {
    note('NM4014', origin, `${show(value)} are not flows`, {
      expected: '[{ to: servers, service: udp(53) }]',
      got: show(value),
    });
    return Object.freeze([]);
  }
  return Object.freeze(value.map((one, i) => readOne(one, inside(origin, i))));
}

function readOne(spec: unknown, origin: Origin): Flow {
  const given = knownKeys(spec, ['from', 'to', 'service', 'queue'], origin, 'a flow');
  const from = ofKind<NetSet>(given, 'from', 'nets', 'nets(…) or hosts(…)', origin);
  const to = ofKind<NetSet>(given, 'to', 'nets', 'nets(…) or hosts(…)', origin);
  const service = ofKind<Service>(given, 'service', 'service', 'tcp(…), udp(…) or service(…)', origin);
  const queue = wholeNumber(given.queue, 0, maxQueues - 1, inside(origin, 'queue'));
  return Object.freeze({
    ...(from && { from }),
    ...(to && { to }),
    ...(service && { service }),
    ...(queue !== undefined && { queue }),
    origin,
  });
}
