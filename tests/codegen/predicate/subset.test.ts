/** The subset of TypeScript that predicates may use: what it compiles to, and what is refused with which words. */

import { join } from 'node:path';
import test from 'ava';
import type { Diagnostic } from '../../../codegen/diagnostics/diagnostic.js';
import { loadPolicy } from '../../../codegen/load/load.js';
import { evaluate, type PredicatePacket } from '../../../codegen/predicate/evaluate.js';
import type { BoolExpr, PredicateExpr } from '../../../codegen/predicate/expr.js';
import { parseAddress } from '../../../dsl/address.js';
import { patient, withFiles } from '../policy.js';

const head = `import { nets, predicate, router } from 'netmill'
import { far, imported, limits as renamed, type Limit } from './other.js'
const inside = nets('10.0.0.0/8', '2001:db8::/32')
const groups = { office: nets('10.1.0.0/16') }
const limit = 19
const limits = { dns: 53, ssh: 22 } as const
const loose = { dns: 53 }
const flag = true
const negative = -1
const half = 0.5
const computed = Math.max(3, 4)
export const exported = Math.max(3, 4)
const crossed = 50
const near = nets('10.1.0.0/16')
const unsaid = Math.max(3, 4)
export { exported as crossed, inside as near, limit as unsaid, unsaidToo as said }
const unsaidToo = Math.max(3, 4)
let changes = 1
changes += 1
var old = 1
enum Port { Http = 80 }
function helper(p: { len: number }): boolean { return p.len > 3 }
const late: Limit = limit
const make = (n: number) => predicate('made', p => p.len < n)
const written = (p: { len: number }) => p.len === 100
void [inside, groups, limit, limits, loose, flag, negative, half, computed, crossed, near, unsaid, changes, old, Port, helper, late, make, far, imported, renamed, written]
`;
const other = `import { nets } from 'netmill'
export type Limit = number
export const imported = 7 * 6
export const far = nets('192.0.2.0/24')
export const limits = { smtp: 25 } as const
`;
const tail = `export default router('r', { interfaces: { wan: { port: 'eth0' } } })\n`;

interface Row {
  readonly text: string;
  readonly lines: number;
}

const good: Row[] = [];
const bad: Row[] = [];

/** All rows of a kind in one policy, each predicate on a line of its own. */
async function load(rows: readonly Row[]) {
  const lines = rows.map(({ text }, i) => `predicate('p${i}', ${text})\n`).join('');
  return await withFiles({ 'policy.ts': head + lines + tail, 'other.ts': other }, (directory) =>
    loadPolicy(join(directory, 'policy.ts'), patient),
  );
}

let goodLoaded: ReturnType<typeof load> | undefined;
let badLoaded: ReturnType<typeof load> | undefined;
const firstLine = head.split('\n').length;

const packet: PredicatePacket = {
  family: 4,
  proto: 6,
  len: 100,
  ttl: 64,
  dscp: 10,
  vlan: 7,
  sport: 1024,
  dport: 53,
  icmpType: 0,
  icmpCode: 0,
  flags: { fin: false, syn: true, rst: false, psh: false, ack: false, urg: false, ece: false, cwr: false },
  fragment: false,
  laterFragment: false,
  isMember: () => false,
  transport: true,
  pcp: 0,
  fromMac: 0x020000000001,
  toMac: 0x020000000002,
  src: parseAddress('10.1.2.3')!,
  dst: parseAddress('192.0.2.1')!,
};

/** The predicate compiles, and gives `value` for the packet above. */
function compiles(text: string, value: boolean): void {
  const index = good.push({ text, lines: text.split('\n').length }) - 1;
  test(`compiles: ${text}`, async (t) => {
    t.timeout(120_000);
    goodLoaded ??= load(good);
    const loaded = await goodLoaded;
    t.deepEqual(
      loaded.diagnostics.map((one) => `${one.origin.line} ${one.code} ${one.message}`),
      [],
    );
    const found = loaded.predicates.find((one) => one.name === `p${index}`) as PredicateExpr;
    t.is(evaluate(found.expr, packet), value);
  });
}

/** The predicate is refused with this code at this text. */
function refused(text: string, code: string, marked: string, message = ''): void {
  const index = bad.push({ text, lines: text.split('\n').length }) - 1;
  test(`refused: ${text}`, async (t) => {
    t.timeout(120_000);
    badLoaded ??= load(bad);
    const { diagnostics, files } = await badLoaded;
    const line = firstLine + bad.slice(0, index).reduce((sum, row) => sum + row.lines, 0);
    const here = diagnostics.filter(
      (one) => one.origin.line >= line && one.origin.line < line + bad[index]!.lines,
    );
    const found = here.find((one) => one.code === code);
    t.truthy(found, here.map((one) => `${one.code} ${one.message}`).join('\n') || 'nothing was found');
    t.is(textAt(found!, files[0]!.text), marked);
    t.true(found!.message.includes(message), found!.message);
    t.truthy(found!.fix ?? found!.expected, 'what to do is told');
  });
}

