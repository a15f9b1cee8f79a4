/** The steps of the demo, in order. Each shows what it does and adds its claims. */
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build, Netmill } from '../../tests/support/netmill.js';
import { sleep, until } from '../../tests/support/netns.js';
import type { Claims } from './claims.js';
import { editedPolicy, policyFile } from './policy-change.js';
import { count, milliseconds, type Screen } from './screen.js';
import { type Counts, countAll, type Kind, kinds } from './traffic.js';
import type { World } from './world.js';

const rate = 20_000; // packets a second, all kinds together

export interface Story {
  readonly world: World;
  readonly screen: Screen;
  readonly claims: Claims;
}

export interface Running extends Story {
  readonly netmill: Netmill;
  readonly kinds: readonly Kind[];
  /** Packets that rules had denied when counting began, by rule id. */
  readonly deniedBefore: number;
}

/** Policy → C → shared object. @returns the bundle's directory */
export async function buildPolicy({ world, screen, claims }: Story): Promise<string> {
  screen.heading('Build');
  screen.doing('netmill build examples/edge.ts');
  const out = join(world.lab.directory, 'bundle');
  await mkdir(out);
  const started = performance.now();
  const built = await build(fileURLToPath(policyFile), out);
  const ms = performance.now() - started;
  claims.add(
    'policy becomes C',
    built.code === 0,
    built.code === 0 ? `examples/edge.ts in ${milliseconds(ms)}` : built.stderr || built.stdout,
  );
  return out;
}

export async function startRouter({ world, screen, claims }: Story, bundle: string): Promise<Netmill> {
  screen.heading('Start');
  screen.doing('netmilld');
  const started = performance.now();
  const netmill = await Netmill.start(world.lab, world.router, bundle);
  const ms = performance.now() - started;
  const status = await netmill.status();
  const up = status.ports.filter((port) => port.open && port.up);
  claims.add(
    'ports up',
    up.length === 3,
    `${up.map((port) => port.spec).join(', ')} after ${milliseconds(ms)}`,
  );
  const wanted = { 4: world.routes[4].length, 6: world.routes[6].length };
  const { routes4, routes6 } = status.fib;
  claims.add(
    'routes synced',
    routes4 >= wanted[4] && routes6 >= wanted[6],
    `${count(routes4)} IPv4 and ${count(routes6)} IPv6 in the compiled FIB`,
  );
  return netmill;
}

/** The kernel's, the RIB's and the compiled FIB's answer for addresses all over the table. */
export async function askRoutes({ world, claims }: Story, netmill: Netmill): Promise<void> {
  const addresses = ([4, 6] as const).flatMap((family) => {
    const routes = world.routes[family];
    return Array.from(
      { length: 20 },
      (_, i) => routes[Math.floor((i * routes.length) / 20)]!.prefix.split('/')[0]!,
    );
  });
  const differing: string[] = [];
  for (const address of addresses) if (!(await netmill.route(address)).agree) differing.push(address);
  claims.add(
    'route get agrees',
    differing.length === 0,
    differing.length
      ? `not for ${differing.join(', ')}`
      : `kernel, RIB and compiled FIB, ${addresses.length} addresses`,
  );
}

async function deniedByRules(netmill: Netmill): Promise<number> {
  const { rules } = await netmill.rules();
  return rules.filter((rule) => rule.action === 'deny').reduce((total, rule) => total + rule.packets, 0);
}

export async function startTraffic(story: Story, netmill: Netmill): Promise<Running> {
  const { world, screen } = story;
  screen.heading('Traffic');
  screen.doing('choosing destinations from the routing tables');
  const all = await kinds(world);
  const load = async () => {
    await world.wires.clients.clear();
    for (const kind of all) for (const flow of kind.flows) await world.wires.clients.flow(flow);
  };
  await load();
  await world.wires.clients.send(2000, { ms: 700 }); // neighbours resolve
  await sleep(200);
  await load();
  await world.wires.a.reset();
  await world.wires.b.reset();
  const deniedBefore = await deniedByRules(netmill);
  await world.wires.clients.start(rate);
  return { ...story, netmill, kinds: all, deniedBefore };
}

