/**
 * Forwarding in memory, one core, nothing but rings: what the code itself costs. The forwarder that netmill makes of a
 * policy, against DPDK's l3fwd, a loop by hand that knows everything beforehand, and netmill without a policy in it.
 * All are given the same packets of 64 bytes (60 and the FCS that memory does not have) and the same routes, run by run in turn on
 * core 1. Before anything is timed they have to send the same bytes, and netmill's to count the same.
 */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { acl, allow, router } from '../dsl/index.js';
import type { Router } from '../dsl/model.js';
import { seeded } from '../tests/support/packet.js';
import { type Filter, readSet } from './classbench.js';
import { fullTable } from './full-view.js';
import { type Bed, costs, inTurn, open, ratesOf, type Trial, whole } from './loop-bed.js';
import { below, drawFrom, frame4, frame6, frameOf } from './loop-packets.js';
import { type Checked, LoopProgram, makePeer } from './loop-program.js';
import { matchOf } from './policy-filters.js';
import { type Bench, type Measured, median } from './result.js';

const hot = 900; // packets of a round

const plain = () =>
  router('bench', {
    engine: { lookup: 'flat' },
    interfaces: { in: { port: 'pipe:in', fallback: 'drop' }, out: { port: 'pipe:out', fallback: 'drop' } },
  });

const about = { unit: 'packets/s', better: 'higher' } as const;

/** `memory.full`, `memory.limit`, `memory.burst.N`. */
async function* full(bed: Bed, wants: (name: string) => boolean): AsyncGenerator<Measured> {
  const sizes = [1, 4, 16, 32, 64].filter((size) => wants(`memory.burst.${size}`));
  if (!wants('memory.full') && !wants('memory.limit') && sizes.length === 0) return;
  const table = await fullTable(bed.directory, 4);
  const random = seeded(64);
  const draw = () => drawFrom(random, table.prefixes);
  const packets = Array.from({ length: hot }, () => frame4(random, draw(), draw()));
  const program = await open(bed, {
    name: 'memory',
    router: plain(),
    packets,
    table: table.path,
    others: ['limit', 'by-hand', 'generic'],
  });
  const skipped = await makePeer('l3fwd');
  const peer = skipped
    ? undefined
    : new LoopProgram('l3fwd', [table.path, join(bed.directory, 'memory.packets')]);
  try {
    const ours = { program, name: 'netmill' };
    if (peer) await sameBytes(program, peer);
    const l3fwd = peer
      ? [
          { program: peer, name: 'l3fwd' },
          { program: peer, name: 'bare' },
          { program: peer, name: 'mac' },
          { program: peer, name: 'io' },
        ]
      : [];
    if (wants('memory.full')) {
      bed.say('forward: memory.full');
      const [mine, theirs, bare, mac, io] = await inTurn([ours, ...l3fwd], whole);
      yield {
        ...about,
        case: 'memory.full',
        peer: 'dpdk l3fwd',
        bar: 0.7,
        ours: ratesOf(mine!),
        peerRuns: ratesOf(theirs ?? []),
        ...(skipped && { skipped }),
        more: {
          ...(await costs(ours, mine!)),
          ...(peer && {
            ...(await costs(l3fwd[0]!, theirs!, 'peer_')),
            peer_without_checks: median(ratesOf(bare!))!,
            testpmd_mac: median(ratesOf(mac!))!,
            testpmd_io: median(ratesOf(io!))!,
          }),
        },
      };
    }
    if (wants('memory.limit')) {
      bed.say('forward: memory.limit');
      const limit = { program, name: 'limit' };
      const [mine, theirs] = await inTurn([ours, limit], whole);
      yield {
        ...about,
        case: 'memory.limit',
        peer: 'by hand',
        bar: 0.9,
        ours: ratesOf(mine!),
        peerRuns: ratesOf(theirs!),
        more: { ...(await costs(ours, mine!)), ...(await costs(limit, theirs!, 'peer_')) },
      };
    }
    for (const size of sizes) {
      bed.say(`forward: memory.burst.${size}`);
      const [mine, theirs] = await inTurn([ours, ...l3fwd.slice(0, 1)], size);
      yield {
        ...about,
        case: `memory.burst.${size}`,
        peer: 'dpdk l3fwd',
        ours: ratesOf(mine!),
        peerRuns: ratesOf(theirs ?? []),
        ...(skipped && { skipped }),
      };
    }
  } finally {
    program.close();
    peer?.close();
  }
}

/** The bytes that leave are the same ones: next hops, TTL, checksums. */
async function sameBytes(program: LoopProgram, peer: LoopProgram): Promise<void> {
  const ours = await program.ask<Checked>(`check netmill ${whole}`);
  for (const name of ['l3fwd', 'bare'])
    if ((await peer.ask<Checked>(`check ${name} ${whole}`)).sent !== ours.sent)
      throw new Error(`l3fwd (${name}) sends other bytes than netmill's forwarder`);
}

interface Listed {
  readonly case: string;
  readonly set: string;
  readonly rules: number;
  readonly bar?: number;
}

const lists: readonly Listed[] = [
  { case: 'generic.0', set: 'acl1_1k', rules: 0, bar: 1.15 },
  { case: 'generic.10', set: 'acl1_1k', rules: 10, bar: 1.8 },
  { case: 'generic.100', set: 'acl1_1k', rules: 100, bar: 2.5 },
  { case: 'generic.1000', set: 'acl1_1k', rules: 1000 },
  { case: 'generic.10000', set: 'acl1_10k', rules: 10_000 },
  { case: 'memory.acl', set: 'fw1_10k', rules: 3000 },
];

