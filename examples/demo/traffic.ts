/** The traffic of the demo: kinds of flows, where each must come out, and what has become of them. */
import { type FlowCount, type FlowSpec, type SinkCount, tally } from '../../tests/support/traffic.js';
import { type Provider, providerOf, type World } from './world.js';

/** Who takes the packets of a kind: a provider, or a rule of the policy by its text. */
export interface Kind {
  readonly name: string;
  readonly to: Provider | 'rule';
  /** `.why()` of the rule that denies it. */
  readonly rule?: string;
  readonly flows: readonly FlowSpec[];
}

interface Source {
  readonly v4: string;
  readonly v6: string;
  readonly tags?: string;
}

const desk: Source = { v4: '10.10.0.2', v6: '2001:db8:10::2' };
const office: Source = { v4: '10.20.0.9', v6: '2001:db8:20::9', tags: '8100:100' };
const guest: Source = { v4: '10.30.0.9', v6: '2001:db8:30::9', tags: '8100:200' };

/** An address inside a prefix: the last but one. */
function inside(prefix: string): string {
  const [address, length] = prefix.split('/') as [string, string];
  if (address.includes(':')) return `${address.replace(/::.*$/, '')}::77`.replace(/^::77$/, address);
  if (Number(length) > 24) return address;
  return address.replace(/\.\d+$/, '.77');
}

/** Addresses of which the most specific route goes to this provider, evenly from the whole table. */
async function destinations(world: World, provider: Provider, family: 4 | 6, n: number): Promise<string[]> {
  const routes = world.routes[family].filter((route) => providerOf(route) === provider);
  const device = `isp-${provider}`;
  const found: string[] = [];
  const step = Math.floor(routes.length / (n * 3));
  for (let i = 0; i < routes.length && found.length < n; i += step) {
    const address = inside(routes[i]!.prefix);
    const [best] = await world.router.ipJson<{ dev: string }[]>('route', 'get', address).catch(() => []);
    if (best?.dev === device) found.push(address);
  }
  return found;
}

/** Ids count up over all kinds, so that a flow of the sink is one of exactly one kind. */
export async function kinds(world: World): Promise<readonly Kind[]> {
  let id = 1;
  const flows = (from: Source, to: readonly string[], more: Partial<FlowSpec>): FlowSpec[] =>
    to.map((dst) => ({
      id: id++,
      src: dst.includes(':') ? from.v6 : from.v4,
      dst,
      dmac: world.routerMac,
      ...(from.tags ? { tags: from.tags } : {}),
      ...more,
    }));
  const [a4, a6, b4, b6] = await Promise.all([
    destinations(world, 'a', 4, 24),
    destinations(world, 'a', 6, 8),
    destinations(world, 'b', 4, 24),
    destinations(world, 'b', 6, 8),
  ]);
  const [a, b] = [
    [...a4, ...a6],
    [...b4, ...b6],
  ];
  return [
    { name: 'office → provider A', to: 'a', flows: flows(office, a, { size: 600, dport: 5001 }) },
    { name: 'office → provider B', to: 'b', flows: flows(office, b, { size: 600, dport: 5001 }) },
    { name: 'desks → provider A', to: 'a', flows: flows(desk, a.slice(0, 8), { proto: 'tcp', dport: 80 }) },
    {
      name: 'guests → provider A',
      to: 'a',
      flows: flows(guest, a.slice(8, 16), { dport: 5001, size: 1200 }),
    },
    {
      name: 'guests’ web, diverted',
      to: 'b',
      flows: flows(guest, a.slice(16), { proto: 'tcp', dport: 443 }),
    },
    { name: 'guests’ IPsec', to: 'a', flows: flows(guest, a.slice(4, 8), { dport: 4500 }) },
    {
      name: 'guests’ chargen',
      to: 'rule',
      rule: 'small services',
      flows: flows(guest, a.slice(0, 4), { dport: 19 }),
    },
    {
      name: 'guests’ scan',
      to: 'rule',
      rule: 'scan',
      flows: flows(guest, b.slice(0, 4), { proto: 'tcp', ttl: 3 }),
    },
  ];
}

export interface KindCount {
  readonly kind: Kind;
  readonly sent: number;
  readonly a: number;
  readonly b: number;
  readonly reordered: number;
}

export interface Counts {
  readonly kinds: readonly KindCount[];
  readonly sent: number;
  readonly received: number;
  readonly reordered: number;
  readonly bad: number;
}

export async function countAll(world: World, all: readonly Kind[]): Promise<Counts> {
  const sent = await world.wires.clients.stats();
  const [a, b] = [await world.wires.a.stats(), await world.wires.b.stats()];
  const sum = (sink: SinkCount, ids: readonly number[], pick: (flow: FlowCount) => number) =>
    sink.flows.filter((flow) => ids.includes(flow.id)).reduce((total, flow) => total + pick(flow), 0);
  const each = all.map((kind) => {
    const ids = kind.flows.map((flow) => flow.id);
    return {
      kind,
      sent: sum(sent, ids, (flow) => flow.sent),
      a: sum(a, ids, (flow) => flow.unique),
      b: sum(b, ids, (flow) => flow.unique),
      reordered: sum(a, ids, (flow) => flow.reordered) + sum(b, ids, (flow) => flow.reordered),
    };
  });
  return {
    kinds: each,
    sent: tally(sent, a).sent,
    received: each.reduce((total, one) => total + one.a + one.b, 0),
    reordered: each.reduce((total, one) => total + one.reordered, 0),
    bad: a.badIp + a.badL4 + a.badPayload + b.badIp + b.badL4 + b.badPayload,
  };
}
