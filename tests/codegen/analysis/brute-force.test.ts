/**
 * The analysis against brute force: drawn lists over a small universe, in which every packet is looked at. What is dead,
 * what is left and who decides must come out the same.
 */
import test from 'ava';
import { budget, decisions, live, makeFirstMatch, remains } from '../../../codegen/analysis/first-match.js';
import { only, type PacketPoint, seenAs } from '../../../codegen/analysis/packet.js';
import { makeRegions } from '../../../codegen/analysis/regions.js';
import { everything, intersection, size } from '../../../codegen/analysis/sets.js';
import { makeSpace } from '../../../codegen/analysis/space.js';
import type { Condition, IrList, IrRule } from '../../../codegen/ir.js';
import { evaluate } from '../../../codegen/predicate/evaluate.js';
import type { BoolExpr } from '../../../codegen/predicate/expr.js';
import { type Random, randomOf } from '../../../codegen/selftest/random.js';
import type { Family } from '../../../dsl/model.js';

const origin = { file: 'p.ts', line: 1, column: 1 };

/** Addresses differ in three bits, destination ports in two, source ports in one: 512 UDP packets. */
const universe = (family: Family): readonly PacketPoint[] =>
  Array.from({ length: 8 * 8 * 4 * 2 }, (_, n) => ({
    family,
    src: high(family) | BigInt(n & 7),
    dst: high(family) | BigInt((n >> 3) & 7),
    fields: {
      proto: 17,
      state: 0,
      fragment: 0,
      later: 0,
      dport: (n >> 6) & 3,
      sport: (n >> 8) & 1,
      icmpType: 0,
      icmpCode: 0,
      flags: 0,
      ttl: 64,
      dscp: 0,
      vlan: 0,
      pcp: 0,
      fromMac: 0x020000000001,
      toMac: 0x020000000002,
      len: 80,
    },
  }));

const high = (family: Family) => (family === 4 ? 0x0a000000n : 0x20010db8n << 96n);

function conditionOf(random: Random, family: Family): Condition {
  const width = family === 4 ? 32 : 128;
  const set = () => {
    const prefixes = Array.from({ length: 1 + random.below(2) }, () => {
      const length = width - random.below(4);
      const free = BigInt(width - length);
      return { bits: ((high(family) | BigInt(random.below(8))) >> free) << free, length };
    });
    return { kind: 'addresses', family, name: 'n', ranges: [], prefixes, origin } as const;
  };
  const from = random.below(4);
  const expr: BoolExpr = random.once(2)
    ? {
        kind: 'compare',
        op: random.pick(['<', '>=', '==', '!=']),
        left: { kind: 'field', field: 'sport' },
        right: { kind: 'field', field: 'dport' },
      }
    : {
        kind: random.pick(['and', 'or']),
        left: { kind: 'within', field: 'src', prefixes: set().prefixes.map((one) => ({ family, ...one })) },
        right: {
          kind: 'compare',
          op: '==',
          left: {
            kind: 'arithmetic',
            op: '%',
            left: { kind: 'field', field: 'dport' },
            right: { kind: 'number', value: 3 },
          },
          right: { kind: 'number', value: random.below(3) },
        },
      };
  return {
    ...(random.once(2) && { from: set() }),
    ...(random.once(2) && { to: set() }),
    ...(random.once(2) && {
      service: {
        kind: 'service',
        family,
        name: 's',
        udp: { ranges: [{ from, to: from + random.below(3) }] },
        origin,
      },
    }),
    ...(random.once(4) && {
      when: {
        name: 'w',
        family,
        function: 'w',
        source: { name: 'w', expr, source: '', origin },
        expr,
        sets: new Map(),
        members: new Map(),
      },
    }),
  };
}

function drawnList(random: Random, family: Family): IrList {
  const rules = Array.from(
    { length: 3 + random.below(12) },
    (_, position): IrRule => ({
      local: position,
      id: `${position}`,
      enumerator: '',
      list: 'l',
      listKind: 'acl',
      direction: 'in',
      position: position + 1,
      action: { kind: random.pick(['allow', 'deny']) },
      match: {},
      conditions: { [family]: conditionOf(random, family) },
      text: '',
      origin,
    }),
  );
  return {
    kind: 'acl',
    direction: 'in',
    name: 'l',
    function: 'l',
    rules,
    readsTransport: { 4: true, 6: true },
    origin,
  };
}

/** Read off the condition, without any set. */
function matches({ from, to, service, when }: Condition, packet: PacketPoint): boolean {
  const { family, fields } = packet;
  const width = family === 4 ? 32 : 128;
  const isIn = (set: Condition['from'], address: bigint) =>
    set === undefined ||
    set.prefixes.some(({ bits, length }) => (address ^ bits) >> BigInt(width - length) === 0n);
  const [ports] = service?.udp?.ranges ?? [];
  return (
    isIn(from, packet.src) &&
    isIn(to, packet.dst) &&
    (ports === undefined || (fields.dport >= ports.from && fields.dport <= ports.to)) &&
    (when === undefined || evaluate(when.expr, seenAs(packet).fields))
  );
}

for (const family of [4, 6] as const)
  test(`IPv${family}: drawn lists, every packet of a small universe`, (t) => {
    const packets = universe(family);
    const space = makeSpace(family);
    const regions = makeRegions(space);
    // Nobody outside of the universe is asked about.
    const asked = packets.map((packet) => only(space, packet));
    let dead = 0;
    for (let seed = 1; seed <= 60; seed++) {
      const list = drawnList(randomOf(seed), family);
      const match = makeFirstMatch(list, regions);
      const expected = packets.map((packet) =>
        list.rules.findIndex((rule) => matches(rule.conditions[family]!, packet)),
      );
      const by = asked.map((block) => decisions(match, [block]).map((one) => one.by));
      t.deepEqual(
        by.map((all) =>
          all.map((rule) => (rule === undefined || rule === 'hidden' ? -1 : rule.position - 1)),
        ),
        expected.map((rule) => [rule]),
        `seed ${seed}`,
      );
      for (const i of list.rules.keys()) {
        const wanted = expected.filter((rule) => rule === i).length;
        const set = intersection(space.diagrams, live(match, i), asked);
        t.is(size(space, set), BigInt(wanted), `seed ${seed}, rule ${i}`);
        const here = intersection(space.diagrams, match.region(i), asked);
        const left = remains(match, here, match.meeting(everything, 0, i), () => true, budget());
        t.is(left, wanted > 0, `seed ${seed}, rule ${i}`);
        if (wanted === 0 && here.length > 0) dead++;
      }
    }
    t.true(dead > 20, `${dead} dead rules`);
  });
