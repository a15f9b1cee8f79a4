/**
 * Sets of packets of one family, as disjoint blocks: every source of `src` with every destination of `dst` with
 * everything else of `rest`. Each part is a diagram, so a block holds thousands of prefixes, and what is taken from one
 * leaves at most three. Diagrams over all bits at once need tens of millions of nodes for the union of a firewall's
 * 10,000 rules; blocks are never united, only taken from each other where rules meet.
 */
import { all, type Diagram, type Diagrams, none } from './diagram.js';
import type { Space } from './space.js';

export interface Block {
  readonly src: Diagram;
  readonly dst: Diagram;
  readonly rest: Diagram;
}

/** Disjoint. */
export type PacketSet = readonly Block[];

export const everything: Block = { src: all, dst: all, rest: all };

export function blockOf(src: Diagram, dst: Diagram, rest: Diagram): PacketSet {
  return src === none || dst === none || rest === none ? [] : [{ src, dst, rest }];
}

/** Undefined: no packet is in both. */
export function common(diagrams: Diagrams, a: Block, b: Block): Block | undefined {
  const src = diagrams.and(a.src, b.src);
  if (src === none) return undefined;
  const dst = diagrams.and(a.dst, b.dst);
  if (dst === none) return undefined;
  const rest = diagrams.and(a.rest, b.rest);
  return rest === none ? undefined : { src, dst, rest };
}

/** What is left of `a` without `b`, where `both` is what they have in common. */
export function without(diagrams: Diagrams, a: Block, b: Block, both: Block): PacketSet {
  return [
    ...blockOf(diagrams.minus(a.src, b.src), a.dst, a.rest),
    ...blockOf(both.src, diagrams.minus(a.dst, b.dst), a.rest),
    ...blockOf(both.src, both.dst, diagrams.minus(a.rest, b.rest)),
  ];
}

export function intersection(diagrams: Diagrams, a: PacketSet, b: PacketSet): PacketSet {
  return a.flatMap((one) => b.flatMap((other) => common(diagrams, one, other) ?? []));
}

export function difference(diagrams: Diagrams, a: PacketSet, b: PacketSet): PacketSet {
  return b.reduce<PacketSet>(
    (left, taken) =>
      left.flatMap((one) => {
        const both = common(diagrams, one, taken);
        return both === undefined ? [one] : without(diagrams, one, taken, both);
      }),
    a,
  );
}

export function joined(diagrams: Diagrams, a: PacketSet, b: PacketSet): PacketSet {
  return [...a, ...difference(diagrams, b, a)];
}

/**
 * How many packets differ in what rules can see: addresses, ports, flags, sizes and so on, not in their payload. Those that
 * are in it for something that sets may hold count, once.
 */
export function size(space: Space, set: PacketSet): bigint {
  const { diagrams, members } = space;
  if (members.all().length === 0) return sum(space, set);
  const shown = set.map((block) => ({ ...block, rest: forgetMembers(space, block.rest) }));
  return sum(
    space,
    shown.reduce<PacketSet>((all, block) => joined(diagrams, all, [block]), []),
  );
}

function sum(space: Space, set: PacketSet): bigint {
  return set.reduce((total, block) => total + blockSize(space, block), 0n);
}

export function blockSize(space: Space, { src, dst, rest }: Block): bigint {
  const { diagrams, width, restWidth } = space;
  const fields = diagrams.count(forgetMembers(space, rest), restWidth);
  return diagrams.count(src, width) * diagrams.count(dst, width) * fields;
}

/** Whether a packet is in the block depends on what sets hold. */
export function dependsOnSets(space: Space, { rest }: Block): boolean {
  return forgetMembers(space, rest) !== rest;
}

/** What is in the set for something that sets may hold: tests of members come last, and each of them can be met. */
function forgetMembers({ diagrams, members, restWidth }: Space, set: Diagram): Diagram {
  if (members.all().length === 0) return set;
  const known = new Map<Diagram, Diagram>();
  const forget = (one: Diagram): Diagram => {
    if (one === none || one === all) return one;
    const level = diagrams.level(one);
    if (level >= restWidth) return all;
    const found = known.get(one);
    if (found !== undefined) return found;
    const made = diagrams.node(level, forget(diagrams.child(one, false)), forget(diagrams.child(one, true)));
    known.set(one, made);
    return made;
  };
  return forget(set);
}
