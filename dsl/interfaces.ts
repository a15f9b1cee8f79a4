/** Ports and the logical interfaces that they carry. */
import { type FlowSpec, readFlows, readQueues } from './flows.js';
import type {
  Acl,
  Affinity,
  Encapsulation,
  Fallback,
  HostFace,
  LogicalInterface,
  Offload,
  Origin,
  Pbr,
  PortConfig,
  Urpf,
} from './model.js';
import { inside } from './origin.js';
import { readAddresses } from './own-addresses.js';
import { note, show } from './problems.js';
import { choice, knownKeys, line, wholeNumber } from './read.js';

/** An address with its length; whether its numbers are right is checked at build. */
export type AddressText =
  | `${number}.${number}.${number}.${number}/${number}`
  | `${string}:${string}/${number}`;

/** What every logical interface may have. */
export interface FaceSpec {
  /** Addresses with their length; left out, the kernel's are used. */
  readonly address?: readonly AddressText[];
  /** Bytes of an IP packet; left out, the kernel's. */
  readonly mtu?: number;
  /** Filters what comes in. */
  readonly in?: Acl;
  /** Filters what is forwarded and would leave by it; what the router itself sends is the kernel's and is not filtered. */
  readonly out?: Acl;
  /** Routes what comes in and the list takes. */
  readonly pbr?: Pbr;
  /** Drops what comes from where no route leads back: out of this interface (`'strict'`), or anywhere (`'loose'`). */
  readonly urpf?: Urpf;
  /** Who answers for it in the kernel: `'auto'` when not said. */
  readonly host?: HostFace;
}

export interface VlanSpec extends FaceSpec {
  /** 1 to 4094. */
  readonly id: number;
}

export interface QinqSpec {
  /** Id of the outer tag. */
  readonly outer: number;
  /** 0x88a8 (IEEE 802.1ad) when not said. */
  readonly tpid?: 0x8100 | 0x88a8;
  readonly inner: Readonly<Record<string, VlanSpec>>;
}

export interface InterfaceSpec extends FaceSpec {
  /** `xdp:eth0`, `netmap:ix0`, `dpdk:0000:03:00.0`, `pipe:name`, `pcap:in.pcap,out.pcap`, `tap:name`, or a device alone. */
  readonly port: string;
  /** What becomes of packets when nobody forwards them: the kernel routes them, or they are dropped. */
  readonly fallback?: Fallback;
  /** Offloads of the device to switch off as long as netmill has it. */
  readonly offloads?: { readonly off: readonly Offload[] };
  /**
   * Of an `xdp:` port: its workers poll the device themselves when they look for packets (Linux's preferred busy polling),
   * instead of waiting for the kernel to do so. When not said: with `events: 'busy'`.
   */
  readonly busyPoll?: boolean;
  /**
   * Of an `xdp:` port: where the interrupts of its queues, and the kernel's threads that poll them, run as long as netmill has it:
   * on the core of the queue's worker, or where they are. When not said: `'worker'`, if workers have cores; with
   * `events: 'busy'` only where they poll the device themselves.
   */
  readonly affinity?: Affinity;
  /** Of an `xdp:` port: receive queues of the device that netmill takes; the others stay the kernel's. All when not said. */
  readonly queues?: readonly number[];
  /** What the device puts into those queues, by its ntuple filters; its RSS leaves them alone. */
  readonly flows?: readonly FlowSpec[];
  readonly vlans?: Readonly<Record<string, VlanSpec>>;
  readonly qinq?: QinqSpec | readonly QinqSpec[];
}

const faceKeys = ['address', 'mtu', 'in', 'out', 'pbr', 'urpf', 'host'];
const portKeys = ['port', 'fallback', 'offloads', 'busyPoll', 'affinity', 'queues', 'flows', 'vlans', 'qinq'];
const offloads: readonly Offload[] = ['rxcsum', 'txcsum', 'tso', 'gso', 'gro', 'lro', 'rxvlan', 'txvlan'];

