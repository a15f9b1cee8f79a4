/** One test of an nftables rule as a part of its box. What has no counterpart here is refused by name. */
import type { Family, PortRange } from '../../../dsl/model.js';
import { type Box, complement, meet, outside, type Part } from './box.js';
import type { TableSets } from './sets.js';
import {
  addresses,
  dscpNames,
  elementsOf,
  familyNames,
  flagNames,
  icmpCodes,
  icmpNames,
  isObject,
  NotHere,
  numbers,
  protocolNames,
} from './values.js';

/** Whose name a rule may ask: the device where packets come in, or where they leave. */
export type Side = 'iif' | 'oif';

export interface MatchContext {
  readonly sets: TableSets;
  readonly side: Side;
  /** What the kernel has already taken from the TTL where the chain is asked. */
  readonly ttlTaken: 0 | 1;
}

const negatable = ['==', '!=', 'in'];

/** One part, or several of which a packet is in one: a concatenation has one for each of its elements. @throws NotHere */
export function readMatch(match: unknown, context: MatchContext): readonly Part[] {
  const { op, left, right } = isObject(match) ? match : {};
  if (isObject(left) && Array.isArray(left.concat)) return concatenated(left.concat, op, right, context);
  return [readTest(op, left, right, context)];
}

/** `ip saddr . tcp dport { 192.0.2.1 . 22, … }` */
function concatenated(
  fields: readonly unknown[],
  op: unknown,
  right: unknown,
  context: MatchContext,
): readonly Part[] {
  const { elements, not, order, some } = compared(op, right, context);
  if (not || order !== undefined || some) throw new NotHere('a concatenation, negated');
  return elements.flatMap((element) => {
    const values = isObject(element) && Array.isArray(element.concat) ? element.concat : [];
    if (values.length !== fields.length) throw new NotHere(`${JSON.stringify(element)} among concatenations`);
    const box = fields.reduce<Box | undefined>(
      (box, field, i) => box && meet(box, readTest('==', field, values[i], context)),
      { families: [4, 6] },
    );
    return box ? [box] : [];
  });
}

function readTest(op: unknown, left: unknown, right: unknown, context: MatchContext): Part {
  if (!isObject(left)) throw new NotHere('a test without a left side');
  if (isObject(left.payload)) {
    outerField(left.payload);
    const set = runTimeSet(left.payload, op, right, context);
    if (set) return set;
  }
  if (isObject(left.payload)) return lifted(payload(left.payload, compared(op, right, context)), context);
  if (isObject(left.meta)) return meta(String(left.meta.key), compared(op, right, context), context);
  if (Array.isArray(left['&'])) return masked(left['&'], op, right);
  const [kind = 'nothing'] = Object.keys(left);
  throw new NotHere(
    kind === 'ct'
      ? `connection tracking (ct ${isObject(left.ct) ? String(left.ct.key) : ''}): ACLs know no connections`
      : `tests of ${kind}`,
  );
}

/** Of the packet itself: not of one in a tunnel, nor bits by their place. */
function outerField(payload: Readonly<Record<string, unknown>>): void {
  const [other] = Object.keys(payload).filter((key) => key !== 'protocol' && key !== 'field');
  if (other === 'tunnel') throw new NotHere(`tests of what is in a tunnel (${String(payload.tunnel)})`);
  if (other !== undefined) throw new NotHere(`tests of bits by their place (${other})`);
}

function runTimeSet(
  { protocol, field }: Readonly<Record<string, unknown>>,
  op: unknown,
  right: unknown,
  { sets }: MatchContext,
): Part | undefined {
  const set = typeof right === 'string' && right.startsWith('@') ? sets.runTime(right.slice(1)) : undefined;
  if (set === undefined) return undefined;
  if (op !== '==')
    throw new NotHere(`what is not in ${String(right)}, which changes at run time: a predicate can say it`);
  const families = [protocol === 'ip' ? 4 : 6] as const;
  if (families[0] !== set.family) throw new NotHere(`${String(right)} of addresses of another family`);
  return field === 'saddr' ? { families, srcSet: set } : { families, dstSet: set };
}

