/**
 * Terms of Aerleon, drawn, and what they say about a packet: written from Aerleon's reference alone, word by word, and slow.
 * Networks and services are tables of strings; nothing here reads YAML, nor knows how a rule of netmill looks.
 */
import fc from 'fast-check';
import type { PacketPoint } from '../../../codegen/analysis/packet.js';
import { parseInterfaceAddress } from '../../../dsl/address.js';
import type { Family } from '../../../dsl/model.js';

export const networks: Readonly<Record<string, readonly string[]>> = {
  INNER: ['RFC1918', '2001:db8:10::/48'],
  RFC1918: ['10.0.0.0/8', '172.16.0.0/12'],
  DMZ: ['10.1.0.0/16', '20.1.2.3'],
  SIX: ['2001:db8::/32'],
  ALL4: ['0.0.0.0/0'],
};
export const services: Readonly<Record<string, readonly string[]>> = {
  DNS: ['53/tcp', '53/udp'],
  WEB: ['80/tcp', 'TLS'],
  TLS: ['443/tcp', '443/udp'],
  HIGH: ['1024-65535/tcp', '1024-65535/udp'],
  ODD: ['7/tcp', '9/udp'],
};

/** Fields by their names; lists are words with spaces between. */
export type Term = Readonly<Record<string, string>>;

const words = (...all: readonly string[]) =>
  fc.uniqueArray(fc.constantFrom(...all), { minLength: 1, maxLength: 2 }).map((some) => some.join(' '));
const nets = words(...Object.keys(networks), '20.1.0.0/16', '2001:db8:10::1');
const ports = words(...Object.keys(services));
const maybe = <T>(arbitrary: fc.Arbitrary<T>, often = 2) =>
  fc.option(arbitrary, { nil: undefined, freq: often });

const addresses = fc.oneof(
  fc.constant({}),
  fc.record({ 'source-address': fc.constantFrom('ALL4', 'SIX', 'ALL4 SIX') }),
  fc.record({
    'source-address': maybe(nets),
    'source-exclude': maybe(nets, 1),
    'destination-address': maybe(nets),
    'destination-exclude': maybe(nets, 1),
  }),
  fc.record({ address: nets, 'address-exclude': maybe(nets) }),
);
const transport = fc.oneof(
  fc.constant({}),
  fc.record({
    protocol: fc.constantFrom('tcp', 'udp', 'tcp udp'),
    'source-port': maybe(ports, 1),
    'destination-port': maybe(ports, 4),
  }),
  fc.record({ protocol: fc.constantFrom('tcp', 'udp tcp'), port: ports }),
  fc.record({
    protocol: fc.constant('tcp'),
    option: fc.constantFrom('tcp-established', 'established', 'tcp-initial', 'rst', 'syn ack'),
    'destination-port': maybe(ports, 1),
  }),
  fc.record({ protocol: fc.constant('udp'), option: fc.constant('established') }),
  fc.record({ protocol: fc.constantFrom('icmp', 'icmpv6', 'gre', '50 51') }),
  fc.record({
    protocol: fc.constant('icmp'),
    'icmp-type': words('echo-request', 'echo-reply', 'unreachable'),
  }),
  fc.record({
    protocol: fc.constant('icmp'),
    'icmp-type': fc.constant('unreachable'),
    'icmp-code': fc.constantFrom('1', '3 4'),
  }),
  fc.record({ protocol: fc.constant('icmpv6'), 'icmp-type': words('echo-request', 'packet-too-big') }),
  fc.record({ option: fc.constantFrom('is-fragment', 'first-fragment') }),
);
const rest = fc.record({
  'dscp-match': maybe(fc.constantFrom('ef', 'af11-af13', 'b101110', 'be'), 1),
  'packet-length': maybe(fc.constantFrom('0-99', '100-1500'), 1),
  'restrict-address-family': maybe(fc.constantFrom('inet', 'inet6'), 1),
  platform: maybe(fc.constantFrom('juniper', 'cisco juniper', 'cisco'), 1),
  'platform-exclude': maybe(fc.constantFrom('cisco', 'juniper'), 1),
  expiration: maybe(fc.constantFrom('2026-01-01', '2026-01-02', '2030-01-01'), 1),
});
const action = fc.constantFrom('accept', 'deny', 'reject', 'accept', 'deny', 'next');