/** So many rules of a ClassBench set, other than each other. */
function filtersOf(name: string, count: number): readonly Filter[] {
  const set = readSet(name);
  const known = new Map(set.map((one) => [JSON.stringify([one.from, one.to, one.ports, one.proto]), one]));
  return [...known.values()].slice(0, count);
}

function listed(filters: readonly Filter[]): Router {
  const list = acl(
    'long',
    { default: 'allow' },
    filters.map((one) => allow(matchOf(one))),
  );
  return router('bench', {
    engine: { lookup: 'flat' },
    interfaces: {
      in: { port: 'pipe:in', fallback: 'drop', ...(filters.length > 0 && { in: list }) },
      out: { port: 'pipe:out', fallback: 'drop' },
    },
  });
}

/**
 * `generic.N`, `memory.acl`: against netmill without a policy in it; beside, a generic loop by hand, and l3fwd with the list in
 * rte_acl. Each round has its packets in an order of its own: what they are decides branches here, and a processor learns those of
 * a few hundred packets by heart, which no traffic lets it. Beside, what comes out when it does.
 */
async function* generics(bed: Bed, wants: (name: string) => boolean): AsyncGenerator<Measured> {
  if (!lists.some((one) => wants(one.case))) return;
  const noDpdk = await makePeer('l3fwd');
  for (const { set, rules, ...one } of lists) {
    if (!wants(one.case)) continue;
    const random = seeded(10);
    const filters = filtersOf(set, rules);
    const table = join(bed.directory, 'small.txt');
    writeFileSync(
      table,
      ['0.0.0.0/0 0', ...Array.from({ length: 256 }, (_, i) => `16.${i}.0.0/16 ${i % 64}`)].join('\n'),
    );
    const packets = Array.from({ length: hot }, () =>
      rules === 0
        ? frame4(random, '16.0.0.0/4', '16.0.0.0/8')
        : frameOf(random, filters[below(random, filters.length)]!),
    );
    const others = ['generic', 'by-hand'];
    const program = await open(bed, {
      name: one.case,
      router: listed(filters),
      packets,
      table,
      others,
    });
    const at = (kind: string) => join(bed.directory, `${one.case}.${kind}`);
    const judged =
      rules === 0 || noDpdk ? undefined : new LoopProgram('l3fwd', [table, at('packets'), at('policy')]);
    try {
      bed.say(`forward: ${one.case}`);
      const asked = ['netmill', ...others].map((name) => ({ program, name }));
      if (judged) await sameBytes(program, judged);
      const peers = judged ? [{ program: judged, name: 'l3fwd' }] : [];
      const [mine, theirs, hand, dpdk] = await inTurn([...asked, ...peers], whole, 'drawn');
      const [same, theirsSame] = await inTurn(asked.slice(0, 2), whole);
      yield {
        ...about,
        peer: 'generic',
        ...one,
        ours: ratesOf(mine!),
        peerRuns: ratesOf(theirs!),
        more: {
          ...(await costs(asked[0]!, mine!)),
          ...(await costs(asked[1]!, theirs!, 'peer_')),
          by_hand: median(ratesOf(hand!))!,
          ...(dpdk && { rte_acl: median(ratesOf(dpdk))! }),
          same_order: median(ratesOf(same!))!,
          peer_same_order: median(ratesOf(theirsSame!))!,
        },
      };
    } finally {
      program.close();
      judged?.close();
    }
  }
}

/** `memory.v6`, `memory.vlan`: other packets through the same tables. */
async function* others(bed: Bed, wants: (name: string) => boolean): AsyncGenerator<Measured> {
  const random = seeded(6);
  for (const name of ['memory.v6', 'memory.vlan'] as const) {
    if (!wants(name)) continue;
    const family = name === 'memory.v6' ? 6 : 4;
    const table = await fullTable(bed.directory, family);
    const draw = () => drawFrom(random, table.prefixes);
    const tags = [{ tpid: 0x8100, vid: 100 }];
    const trial: Trial =
      family === 6
        ? {
            name,
            router: plain(),
            packets: Array.from({ length: hot }, () => frame6(random, draw(), draw())),
            table: table.path,
            others: ['generic'],
          }
        : {
            name,
            router: trunks(),
            packets: Array.from({ length: hot }, () => frame4(random, draw(), draw(), tags)),
            table: table.path,
            tags: '81000064',
            others: ['generic', 'by-hand'],
          };
    const program = await open(bed, trial);
    try {
      bed.say(`forward: ${name}`);
      const asked = ['netmill', 'generic'].map((one) => ({ program, name: one }));
      const [mine, theirs] = await inTurn(asked, whole);
      yield {
        ...about,
        case: name,
        peer: 'generic',
        ours: ratesOf(mine!),
        peerRuns: ratesOf(theirs!),
        more: { ...(await costs(asked[0]!, mine!)), ...(await costs(asked[1]!, theirs!, 'peer_')) },
      };
    } finally {
      program.close();
    }
  }
}

const trunks = () =>
  router('bench', {
    engine: { lookup: 'flat' },
    interfaces: {
      in: { port: 'pipe:in', fallback: 'drop', vlans: { a: { id: 100 } } },
      out: { port: 'pipe:out', fallback: 'drop', vlans: { b: { id: 100 } } },
    },
  });

export const loop: Bench = async function* (wants, say) {
  const bed = { directory: mkdtempSync(join(tmpdir(), 'netmill-loop-')), say };
  try {
    yield* full(bed, wants);
    yield* generics(bed, wants);
    yield* others(bed, wants);
  } finally {
    rmSync(bed.directory, { recursive: true, force: true });
  }
};
