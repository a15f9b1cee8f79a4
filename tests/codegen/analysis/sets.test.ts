/**
 * Sets of packets against the evaluator: what a rule's set holds is what the rule matches, for packets near the rules of
 * random policies, both families, predicates included. And the operations against counting by hand.
 */
import test from 'ava';
import { oneBit } from '../../../codegen/analysis/bits.js';
import { decisions, makeFirstMatch } from '../../../codegen/analysis/first-match.js';
import { contains, examplePacket, only, pointOf, seenAs } from '../../../codegen/analysis/packet.js';
import { makeRegions } from '../../../codegen/analysis/regions.js';
import {
  blockOf,
  difference,
  everything,
  intersection,
  joined,
  type PacketSet,
  size,
} from '../../../codegen/analysis/sets.js';
import { makeSpace, type Space } from '../../../codegen/analysis/space.js';
import { firstMatch, isHiddenFrom } from '../../../codegen/evaluate/rules.js';
import type { PredicateExpr } from '../../../codegen/predicate/expr.js';
import { drawnPackets, randomIr, randomPredicates } from './random.js';

let predicates: readonly PredicateExpr[];
const seeds = [1, 2, 3, 4, 5];

test.before(async () => {
  predicates = await randomPredicates();
});

test('every packet that can be parsed is a valid one', (t) => {
  const spaces = { 4: makeSpace(4), 6: makeSpace(6) };
  let looked = 0;
  for (const seed of seeds)
    for (const { point } of drawnPackets(randomIr(seed, predicates), 1000, seed)) {
      const space = spaces[point.family];
      looked++;
      t.true(contains(space, [{ ...everything, rest: space.valid }], point), JSON.stringify(point, text));
    }
  t.true(looked > 2000);
});

test("a rule's set holds the packets that the rule matches", (t) => {
  let held = 0;
  for (const seed of seeds) {
    const ir = randomIr(seed, predicates);
    const regions = { 4: makeRegions(makeSpace(4)), 6: makeRegions(makeSpace(6)) };
    const packets = drawnPackets(ir, 400, seed);
    const rules = ir.rules.filter((rule) => rule.position > 0).slice(0, 60);
    for (const rule of rules) {
      const list = { ...ir.lists.find((one) => one.rules.includes(rule))!, rules: [rule] };
      const { fallback: _, ...alone } = list;
      for (const { seen, point } of packets) {
        const { space, of } = regions[point.family];
        const expected = firstMatch(ir, alone, seen) === rule;
        if (expected) held++;
        if (contains(space, of(rule), point) !== expected)
          t.fail(`seed ${seed}, ${rule.list} ${rule.position}: ${JSON.stringify(point, text)}`);
      }
    }
  }
  t.true(held > 1000, `${held}`);
});

test('a list decides about each packet as the evaluator does', (t) => {
  let looked = 0;
  for (const seed of seeds.slice(0, 4)) {
    const ir = randomIr(seed, predicates);
    const packets = drawnPackets(ir, 600, seed);
    for (const list of ir.lists.filter((one) => one.rules.length < 60))
      for (const family of [4, 6] as const) {
        const space = makeSpace(family);
        const match = makeFirstMatch(list, makeRegions(space));
        const decided = decisions(match, [{ ...everything, rest: space.valid }], { spend: () => undefined });
        const total = volume(
          space,
          decided.map((one) => one.block),
        );
        t.is(total, volume(space, [{ ...everything, rest: space.valid }]), 'no packet is lost or told twice');
        for (const { seen, point } of packets) {
          if (point.family !== family) continue;
          looked++;
          const by = decided.filter((one) => contains(space, [one.block], point)).map((one) => one.by);
          const hidden = list.kind === 'acl' && isHiddenFrom(list, seen);
          t.deepEqual(by, [hidden ? 'hidden' : firstMatch(ir, list, seen)]);
        }
      }
  }
  t.true(looked > 1000, `${looked}`);
});

test('examples are packets of the set, and the evaluator agrees', (t) => {
  for (const seed of seeds) {
    const ir = randomIr(seed, predicates);
    for (const family of [4, 6] as const) {
      const space = makeSpace(family);
      const regions = makeRegions(space);
      for (const rule of ir.rules.filter((one) => one.position > 0).slice(0, 40)) {
        const list = { ...ir.lists.find((one) => one.rules.includes(rule))!, rules: [rule] };
        const { fallback: _, ...alone } = list;
        for (const block of regions.of(rule).slice(0, 4)) {
          const packet = examplePacket(space, block);
          t.true(contains(space, [block], packet));
          t.is(firstMatch(ir, alone, seenAs(packet)), rule);
          const { members: _, ...plain } = packet;
          const { isMember: __, ...point } = pointOf(seenAs(packet));
          t.deepEqual(point, plain);
          t.is(size(space, [only(space, packet)]), 1n);
        }
      }
    }
  }
});

test('union, intersection and difference have the sizes that they must have', (t) => {
  for (const seed of seeds) {
    const ir = randomIr(seed, predicates);
    for (const family of [4, 6] as const) {
      const space = makeSpace(family);
      const { of } = makeRegions(space);
      const rules = ir.rules.filter((one) => one.position > 0).slice(0, 12);
      for (const a of rules)
        for (const b of rules) {
          const [x, y] = [of(a), of(b)];
          const both = intersection(space.diagrams, x, y);
          t.is(volume(space, both) + volume(space, difference(space.diagrams, x, y)), volume(space, x));
          t.is(
            volume(space, joined(space.diagrams, x, y)),
            volume(space, x) + volume(space, y) - volume(space, both),
          );
        }
    }
  }
});

test('a block of nothing is no block', (t) => {
  t.deepEqual(blockOf(0, 1, 1), []);
  t.is(size(makeSpace(4), []), 0n);
});

/** Packets with each reading of the sets that change at run time: what one set holds may not be what another does. */
function volume(space: Space, set: PacketSet): bigint {
  const { diagrams, width, restWidth, members } = space;
  const rest = restWidth + members.all().length;
  return set.reduce(
    (sum, one) =>
      sum + diagrams.count(one.src, width) * diagrams.count(one.dst, width) * diagrams.count(one.rest, rest),
    0n,
  );
}

test('packets that are in a set for something that run-time sets may hold count once', (t) => {
  const space = makeSpace(4);
  const bit = oneBit(space.diagrams, space.members.level('listed', 'src'));
  const held = { ...everything, rest: space.diagrams.and(space.valid, bit) };
  const other = { ...everything, rest: space.diagrams.minus(space.valid, bit) };
  const whole = size(space, [{ ...everything, rest: space.valid }]);
  t.true(whole > 0n);
  t.is(size(space, [held]), whole);
  t.is(size(space, [held, other]), whole);
  t.is(volume(space, [held]) + volume(space, [other]), 2n * whole);
  t.deepEqual(intersection(space.diagrams, [held], [other]), []);
});

function text(_: string, value: unknown): unknown {
  return typeof value === 'bigint' ? value.toString(16) : value;
}