export const term: fc.Arbitrary<Term> = fc
  .tuple(addresses, transport, fc.oneof({ arbitrary: fc.constant({}), weight: 2 }, rest), action)
  .map(([...parts]) => {
    const [one, two, three, verdict] = parts;
    const all = { ...one, ...two, ...three, action: verdict };
    return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined)) as Term;
  });

export const today = '2026-01-01';
const split = (text: string | undefined) => (text === undefined ? [] : text.split(' '));

/** Whether `name`, one of the networks or a prefix, has the address. */
function has(name: string, family: Family, bits: bigint): boolean {
  const made = networks[name];
  if (made) return made.some((one) => has(one, family, bits));
  const prefix = parseInterfaceAddress(name)!;
  const width = family === 4 ? 32 : 128;
  return prefix.family === family && (prefix.bits ^ bits) >> BigInt(width - prefix.length) === 0n;
}

function selects(of: string | undefined, except: string | undefined, family: Family, bits: bigint): boolean {
  const some = split(of).some((name) => has(name, family, bits));
  return (of === undefined || some) && !split(except).some((name) => has(name, family, bits));
}

/** Ports of all of the term's protocols are asked of each. */
function hasPort(name: string, protocols: readonly string[], port: number): boolean {
  return services[name]!.some((one) => {
    const [range, protocol] = one.split('/');
    if (protocol === undefined) return hasPort(one, protocols, port);
    const [from, to = from] = range!.split('-').map(Number);
    return protocols.includes(protocol) && port >= from! && port <= to!;
  });
}

const numbers: Readonly<Record<string, number>> = {
  tcp: 6,
  udp: 17,
  icmp: 1,
  icmpv6: 58,
  gre: 47,
  '50': 50,
  '51': 51,
};
const types: Readonly<Record<string, readonly [four: number, six: number]>> = {
  'echo-request': [8, 128],
  'echo-reply': [0, 129],
  unreachable: [3, -1],
  'packet-too-big': [-1, 2],
};
const flags: Readonly<Record<string, (flags: number) => boolean>> = {
  'tcp-established': (bits) => (bits & 0x14) !== 0,
  established: (bits) => (bits & 0x14) !== 0,
  'tcp-initial': (bits) => (bits & 0x12) === 2,
  rst: (bits) => (bits & 4) !== 0,
  syn: (bits) => (bits & 2) !== 0,
  ack: (bits) => (bits & 16) !== 0,
};
const dscps: Readonly<Record<string, readonly [number, number]>> = {
  ef: [46, 46],
  'af11-af13': [10, 14],
  b101110: [46, 46],
  be: [0, 0],
};

export function matches(one: Term, { family, src, dst, fields }: PacketPoint): boolean {
  if (one.platform && !split(one.platform).includes('juniper')) return false;
  if (split(one['platform-exclude']).includes('juniper')) return false;
  if (one.expiration !== undefined && one.expiration <= today) return false;
  if (one['restrict-address-family'] === (family === 4 ? 'inet6' : 'inet')) return false;
  const from = selects(one['source-address'], one['source-exclude'], family, src);
  const to = selects(one['destination-address'], one['destination-exclude'], family, dst);
  const either = [src, dst].some((bits) => selects(one.address, one['address-exclude'], family, bits));
  if (!from || !to || !either) return false;
  const dscp = one['dscp-match'] === undefined ? undefined : dscps[one['dscp-match']]!;
  if (dscp && (fields.dscp < dscp[0] || fields.dscp > dscp[1])) return false;
  const length = one['packet-length']?.split('-').map(Number);
  if (length && (fields.len < length[0]! || fields.len > length[1]!)) return false;
  return matchesTransport(one, family, fields);
}