interface Interfaces {
  readonly ports: readonly PortConfig[];
  readonly interfaces: readonly LogicalInterface[];
}

export function readInterfaces(spec: unknown, origin: Origin): Interfaces {
  if (typeof spec !== 'object' || spec === null || Array.isArray(spec)) {
    note('NM4014', origin, `${show(spec)} are not interfaces`, {
      expected: "{ wan: { port: 'eth0' } }",
      got: show(spec),
    });
    return { ports: [], interfaces: [] };
  }
  const all = Object.entries(spec).map(([name, one]) => readPort(name, one, inside(origin, name)));
  return {
    ports: Object.freeze(all.map((one) => one.port)),
    interfaces: Object.freeze(all.flatMap((one) => one.interfaces)),
  };
}

function readPort(
  name: string,
  spec: unknown,
  origin: Origin,
): { port: PortConfig; interfaces: readonly LogicalInterface[] } {
  const given = knownKeys(spec, [...portKeys, ...faceKeys], origin, 'an interface');
  checkPart(name, origin);
  if (given.port === undefined)
    note('NM4007', origin, `interface '${name}' has no port`, { expected: "port: 'eth0'" });
  const fallback =
    given.fallback === undefined
      ? undefined
      : choice<Fallback>(given.fallback, ['kernel', 'drop'], 'drop', inside(origin, 'fallback'));
  const affinity =
    given.affinity === undefined
      ? undefined
      : choice<Affinity>(given.affinity, ['worker', 'leave'], 'leave', inside(origin, 'affinity'));
  const queues = readQueues(given.queues, inside(origin, 'queues'));
  const port: PortConfig = Object.freeze({
    name,
    spec: line(given.port, '', inside(origin, 'port')),
    offloadsOff: readOffloads(given.offloads, inside(origin, 'offloads')),
    ...(fallback && { fallback }),
    ...readBusyPoll(given.busyPoll, inside(origin, 'busyPoll')),
    ...(affinity && { affinity }),
    ...(queues && { queues }),
    flows: readFlows(given.flows, inside(origin, 'flows')),
    origin,
  });
  const vlans = readVlans(name, given.vlans, inside(origin, 'vlans'), (id) => ({
    kind: 'vlan',
    id,
    tpid: 0x8100,
  }));
  const qinq = readQinq(name, given.qinq, inside(origin, 'qinq'));
  const tagged = given.vlans !== undefined || given.qinq !== undefined;
  const carriesUntagged = !tagged || faceKeys.some((key) => given[key] !== undefined);
  const own = carriesUntagged ? [readFace(name, name, { kind: 'untagged' }, given, origin)] : [];
  return { port, interfaces: [...own, ...vlans, ...qinq] };
}

function readVlans(
  port: string,
  spec: unknown,
  origin: Origin,
  encapsulation: (id: number) => Encapsulation,
): readonly LogicalInterface[] {
  if (spec === undefined) return [];
  if (typeof spec !== 'object' || spec === null || Array.isArray(spec)) {
    note('NM4014', origin, `${show(spec)} are not VLANs`, {
      expected: '{ office: { id: 100 } }',
      got: show(spec),
    });
    return [];
  }
  return Object.entries(spec).map(([name, one]) => {
    const place = inside(origin, name);
    checkPart(name, place);
    const given = knownKeys(one, ['id', ...faceKeys], place, 'a VLAN');
    const id = readVlanId(given.id, inside(place, 'id'));
    return readFace(`${port}.${name}`, port, encapsulation(id), given, place);
  });
}

function readQinq(port: string, spec: unknown, origin: Origin): readonly LogicalInterface[] {
  if (spec === undefined) return [];
  const list: readonly unknown[] = Array.isArray(spec) ? spec : [spec];
  return list.flatMap((one, i) => {
    const place = Array.isArray(spec) ? inside(origin, i) : origin;
    const given = knownKeys(one, ['outer', 'tpid', 'inner'], place, 'qinq');
    const outer = {
      tpid: readTpid(given.tpid, inside(place, 'tpid')),
      id: readVlanId(given.outer, inside(place, 'outer')),
    };
    return readVlans(port, given.inner ?? {}, inside(place, 'inner'), (id) => ({
      kind: 'qinq',
      outer,
      inner: { tpid: 0x8100, id },
    }));
  });
}