function textAt(one: Diagnostic, text: string): string {
  const lines = text.split('\n');
  const offset = (line: number, column: number) =>
    lines.slice(0, line - 1).join('\n').length + (line > 1 ? 1 : 0) + column - 1;
  return text.slice(offset(one.origin.line, one.origin.column), offset(one.end!.line, one.end!.column));
}

compiles('p => true', true);
compiles('(p) => p.len === 100', true);
compiles('p => p.len !== 100', false);
compiles('p => p.len < 100 || p.ttl >= 64', true);
compiles('p => p.len > 100 || p.ttl <= 63', false);
compiles('p => !(p.len > 99 && p.dscp === 10)', false);
compiles("p => p.l4 === 'tcp' && p.flags.syn && !p.flags.ack", true);
compiles("p => 'tcp' === p.l4 && p.flags.ack", false);
compiles("p => p.l4 !== 'tcp'", false);
compiles("p => p.l4 === 'udp' || p.l4 === 'icmp' || p.l4 === 'other'", false);
compiles("p => p.l4 === 'icmp' && p.icmpType === 8 && p.icmpCode === 0", false);
compiles("p => (p.l4 === 'tcp' || p.l4 === 'udp') && p.dport === 53 && p.sport > 1023", true);
compiles('p => p.proto === 6 && p.family === 4 && p.vlan === 7', true);
compiles('p => p.fragment', false);
compiles('p => p.src.within(inside)', true);
compiles('p => p.dst.within(inside)', false);
compiles('p => p.src.within(inside.v4)', true);
compiles('p => p.src.within(inside.v6)', false);
compiles('p => p.src.within(groups.office)', true);
compiles('p => p.dst.within(far)', true);
compiles('p => p.len > limit', true);
compiles('p => p.len === imported + 58', true);
compiles('p => p.len === limits.dns + 47', true);
compiles('p => p.len === renamed.smtp * 4', true);
compiles('p => p.len === Port.Http + 20', true);
compiles('p => p.len === exported * 25', true);
compiles('p => p.len > late', true);
compiles('p => p.len === crossed * 2', true);
compiles('p => p.len === unsaidToo * 25', true);
compiles('p => p.src.within(near) && p.family === 4', true);
compiles('p => flag && p.len > 1', true);
compiles('p => flag === (p.len > 1)', true);
compiles('p => p.fragment === false', true);
compiles('p => p.fragment !== (p.len > 1)', true);
compiles('p => p.len === 1_00', true);
compiles('p => p.len === 0x64', true);
compiles('p => p.len === 200 / 2', true);
compiles('p => p.len === 2 ** 6 + (1 << 5) + (~0 & 4)', true);
compiles('p => p.len > -negative', true);
compiles('p => (p.len & 7) === 4 && (p.len | 1) === 101 && (p.ttl ^ 1) === 65', true);
compiles('p => p.len % 8 === 4', true);
compiles('p => p.len * 2 === 200 && p.len + p.ttl === 164 && p.len - 20 === 80', true);
compiles('p => p.len > 50 ? p.ttl === 64 : p.ttl === 1', true);
compiles('p => { return p.len > 50 }', true);
compiles('p => { const big = p.len > 50; return big && p.ttl === 64 }', true);
compiles('p => { const size = p.len + 1; return size === 101 }', true);
compiles('p => { const least = 3; return p.len > least }', true);
compiles('p => { if (p.len > 500) return true; return p.ttl === 64 }', true);
compiles('p => { if (p.len > 50) { return false } else { return true } }', false);
compiles(
  'p => { if (p.len > 50) return p.ttl === 64; else if (p.len > 20) return true; return false }',
  true,
);
compiles('written', true);
compiles('(p => p.len === 100)', true);
compiles('p =>\n  p.len === 100', true);

