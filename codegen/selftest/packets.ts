/**
 * Frames for the self-test of a policy: for each rule packets in and beside its region, then what routers meet
 * besides: wrong and short frames, tags in all combinations, options, fragments, extension headers. Always the same
 * ones for the same policy.
 */
import { addressBits } from '../../dsl/address.js';
import type { Address, Family } from '../../dsl/model.js';
import { type Circumstances, usual } from '../evaluate/evaluate.js';
import { isWide } from '../evaluate/hulls.js';
import { protocols } from '../evaluate/parse.js';
import { type Path, type Paths, route } from '../evaluate/paths.js';
import type { Ir, IrInterface, IrRule } from '../ir.js';
import { conditionSource } from '../lower-match.js';
import { type Tag, tagsOf } from '../tags.js';
import { buildFrame, type FramePlan, usualFrom } from './build-frame.js';
import { spoil } from './damage.js';
import {
  type Aim,
  addressNear,
  type Edges,
  edgesOf,
  macNear,
  type NearService,
  numberNear,
  serviceNear,
} from './near.js';
import type { TestFrame } from './protocol.js';
import { type Random, randomOf } from './random.js';

const usualFrames = 2000;
const fewestFrames = 300;
/** Frames for each rule of a list, and for its neighbourhood. */
const framesPerRule = 1.25;
/** What the evaluator may cost, in looks at the hull of a rule; to look at a rule itself costs as much as so many hulls. */
const mostLooks = 250_000_000;
const looksPerRule = 75;
const longest = 1700;

const unusual: readonly Circumstances[] = [
  { ...usual, aclEnabled: false },
  { ...usual, servicesTake: false },
  { ...usual, room: false },
  { ...usual, gatewaysAnswer: false },
];

export interface PacketOptions {
  readonly seed?: number;
  readonly frames?: number;
}

export function makeFrames(ir: Ir, paths: Paths, options: PacketOptions = {}): readonly TestFrame[] {
  const random = randomOf(options.seed ?? 1);
  const edges = new Map(
    ir.rules.map((rule) => [
      rule,
      edgesOf(conditionSource(rule.match, rule.origin, ir.predicates)?.expr, ir.contents),
    ]),
  );
  const makersByPort = ir.ports.map((port) => port.interfaces.flatMap((one) => makersOf(ir, one)));
  const counts = options.frames
    ? ir.ports.map(() => Math.ceil(options.frames! / ir.ports.length))
    : enough(ir, makersByPort);
  return ir.ports.flatMap((port, number) => {
    const [makers, perPort] = [makersByPort[number]!, counts[number]!];
    const inTurn = perPort > makers.length ? makers.length : 0;
    return Array.from({ length: perPort }, (_, i): TestFrame => {
      const aim = i < inTurn ? 'inside' : 'near';
      const { iface, rule } = i < inTurn ? makers[i]! : random.pick(makers);
      const now = i < perPort * 0.85 ? usuallyFor(rule, random) : unusual[i % unusual.length]!;
      const plan = planFrame(random, ir, paths, iface, aim, rule, rule && edges.get(rule));
      const bytes = buildFrame(plan);
      const sent = aim === 'near' && random.once(6) ? spoil(random, bytes, port) : bytes;
      return { port: port.local, bytes: sent.subarray(0, longest), now };
    });
  });
}

/** For each port so many frames that each rule has its turn, unless the evaluator would take too long over them. */
function enough({ ports, rules }: Ir, makers: readonly (readonly Maker[])[]): readonly number[] {
  const wanted = makers.map(({ length }) =>
    Math.ceil(Math.max(usualFrames / ports.length, framesPerRule * length)),
  );
  const looks = rules.length + looksPerRule * (100 + rules.filter(isWide).length);
  const all = wanted.reduce((sum, one) => sum + one, 0);
  const share = Math.min(1, Math.max(fewestFrames, mostLooks / looks) / all);
  return wanted.map((one) => Math.ceil(one * share));
}

/** Gateways that do not answer matter to rules that name some. */
function usuallyFor(rule: IrRule | undefined, random: Random): Circumstances {
  const diverts = rule?.action.kind === 'nexthop';
  return diverts && random.once(4) ? { ...usual, gatewaysAnswer: false } : usual;
}

interface Maker {
  readonly iface: IrInterface;
  readonly rule: IrRule | undefined;
}

/** Whatever comes in may leave by any interface. */
function makersOf(ir: Ir, iface: IrInterface): readonly Maker[] {
  const judging = ir.lists.filter((one) => one.direction === 'out');
  const lists = [...(iface.acl ? [iface.acl] : []), ...(iface.pbr ? [iface.pbr] : []), ...judging];
  const rules = lists.flatMap((list) => list.rules);
  return [undefined, ...rules].map((rule) => ({ iface, rule }));
}

