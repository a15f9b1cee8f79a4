/** The test's end of the agent, and what it compares with: the kernel's tables in the agent's own shape. */
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import type { RibRoute } from '../../runtime/native.js';
import type { Lab, Node } from '../support/netns.js';

export class RemoteError extends Error {
  constructor(readonly about: { message: string; code?: string; syscall?: string }) {
    super(about.message);
  }
}

export interface Remote {
  call<T>(target: string, method: string, ...args: readonly unknown[]): Promise<T>;
  kill(): void;
}

export function startAgent(lab: Lab, node: Node, ...args: readonly string[]): Remote {
  const script = fileURLToPath(new URL('./agent.js', import.meta.url));
  const child = lab.own(node.start(process.execPath, [script, ...args], { conversation: true }));
  child.stderr!.pipe(process.stderr);
  const lines = createInterface({ input: child.stdout! })[Symbol.asyncIterator]();
  let turn: Promise<unknown> = Promise.resolve();
  const exchange = async (request: object): Promise<unknown> => {
    child.stdin!.write(`${JSON.stringify(request)}\n`);
    const { value, done } = await lines.next();
    if (done) throw new Error('the agent is gone');
    const answer = JSON.parse(value) as { value?: unknown; error?: RemoteError['about'] };
    if (answer.error) throw new RemoteError(answer.error);
    return answer.value;
  };
  return {
    call: async <T>(target: string, method: string, ...callArgs: readonly unknown[]) => {
      const result = turn.then(() => exchange({ target, method, args: callArgs }));
      turn = result.catch(() => undefined);
      return (await result) as T;
    },
    kill: () => child.kill('SIGKILL'),
  };
}

interface KernelHop {
  readonly gateway?: string;
  readonly via?: { readonly host: string };
  readonly dev?: string;
  readonly weight?: number;
  readonly flags?: readonly string[];
}

interface KernelRoute extends KernelHop {
  readonly dst: string;
  readonly type?: string;
  readonly metric?: number;
  readonly nexthops?: readonly KernelHop[];
  readonly from?: string;
  readonly tos?: string;
}

const known = [
  'unicast',
  'local',
  'broadcast',
  'anycast',
  'multicast',
  'blackhole',
  'unreachable',
  'prohibit',
  'throw',
];

/** `ip -j route` of main and local table, as sorted lines. Of legs over devices in `live` it is told when they are dead. */
export async function kernelTable(
  node: Node,
  family: 4 | 6,
  live: ReadonlySet<string> = new Set(),
): Promise<string[]> {
  const lines: string[] = [];
  for (const table of ['main', 'local']) {
    const routes = await node.ipJson<KernelRoute[]>(`-${family}`, '-d', 'route', 'show', 'table', table);
    for (const route of routes) {
      const type = known.includes(route.type ?? 'unicast') ? (route.type ?? 'unicast') : 'other';
      const hops = route.nexthops ?? (route.dev ? [route] : []);
      lines.push(
        lineOf(
          withLength(route.dst, family),
          type,
          route.metric ?? 0,
          hops.map((hop) => hopText(hop, live)),
        ),
      );
    }
  }
  return lines.sort();
}

function withLength(dst: string, family: 4 | 6): string {
  if (dst === 'default') return family === 4 ? '0.0.0.0/0' : '::/0';
  return dst.includes('/') ? dst : `${dst}/${family === 4 ? 32 : 128}`;
}

function hopText(hop: KernelHop, live: ReadonlySet<string>): string {
  const dead = hop.flags?.includes('dead') && live.has(hop.dev ?? '');
  return `${hop.gateway ?? hop.via?.host ?? '-'}@${hop.dev}${dead ? '†' : ''}*${hop.weight ?? 1}`;
}

/** Of the links with a carrier. */
export async function liveLinks(remote: Remote): Promise<Set<string>> {
  const links = await remote.call<{ name: string; carrier: boolean }[]>('rib', 'links');
  return new Set(links.filter((link) => link.carrier).map((link) => link.name));
}

/** The weight of an only leg says nothing, and `ip` does not tell it. */
function lineOf(prefix: string, type: string, metric: number, hops: readonly string[]): string {
  const legs = hops.length === 1 ? hops.map((hop) => hop.replace(/\*.*/, '*1')) : [...hops].sort();
  return `${prefix} ${type} ${metric} ${legs.join(' ')}`;
}

/** The RIB's routes in the same words. */
export async function ribTable(
  remote: Remote,
  family: 4 | 6,
  live: ReadonlySet<string> = new Set(),
): Promise<string[]> {
  const links = await remote.call<{ ifindex: number; name: string }[]>('rib', 'links');
  const names = new Map(links.map((link) => [link.ifindex, link.name]));
  const lines: string[] = [];
  let after: string | undefined;
  for (;;) {
    const args = after === undefined ? [family, undefined, 7] : [family, after, 7];
    const page = await remote.call<RibRoute[]>('rib', 'routes', ...args.map((a) => a ?? null));
    if (page.length === 0) return lines.sort();
    after = page.at(-1)!.prefix;
    for (const route of page.filter((r) => r.source === 'kernel')) {
      const hops = route.nexthops.map((h) => {
        const dev = names.get(h.ifindex) ?? '';
        return `${h.gateway ?? '-'}@${dev}${h.dead && live.has(dev) ? '†' : ''}*${h.weight}`;
      });
      lines.push(lineOf(route.prefix, route.type, route.metric, hops));
    }
  }
}

/** Random numbers that come again with the same seed (mulberry32). */
export function seeded(seed: number): (below: number) => number {
  let state = seed >>> 0;
  return (below) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % below;
  };
}