refused('function (p) { return p.len > 1 }', 'NM2101', 'function (p) { return p.len > 1 }', 'arrow function');
refused('helper as never', 'NM2101', 'helper as never');
refused('({ len }) => len > 1', 'NM2101', '{ len }', 'taken apart');
refused('(async (p: never) => true) as never', 'NM2101', '(async (p: never) => true) as never');
refused(
  "p => p.l4 === 'udp' && p.dport <= changes",
  'NM2104',
  'changes',
  "'changes' can change after the policy is built",
);
refused('p => p.len > old', 'NM2104', 'old', "'old' can change");
refused('p => p.len > loose.dns', 'NM2104', 'loose.dns');
refused('p => p.len > computed', 'NM2103', 'computed', 'not known');
refused('p => p.len > unsaid', 'NM2103', 'unsaid', 'not known');
refused('p => p.len > nowhere', 'NM2103', 'nowhere');
refused('p => helper(p)', 'NM2102', 'helper(p)', 'the call');
refused('p => p.len / 2 > 10', 'NM2106', 'p.len / 2', "'/'");
refused('p => p.len << 2 > 10', 'NM2106', 'p.len << 2');
refused('p => p.len - 21 > 0', 'NM2106', 'p.len - 21', 'can give -1');
refused('p => p.ttl - p.dscp > 0', 'NM2106', 'p.ttl - p.dscp', 'negative');
refused('p => p.len * p.len * 2 > 0', 'NM2106', 'p.len * p.len', 'more than 32 bits');
refused('p => p.len % p.ttl === 0', 'NM2106', 'p.len % p.ttl', 'can be 0');
refused('p => (p.len | 4294967295) > 0', 'NM2106', 'p.len | 4294967295', 'negative in TypeScript');
refused('p => p.len > -1', 'NM2105', '-1');
refused('p => p.len > half', 'NM2105', 'half', '0.5');
refused('p => p.len > 4294967296', 'NM2105', '4294967296');
refused('p => p.len == 100', 'NM2102', '==');
refused('p => p.len != 100', 'NM2102', '!=');
refused('p => !p.len', 'NM2107', 'p.len');
refused('p => !(p.len + 1)', 'NM2107', 'p.len + 1');
refused('p => { for (;;) return true }', 'NM2102', 'for (;;) return true', 'a loop');
refused(
  'p => { while (p.len > 1) return true; return false }',
  'NM2102',
  'while (p.len > 1) return true;',
  'a loop',
);
refused("p => { const odd = 1 < 'a'; return odd }", 'NM2102', "1 < 'a'", 'two numbers');
refused('p => { const odd = 1 && 2; return odd }', 'NM2107', '1 && 2', 'two conditions');
refused('p => { let n = 1; return p.len > n }', 'NM2102', 'n = 1', 'constants');
refused(
  'p => { switch (p.len) { default: return true } }',
  'NM2102',
  'switch (p.len) { default: return true }',
);
refused('p => { changes = 3; return p.len > 1 }', 'NM2102', 'changes = 3;');
refused(
  'p => { if (p.len > 1) return true } ',
  'NM2102',
  '{ if (p.len > 1) return true }',
  'must end with return',
);
refused('p => (p as { dport: number }).dport === 1', 'NM2102', '(p as { dport: number }).dport');
refused('p => p.src === p.dst', 'NM2108', 'p.src', 'an address');
refused("p => p.l4 === ('sctp' as 'tcp')", 'NM2102', "'sctp' as 'tcp'");
refused('p => p.src.within(nets("10.0.0.0/8"))', 'NM2109', 'nets("10.0.0.0/8")');
refused('p => p.src.within(undefined as never)', 'NM2109', 'undefined as never');
refused('p => (p.len > 1 ? p.ttl : p.dscp) > 3', 'NM2102', 'p.len > 1 ? p.ttl : p.dscp');
refused('p => p?.len === 1', 'NM2102', 'p?.len');
refused('p => [1, 2].includes(p.len)', 'NM2102', '[1, 2].includes(p.len)');
refused(
  `p => ${Array.from({ length: 400 }, (_, i) => `p.len === ${i + 100}`).join(' || ')}`,
  'NM2110',
  `p => ${Array.from({ length: 400 }, (_, i) => `p.len === ${i + 100}`).join(' || ')}`,
);

test('a parameter of the function around it is not known', async (t) => {
  const text = `${head}make(3)\n${tail}`;
  const { diagnostics } = await withFiles({ 'policy.ts': text, 'other.ts': other }, (directory) =>
    loadPolicy(join(directory, 'policy.ts'), patient),
  );
  t.deepEqual(
    diagnostics.map((one) => one.code),
    ['NM2103'],
  );
  t.true(diagnostics[0]!.message.includes("'n' is a parameter"));
});

test('compiled and TypeScript are compared before a policy is accepted', async (t) => {
  const text =
    `${head}predicate('p', p => (p.l4 === 'icmp' || true) && (p.dport as number) < 3)\n${tail}`.replace(
      '(p.dport as number)',
      'p.dport',
    );
  const { diagnostics } = await withFiles({ 'policy.ts': text, 'other.ts': other }, (directory) =>
    loadPolicy(join(directory, 'policy.ts'), patient),
  );
  t.deepEqual(
    diagnostics.map((one) => one.code),
    ['NM1002'],
  );
  t.is(diagnostics[0]!.fix, "ask first: p.l4 === 'tcp' or 'udp'.");
});

const never: BoolExpr = { kind: 'constant', value: false };
test('a constant evaluates to itself', (t) => t.false(evaluate(never, packet)));
