/**
 * The RIB against the kernel: random changes of routes, nexthop objects, links and addresses in a namespace; after
 * each handful the tables must be equal, and answer alike for random addresses.
 *
 *   peer ══ v0 … v3 ══ router        10.1.N.1/24 and fd00:N::1/64 on the router's ends, .2 and ::2 on the peer's
 */
import type { ExecutionContext } from 'ava';
import type { RibRoute, RibStatus } from '../../runtime/native.js';
import { Lab, type Node } from '../support/netns.js';
import { scaled, systemTest } from '../support/system-test.js';
import { kernelTable, type Remote, ribTable, seeded, startAgent } from './remote.js';

const LINKS = 4;

async function topology(lab: Lab): Promise<{ router: Node; peer: Node }> {
  const router = await lab.router('router');
  const peer = await lab.node('peer');
  for (let i = 0; i < LINKS; i++) {
    await lab.link(
      { node: router, device: `v${i}`, addresses: [`10.1.${i}.1/24`, `fd00:${i}::1/64`] },
      { node: peer, device: `w${i}`, addresses: [`10.1.${i}.2/24`, `fd00:${i}::2/64`] },
    );
  }
  return { router, peer };
}

type Random = (below: number) => number;

const pick = <T>(random: Random, list: readonly T[]): T => list[random(list.length)]!;

function prefixOf(random: Random, family: number): string {
  if (family === 4) return pick(random, ['10.9.0.0/16', '10.9.8.0/24', '10.9.8.128/25', '172.16.0.0/12', '10.1.1.0/25', '10.9.8.7/32', 'default']);
  return pick(random, ['fd09::/32', 'fd09:8::/48', 'fd09:8::80/121', 'fd00:1::/96', 'fd09:8::7/128', 'default']);
}

const gateway = (random: Random, family: number, link: number): string =>
  family === 4 ? `10.1.${link}.${2 + random(3)}` : `fd00:${link}::${2 + random(3)}`;

function hop(random: Random, family: number): string {
  const link = random(LINKS);
  const weight = random(3) === 0 ? ` weight ${1 + random(4)}` : '';
  return `nexthop via ${gateway(random, family, link)} dev v${link}${weight}`;
}

function way(random: Random, family: number): string {
  const link = random(LINKS);
  const kind = random(8);
  if (kind === 0) return `dev v${link}`;
  if (kind === 1) return `nhid ${pick(random, family === 4 ? [10, 11, 12, 19] : [60, 61, 62, 69])}`;
  if (kind <= 3) return Array.from({ length: 2 + random(2) }, () => hop(random, family)).join(' ');
  if (kind === 4 && family === 4) return `via ${gateway(random, 4, link)} dev v${link} src 10.1.${random(LINKS)}.1`;
  return `via ${gateway(random, family, link)} dev v${link}`;
}

function routeOperation(random: Random): string {
  const family = random(2) ? 4 : 6;
  const prefix = prefixOf(random, family);
  const metric = pick(random, ['', ' metric 50', ' metric 100']);
  const verb = pick(random, ['add', 'add', 'append', 'prepend', 'replace', 'replace', 'change', 'del', 'del']);
  if (verb === 'del') return `-${family} route del ${prefix}${random(2) ? metric : ''}`;
  if (random(8) === 0) {
    const type = pick(random, ['blackhole', 'unreachable', 'prohibit', 'throw']);
    return `-${family} route ${verb} ${type} ${prefix}${metric}`;
  }
  return `-${family} route ${verb} ${prefix}${metric} ${way(random, family)}`;
}

function nexthopOperation(random: Random): string {
  const family = random(2) ? 4 : 6;
  const base = family === 4 ? 10 : 60;
  const id = base + random(3);
  const link = random(LINKS);
  const kind = random(5);
  if (kind === 0) return `nexthop del id ${random(3) ? id : base + 9}`;
  if (kind === 1) return `nexthop replace id ${base + 9} group ${base},${1 + random(3)}/${base + 1 + random(2)}`;
  return `-${family} nexthop replace id ${id} via ${gateway(random, family, link)} dev v${link}`;
}

