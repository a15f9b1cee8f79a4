/**
 * Random changes of a namespace's routing, as lines for `ip -batch`, which takes no options in a line: prefixes tell the
 * family. Wrong ones among them are part of the game: the kernel refuses, nothing changes.
 *
 *   peer ══ v0 … v3 ══ router        10.1.N.1/24 and fd00:N::1/64 on the router's ends, .2 and ::2 on the peer's
 */
import type { Lab, Node } from '../support/netns.js';

export const LINKS = 4;

export async function topology(lab: Lab): Promise<{ router: Node; peer: Node }> {
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

export type Random = (below: number) => number;

export const pick = <T>(random: Random, list: readonly T[]): T => list[random(list.length)]!;

function prefixOf(random: Random, family: number): string {
  if (family === 4)
    return pick(random, [
      '10.9.0.0/16',
      '10.9.8.0/24',
      '10.9.8.128/25',
      '172.16.0.0/12',
      '10.1.1.0/25',
      '10.9.8.7/32',
      '0.0.0.0/0',
    ]);
  return pick(random, ['fd09::/32', 'fd09:8::/48', 'fd09:8::80/121', 'fd00:1::/96', 'fd09:8::7/128', '::/0']);
}

const gateway = (random: Random, family: number, link: number): string =>
  family === 4 ? `10.1.${link}.${2 + random(3)}` : `fd00:${link}::${2 + random(3)}`;

/** Of IPv4 also by the neighbour's IPv6 address (RFC 8950); and who is on the link, though no prefix says so. */
function neighbour(random: Random, family: number): string {
  const link = random(LINKS);
  const kind = random(8);
  if (kind === 0 && family === 4) return `via inet6 ${gateway(random, 6, link)} dev v${link}`;
  if (kind === 1)
    return `via ${family === 4 ? '192.0.2' : '2001:db8:'}${family === 4 ? '.' : ':'}${9 + random(2)} dev v${link} onlink`;
  return `via ${gateway(random, family, link)} dev v${link}`;
}

function hop(random: Random, family: number): string {
  const way = neighbour(random, family);
  const weight = random(3) === 0 ? ` weight ${1 + random(4)}` : '';
  return `nexthop ${way}${weight}`;
}

function way(random: Random, family: number): string {
  const link = random(LINKS);
  const kind = random(8);
  if (kind === 0) return `dev v${link}`;
  if (kind === 1) return `nhid ${pick(random, family === 4 ? [10, 11, 12, 19] : [60, 61, 62, 69])}`;
  if (kind <= 3) return Array.from({ length: 2 + random(2) }, () => hop(random, family)).join(' ');
  if (kind === 4 && family === 4)
    return `via ${gateway(random, 4, link)} dev v${link} src 10.1.${random(LINKS)}.1`;
  return neighbour(random, family);
}

function routeOperation(random: Random): string {
  const family = random(2) ? 4 : 6;
  const prefix = prefixOf(random, family);
  const tos = family === 4 && random(10) === 0 ? ' tos 0x10' : '';
  const metric = `${tos}${pick(random, ['', ' metric 50', ' metric 100'])}`;
  const verb = pick(random, [
    'add',
    'add',
    'append',
    'prepend',
    'replace',
    'replace',
    'change',
    'del',
    'del',
  ]);
  if (verb === 'del') {
    const leg = random(3) === 0 ? ` ${way(random, family)}` : '';
    return `route del ${prefix}${random(2) ? metric : ''}${leg}`;
  }
  if (random(8) === 0) {
    const type = pick(random, ['blackhole', 'unreachable', 'prohibit', 'throw']);
    return `route ${verb} ${type} ${prefix}${metric}`;
  }
  const one = way(random, family);
  // Not of one leg among several: those of a route share their preference, or nobody could tell whose is told.
  const alone = family === 6 && /^(dev|nhid)/.test(one) && random(3) === 0;
  const preference = alone ? pick(random, [' pref high', ' pref low']) : '';
  return `route ${verb} ${prefix}${metric}${preference} ${one}`;
}

function nexthopOperation(random: Random): string {
  const family = random(2) ? 4 : 6;
  const base = family === 4 ? 10 : 60;
  const id = base + random(3);
  const link = random(LINKS);
  const kind = random(5);
  if (kind === 0) return `nexthop del id ${random(3) ? id : base + 9}`;
  if (kind === 1)
    return `nexthop replace id ${base + 9} group ${base},${1 + random(3)}/${base + 1 + random(2)}${pick(random, ['', ' type resilient buckets 32'])}`;
  return `nexthop replace id ${id} via ${gateway(random, family, link)} dev v${link}`;
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

export function addressesOf(random: Random): string[] {
  return Array.from({ length: 30 }, () => {
    const low = pick(random, ['8.7', '8.200', '1.9', '8.9']);
    const six = pick(random, [
      'fd09:8::7',
      'fd09:8::99',
      'fd09:1::1',
      'fd00:1::5',
      'fd00:2::2',
      '2001:db8::1',
    ]);
    return random(2)
      ? pick(random, [`10.9.${low}`, `10.1.${random(LINKS)}.${1 + random(200)}`, '172.20.0.1', '192.0.2.9'])
      : six;
  });
}

function neighbourOperation(random: Random): string {
  const link = random(LINKS);
  const address = gateway(random, random(2) ? 4 : 6, link);
  if (random(3) === 0) return `neigh del ${address} dev v${link}`;
  const state = pick(random, ['permanent', 'stale', 'reachable', 'noarp']);
  return `neigh replace ${address} lladdr 02:00:00:00:0${link}:0${random(9)} dev v${link} nud ${state}`;
}

/** A handful of changes; with `neighbours`, of those too. */
export function handful(random: Random, neighbours: boolean): string[] {
  return Array.from({ length: 1 + random(12) }, () => {
    const kind = random(neighbours ? 13 : 10);
    if (kind < 7) return routeOperation(random);
    if (kind < 9) return nexthopOperation(random);
    return kind < 10 ? linkOperation(random) : neighbourOperation(random);
  });
}

/** `ip` ends at a neighbour that it cannot change, `-force` or not: so each of those is the last of its batch. */
function batches(lines: readonly string[]): string[] {
  const all: string[][] = [[]];
  for (const line of lines) {
    all.at(-1)!.push(line);
    if (line.startsWith('neigh')) all.push([]);
  }
  return all.filter((batch) => batch.length > 0).map((batch) => batch.join('\n'));
}

/** Wrong lines among them change nothing, and the rest is done. */
export async function runAll(node: Node, lines: readonly string[]): Promise<void> {
  const runs = batches(lines).map((batch) => `ip -force -batch - 2>/dev/null <<'END'\n${batch}\nEND\n`);
  const most = 100; // so that a script fits into an argument
  for (let at = 0; at < runs.length; at += most) {
    await node.run('sh', '-c', `${runs.slice(at, at + most).join('')}true`);
  }
}