/** ACLs see the TTL with which a packet came in, chains of hook forward one less. */
function lifted({ ttl, ...part }: Part, { ttlTaken }: MatchContext): Part {
  if (ttl === undefined) return part;
  const moved = ttl.map(({ from, to }) => ({ from: from + ttlTaken, to: Math.min(255, to + ttlTaken) }));
  return { ...part, ttl: moved.filter(({ from, to }) => from <= to) };
}

/** Values on the right side, and how they are compared. */
interface Compared {
  readonly elements: readonly unknown[];
  readonly not: boolean;
  /** `<` and others: against one number. */
  readonly order?: string;
  /** `in`: of flags. */
  readonly some: boolean;
}

function compared(op: unknown, right: unknown, { sets }: MatchContext): Compared {
  const text = String(op);
  if (['<', '<=', '>', '>='].includes(text))
    return { elements: [right], not: false, order: text, some: false };
  if (!negatable.includes(text)) throw new NotHere(`comparing by ${text}`);
  return { elements: elementsOf(right, sets.elements), not: text === '!=', some: text === 'in' };
}

/** A set of numbers from 0 to `most`, whole if it is negated or compared. */
function field(
  { elements, not, order, some }: Compared,
  most: number,
  names?: Readonly<Record<string, number>>,
): readonly PortRange[] {
  if (some) throw new NotHere('tests of single bits');
  const found = numbers(elements, most, names);
  if (not) return complement(found, most);
  if (order === undefined) return found;
  const { from: edge } = found[0]!;
  const range = {
    '<': { from: 0, to: edge - 1 },
    '<=': { from: 0, to: edge },
    '>': { from: edge + 1, to: most },
    '>=': { from: edge, to: most },
  }[order]!;
  return range.from <= range.to ? [range] : [];
}

function payload(left: Readonly<Record<string, unknown>>, test: Compared): Part {
  const [protocol, name] = [String(left.protocol), String(left.field)];
  const what = `${protocol} ${name}`;
  if (protocol === 'ip' || protocol === 'ip6')
    return { families: [protocol === 'ip' ? 4 : 6], ...ipField(what, test) };
  if (protocol === 'tcp' || protocol === 'udp' || protocol === 'th') return portField(protocol, name, test);
  if (protocol === 'icmp' || protocol === 'icmpv6') return icmpField(protocol === 'icmp' ? 4 : 6, name, test);
  throw new NotHere(`tests of ${what}`);
}

function ipField(what: string, test: Compared): Part {
  const family: Family = what.startsWith('ip ') ? 4 : 6;
  const side = { 'ip saddr': 'src', 'ip daddr': 'dst', 'ip6 saddr': 'src', 'ip6 daddr': 'dst' }[what];
  if (side !== undefined) {
    const found = addresses(test.elements, family);
    if (test.order !== undefined || test.some) throw new NotHere(`comparing addresses by order`);
    return { [side]: test.not ? outside(found, (1n << (family === 4 ? 32n : 128n)) - 1n) : found };
  }
  switch (what) {
    case 'ip protocol':
      return { protocols: field(test, 255, protocolNames) };
    case 'ip ttl':
    case 'ip6 hoplimit':
      return { ttl: field(test, 255) };
    case 'ip dscp':
    case 'ip6 dscp':
      return { dscp: field(test, 63, dscpNames) };
    case 'ip length':
      return { length: field(test, 65_535) };
    default:
      throw new NotHere(`tests of ${what}`);
  }
}

const portProtocols = { tcp: [6], udp: [17], th: [] } as const;

function portField(protocol: 'tcp' | 'udp' | 'th', name: string, test: Compared): Part {
  const protocols = portProtocols[protocol].map((number) => ({ from: number, to: number }));
  const of = protocols.length > 0 ? { protocols } : {};
  if (name === 'sport') return { ...of, sports: ports(test) };
  if (name === 'dport') return { ...of, dports: ports(test) };
  if (protocol === 'tcp' && name === 'flags') return { ...of, flags: wholeFlags(test) };
  throw new NotHere(`tests of ${protocol} ${name}`);
}