function planFrame(
  random: Random,
  ir: Ir,
  paths: Paths,
  iface: IrInterface,
  aim: Aim,
  rule: IrRule | undefined,
  edges: Edges = edgesOf(undefined),
): FramePlan {
  const family = random.pick(aim === 'inside' ? familiesOf(rule) : families);
  const match = rule?.match ?? {};
  const near = match.service && serviceNear(random, family, match.service, aim);
  const sometimes = (n: number) => aim === 'near' && random.once(n);
  const number = (field: Parameters<typeof numberNear>[2], most: number, otherwise: number) =>
    (sometimes(4) ? undefined : numberNear(random, edges, field, most)) ?? otherwise;
  const src = addressNear(random, family, match.from, edges.src, aim);
  const dst = addressNear(random, family, match.to, edges.dst, aim);
  const fragment = sometimes(8) && { offset: random.pick([0, 0, 1, 90]), more: !random.once(3) };
  const own = paths.faces[iface.local]!.mac;
  const plan: FramePlan = {
    to: macNear(random, edges.toMac) ?? (aim === 'inside' ? own : destinationMac(random, own)),
    from: macNear(random, edges.fromMac) ?? usualFrom,
    tags: tagsNear(random, tagsOf(iface.encapsulation)),
    ...(aim === 'inside'
      ? { src: src ?? somebody(random, family), dst: dst ?? somebody(random, family) }
      : {
          src: sourceOf(random, family, paths, iface, src),
          dst:
            dst && !random.once(5)
              ? dst
              : (destination(random, family, paths) ?? source(random, family, paths)),
        }),
    ttl: number('ttl', 255, random.once(8) ? random.below(3) : random.once(3) ? 255 : 64),
    dscp: number('dscp', 63, random.below(64)),
    protocol: number('proto', 255, protocolOf(random, family, near, aim)),
    sport: near?.sport ?? number('sport', 65535, random.once(6) ? 179 : random.below(65536)),
    dport: near?.dport ?? number('dport', 65535, random.pick(wellKnownPorts) + random.pick([-1, 0, 0, 0, 1])),
    ...(sometimes(10) && { dataOffset: random.pick([0, 4, 6, 8, 15]) }),
    tcpFlags: random.once(3) ? random.below(256) : random.pick([2, 0x10, 0x12, 0x18, 4, 1]),
    icmpType:
      near?.icmpType ?? number('icmpType', 255, random.once(2) ? 128 + random.below(17) : random.below(14)),
    icmpCode: near?.icmpCode ?? number('icmpCode', 255, random.below(5)),
    payload: random.below(60),
    ...(fragment && { fragment }),
    fragmentFirst: random.once(3),
    dontFragment: random.once(2),
    headerSum: random.once(4) ? random.pick([0x00ff, 0x0100, 0x0101]) : 0,
    options: sometimes(15) ? 1 + random.below(10) : 0,
    extensions: sometimes(fragment ? 2 : 6) ? extensions(random) : [],
    padding: random.once(3) ? random.below(30) : 0,
  };
  const way = gatewayFor(ir, paths, rule, family) ?? route(paths, plan.dst);
  const length = number('len', longest, random.once(7) ? nearMtu(random, paths, way) : 0);
  return length === 0 ? plan : ofLength(plan, length);
}

const families: readonly Family[] = [4, 6];

/** Of packets that the rule may take. */
function familiesOf(rule: IrRule | undefined): readonly Family[] {
  const own = families.filter((one) => rule?.conditions[one] !== undefined);
  return own.length === 0 ? families : own;
}

/** Now and then with tags between that carry a priority alone. */
function tagsNear(random: Random, tags: readonly Tag[]): FramePlan['tags'] {
  const nothing = (): Tag[] => (random.once(12) ? [{ tpid: random.pick([0x8100, 0x88a8]), vid: 0 }] : []);
  return [...tags.flatMap((tag) => [...nothing(), tag]), ...nothing()].map((tag) => ({
    ...tag,
    priority: random.once(2) ? 0 : random.below(16),
  }));
}

/** Where the rule would divert a packet to. */
function gatewayFor(ir: Ir, paths: Paths, rule: IrRule | undefined, family: Family): Path | undefined {
  const local = rule?.conditions[family]?.gateway;
  return local === undefined ? undefined : paths.gateways[ir.gateways[local]!.local];
}

/** Of the interface by which a packet would leave. */
function nearMtu(random: Random, paths: Paths, { iface }: Path): number {
  const face = iface === undefined ? random.pick(paths.faces) : paths.faces[iface]!;
  return face.mtu + random.pick([-1, 0, 0, 1, 1, 1]);
}