function linkOperation(random: Random): string {
  const link = random(LINKS);
  return pick(random, [
    `link set v${link} down`,
    `link set v${link} up`,
    `link set v${link} up`,
    `addr add 10.1.${link}.1/24 dev v${link}`,
    `addr del 10.1.${link}.1/24 dev v${link}`,
    `addr add fd00:${link}::1/64 dev v${link} nodad`,
    `addr add 10.7.${link}.1/24 dev v${link}`,
    `addr del 10.7.${link}.1/24 dev v${link}`,
    `addr del fd00:${link}::1/64 dev v${link}`,
  ]);
}

function addressesOf(random: Random): string[] {
  return Array.from({ length: 30 }, () => {
    const low = pick(random, ['8.7', '8.200', '1.9', '8.9']);
    const six = pick(random, ['fd09:8::7', 'fd09:8::99', 'fd09:1::1', 'fd00:1::5', 'fd00:2::2', '2001:db8::1']);
    return random(2) ? pick(random, [`10.9.${low}`, `10.1.${random(LINKS)}.${1 + random(200)}`, '172.20.0.1', '192.0.2.9']) : six;
  });
}

interface Answer {
  readonly address: string;
  readonly rib: RibRoute | undefined;
  readonly kernel: RibRoute | undefined;
}

/** The kernel names one leg, the RIB all. */
function alike({ rib, kernel }: Answer): boolean {
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

/** Both tables. The kernel follows a lost carrier by itself a little later: look twice, before a dump could heal. */
async function tables(router: Node, remote: Remote, family: 4 | 6): Promise<[string[], string[]]> {
  for (let attempt = 0; ; attempt++) {
    await remote.call('rib', 'settled');
    const [kernel, rib] = [await kernelTable(router, family), await ribTable(remote, family)];
    if (attempt === 2 || kernel.join('\n') === rib.join('\n')) return [kernel, rib];
  }
}

async function compare(
  t: ExecutionContext,
  router: Node,
  remote: Remote,
  random: Random,
  history: string[],
): Promise<boolean> {
  for (const family of [4, 6] as const) {
    const [kernel, rib] = await tables(router, remote, family);
    if (kernel.join('\n') === rib.join('\n')) continue;
    t.deepEqual(
      { onlyRib: rib.filter((l) => !kernel.includes(l)), count: rib.length },
      { onlyRib: kernel.filter((l) => !rib.includes(l)), count: kernel.length },
      `IPv${family} tables differ after:\n${history.slice(-40).join('\n')}`,
    );
    return false;
  }
  const addresses = addressesOf(random);
  let wrong: Answer[] = [];
  for (let attempt = 0; attempt < 3; attempt++) {
    wrong = (await remote.call<Answer[]>('agent', 'ask', addresses)).filter((answer) => !alike(answer));
    if (wrong.length === 0) break;
    await remote.call('rib', 'settled');
  }
  t.deepEqual(wrong, [], `answers differ after:\n${history.slice(-40).join('\n')}`);
  return wrong.length === 0;
}

for (const seed of [1, 2, 3]) {
  systemTest(
    `random changes leave the RIB equal to the kernel's tables, seed ${seed}`,
    async (t) => {
      const lab = await Lab.create();
      try {
        const { router, peer } = await topology(lab);
        const remote = startAgent(lab, router);
        await remote.call('rib', 'start');
        const random = seeded(seed);
        const history: string[] = [];
        for (let round = 0; round < scaled(40); round++) {
          const lines = Array.from({ length: 1 + random(12) }, () => {
            const kind = random(10);
            return kind < 7 ? routeOperation(random) : kind < 9 ? nexthopOperation(random) : linkOperation(random);
          });
          if (random(6) === 0) {
            const carrier = `link set w${random(LINKS)} ${random(2) ? 'up' : 'down'}`;
            history.push(`peer: ${carrier}`);
            await peer.ip(carrier);
          }
          history.push(...lines);
          await runAll(router, lines);
          if (!(await compare(t, router, remote, random, history))) return;
        }
        const status = await remote.call<RibStatus>('rib', 'status');
        t.is(status.overruns, 0);
      } finally {
        await lab.close();
      }
    },
    { seconds: 180 },
  );
}

/** Wrong ones among them are part of the game: the kernel refuses, nothing changes. */
async function runAll(node: Node, lines: readonly string[]): Promise<void> {
  await node.run('sh', '-c', `printf '%s\\n' "$@" | ip -force -batch - 2>/dev/null || true`, 'sh', ...lines);
}
