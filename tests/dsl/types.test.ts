/** What must not compile, and what must: TypeScript's own words on policy text, without running it. */
import { join } from 'node:path';
import test from 'ava';
import { compile } from '../../codegen/load/compiler.js';
import { typeErrors } from '../../codegen/load/typescript.js';
import { withFiles } from '../codegen/policy.js';

const head = `import { acl, allow, deny, hosts, icmp, nets, nexthop, pbr, predicate, proto, router, service, tcp, udp } from 'netmill'
const v4 = nets('10.0.0.0/8')
const v6 = nets('2001:db8::/32')
const both = nets('10.0.0.0/8', '2001:db8::/32')
void [acl, allow, deny, hosts, icmp, nexthop, pbr, predicate, proto, router, service, tcp, udp, v4, v6, both]
`;

const rows: string[] = [];
let checked: Promise<ReadonlyMap<string, readonly string[]>> | undefined;

/** All rows are files of one program: a type check is the cost. */
async function errorsOf(text: string): Promise<readonly string[]> {
  checked ??= checkAll();
  const errors = (await checked).get(text);
  if (errors === undefined) throw new Error('this row was not checked');
  return errors;
}

function checkAll(): Promise<ReadonlyMap<string, readonly string[]>> {
  const files = Object.fromEntries(rows.map((text, i) => [`row${i}.ts`, head + text]));
  const all = rows.map((_, i) => `import './row${i}.js'\n`).join('');
  return withFiles({ ...files, 'policy.ts': all }, async (directory) => {
    const errors = typeErrors(compile(join(directory, 'policy.ts')));
    const of = (i: number) => errors.filter((one) => one.origin.file === join(directory, `row${i}.ts`));
    return new Map(rows.map((text, i) => [text, of(i).map((one) => one.message)]));
  });
}

const compiles = test.macro({
  async exec(t, text: string) {
    t.deepEqual(await errorsOf(text), []);
  },
  title: (_, text: string) => {
    rows.push(text);
    return `compiles: ${text}`;
  },
});

const doesNot = test.macro({
  async exec(t, text: string, message: string) {
    const errors = await errorsOf(text);
    t.is(errors.length, 1, errors.join('\n'));
    t.true(errors[0]!.includes(message), errors[0]);
  },
  title: (_, text: string) => {
    rows.push(text);
    return `does not compile: ${text}`;
  },
});

test(compiles, `nets('0.0.0.0/0', '255.255.255.255', '::/0', '10.20.0.0/16')`);
test(compiles, `const x: string = v4.kind; nets(x)`);
test(compiles, "const n: number = 1; nets('10.0.0.0/8', `10.$" + '{n}.0.0/16`, `2001:db8:$' + '{n}::/48`)');
test(compiles, 'const n: number = 1; nexthop(`192.0.2.$' + '{n}`, { from: both })');
test(compiles, `hosts({ a: '192.0.2.1', b: '2001:db8::1' })`);
test(compiles, `nexthop('192.0.2.1', { from: v4 })`);
test(compiles, `nexthop('192.0.2.1', { from: both.v4, to: v4 })`);
test(compiles, `nexthop('2001:db8::1', { from: both.v6 })`);
test(compiles, `nexthop(['192.0.2.1', '2001:db8::1'], { from: both })`);
test(compiles, `nexthop(['192.0.2.1', '192.0.2.2'], { from: v4 }).or('192.0.2.9').orDrop().why('x')`);
test(compiles, `nexthop({ '192.0.2.1': 3, '192.0.2.2': 256 }, { from: v4 }).id('x').or({ '192.0.2.9': 1 })`);
test(
  compiles,
  `nexthop({ '192.0.2.1': 3, '2001:db8::1': 1 }, { from: both }).or(['192.0.2.9', '2001:db8::9'])`,
);
test(
  compiles,
  `const list: string[] = [], n: number = 2; nexthop(list).or(list); nexthop({ '192.0.2.1': n })`,
);
test(compiles, `pbr('p', [nexthop('192.0.2.1').or('192.0.2.2'), [nexthop('192.0.2.3').orDrop()]])`);
test(compiles, `acl('a', {}, [[deny({ from: v4 })], [[allow()], nexthop('192.0.2.1')]])`);
test(
  compiles,
  `deny({ dscp: ['ef', 46], ttl: [0, 1], length: 60, fragment: 'later', flags: ['syn', '!ack'], fromMac: '02:00:00:00:00:01', toMac: ['group', '33:33:00:00:00:00/16'], pcp: [0, 7] })`,
);
test(compiles, `tcp('https', 80, '8000-8099', { from: ['bgp', '1024-65535'] })`);
test(compiles, `service(proto('gre', 89), udp({ from: 'tftp' }), icmp({ family: 4, type: 3, code: 10 }))`);
test(compiles, `predicate('p', p => (p.l4 === 'tcp' || p.l4 === 'udp') && p.dport === 53)`);
test(compiles, `predicate('p', p => p.l4 === 'icmp' && p.icmpType === 8 && p.src.within(both))`);
test(
  compiles,
  `router('r', { interfaces: { a: { port: 'x' } }, engine: { workers: [{ core: 1, rings: { a: [0] } }] } })`,
);
test(
  compiles,
  `router('r', { interfaces: { a: { port: 'x' } }, engine: { punt: { ttl: 0, bgp: 20_000 } } })`,
);
test(
  compiles,
  `router('r', { interfaces: { a: { port: 'x', qinq: { outer: 1, inner: { b: { id: 2 } } } } } })`,
);
test(
  compiles,
  `deny().id('x').why('y').log({ rate: '10/s' }).count('c').expires('2027-01-01').allowShadow('z')`,
);

