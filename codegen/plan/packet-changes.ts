/** What two policies do differently with packets: for every interface that both have, as sets. */
import type { Family } from '../../dsl/model.js';
import { union } from '../analysis/bits.js';
import { makeCollector } from '../analysis/bounds.js';
import { all, TooComplex } from '../analysis/diagram.js';
import {
  type Budget,
  budget,
  type Decider,
  eachDefault,
  eachLive,
  type Listener,
  TooManySteps,
} from '../analysis/first-match.js';
import { examplePacket, type PacketPoint } from '../analysis/packet.js';
import {
  type Fate,
  type Judged,
  makePipeline,
  type Pipeline,
  sameFate,
  treatmentIn,
} from '../analysis/pipeline.js';
import { type Block, blockOf, everything, intersection, type PacketSet, size } from '../analysis/sets.js';
import { makeSpace, type Space } from '../analysis/space.js';
import type { Direction, Ir, IrInterface, IrList, IrRule } from '../ir.js';
import { tagsOf } from '../tags.js';
import { effectWords } from '../treatment.js';
import { changedRules, ruleKeys } from './changed-rules.js';

export interface Way {
  readonly fate: Fate;
  /** What rules do with it besides; empty: nothing. */
  readonly treatment: string;
  /** Who decided: a rule, the list's default, its refusal of hidden headers; undefined: no rule was asked. */
  readonly rule: Decider;
}

export interface PacketChange {
  readonly interface: string;
  /** in: of what comes in there. out: of what would leave there, by its `out` ACL alone. */
  readonly direction: Direction;
  readonly family: Family;
  readonly from: Way;
  readonly to: Way;
  readonly packets: bigint;
  readonly sources: bigint;
  readonly destinations: bigint;
  readonly example: PacketPoint;
  readonly space: Space;
  readonly set: PacketSet;
}

export interface PacketChanges {
  readonly changes: readonly PacketChange[];
  /** Interfaces about which nothing exact can be said in the steps and nodes given. */
  readonly undecided: readonly { readonly interface: string; readonly family: Family }[];
}

const families: readonly Family[] = [4, 6];
const steps = 2_000_000;

export function packetChanges(old: Ir, fresh: Ir): PacketChanges {
  const changes: PacketChange[] = [];
  const undecided: { interface: string; family: Family }[] = [];
  const keys = { old: ruleKeys(old), new: ruleKeys(fresh) };
  for (const family of families) {
    const space = makeSpace(family);
    const pipes = { old: makePipeline(old, space), new: makePipeline(fresh, space) };
    for (const [was, now] of bothHave(old, fresh))
      try {
        const spent = budget(steps);
        const set = candidates(pipes, was, now, keys, spent);
        changes.push(...changesIn(pipes, was, now, set, spent));
        changes.push(...changesOut(pipes, was, now, keys, spent));
      } catch (thrown) {
        if (!(thrown instanceof TooManySteps || thrown instanceof TooComplex)) throw thrown;
        undecided.push({ interface: now.name, family });
      }
  }
  return { changes, undecided };
}

type Both<T> = { readonly old: T; readonly new: T };

/** Of the same name and the same tags: others are new interfaces. */
export function bothHave(old: Ir, fresh: Ir): readonly (readonly [IrInterface, IrInterface])[] {
  const tags = (one: IrInterface) => JSON.stringify(tagsOf(one.encapsulation));
  return fresh.interfaces.flatMap((now) => {
    const was = old.interfaces.find((one) => one.name === now.name && tags(one) === tags(now));
    return was === undefined ? [] : [[was, now] as const];
  });
}

/** All packets that may fare differently, and others: what rules decide that are not in both versions. */
function candidates(
  pipes: Both<Pipeline>,
  was: IrInterface,
  now: IrInterface,
  keys: Both<(rule: IrRule) => string>,
  spent: Budget,
): PacketSet {
  const { space } = pipes.new;
  const { diagrams } = space;
  const found = makeCollector(space);
  const add = (block: Block): boolean => {
    found.add(block);
    return false;
  };
  const own = diagrams.or(
    diagrams.xor(pipes.old.own, pipes.new.own),
    diagrams.xor(pipes.old.ownSources, pipes.new.ownSources),
  );
  for (const block of [...blockOf(own, all, all), ...blockOf(all, own, all)]) add(block);
  for (const kind of ['acl', 'pbr'] as const) ofLists(pipes, was[kind], now[kind], keys, add, spent);
  return found.blocks();
}

