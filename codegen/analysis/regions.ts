/** What rules match, as sets of packets: from the conditions of the IR, which the forwarder is made from, too. */

import type { PortRange } from '../../dsl/model.js';
import type { AddressSet, Condition, IrPredicate, IrRule, PortTest, ServiceSet } from '../ir.js';
import { setKey, simplify } from '../optimise/predicate.js';
import type { BoolExpr } from '../predicate/expr.js';
import { unreachable } from '../unreachable.js';
import { compared } from './arithmetic.js';
import { equals, flagLevel, maskedEquals, numbersBetween, oneBit, prefixed, union } from './bits.js';
import { all, type Diagram, type Diagrams, none } from './diagram.js';
import { type Block, blockOf, everything, intersection, type PacketSet } from './sets.js';
import { protocolOf, type Space } from './space.js';

/** Arithmetic of several fields can need any number; a second's worth is allowed. */
const mostPredicateNodes = 300_000;

type Within = Extract<BoolExpr, { readonly kind: 'within' }>;

/** Of one space. What rules share (equal sets are one object of the IR) is made once. */
export interface Regions {
  readonly space: Space;
  /** Valid packets that the rule matches, whatever stands before it. */
  readonly of: (rule: IrRule) => PacketSet;
  readonly ofCondition: (condition: Condition) => PacketSet;
}

export function makeRegions(space: Space): Regions {
  const addresses = memo((set: AddressSet) => addressDiagram(space, set));
  const services = memo((service: ServiceSet) => serviceDiagram(space, service));
  const predicates = memo((predicate: IrPredicate) =>
    space.diagrams.within(mostPredicateNodes, () => predicateSet(space, predicate.expr)),
  );
  const ofCondition = ({ from, to, service, when }: Condition): PacketSet => {
    const rest = service ? services(service) : all;
    const match = blockOf(
      from ? addresses(from) : all,
      to ? addresses(to) : all,
      space.diagrams.and(rest, space.valid),
    );
    return when ? intersection(space.diagrams, match, predicates(when)) : match;
  };
  return {
    space,
    ofCondition,
    of: memo((rule: IrRule) => {
      const condition = rule.conditions[space.family];
      return condition === undefined ? [] : ofCondition(condition);
    }),
  };
}

function memo<K extends object, V>(make: (key: K) => V): (key: K) => V {
  const made = new Map<K, V>();
  return (key) => {
    const found = made.get(key);
    if (found !== undefined) return found;
    const value = make(key);
    made.set(key, value);
    return value;
  };
}

export function addressDiagram({ diagrams, addresses }: Space, set: Pick<AddressSet, 'prefixes'>): Diagram {
  return union(
    diagrams,
    set.prefixes.map((one) => prefixed(diagrams, addresses, one.bits, one.length)),
  );
}

/** Where every port is meant, ports need not be there: later fragments match. */
function serviceDiagram({ diagrams, family }: Space, service: ServiceSet): Diagram {
  const read = equals(diagrams, 'state', 0);
  const proto = (name: 'tcp' | 'udp' | 'icmp') => equals(diagrams, 'proto', protocolOf(name, family));
  const parts: Diagram[] = [];
  for (const name of ['tcp', 'udp'] as const) {
    const test = service[name];
    if (test === undefined) continue;
    const ports = portsDiagram(diagrams, test);
    parts.push(diagrams.and(proto(name), ports === undefined ? all : diagrams.and(read, ports)));
  }
  if (service.icmp) {
    const types = service.icmp.types?.map(({ type, code }) =>
      diagrams.and(
        equals(diagrams, 'icmpType', type),
        code === undefined ? all : equals(diagrams, 'icmpCode', code),
      ),
    );
    parts.push(diagrams.and(proto('icmp'), types ? diagrams.and(read, union(diagrams, types)) : all));
  }
  for (const number of service.protocols ?? []) parts.push(equals(diagrams, 'proto', number));
  return union(diagrams, parts);
}

