/** Who must always reach the router: a policy that denies some of it is refused. */
import { type HeaderSpec, headerKeys, readHeader } from './header.js';
import type { NetSet, Origin, Reach, Service } from './model.js';
import type { Nets } from './nets.js';
import { inside } from './origin.js';
import { note, show } from './problems.js';
import { knownKeys, ofKind } from './read.js';

/** What it sends: `ttl: 255`, say, where the list asks for that (RFC 5082). */
export interface ReachSpec extends HeaderSpec {
  /** Logical interface on which it comes in. */
  readonly in: string;
  readonly from?: Nets;
  /** Where to; the addresses of that interface when not said. */
  readonly to?: Nets;
  readonly service?: Service;
}

export function readReach(spec: unknown, origin: Origin): readonly Reach[] {
  if (spec === undefined) return Object.freeze([]);
  if (typeof spec !== 'object' || spec === null || Array.isArray(spec)) {
    note('NM4014', origin, `${show(spec)} does not say who must reach the router`, {
      expected: "{ ssh: { in: 'lan', from: admins, service: tcp(22) } }",
      got: show(spec),
    });
    return Object.freeze([]);
  }
  return Object.freeze(Object.entries(spec).map(([name, one]) => readOne(name, one, inside(origin, name))));
}

function readOne(name: string, spec: unknown, origin: Origin): Reach {
  const keys = ['in', 'from', 'to', 'service', ...headerKeys];
  const given = knownKeys(spec, keys, origin, 'who must reach the router');
  const from = ofKind<NetSet>(given, 'from', 'nets', 'nets(…) or hosts(…)', origin);
  const to = ofKind<NetSet>(given, 'to', 'nets', 'nets(…) or hosts(…)', origin);
  const service = ofKind<Service>(
    given,
    'service',
    'service',
    'tcp(…), udp(…), icmp(…) or service(…)',
    origin,
  );
  const header = readHeader(given as HeaderSpec, origin);
  if (typeof given.in !== 'string')
    note('NM4014', inside(origin, 'in'), `'${name}' does not say on which interface it comes in`, {
      expected: "in: 'lan'",
      got: show(given.in),
    });
  return Object.freeze({
    name,
    in: String(given.in),
    ...(from && { from }),
    ...(to && { to }),
    ...(service && { service }),
    ...(header && { header }),
    origin,
  });
}