function readFace(
  name: string,
  port: string,
  encapsulation: Encapsulation,
  given: Readonly<Record<string, unknown>>,
  origin: Origin,
): LogicalInterface {
  const mtu = wholeNumber(given.mtu, 68, 16_000, inside(origin, 'mtu'), 'NM4006', 'an MTU');
  const filter = readList<Acl>(given.in, 'acl', inside(origin, 'in'));
  const leaving = readList<Acl>(given.out, 'acl', inside(origin, 'out'));
  const routing = readList<Pbr>(given.pbr, 'pbr', inside(origin, 'pbr'));
  const urpf =
    given.urpf === undefined
      ? undefined
      : choice<Urpf>(given.urpf, ['strict', 'loose'], 'strict', inside(origin, 'urpf'));
  return Object.freeze({
    name,
    port,
    encapsulation,
    addresses: readAddresses(given.address, inside(origin, 'address')),
    ...(mtu === undefined ? {} : { mtu }),
    ...(filter && { in: filter }),
    ...(leaving && { out: leaving }),
    ...(routing && { pbr: routing }),
    ...(urpf && { urpf }),
    host: choice<HostFace>(given.host, ['auto', 'tap', 'none'], 'auto', inside(origin, 'host')),
    origin,
  });
}

function readList<T extends { readonly kind: string }>(
  value: unknown,
  kind: T['kind'],
  origin: Origin,
): T | undefined {
  if (value === undefined) return undefined;
  if ((value as T | null)?.kind === kind) return value as T;
  note('NM4014', origin, `${show(value)} is not a list made by ${kind}()`, {
    expected: `${kind}(…)`,
    got: show(value),
  });
  return undefined;
}

function readOffloads(spec: unknown, origin: Origin): readonly Offload[] {
  if (spec === undefined) return [];
  const { off } = knownKeys(spec, ['off'], origin, 'offloads');
  const list: readonly unknown[] = Array.isArray(off) ? off : [off];
  return Object.freeze(
    list.flatMap((name, i) => {
      const found = offloads.find((one) => one === name);
      if (found === undefined)
        note('NM4014', inside(origin, 'off', i), `${show(name)} is not an offload`, {
          expected: offloads.join(', '),
          got: show(name),
        });
      return found ?? [];
    }),
  );
}

function readBusyPoll(value: unknown, origin: Origin): { readonly busyPoll?: boolean } {
  if (value === undefined) return {};
  if (typeof value === 'boolean') return { busyPoll: value };
  note('NM4014', origin, `${show(value)} is not a yes or no`, {
    expected: 'true or false',
    got: show(value),
  });
  return {};
}

function readVlanId(value: unknown, origin: Origin): number {
  if (value === undefined)
    note('NM4004', origin, 'a VLAN needs its id', { expected: 'a whole number from 1 to 4094' });
  return wholeNumber(value, 1, 4094, origin, 'NM4004', 'a VLAN id') ?? 0;
}

function readTpid(value: unknown, origin: Origin): 0x8100 | 0x88a8 {
  if (value === undefined || value === 0x88a8) return 0x88a8;
  if (value === 0x8100) return value;
  note('NM4005', origin, `${show(value)} is not a tag protocol id of an outer tag`, {
    expected: '0x88a8 or 0x8100',
    got: show(value),
  });
  return 0x88a8;
}

/** Parts of names: `lan.office` must fit MILL_NAME_SIZE, which check looks at. */
function checkPart(name: string, origin: Origin): void {
  if (/^[A-Za-z][A-Za-z0-9_-]*$/.test(name)) return;
  note('NM3010', origin, `${show(name)} is not a usable name for an interface`, {
    expected: 'a letter, then letters, digits, hyphens or underscores',
    got: show(name),
  });
}
