/** Sets of addresses against plain sets of numbers: 256 addresses at the edges of a family, and everything in both notations. */
import test from 'ava';
import { randomOf } from '../../../codegen/selftest/random.js';
import { contentsOf, isIn, type SetContents } from '../../../codegen/sets/contents.js';
import { contentsOfImage, imageHead, setImage } from '../../../codegen/sets/image.js';
import {
  type AddressRanges,
  countPrefixes,
  difference,
  holdsAddress,
  prefixesOf,
  sameRanges,
  somePrefixes,
  union,
} from '../../../codegen/sets/ranges.js';
import type { Family, Prefix } from '../../../dsl/model.js';

const size = 256;

/** Where a small universe begins: the first addresses, the last ones, and over a boundary of words. */
const bases = {
  4: [0n, (1n << 32n) - 256n, 0x0a00ff80n & ~255n],
  6: [0n, (1n << 128n) - 256n, (0x20010db8n << 96n) | 0xffffff00n],
} as const;

function drawn(
  family: Family,
  base: bigint,
  seed: number,
): { readonly prefixes: Prefix[]; readonly set: Set<number> } {
  const random = randomOf(seed);
  const width = family === 4 ? 32 : 128;
  const set = new Set<number>();
  const prefixes = Array.from({ length: random.below(20) }, () => {
    const host = random.pick([0, 0, 1, 2, 3, 5, 8]);
    const first = (random.below(size) >> host) << host;
    for (let i = first; i < first + 2 ** host; i++) set.add(i);
    return { family, bits: base + BigInt(first), length: width - host };
  });
  return { prefixes, set };
}

function members(ranges: AddressRanges, base: bigint): number[] {
  const { family } = ranges;
  return Array.from({ length: size }, (_, i) => i).filter((i) =>
    holdsAddress(ranges, { family, bits: base + BigInt(i) }),
  );
}

const ordered = (set: Iterable<number>) => [...set].sort((a, b) => a - b);

for (const family of [4, 6] as const)
  test(`IPv${family}: union, difference and notation are those of sets`, (t) => {
    let looked = 0;
    for (const base of bases[family])
      for (let seed = 1; seed <= 60; seed++) {
        const [a, b] = [drawn(family, base, seed), drawn(family, base, seed + 1000)];
        const [x, y] = [contentsOf(a.prefixes)[family], contentsOf(b.prefixes)[family]];
        t.deepEqual(members(x, base), ordered(a.set));
        t.deepEqual(members(union(x, y), base), ordered(new Set([...a.set, ...b.set])));
        t.deepEqual(members(difference(x, y), base), ordered([...a.set].filter((one) => !b.set.has(one))));
        const fewest = prefixesOf(x);
        t.is(fewest.length, countPrefixes(x));
        t.true(fewest.length <= a.prefixes.length);
        t.true(sameRanges(contentsOf(fewest)[family], x));
        t.true(somePrefixes(x, 3).every((one) => holdsAddress(x, one)));
        looked += x.count;
      }
    t.true(looked > 300, String(looked));
  });

test('everything, and everything but one address', (t) => {
  for (const family of [4, 6] as const) {
    const width = family === 4 ? 32 : 128;
    const whole = contentsOf([{ family, bits: 0n, length: 0 }])[family];
    t.is(whole.count, 1);
    t.deepEqual(prefixesOf(whole), [{ family, bits: 0n, length: 0 }]);
    const one = contentsOf([{ family, bits: 5n, length: width }])[family];
    const rest = difference(whole, one);
    t.is(rest.count, 2);
    t.is(countPrefixes(rest), width);
    t.false(holdsAddress(rest, { family, bits: 5n }));
    t.true(sameRanges(union(rest, one), whole));
    t.is(difference(whole, whole).count, 0);
  }
});

test('an image is read as it was written', (t) => {
  const all: readonly SetContents[] = [
    contentsOf([]),
    contentsOf([
      { family: 4, bits: 0n, length: 0 },
      { family: 6, bits: 0n, length: 0 },
    ]),
    ...[1, 2, 3].map((seed) =>
      contentsOf([
        ...bases[4].flatMap((base) => drawn(4, base, seed).prefixes),
        ...bases[6].flatMap((base) => drawn(6, base, seed).prefixes),
      ]),
    ),
  ];
  for (const contents of all) {
    const image = setImage('blocked', contents, 1_700_000_000_123);
    t.is(image.length % 64, 0);
    t.deepEqual(imageHead(image), { name: 'blocked', bytes: image.length, changed: 1_700_000_000_123 });
    const read = contentsOfImage(image);
    for (const family of [4, 6] as const) t.true(sameRanges(read[family], contents[family]));
  }
  t.throws(() => imageHead(Buffer.alloc(200)), { message: /expected a set of version/ });
  t.throws(() => contentsOfImage(setImage('x', all[0]!, 0).subarray(0, 1000)), { message: /expected a set/ });
});

test('a set that nobody has filled holds nothing', (t) => {
  t.false(isIn(new Map(), 'blocked', { family: 4, bits: 1n }));
  t.true(
    isIn(new Map([['blocked', contentsOf([{ family: 4, bits: 1n, length: 32 }])]]), 'blocked', {
      family: 4,
      bits: 1n,
    }),
  );
});