/** Its IP packet that long, if its headers leave room for that. */
function ofLength(plan: FramePlan, length: number): FramePlan {
  const headers = buildFrame({ ...plan, payload: 0, padding: 0 }).length - 14 - 4 * plan.tags.length;
  return { ...plan, payload: Math.max(0, length - headers) };
}

const wellKnownPorts: readonly number[] = [22, 53, 80, 179, 443, 520, 521, 646, 3784, 3785, 4784];

function destinationMac(random: Random, own: Uint8Array): Uint8Array {
  if (!random.once(20)) return own;
  return random.pick([
    new Uint8Array(6).fill(255),
    Uint8Array.of(1, 0, 0x5e, 0, 0, 5),
    own.map((byte, i) => (i === 5 ? byte ^ 0x80 : byte)),
    Uint8Array.of(0x33, 0x33, 0, 0, 0, 1),
  ]);
}

const specials: Readonly<Record<Family, readonly bigint[]>> = {
  4: [
    0n,
    0x00000001n,
    0x7f000001n,
    0xe0000005n,
    0xefffffffn,
    0xf0000001n,
    0xffffffffn,
    0xdfffffffn,
    0xa9fe0001n,
  ],
  6: [
    0n,
    1n,
    2n,
    0xffff0a000001n,
    0xfe80n << 112n,
    (0xfebfn << 112n) + 1n,
    (0xfec0n << 112n) + 1n,
    (0xff01n << 112n) + 1n,
    (0xff02n << 112n) + 1n,
    (0xff0en << 112n) + 1n,
    (0xff30n << 112n) + 1n,
  ],
};

/** As the rule has it, mostly; where a way back is asked for, now and then one that has it. */
function sourceOf(
  random: Random,
  family: Family,
  paths: Paths,
  { local, urpf }: IrInterface,
  ofRule: Address | undefined,
): Address {
  const behind = urpf
    ? paths.routes.filter((one) => one.path.iface === local && one.prefix.length > 0).map((one) => one.prefix)
    : [];
  const credible =
    behind.length > 0 && random.once(2) ? addressNear(random, family, undefined, behind) : undefined;
  if (credible) return credible;
  return ofRule && !random.once(8) ? ofRule : source(random, family, paths);
}

function source(random: Random, family: Family, paths: Paths): Address {
  const own = paths.routes.filter((one) => one.path.kind === 'local' && one.prefix.family === family);
  if (own.length > 0 && random.once(12)) return random.pick(own).prefix;
  if (random.once(12)) return { family, bits: random.pick(specials[family]) };
  const bits = random.bits(addressBits(family));
  // Anything, but seldom what is dropped for what it is.
  return { family, bits: family === 4 ? bits % 0x70000000n : bits | (0x2000n << 112n) };
}

/** An address that nothing is dropped for. */
function somebody(random: Random, family: Family): Address {
  const [least, most] = family === 4 ? [1n << 24n, 112n << 24n] : [0x2000n << 112n, 0x4000n << 112n];
  return { family, bits: least + (random.bits(addressBits(family)) % (most - least)) };
}

/** Special, the router's own, or in or beside a route. */
function destination(random: Random, family: Family, paths: Paths): Address | undefined {
  if (random.once(12)) return { family, bits: random.pick(specials[family]) };
  const own = random.once(6);
  const prefixes = paths.routes
    .filter(
      ({ prefix, path }) => prefix.length > 0 && (!own || path.kind === 'local' || path.kind === 'broadcast'),
    )
    .map((one) => one.prefix);
  return addressNear(random, family, undefined, prefixes);
}

function protocolOf(random: Random, family: Family, near: NearService | undefined, aim: Aim): number {
  const icmp = family === 4 ? protocols.icmp : protocols.icmpv6;
  const wrongIcmp = family === 4 ? protocols.icmpv6 : protocols.icmp;
  if (near && (aim === 'inside' || !random.once(6)))
    return near.l4 === 'icmp' ? icmp : typeof near.l4 === 'number' ? near.l4 : protocols[near.l4];
  const { tcp, udp, igmp, ospf, pim, vrrp } = protocols;
  return random.pick([
    tcp,
    tcp,
    udp,
    udp,
    icmp,
    icmp,
    wrongIcmp,
    igmp,
    ospf,
    pim,
    vrrp,
    47,
    50,
    59,
    random.below(256),
  ]);
}

function extensions(random: Random): FramePlan['extensions'] {
  const count = random.once(6) ? 6 + random.below(5) : 1 + random.below(3);
  return Array.from({ length: count }, (_, i) => ({
    protocol: random.pick(i === 0 ? [0, 43, 51, 60] : [43, 44, 51, 60, 60]),
    length: random.pick([0, 0, 1, 2, 5]),
  }));
}