/** What two versions of a list may decide differently. */
function ofLists(
  pipes: Both<Pipeline>,
  a: IrList | undefined,
  b: IrList | undefined,
  keys: Both<(rule: IrRule) => string>,
  add: Listener,
  spent: Budget,
): void {
  const { space } = pipes.new;
  if (a === undefined && b === undefined) return;
  if (a === undefined || b === undefined) {
    add(everything);
    return;
  }
  const atEnd = ({ fallback }: IrList) => fallback && [fallback.action.kind, ...effectWords(fallback)].join();
  if (atEnd(a) !== atEnd(b)) eachDefault(pipes.new.list(b), add, spent);
  if (a.readsTransport[space.family] !== b.readsTransport[space.family])
    add({ ...everything, rest: space.hidden });
  const changed = changedRules(a, b, keys.old, keys.new);
  for (const index of changed.old) eachLive(pipes.old.list(a), index, add, spent);
  for (const index of changed.new) eachLive(pipes.new.list(b), index, add, spent);
}

function changesIn(
  pipes: Both<Pipeline>,
  was: IrInterface,
  now: IrInterface,
  set: PacketSet,
  spent: Budget,
): readonly PacketChange[] {
  const { space } = pipes.new;
  const here = intersection(space.diagrams, pipes.new.arriving(now), set);
  const groups = differing(pipes.old.judge(was, here, spent), (block) =>
    pipes.new.judge(now, [block], spent),
  );
  return groups.map((group) => describe(space, now, 'in', group));
}

function changesOut(
  pipes: Both<Pipeline>,
  was: IrInterface,
  now: IrInterface,
  keys: Both<(rule: IrRule) => string>,
  spent: Budget,
): readonly PacketChange[] {
  const { space } = pipes.new;
  const found = makeCollector(space);
  const add = (block: Block): boolean => {
    found.add(block);
    return false;
  };
  ofLists(pipes, was.out, now.out, keys, add, spent);
  const set = found.blocks();
  if (set.length === 0) return [];
  const here = intersection(space.diagrams, pipes.new.leaving(), set);
  const groups = differing(pipes.old.judgeOut(was, here, spent), (block) =>
    pipes.new.judgeOut(now, [block], spent),
  );
  return groups.map((group) => describe(space, now, 'out', group));
}

interface Group {
  readonly from: Way;
  readonly to: Way;
  readonly blocks: Block[];
}

function differing(befores: readonly Judged[], judge: (block: Block) => readonly Judged[]): readonly Group[] {
  const groups = new Map<string, Group>();
  for (const before of befores)
    for (const after of judge(before.block)) {
      const [from, to] = [wayOf(before), wayOf(after)];
      if (sameFate(from.fate, to.fate) && from.treatment === to.treatment) continue;
      const key = `${wayKey(from)} > ${wayKey(to)}`;
      const group = groups.get(key) ?? { from, to, blocks: [] };
      group.blocks.push(after.block);
      groups.set(key, group);
    }
  return [...groups.values()];
}

function wayOf(one: Judged): Way {
  return { fate: one.fate, rule: one.out ?? one.pbr ?? one.acl, treatment: treatmentIn(one) };
}

function wayKey({ fate, rule, treatment }: Way): string {
  const by =
    rule === undefined ? '' : rule === 'hidden' ? rule : `${rule.listKind} ${rule.list} ${rule.position}`;
  return `${fate.kind} ${fate.kind === 'diverted' ? fate.gateway : ''} ${by} ${treatment}`;
}

function describe(
  space: Space,
  iface: IrInterface,
  direction: Direction,
  { from, to, blocks }: Group,
): PacketChange {
  const { diagrams, width } = space;
  const addresses = (side: 'src' | 'dst') =>
    diagrams.count(
      union(
        diagrams,
        blocks.map((one) => one[side]),
      ),
      width,
    );
  return {
    interface: iface.name,
    direction,
    family: space.family,
    from,
    to,
    packets: size(space, blocks),
    sources: addresses('src'),
    destinations: addresses('dst'),
    example: examplePacket(space, blocks[0]!),
    space,
    set: blocks,
  };
}
