/** What questions leave behind in a table of decision diagrams: nothing that later sets could be mistaken for. */
import test from 'ava';
import { addressLevels, holds, prefixed, union } from '../../../codegen/analysis/bits.js';
import { Diagrams, TooComplex } from '../../../codegen/analysis/diagram.js';
import { type Random, randomOf } from '../../../codegen/selftest/random.js';

const width = 40;
const levels = addressLevels(width);

/** Of prefixes of any length: nearly as many nodes as they have bits. */
function drawnSet(diagrams: Diagrams, random: Random, prefixes: number): number {
  const length = () => 20 + random.below(21);
  return union(
    diagrams,
    Array.from({ length: prefixes }, () => prefixed(diagrams, levels, random.bits(width), length())),
  );
}

test('what a question makes goes when it is much, and what is kept is the same set as before', (t) => {
  const [asked, quiet] = [new Diagrams(), new Diagrams()];
  const kept = [asked, quiet].map((one) => drawnSet(one, randomOf(1), 500));
  asked.keep();
  for (let question = 2; question < 5; question++) {
    const size = asked.scratch(4_000_000, () => {
      const few = drawnSet(asked, randomOf(100 + question), 500);
      t.true(asked.count(few, width) > 0n);
      const set = drawnSet(asked, randomOf(question), 30_000);
      return asked.count(asked.minus(set, kept[0]!), width);
    });
    t.true(size > 0n);
  }
  // Nodes are numbered as they come: sets are the same numbers as where nobody asked.
  for (let seed = 1; seed < 9; seed++) {
    const [a, b] = [asked, quiet].map((one) => drawnSet(one, randomOf(seed), 500));
    t.is(a, b);
    const [both, alone] = [asked.and(a!, kept[0]!), quiet.and(b!, kept[1]!)];
    t.is(both, alone);
    t.is(asked.count(a!, width), quiet.count(b!, width));
    t.is(asked.count(both, width), quiet.count(alone, width));
    const random = randomOf(seed);
    const bits = Array.from({ length: width }, () => random.once(2));
    const isIn = (one: Diagrams, set: number) => holds(one, set, (level) => bits[level]!);
    t.is(isIn(asked, asked.or(a!, kept[0]!)), isIn(quiet, quiet.or(b!, kept[1]!)));
  }
});

test('a question of too many nodes is given up, and the next one is answered', (t) => {
  const diagrams = new Diagrams();
  diagrams.keep();
  t.throws(() => diagrams.scratch(1000, () => drawnSet(diagrams, randomOf(1), 5000)), {
    instanceOf: TooComplex,
  });
  t.is(
    diagrams.scratch(1000, () => diagrams.count(prefixed(diagrams, levels, 0n, 8), width)),
    1n << 32n,
  );
});