function matchesTransport(one: Term, family: Family, fields: PacketPoint['fields']): boolean {
  const protocols = split(one.protocol);
  const options = split(one.option);
  if (options.includes('is-fragment') && fields.later === 0) return false;
  if (options.includes('first-fragment') && (fields.fragment === 0 || fields.later === 1)) return false;
  if (protocols.length > 0 && !protocols.some((name) => numbers[name] === fields.proto)) return false;
  if (one.protocol === 'icmp' && family === 6) return false;
  if (one.protocol === 'icmpv6' && family === 4) return false;
  const asked = ['source-port', 'destination-port', 'port', 'icmp-type'].some(
    (key) => one[key] !== undefined,
  );
  const tcpOptions = options.filter((name) => Object.hasOwn(flags, name) && one.protocol === 'tcp');
  const highPorts = options.includes('established') && one.protocol === 'udp';
  if ((asked || tcpOptions.length > 0 || highPorts) && fields.state !== 0) return false;
  const port = (key: string, value: number) =>
    one[key] === undefined || split(one[key]).some((name) => hasPort(name, protocols, value));
  if (!port('source-port', fields.sport) || !port('destination-port', fields.dport)) return false;
  if (!port('port', fields.sport) && !port('port', fields.dport)) return false;
  if (highPorts && fields.dport < 1024) return false;
  if (!tcpOptions.every((name) => flags[name]!(fields.flags))) return false;
  const type = one['icmp-type'];
  if (
    type !== undefined &&
    !split(type).some((name) => types[name]![family === 4 ? 0 : 1] === fields.icmpType)
  )
    return false;
  return one['icmp-code'] === undefined || split(one['icmp-code']).map(Number).includes(fields.icmpCode);
}

const four = ['10.1.2.3', '10.200.0.1', '172.16.0.1', '20.1.2.3', '20.1.9.9', '20.2.0.1'];
const six = ['2001:db8:10::1', '2001:db8:10::2', '2001:db8:20::1', '2001:db9::1'];

/** Packets that an Internet has: where the headers of a transport can be read, or do not come with a later fragment. */
export const packet: fc.Arbitrary<PacketPoint> = fc
  .record({
    family: fc.constantFrom<Family>(4, 6),
    ends: fc.tuple(fc.nat(), fc.nat()),
    kind: fc.constantFrom('tcp', 'tcp', 'tcp', 'udp', 'udp', 'icmp', 'gre', 'ah'),
    piece: fc.constantFrom('whole', 'whole', 'whole', 'first', 'later'),
    ports: fc.tuple(...[0, 1].map(() => fc.constantFrom(7, 9, 53, 80, 443, 1023, 1024, 65_535))),
    flags: fc.constantFrom(2, 0x12, 0x10, 4, 0),
    type: fc.constantFrom(8, 0, 3, 128, 2),
    code: fc.constantFrom(0, 1, 3, 4),
    dscp: fc.constantFrom(0, 10, 12, 46),
    len: fc.constantFrom(60, 99, 100, 1500),
  })
  .map(({ family, ends, kind, piece, ports: [sport, dport], ...one }) => {
    const list = family === 4 ? four : six;
    const [src, dst] = ends.map((end) => parseInterfaceAddress(list[end % list.length]!)!.bits);
    const proto = { tcp: 6, udp: 17, icmp: family === 4 ? 1 : 58, gre: 47, ah: 51 }[kind]!;
    const later = piece === 'later';
    const reads = !later && ['tcp', 'udp', 'icmp'].includes(kind);
    const ported = reads && kind !== 'icmp';
    const fields: PacketPoint['fields'] = {
      proto,
      state: reads ? 0 : 1,
      fragment: piece === 'whole' ? 0 : 1,
      later: later ? 1 : 0,
      sport: ported ? sport! : 0,
      dport: ported ? dport! : 0,
      flags: reads && kind === 'tcp' ? one.flags : 0,
      icmpType: reads && kind === 'icmp' ? one.type : 0,
      icmpCode: reads && kind === 'icmp' ? one.code : 0,
      ttl: 64,
      dscp: one.dscp,
      vlan: 0,
      pcp: 0,
      fromMac: 0x020000000001,
      toMac: 0x020000000002,
      len: one.len,
    };
    return { family, src: src!, dst: dst!, fields };
  });