/** Rates over two seconds, one line a kind. */
export async function showRates(story: Running): Promise<void> {
  const { world, screen, claims } = story;
  await sleep(500);
  const before = await countAll(world, story.kinds);
  await sleep(2000);
  const now = await countAll(world, story.kinds);
  for (const [i, one] of now.kinds.entries()) {
    const past = before.kinds[i]!;
    const perSecond = (pick: 'sent' | 'a' | 'b') =>
      count(Math.round((one[pick] - past[pick]) / 2)).padStart(6);
    screen.fact(
      one.kind.name,
      `${perSecond('sent')} packets/s sent   ${perSecond('a')} out by provider A   ${perSecond('b')} by provider B`,
    );
  }
  const by = (name: string) => now.kinds.find((one) => one.kind.name === name)!;
  const straight = now.kinds.filter((one) => one.kind.to !== 'rule' && !one.kind.name.includes('diverted'));
  claims.add(
    'allowed traffic',
    straight.every((one) => one[one.kind.to as 'a' | 'b'] > 0 && one[one.kind.to === 'a' ? 'b' : 'a'] === 0),
    'both families, untagged and VLAN, each by the provider that the kernel’s table names',
  );
  const web = by('guests’ web, diverted');
  claims.add('diverted by PBR', web.b > 0 && web.a === 0, 'guests’ web to A’s prefixes leaves by provider B');
  await showDenied(story, now);
}

async function showDenied({ netmill, claims }: Running, now: Counts): Promise<void> {
  const { rules } = await netmill.rules();
  for (const { kind, sent, a, b } of now.kinds.filter((one) => one.kind.to === 'rule')) {
    const rule = rules.find((one) => one.text.includes(kind.rule!));
    claims.add(
      `denied: ${kind.rule}`,
      a + b === 0 && rule !== undefined && rule.packets > 0 && sent > 0,
      rule ? `${rule.origin}  ${count(rule.packets)} packets` : `no rule '${kind.rule}' is listed`,
    );
  }
}

/** Sent, less what arrived and what rules denied: lost. Sending goes on, so packets in flight are waited for. */
async function balance(story: Running): Promise<Counts & { readonly denied: number; readonly lost: number }> {
  await story.world.wires.clients.stop();
  await sleep(100);
  const counts = await countAll(story.world, story.kinds);
  const denied = (await deniedByRules(story.netmill)) - story.deniedBefore;
  return { ...counts, denied, lost: counts.sent - counts.received - denied };
}

/** Where packets went that nobody meant to lose: shown only when there are such. */
async function explainLoss({ netmill, screen }: Running): Promise<void> {
  const { ports, drops } = await netmill.status();
  for (const port of ports) {
    const { name, rx, tx, rxDropped, txFull } = port;
    screen.fact(
      name,
      `received ${count(rx.packets)}, no room for ${rxDropped}; sent ${count(tx.packets)}, ring full ${txFull}`,
    );
  }
  screen.fact('drops', drops.map((drop) => `${drop.reason} ${drop.packets}`).join(', ') || 'none');
}

const clean = (seen: { lost: number; reordered: number; bad: number }) =>
  seen.lost === 0 && seen.reordered === 0 && seen.bad === 0;

export async function changePolicy(story: Running): Promise<void> {
  const { world, screen, claims, netmill } = story;
  screen.heading('A policy change under load');
  screen.doing('netmill deploy edge.ts, with one rule more');
  const { file, line } = await editedPolicy(world.lab.directory);
  const result = await netmill.deploy(file);
  await sleep(700);
  const seen = await balance(story);
  const { build: compile, commit } = result.milliseconds;
  if (!clean(seen)) await explainLoss(story);
  screen.fact(
    'deploy',
    `generation ${result.previous} → ${result.generation}: build ${milliseconds(compile)}, swap ${milliseconds(commit)}`,
  );
  claims.add(
    'deployed without loss',
    clean(seen),
    `${count(seen.sent)} sent = ${count(seen.received)} received + ${count(seen.denied)} denied, ${seen.lost} lost`,
  );
  const rule = (await netmill.rules()).rules.find((one) => one.origin.startsWith(`edge.ts:${line}:`));
  claims.add(
    'the new rule counts',
    (rule?.packets ?? 0) > 0,
    `edge.ts:${line}  ${count(rule?.packets ?? 0)} packets`,
  );
  await world.wires.clients.start(rate);
}

