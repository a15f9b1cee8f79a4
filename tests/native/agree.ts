/** What kernel, RIB and compiled FIB say of addresses, held against each other. */
import type { ExecutionContext } from 'ava';
import type { CompiledRoute, Link, Neighbour, RibRoute } from '../../runtime/native.js';
import type { Node } from '../support/netns.js';
import { kernelTable, liveLinks, type Remote, ribTable } from './remote.js';
import { OURS } from './scene.js';

export interface Answer {
  readonly address: string;
  readonly rib: RibRoute | undefined;
  readonly kernel: RibRoute | undefined;
  readonly compiled: CompiledRoute;
}

/** The kernel names one leg, the RIB all. */
export function alike({ rib, kernel }: Pick<Answer, 'rib' | 'kernel'>): boolean {
  if (rib === undefined || kernel === undefined) {
    const present = rib ?? kernel;
    return present === undefined || present.type === 'throw' || present.nexthops.length === 0;
  }
  if (rib.type === 'throw') return kernel.type !== 'unicast';
  if (rib.type !== kernel.type) return false;
  if (rib.type !== 'unicast') return true;
  const leg = kernel.nexthops[0];
  return rib.nexthops.some((h) => h.ifindex === leg?.ifindex && h.gateway === leg.gateway);
}

/**
 * Without what the kernel's dump of IPv6 leaves out: it goes from the first leg of a multipath route to the last, and passes
 * over routes without a gateway, of the same metric, that stand between them.
 */
function asDumped(lines: readonly string[], dumped: readonly string[]): string[] {
  const classOf = (line: string) => `${line.split(' ')[0]} ${line.split(' ')[2]}`;
  const shared = new Set(
    lines.filter((line) => line.split(' ')[0]!.includes(':') && line.split(' ').length > 4).map(classOf),
  );
  return lines.filter((line) => dumped.includes(line) || !shared.has(classOf(line)));
}

/**
 * Of a nexthop object that several IPv6 routes name the kernel keeps one way at hand on each processor, and when the route that it was
 * made for is gone, `ip route get` by another one ends in "unreachable", though packets go on by it. Addresses that come
 * and go make it forget.
 */
export async function forgetWays(router: Node): Promise<void> {
  await router.ip('addr add fd77::7/128 dev lo nodad', 'addr del fd77::7/128 dev lo');
}

/** Both tables. The kernel follows a lost carrier by itself a little later: look twice, before a dump could heal. */
export async function tables(router: Node, remote: Remote, family: 4 | 6): Promise<[string[], string[]]> {
  for (let attempt = 0; ; attempt++) {
    await remote.call('rib', 'settled');
    const live = await liveLinks(remote);
    const kernel = await kernelTable(router, family, live);
    const rib = asDumped(await ribTable(remote, family, live), kernel);
    if (attempt === 2 || kernel.join('\n') === rib.join('\n')) return [kernel, rib];
  }
}

/** What the engine should do with an address, in the words of CompiledRoute, worked out from the RIB's answer. */
function expected(answer: Answer, links: readonly Link[], neighbours: readonly Neighbour[]): string[] {
  const { rib, address } = answer;
  if (rib === undefined) return ['none'];
  if (rib.type === 'throw' || rib.type === 'unreachable') return ['unreachable'];
  if (rib.type === 'anycast') return ['local'];
  if (rib.type !== 'unicast') return [rib.type];
  if (rib.nexthops.length === 0) return ['unreachable'];
  const usable = (ifindex: number, nexthop: string) =>
    neighbours.find((n) => n.ifindex === ifindex && n.address === nexthop && n.mac && n.state !== 'failed');
  const alive = rib.nexthops.filter((hop) => !hop.dead);
  const legs = (alive.length > 0 ? alive : rib.nexthops).map((hop) => {
    const slot = OURS.indexOf(links.find((l) => l.ifindex === hop.ifindex)?.name ?? '');
    if (slot < 0) return 'kernel';
    const nexthop = hop.gateway ?? address;
    const neighbour = usable(hop.ifindex, nexthop);
    if (neighbour) return `forward ${slot} ${nexthop} ${neighbour.mac}`;
    return hop.gateway ? `resolve ${slot} ${nexthop}` : `glean ${slot}`;
  });
  return [...new Set(legs)].sort();
}

