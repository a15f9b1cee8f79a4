/** Files of networks: what is read, and the place of each line that is not understood. */
import { readFileSync } from 'node:fs';
import test from 'ava';
import { randomOf } from '../../../codegen/selftest/random.js';
import { imageAbi } from '../../../codegen/sets/image.js';
import { prefixesOf } from '../../../codegen/sets/ranges.js';
import { SetReader } from '../../../codegen/sets/read.js';
import { formatPrefix, network, parseInterfaceAddress } from '../../../dsl/address.js';
import type { Family } from '../../../dsl/model.js';

function read(text: string, families: readonly Family[] = [4, 6]) {
  const reader = new SetReader(families);
  reader.read(Buffer.from(text));
  const contents = reader.contents();
  return {
    prefixes: [4, 6].flatMap((family) => prefixesOf(contents[family as Family]).map(formatPrefix)),
    mistakes: reader.mistakes.map(({ line, column, got }) => `${line}:${column} ${got}`),
    reader,
  };
}

test('networks, addresses, comments, blank lines, either kind of line end', (t) => {
  const text =
    '# worst first\r\n\n9.9.9.0/24\r\n\t10.0.0.1 # one\n2001:DB8::/32;two\n  ::1\n10.0.0.0/32\n0.0.0.0/0';
  t.deepEqual(read(text), {
    prefixes: ['0.0.0.0/0', '::1/128', '2001:db8::/32'],
    mistakes: [],
    reader: read(text).reader,
  });
  t.deepEqual(read(text.slice(0, -9)).prefixes.slice(0, 2), ['9.9.9.0/24', '10.0.0.0/31']);
  t.deepEqual(read('').prefixes, []);
});

const wrong: Readonly<Record<string, readonly string[]>> = {
  '1.2.3': ["1:1 '1.2.3'"],
  '\n  1.2.3.256 # x': ["2:3 '1.2.3.256'"],
  '1.2.3.4/33': ["1:1 '1.2.3.4/33'"],
  '1.2.3.4/24': ["1:1 '1.2.3.4/24'"],
  '01.2.3.4': ["1:1 '01.2.3.4'"],
  '1.2.3.4/': ["1:1 '1.2.3.4/'"],
  '1.2.3.4/08': ["1:1 '1.2.3.4/08'"],
  '1.2.3.4 5.6.7.8': ["1:1 '1.2.3.4 5.6.7.8'"],
  '2001:db8::1/32': ["1:1 '2001:db8::1/32'"],
  'fe80::1%eth0': ["1:1 'fe80::1%eth0'"],
  '9.9.9.9\nexample.net\n9.9.9.8': ["2:1 'example.net'"],
};
for (const [text, mistakes] of Object.entries(wrong))
  test(`wrong: ${JSON.stringify(text)}`, (t) => t.deepEqual(read(text).mistakes, mistakes));

test('what is read fast is what the reader of addresses says', (t) => {
  const random = randomOf(7);
  const group = () => random.pick(['0', 'f', '00', 'AB', 'db8', '0001', '2001', 'ffff', '', '12345']);
  const texts = Array.from({ length: 4000 }, () => {
    const groups = Array.from({ length: random.pick([2, 3, 7, 8, 8, 8, 9]) }, group).join(':');
    return (
      groups + random.pick(['', '', '/0', '/16', '/32', '/47', '/64', '/112', '/128', '/129', '/064', '/'])
    );
  });
  const ends = [
    '::',
    '::/0',
    '::1',
    '1::',
    '1::/16',
    '::/1',
    '1:::2',
    ':1::',
    '1:',
    '::1:',
    '1:2:3:4:5:6:7::',
  ];
  let fine = 0;
  for (const text of [...texts, ...ends]) {
    const address = parseInterfaceAddress(text);
    const expected = address && network(address).bits === address.bits ? [formatPrefix(address)] : [];
    const { prefixes, mistakes } = read(text);
    if (text !== '') t.deepEqual([prefixes, mistakes.length], [expected, 1 - expected.length], text);
    fine += expected.length;
  }
  t.true(fine > 100, String(fine));
});

test('a family that the set does not hold', (t) => {
  const { mistakes, reader } = read('9.9.9.9\n::1', [4]);
  t.deepEqual(mistakes, ["2:1 '::1'"]);
  t.is(reader.mistakes[0]!.message, 'the set holds IPv4 alone');
});

test('pieces of whole lines count on; the first mistakes are enough', (t) => {
  const reader = new SetReader([4]);
  reader.read(Buffer.from('1.1.1.1\n2.2.2.2'));
  reader.read(Buffer.from('x\n'));
  t.is(reader.mistakes[0]!.line, 3);
  const many = new SetReader([4]);
  many.read(Buffer.from('x\n'.repeat(1000)));
  t.is(many.mistakes.length, 20);
});

test('images are of the version that the engine reads', (t) => {
  const header = readFileSync('runtime/shm/limits.h', 'utf8');
  t.is(Number(/MILL_ABI_VERSION (\d+)u/.exec(header)?.[1]), imageAbi);
});