/** Undefined: every port. */
function portsDiagram(diagrams: Diagrams, { ranges, pairs }: PortTest): Diagram | undefined {
  if (ranges === undefined && pairs === undefined) return undefined;
  const among = (field: 'dport' | 'sport', some: readonly PortRange[]) =>
    union(
      diagrams,
      some.map((one) => numbersBetween(diagrams, field, one.from, one.to)),
    );
  const both = (pairs ?? []).map((pair) =>
    diagrams.and(among('sport', pair.sources), pair.ranges ? among('dport', pair.ranges) : all),
  );
  return union(diagrams, [among('dport', ranges ?? []), ...both]);
}

/**
 * Each test of an address splits the packets in two (C. E. Shannon's expansion); what is left of the condition then
 * reads no address.
 */
function predicateSet(space: Space, expr: BoolExpr): PacketSet {
  const { diagrams } = space;
  const part = (left: BoolExpr, { src, dst }: Block): PacketSet => {
    if (src === none || dst === none) return [];
    const test = firstWithin(left);
    if (test === undefined)
      return blockOf(src, dst, diagrams.and(conditionDiagram(space, left), space.valid));
    const set = addressDiagram(space, test);
    return [true, false].flatMap((value) => {
      const narrowed = (side: Diagram) => (value ? diagrams.and(side, set) : diagrams.minus(side, set));
      return part(simplify(decided(left, test, value)), {
        src: test.field === 'src' ? narrowed(src) : src,
        dst: test.field === 'dst' ? narrowed(dst) : dst,
        rest: all,
      });
    });
  };
  return part(expr, everything);
}

function firstWithin(expr: BoolExpr): Within | undefined {
  switch (expr.kind) {
    case 'within':
      return expr;
    case 'not':
      return firstWithin(expr.of);
    case 'and':
    case 'or':
      return firstWithin(expr.left) ?? firstWithin(expr.right);
    default:
      return undefined;
  }
}

/** The condition where this test of an address is known to hold, or not to. */
function decided(expr: BoolExpr, test: Within, value: boolean): BoolExpr {
  switch (expr.kind) {
    case 'within':
      return expr.field === test.field && setKey(expr.prefixes) === setKey(test.prefixes)
        ? { kind: 'constant', value }
        : expr;
    case 'not':
      return { kind: 'not', of: decided(expr.of, test, value) };
    case 'and':
    case 'or':
      return {
        kind: expr.kind,
        left: decided(expr.left, test, value),
        right: decided(expr.right, test, value),
      };
    default:
      return expr;
  }
}

/** Of a condition that tests no address. */
function conditionDiagram(space: Space, expr: BoolExpr): Diagram {
  const { diagrams, family } = space;
  switch (expr.kind) {
    case 'constant':
      return expr.value ? all : none;
    case 'not':
      return diagrams.not(conditionDiagram(space, expr.of));
    case 'and':
      return diagrams.and(conditionDiagram(space, expr.left), conditionDiagram(space, expr.right));
    case 'or':
      return diagrams.or(conditionDiagram(space, expr.left), conditionDiagram(space, expr.right));
    case 'compare':
      return compared(diagrams, expr.op, expr.left, expr.right, family);
    case 'tcpFlag':
      return oneBit(diagrams, flagLevel(expr.flag));
    case 'fragment':
      return equals(diagrams, 'fragment', 1);
    case 'laterFragment':
      return equals(diagrams, 'later', 1);
    case 'transport':
      return equals(diagrams, 'state', 0);
    case 'mac':
      return maskedEquals(diagrams, expr.field, expr.mask, expr.value);
    case 'member':
      return expr.families.includes(family)
        ? oneBit(diagrams, space.members.level(expr.set, expr.field))
        : none;
    case 'within':
      throw new Error('a test of an address was not taken out of a predicate');
    default:
      return unreachable(expr);
  }
}