function said({ compiled }: Answer): string[] {
  if (compiled.legs.length === 0) return [compiled.kind];
  const legs = compiled.legs.map(({ kind, interface: slot, nexthop, mac }) => {
    if (kind === 'forward') return `forward ${slot} ${nexthop} ${mac}`;
    if (kind === 'resolve') return `resolve ${slot} ${nexthop}`;
    return kind === 'glean' ? `glean ${slot}` : kind;
  });
  return [...new Set(legs)].sort();
}

export interface Comparison {
  readonly address: string;
  readonly said: string[];
  readonly expected: string[];
  readonly rib: RibRoute | undefined;
}

/** Where engine and RIB differ. With one host route for all legs of a connected ECMP route, any of them is right. */
export async function differences(remote: Remote, addresses: readonly string[]): Promise<Comparison[]> {
  await remote.call('rib', 'settled');
  const answers = await remote.call<Answer[]>('agent', 'ask', addresses);
  const links = await remote.call<Link[]>('rib', 'links');
  const neighbours = await remote.call<Neighbour[]>('rib', 'neighbours');
  return answers
    .map((a) => ({ address: a.address, said: said(a), expected: expected(a, links, neighbours), rib: a.rib }))
    .filter((c) => c.said.join() !== c.expected.join());
}

export async function agree(
  t: ExecutionContext,
  remote: Remote,
  addresses: readonly string[],
  message: string,
): Promise<boolean> {
  let wrong: Comparison[] = [];
  for (let attempt = 0; attempt < 3; attempt++) {
    wrong = await differences(remote, addresses);
    if (wrong.length === 0) return true;
  }
  t.deepEqual(wrong, [], message);
  return false;
}

const bitsOf = (family: 4 | 6): number => (family === 4 ? 32 : 128);

export function toBits(address: string): bigint {
  if (!address.includes(':'))
    return address.split('.').reduce((sum, octet) => (sum << 8n) | BigInt(octet), 0n);
  const [head, tail] = address.split('::') as [string, string | undefined];
  const words = (text: string | undefined) => (text ? text.split(':') : []);
  const zeros = Array.from({ length: 8 - words(head).length - words(tail).length }, () => '0');
  return [...words(head), ...zeros, ...words(tail)].reduce(
    (sum, word) => (sum << 16n) | BigInt(`0x${word}`),
    0n,
  );
}

export function fromBits(bits: bigint, family: 4 | 6): string {
  const [count, size] = family === 4 ? [4, 8n] : [8, 16n];
  const parts = Array.from(
    { length: count },
    (_, i) => (bits >> (size * BigInt(count - 1 - i))) & ((1n << size) - 1n),
  );
  if (family === 4) return parts.join('.');
  return new URL(`http://[${parts.map((part) => part.toString(16)).join(':')}]`).hostname.slice(1, -1);
}

/** Not those that mean something on one link only, or to many: the kernel's answer depends on more than the table. */
function ordinary(address: string): boolean {
  return address.includes(':')
    ? !/^(fe[89ab].|ff..|0):/.test(address)
    : !/^(0|22[4-9]|2[345].)\./.test(address);
}

/** First and last address of each prefix and their neighbours outside, of lines as kernelTable gives them. */
export function boundaries(lines: readonly string[], family: 4 | 6): string[] {
  const last = (1n << BigInt(bitsOf(family))) - 1n;
  const all = new Set<string>();
  for (const line of lines) {
    const [address, length] = line.split(' ')[0]!.split('/') as [string, string];
    const size = 1n << BigInt(bitsOf(family) - Number(length));
    const first = toBits(address);
    for (const bits of [first - 1n, first, first + size - 1n, first + size])
      if (bits >= 0n && bits <= last) all.add(fromBits(bits, family));
  }
  return [...all].filter(ordinary);
}

/** The kernel's tables, the RIB's and the compiled FIB are the same, the latter at every prefix's boundaries. */
export async function sameEverywhere(
  t: ExecutionContext,
  router: Node,
  remote: Remote,
  message: string,
): Promise<void> {
  for (const family of [4, 6] as const) {
    const [kernel, rib] = await tables(router, remote, family);
    t.deepEqual(rib, kernel, `${message}: IPv${family} tables differ`);
    const addresses = boundaries(kernel, family);
    const wrong = (await remote.call<Answer[]>('agent', 'ask', addresses)).filter((answer) => !alike(answer));
    t.deepEqual(wrong, [], `${message}: IPv${family} answers differ`);
    await agree(t, remote, addresses, message);
  }
}