export async function traceRoute({ world, screen, claims }: Running): Promise<void> {
  screen.heading('traceroute');
  await world.providers.a.ip('addr add 192.0.2.77/32 dev lo');
  await world.router.ip('route add 192.0.2.0/24 via 198.51.100.2');
  screen.doing('traceroute 192.0.2.77');
  await sleep(200);
  const said = await world.clients.run('traceroute', '-n', '-q1', '-w2', '192.0.2.77');
  screen.block(said.trim().split('\n').slice(1));
  const hops = said
    .trim()
    .split('\n')
    .slice(1)
    .map((text) => text.trim().split(/\s+/)[1]);
  claims.add('traceroute', hops[0] === '10.10.0.1' && hops[1] === '192.0.2.77', hops.join(' → '));
}

export async function killDaemon(story: Running): Promise<void> {
  const { screen, claims, netmill, world } = story;
  screen.heading('kill -9 of the daemon');
  const before = await netmill.status();
  await netmill.killDaemon();
  screen.doing('nobody is home; routes change meanwhile');
  await world.router.ip('route add 192.0.3.0/24 via 203.0.113.2');
  await sleep(1000);
  const started = performance.now();
  await netmill.startDaemon();
  const ms = performance.now() - started;
  const after = await netmill.status();
  claims.add(
    'the engine went on',
    after.engine.pid === before.engine.pid && after.generation.running === before.generation.running,
    `same engine, same generation; the daemon is back after ${milliseconds(ms)}`,
  );
  const learned = await until(
    'the new route',
    async () => (await netmill.route('192.0.3.1')).agree,
    5000,
  ).catch(() => false);
  claims.add('routes caught up', learned === true, 'what the kernel learned meanwhile is in the FIB');
}

/** Ends the traffic and says what has become of all of it. */
export async function endTraffic(story: Running) {
  const seen = await balance(story);
  if (!clean(seen)) await explainLoss(story);
  story.claims.add(
    'nothing was lost',
    clean(seen),
    `${count(seen.sent)} sent = ${count(seen.received)} received + ${count(seen.denied)} denied, ` +
      `${seen.lost} lost, ${seen.reordered} reordered, ${seen.bad} damaged`,
  );
  return seen;
}

interface LinkState {
  readonly ifname: string;
  readonly xdp?: unknown;
}

export async function handBack({ world, screen, claims, netmill }: Running, before: string): Promise<void> {
  screen.heading('Hand back');
  screen.doing('netmill shutdown');
  await netmill.stop();
  const links = await world.router.ipJson<LinkState[]>('link', 'show');
  const after = await fingerprint(world);
  claims.add(
    'ports handed back',
    links.every((link) => link.xdp === undefined) && after === before,
    after === before ? 'links, addresses and offloads are as they were' : differences(before, after),
  );
  const answered = await world.clients.pings(5, '192.0.2.77');
  claims.add('the kernel routes again', answered === 5, `ping through the router: ${answered} of 5`);
}

/** The kernel tells of a new link's carrier and address within a second or two. */
export async function settle(world: World): Promise<void> {
  const settled = async () => {
    const addresses = await world.router.run('ip', '-br', 'addr');
    return !addresses.includes(' DOWN ') && addresses.match(/fe80/g)?.length === 3;
  };
  await until('the links of the router', settled, 5000);
}

/** Everything of the router's links that netmill may have touched. */
export async function fingerprint(world: World): Promise<string> {
  const addresses = await world.router.run('ip', '-br', 'addr');
  const offloads = await Promise.all(
    ['lan', 'isp-a', 'isp-b'].map((port) => world.router.run('ethtool', '-k', port)),
  );
  return [addresses.replaceAll(/ +/g, ' '), ...offloads].join('\n');
}

function differences(before: string, after: string): string {
  const old = new Set(before.split('\n'));
  return after
    .split('\n')
    .filter((line) => !old.has(line))
    .join('; ')
    .slice(0, 300);
}
