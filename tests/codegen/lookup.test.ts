/** What `engine.lookup: 'auto'` comes to: by the kernel's tables where the router's can be seen, which are made up here. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { generate } from '../../codegen/compile.js';
import { coupledPrefixes } from '../../codegen/kernel-tables.js';
import { lookupOf, smallTable } from '../../codegen/lookup.js';
import { accepted, front } from './policy.js';

const policy = (settings = '') =>
  front(
    `export default router('r', {${settings} interfaces: { wan: { port: 'xdp:wan', fallback: 'drop' } } })`,
  );

/** As Linux 6.x writes them. */
const trie = (name: string, prefixes: number): string =>
  `${name}:\n\tAver depth:     2.42\n\tMax depth:      3\n\tLeaves:         7\n\tPrefixes:       ${prefixes}\n\tInternal nodes: 5\n\t  1: 1  2: 3  3: 1\n\tPointers: 22\nNull ptrs: 11\nTotal size: 2  kB\n`;
const basic = 'Basic info: size of leaf: 48 bytes, size of tnode: 40 bytes.\n';
const devices = (...names: readonly string[]): string =>
  `Inter-|   Receive\n face |bytes\n${['lo', ...names].map((name) => `  ${name}:  0 0\n`).join('')}`;

function proc(files: Readonly<Record<string, string>>): string {
  const directory = mkdtempSync(join(tmpdir(), 'netmill-proc-'));
  for (const [name, text] of Object.entries(files)) writeFileSync(join(directory, name), text);
  return directory;
}

const six = '0009 10004 0013 0007 0000 0000 0000\n'; // 65,540 nodes with routes

for (const { title, files, tables, expected } of [
  {
    title: 'the main table and all of IPv6 count, the local table does not',
    files: {
      dev: devices('wan'),
      fib_triestat: basic + trie('Main', 900000) + trie('Local', 9),
      rt6_stats: six,
    },
    tables: '',
    expected: 965540,
  },
  {
    title: 'of others, those that the policy is coupled to count',
    files: {
      dev: devices('wan'),
      fib_triestat: basic + trie('Main', 5) + trie('Local', 5) + trie('Id 100', 30) + trie('Id 7', 1000),
      rt6_stats: '0009 0002 0013 0007 0000 0000 0000\n',
    },
    tables: "daemon: { tables: ['main', 100] },",
    expected: 37,
  },
  {
    title: 'a kernel without IPv6 has none of its prefixes',
    files: { dev: devices('wan'), fib_triestat: basic + trie('Main', 12) + trie('Local', 12) },
    tables: '',
    expected: 12,
  },
  {
    title: 'a machine without the port is not the router’s',
    files: { dev: devices('eth0'), fib_triestat: basic + trie('Main', 12), rt6_stats: six },
    tables: '',
    expected: undefined,
  },
  { title: 'a machine that says nothing', files: { dev: devices('wan') }, tables: '', expected: undefined },
] as const) {
  test(`prefixes: ${title}`, async (t) => {
    const { router } = accepted(await policy(tables));
    const directory = proc(files);
    t.teardown(() => rmSync(directory, { recursive: true }));
    t.is(coupledPrefixes(router, directory), expected);
  });
}

test('a policy that says how is not asked again', async (t) => {
  const { router } = accepted(await policy("engine: { lookup: 'dxr' },"));
  for (const prefixes of [undefined, 1, 1_000_000])
    t.deepEqual(lookupOf(router.engine, prefixes), { method: 'dxr', reason: 'policy' });
});

test('the C depends on whether the table is small or large, and on nothing else of it', async (t) => {
  const checked = accepted(await policy());
  const made = (prefixes: number | undefined) => generate(checked, { prefixes });
  t.deepEqual(made(smallTable).ir.lookup, { method: 'radix', reason: 'small table' });
  t.deepEqual(made(smallTable + 1).ir.lookup, { method: 'flat', reason: 'large table' });
  t.deepEqual(made(undefined).ir.lookup, { method: 'flat', reason: 'assumed' });
  t.is(made(0).source, made(smallTable).source);
  t.is(made(smallTable + 1).source, made(1_000_000).source);
  t.is(made(undefined).source, made(1_000_000).source);
  t.not(made(0).source, made(1_000_000).source);
  t.regex(made(0).source, /#define MILL_LOOKUP_RADIX/);
});