/** A port from 0 to 65535 is any, but there must be one: a rule here does not ask that. */
function ports(test: Compared): readonly PortRange[] {
  const found = field(test, 65_535);
  if (found.some(({ from, to }) => from === 0 && to === 65_535)) throw new NotHere('a test of any port');
  return found;
}

function icmpField(family: Family, name: string, test: Compared): Part {
  const number = family === 4 ? 1 : 58;
  const of = { families: [family], protocols: [{ from: number, to: number }] };
  if (name === 'type') return { ...of, icmpTypes: field(test, 255, icmpNames[family]) };
  if (name === 'code') return { ...of, icmpCodes: field(test, 255, icmpCodes[family]) };
  throw new NotHere(`tests of ${family === 4 ? 'icmp' : 'icmpv6'} ${name}`);
}

function meta(key: string, test: Compared, { side }: MatchContext): Part {
  switch (key) {
    case 'nfproto':
      return {
        families: ([4, 6] as const).filter((one) =>
          field(test, 255, familyNames).some(({ from, to }) => from <= one && one <= to),
        ),
      };
    case 'l4proto':
      return { protocols: field(test, 255, protocolNames) };
    case `${side}name`:
    case side:
      return { devices: deviceTest(test) };
    case 'iif':
    case 'iifname':
      throw new NotHere(
        'the interface where a packet came in, in a chain that is taken for what leaves: see --forward in',
      );
    case 'oif':
    case 'oifname':
      throw new NotHere('the interface where a packet leaves, in a chain that is taken for what comes in');
    default:
      throw new NotHere(`tests of meta ${key}`);
  }
}

function deviceTest({ elements, not, order, some }: Compared): (device: string) => boolean {
  const names = elements.map((one) => {
    if (typeof one !== 'string' || order !== undefined || some)
      throw new NotHere('this test of an interface');
    return one;
  });
  const has = (device: string) =>
    names.some((name) => (name.endsWith('*') ? device.startsWith(name.slice(0, -1)) : name === device));
  return (device) => has(device) !== not;
}

/** `tcp flags == syn`: these and no other. `tcp flags syn`: at least one of them, so of several names none can be said. */
function wholeFlags({ elements, not, order, some }: Compared): {
  readonly mask: number;
  readonly value: number;
} {
  const [only] = elements;
  if (not || order !== undefined || elements.length !== 1) throw new NotHere('this test of TCP flags');
  const value = flagsOf(only);
  if (!some) return { mask: 255, value };
  if ((value & (value - 1)) !== 0) throw new NotHere('a test whether one of several TCP flags is set');
  return { mask: value, value };
}

/** `tcp flags & (syn | ack) == syn` */
function masked([left, mask]: readonly unknown[], op: unknown, right: unknown): Part {
  const payload = isObject(left) && isObject(left.payload) ? left.payload : {};
  outerField(payload);
  if (payload.protocol !== 'tcp' || payload.field !== 'flags' || op !== '==')
    throw new NotHere('a test of masked bits');
  const [bits, value] = [flagsOf(mask), flagsOf(right)];
  if (value & ~bits) throw new NotHere('TCP flags that the mask leaves out');
  return { protocols: [{ from: 6, to: 6 }], flags: { mask: bits, value } };
}

function flagsOf(value: unknown): number {
  if (isObject(value) && Array.isArray(value['|'])) return flagsOf(value['|']);
  if (Array.isArray(value)) return value.reduce((sum: number, one) => sum | flagsOf(one), 0);
  if (typeof value === 'number' && value >= 0 && value <= 255) return value;
  if (typeof value === 'string' && Object.hasOwn(flagNames, value)) return flagNames[value]!;
  throw new NotHere(`${JSON.stringify(value)} among TCP flags`);
}