test(doesNot, `nets('10.0.300.0')`, `'10.0.300.0' is not an IPv4 address`);
test(doesNot, `nets('10.0.0.0/8', '10.0.300.0/24')`, `'10.0.300.0' is not an IPv4 address`);
test(doesNot, `nets('10.0.0/8')`, `'10.0.0' is not an IPv4 address`);
test(doesNot, `nets('10.0.0.00/8')`, `'10.0.0.00' is not an IPv4 address`);
test(doesNot, `nets('10.0.0.0/33')`, `'/33' is not a prefix length from /0 to /32`);
test(doesNot, `hosts({ a: '10.0.0.256' })`, `'10.0.0.256' is not an IPv4 address`);
test(doesNot, `hosts({ a: '10.0.0.1', b: '10.0.0.0/8' })`, `'10.0.0.0/8' is not an IPv4 address`);
test(doesNot, `nexthop('10.0.0.256')`, `'10.0.0.256' is not an IPv4 address`);
test(doesNot, `nexthop('192.0.2.1', { from: both })`, `not assignable to type '4'`);
test(doesNot, `nexthop('192.0.2.1', { from: v6 })`, `not assignable to type '4'`);
test(doesNot, 'nexthop([])', 'expected a gateway');
test(doesNot, 'nexthop({})', 'expected a gateway');
test(doesNot, `nexthop(['192.0.2.1', '192.0.2.256'])`, `'192.0.2.256' is not an IPv4 address`);
test(doesNot, `nexthop(['192.0.2.1', '192.0.2.2', '192.0.2.1'])`, `'192.0.2.1' is given twice`);
test(doesNot, `nexthop({ '192.0.2.1': 0 })`, '0 is not a weight from 1 to 256');
test(doesNot, `nexthop({ '192.0.2.1': 257 })`, '257 is not a weight from 1 to 256');
test(doesNot, `nexthop({ '192.0.2.1': 1.5 })`, '1.5 is not a weight from 1 to 256');
test(doesNot, `nexthop(['192.0.2.1', '192.0.2.2'], { from: both })`, `not assignable to type '4'`);
test(
  doesNot,
  `nexthop('192.0.2.1').or('2001:db8::1')`,
  'is of a family that the gateways before it are not of',
);
test(doesNot, `nexthop('192.0.2.1').orDrop().or('192.0.2.2')`, `Property 'or' does not exist`);
test(doesNot, `allow().orDrop()`, `Property 'orDrop' does not exist`);
test(doesNot, `deny({ form: v4 })`, `'form' does not exist in type 'MatchSpec`);
test(doesNot, `deny({ from: '10.0.0.0/8' })`, 'not assignable');
test(doesNot, `deny().log({ rate: '10' })`, 'not assignable');
test(doesNot, `deny().expires('soon')`, 'not assignable');
test(doesNot, `icmp('ping')`, 'not assignable');
test(doesNot, `deny({ dscp: 'eff' })`, 'not assignable');
test(doesNot, `deny({ flags: ['syn', 'not ack'] })`, 'not assignable');
test(doesNot, `deny({ fragment: 'second' })`, 'not assignable');
test(doesNot, `deny({ ttl: '1-5' })`, 'not assignable');
test(doesNot, `tcp('htpps')`, 'not assignable');
test(doesNot, `tcp('tftp')`, 'not assignable');
test(doesNot, `udp({ form: 53 })`, `'form' does not exist`);
test(doesNot, `proto('greh')`, 'not assignable');
test(doesNot, `pbr('p', [deny()])`, 'not assignable');
test(doesNot, `acl('a', { default: 'reject' }, [])`, 'not assignable');
test(doesNot, `predicate('p', p => p.dport === 53)`, `'dport' does not exist`);
test(doesNot, `predicate('p', p => p.l4 === 'icmp' && p.dport === 53)`, `'dport' does not exist`);
test(doesNot, `predicate('p', p => p.l4 === 'udp' && p.flags.syn)`, `'flags' does not exist`);
test(doesNot, `predicate('p', p => p.l4 === 'sctp')`, 'no overlap');
test(doesNot, `predicate('p', p => p.len)`, 'not assignable');
test(doesNot, `router('r', { interfaces: { a: { port: 'x', mtuu: 1 } } })`, `'mtuu' does not exist`);
test(
  doesNot,
  `router('r', { interfaces: { a: { port: 'x', vlans: { b: { idd: 1 } } } } })`,
  `'idd' does not exist`,
);
test(doesNot, `router('r', { interfaces: { a: { port: 'x', address: ['192.0.2.1'] } } })`, 'not assignable');
test(doesNot, `router('r', { interfaces: { a: { port: 'x', fallback: 'open' } } })`, 'not assignable');
test(
  doesNot,
  `router('r', { interfaces: { a: { port: 'x' } }, engine: { workers: [{ rings: { b: [0] } }] } })`,
  `'b' does not exist`,
);
test(
  doesNot,
  `router('r', { interfaces: { a: { port: 'x' } }, engine: { lookup: 'trie' } })`,
  'not assignable',
);
test(
  doesNot,
  `router('r', { interfaces: { a: { port: 'x' } }, engine: { flowHash: 'both' } })`,
  'not assignable',
);
test(doesNot, `router('r', { interfaces: { a: { port: 'x' } }, rotes: {} })`, `'rotes' does not exist`);
