/** Rulesets of nftables as drafts: what becomes of them, and what is refused. tests/system/nftables.test.ts asks the kernel. */
import test from 'ava';
import { finishImport } from '../../../codegen/formats/finish.js';
import { type NftOptions, readNftables } from '../../../codegen/formats/nftables/read.js';
import { writePolicy } from '../../../codegen/formats/write.js';
import { patient } from '../policy.js';

const usual: NftOptions = {
  name: 'r',
  interfaces: ['wan', 'lan'],
  vlans: new Map(),
  forward: 'out',
  runTimeSets: [],
};

const chain = (hook: string, more: object = {}) => ({
  chain: {
    family: 'inet',
    table: 't',
    name: hook,
    handle: 1,
    type: 'filter',
    hook,
    prio: 0,
    policy: 'drop',
    ...more,
  },
});
const rule = (of: string, ...expr: readonly object[]) => ({
  rule: { family: 'inet', table: 't', chain: of, handle: 7, expr },
});
const match = (left: object, right: unknown, op = '==') => ({ match: { op, left, right } });
const payload = (protocol: string, field: string) => ({ payload: { protocol, field } });
const meta = (key: string) => ({ meta: { key } });
const accept = { accept: null };

function read(objects: readonly object[], options: Partial<NftOptions> = {}) {
  return readNftables(
    { file: 'rules.json', text: JSON.stringify({ nftables: objects }) },
    { ...usual, ...options },
  );
}

function policyOf(objects: readonly object[], options?: Partial<NftOptions>): string {
  const result = read(objects, options);
  if (!result.ok) throw new Error(result.problems.map((one) => one.message).join('\n'));
  return writePolicy(result.value).text.replace(/^[\s\S]*?(?=export const)/, '');
}

test('a chain of hook forward becomes what leaves, and sets become objects', async (t) => {
  t.timeout(60_000);
  const objects = [
    { metainfo: { json_schema_version: 1 } },
    {
      set: {
        family: 'inet',
        table: 't',
        name: 'inner-nets',
        handle: 2,
        type: 'ipv4_addr',
        elem: [{ prefix: { addr: '10.0.0.0', len: 8 } }, '192.0.2.1'],
      },
    },
    chain('forward'),
    chain('input'),
    rule('input', accept),
    rule(
      'forward',
      match(meta('oifname'), 'wan'),
      match(payload('ip', 'saddr'), '@inner-nets'),
      { log: { prefix: 'out: ' } },
      accept,
    ),
    rule(
      'forward',
      match(payload('tcp', 'dport'), { set: [22, { range: [8000, 8099] }] }),
      { counter: { packets: 1, bytes: 1 } },
      accept,
    ),
    rule('forward', match(payload('ip', 'ttl'), 3, '<'), { drop: null }),
  ];
  const result = read(objects);
  t.true(result.ok);
  if (!result.ok) return;
  t.regex(
    result.value.assumptions.join('\n'),
    /chain forward of inet t judges what is forwarded[\s\S]*chain input of inet t stays in force/,
  );
  t.is(
    policyOf(objects),
    `export const innerNets = nets('10.0.0.0/8', '192.0.2.1');

const toAll = [
  allow({ service: tcp(22, '8000-8099') }),
  deny({ from: nets('0.0.0.0/0'), ttl: [1, 3] }),
];

export const toWan = acl('to-wan', { default: 'deny', neighbourDiscovery: 'explicit' }, [
  allow({ from: innerNets }).log().why('out'),
  toAll,
]);

export const forward = acl('forward', { default: 'deny', neighbourDiscovery: 'explicit' }, [toAll]);

export default router('r', {
  interfaces: {
    wan: { port: 'xdp:wan', out: toWan, fallback: 'kernel' },
    lan: { port: 'xdp:lan', out: forward, fallback: 'kernel' },
  },
});
`.replace(
      "const toAll = [\n  allow({ service: tcp(22, '8000-8099') }),\n  deny({ from: nets('0.0.0.0/0'), ttl: [1, 3] }),\n];",
      "const toAll = [allow({ service: tcp(22, '8000-8099') }), deny({ from: nets('0.0.0.0/0'), ttl: [1, 3] })];",
    ),
  );
  const { result: checked } = await finishImport(result.value, 'r.ts', { limits: patient });
  t.true(checked.ok, JSON.stringify(!checked.ok && checked.diagnostics));
});

const set = (name: string, type: unknown, elem: readonly unknown[], flags: readonly string[] = []) => ({
  set: { family: 'inet', table: 't', name, handle: 9, type, flags, elem },
});
const from = (name: string, op = '==') => match(payload('ip', 'saddr'), `@${name}`, op);
const dport = (protocol: string, right: unknown) => match(payload(protocol, 'dport'), right);
const range = (from: unknown, to: unknown) => ({ range: [from, to] });
const rulesIn = (text: string) => text.match(/^ *(allow|deny)\(.*$/gm)?.map((line) => line.trim());

test('named sets: intervals, both families, ports; one that is empty changes at run time', async (t) => {
  t.timeout(60_000);
  const objects = [
    set('inner', 'ipv4_addr', ['192.0.2.1', range('10.0.0.0', '10.0.2.255')], ['interval']),
    set('inner6', { typeof: { payload: { protocol: 'ip6', field: 'saddr' } } }, [
      { elem: { val: { prefix: { addr: '2001:db8::', len: 32 } }, comment: 'ours' } },
    ]),
    set('web-ports', 'inet_service', [80, 443, range(8000, 8099)], ['interval']),
    set('blocked', 'ipv4_addr', []),
    set('nobody asks', 'ipv4_addr', [{ elem: { val: '9.9.9.9', timeout: 60 } }], ['timeout']),
    chain('prerouting', { policy: 'accept' }),
    rule('prerouting', from('blocked'), { drop: null }),
    rule('prerouting', from('inner'), dport('tcp', '@web-ports'), accept),
    rule('prerouting', match(payload('ip6', 'saddr'), '@inner6'), dport('udp', '@web-ports'), accept),
    rule('prerouting', from('inner', '!='), accept),
  ];
  const text = policyOf(objects);
  t.is(
    text.slice(0, text.indexOf('export const incoming')),
    `export const inner = nets('10.0.0.0/23', '10.0.2.0/24', '192.0.2.1');

export const inner6 = nets('2001:db8::/32');

export const blocked = set('blocked', { family: 4 });

export const webPorts = tcp(80, 443, '8000-8099');

export const webPortsUdp = udp(80, 443, '8000-8099');

`,
  );
  const [first, second, third] = rulesIn(text)!;
  t.is(first, 'deny({ from: blocked }),');
  t.is(second, 'allow({ from: inner, service: webPorts }),');
  t.is(third, 'allow({ from: inner6, service: webPortsUdp }),');
  const result = read(objects);
  if (!result.ok) return t.fail();
  t.regex(result.value.assumptions.join('\n'), /Set blocked changes at run time\. It is empty at first/);
  const { result: checked } = await finishImport(result.value, 'r.ts', { limits: patient });
  t.true(checked.ok, JSON.stringify(!checked.ok && checked.diagnostics));
});

test('sets that are asked to change at run time have their contents in files', async (t) => {
  t.timeout(60_000);
  const objects = [
    set('blocked', 'ipv4_addr', ['9.9.9.9', range('10.0.0.1', '10.0.0.2')], ['interval']),
    set('fixed', 'ipv4_addr', ['192.0.2.1'], ['constant']),
    set('six', 'ipv6_addr', ['2001:db8::1']),
    chain('prerouting'),
    rule('prerouting', from('blocked'), from('blocked'), { drop: null }),
    rule('prerouting', from('fixed'), accept),
    rule('prerouting', match(payload('ip6', 'daddr'), '@six'), accept),
  ];
  const result = read(objects, { runTimeSets: ['all'] });
  if (!result.ok) return t.fail();
  const { text, files, result: checked } = await finishImport(result.value, 'r.ts', { limits: patient });
  t.true(checked.ok, JSON.stringify(!checked.ok && checked.diagnostics));
  t.regex(text, /export const blocked = set\('blocked', \{ family: 4, file: '\.\/blocked\.txt' \}\)/);
  t.regex(text, /export const fixed = nets\('192\.0\.2\.1'\)/);
  t.deepEqual(files, [
    { name: 'blocked.txt', text: '9.9.9.9/32\n10.0.0.1/32\n10.0.0.2/32\n' },
    { name: 'six.txt', text: '2001:db8::1/128\n' },
  ]);
  t.regex(policyOf(objects, { runTimeSets: ['six'] }), /set\('six'[\s\S]*allow\(\{ to: six \}\)/);
});

test('concatenations and verdict maps with a name: a rule for each element', (t) => {
  const pairs = [
    { concat: ['192.0.2.1', 22] },
    { concat: [{ prefix: { addr: '192.0.2.128', len: 25 } }, range(80, 81)] },
  ];
  const both = { concat: [payload('ip', 'daddr'), payload('tcp', 'dport')] };
  const verdicts = { family: 'inet', table: 't', name: 'v', handle: 4, type: 'inet_service', map: 'verdict' };
  const text = policyOf([
    set('pairs', ['ipv4_addr', 'inet_service'], pairs, ['interval']),
    {
      map: {
        ...verdicts,
        elem: [
          [22, { accept: null }],
          [range(53, 60), { drop: null }],
        ],
      },
    },
    chain('prerouting'),
    rule('prerouting', match(both, '@pairs'), accept),
    rule('prerouting', match(both, { set: [{ concat: ['9.9.9.9', 1] }] }), { drop: null }),
    rule('prerouting', { vmap: { key: payload('udp', 'dport'), data: '@v' } }),
  ]);
  t.deepEqual(rulesIn(text), [
    "allow({ to: nets('192.0.2.1'), service: tcp(22) }),",
    "allow({ to: nets('192.0.2.128/25'), service: tcp('80-81') }),",
    "deny({ to: nets('9.9.9.9'), service: tcp(1) }),",
    'allow({ service: udp(22) }),',
    "deny({ service: udp('53-60') }),",
  ]);
});

test('the policy of a table for one family is asked for that family alone', (t) => {
  const ip = { family: 'ip' };
  const text = policyOf([chain('prerouting', ip)]);
  t.regex(
    text,
    /default: 'allow'[\s\S]*deny\(\{ from: nets\('0\.0\.0\.0\/0'\) \}\), \/\/ policy of chain prerouting of ip t/,
  );
});

test('reject, as it is said', (t) => {
  const tcp = match(meta('l4proto'), 'tcp');
  const text = policyOf([
    chain('prerouting'),
    rule('prerouting', tcp, { reject: { type: 'tcp reset' } }),
    rule('prerouting', match(payload('udp', 'dport'), 53), {
      reject: { type: 'icmpx', expr: 'admin-prohibited' },
    }),
    rule('prerouting', { reject: { type: 'icmpv6', expr: 'admin-prohibited' } }),
    rule('prerouting', { reject: null }),
  ]);
  const rules = [
    'reject({ service: tcp() }),',
    "reject({ service: udp(53) }, { tcp: 'icmp' }),",
    "reject({ from: nets('::/0') }, { tcp: 'icmp' }),",
    "reject({}, { icmp: 'port-unreachable', tcp: 'icmp' }),",
  ];
  t.deepEqual(text.match(/reject.*/g), rules);
});

const refuses = test.macro(
  (t, statements: readonly object[], expected: RegExp, options: Partial<NftOptions> = {}) => {
    const result = read([chain('forward'), rule('forward', ...statements)], options);
    t.false(result.ok);
    if (result.ok) return;
    t.regex(result.problems.map((one) => `${one.code} ${one.message} ${one.fix}`).join('\n'), expected);
    t.is(result.problems.length, 1);
  },
);

const ct = match({ ct: { key: 'state' } }, ['established'], 'in');
test(
  'connection tracking',
  refuses,
  [ct, accept],
  /NM6003 handle 7 of inet t forward: connection tracking .*flags: 'established'/,
);
test(
  'reject with what is not known here',
  refuses,
  [{ reject: { type: 'icmp', expr: 'host-unreachable' } }],
  /reject with icmp "host-unreachable"/,
);
test(
  'a reset of what is no TCP',
  refuses,
  [{ reject: { type: 'tcp reset' } }],
  /a TCP reset for other protocols/,
);
test('a limit', refuses, [{ limit: { rate: 1 } }, accept], /'limit' has no counterpart/);
test('a rule that only counts', refuses, [{ counter: { packets: 0, bytes: 0 } }], /a rule without a verdict/);
test('a counter with a name', refuses, [{ counter: 'mine' }, accept], /'counter' has no counterpart/);
test('a log that goes elsewhere', refuses, [{ log: { group: 1 } }, accept], /log group/);
test(
  'where packets came in, of what leaves',
  refuses,
  [match(meta('iifname'), 'wan'), accept],
  /--forward in/,
);
test(
  'where packets leave, of what comes in',
  refuses,
  [match(meta('oifname'), 'wan'), accept],
  /taken for what comes in/,
  { forward: 'in' },
);
const tunnel = { payload: { tunnel: 'vxlan', protocol: 'ip', field: 'saddr' } };
test('what is in a tunnel', refuses, [match(tunnel, '10.0.0.1'), accept], /what is in a tunnel \(vxlan\)/);
test(
  'flags of what is in a tunnel',
  refuses,
  [match({ '&': [{ payload: { tunnel: 'vxlan', protocol: 'tcp', field: 'flags' } }, 'syn'] }, 0), accept],
  /what is in a tunnel/,
);
test(
  'bits by their place',
  refuses,
  [match({ payload: { base: 'th', offset: 0, len: 16 } }, 80), accept],
  /tests of bits by their place/,
);
test(
  'all but a range that ends before it begins',
  refuses,
  [match(payload('tcp', 'dport'), { range: [90, 80] }, '!='), accept],
  /a range that ends before it begins/,
);
test(
  'a range of addresses that ends before it begins',
  refuses,
  [match(payload('ip', 'saddr'), { range: ['10.0.0.9', '10.0.0.1'] }), accept],
  /a range that ends before it begins/,
);
test(
  'two statements in one',
  refuses,
  [{ ...accept, ...match(payload('tcp', 'dport'), 80) }],
  /'match' beside accept/,
);
test('a mark', refuses, [match(meta('mark'), 1), accept], /tests of meta mark/);
test('a next header', refuses, [match(payload('ip6', 'nexthdr'), 6), accept], /tests of ip6 nexthdr/);
test(
  'a set that is not there',
  refuses,
  [match(payload('ip', 'saddr'), '@gone'), accept],
  /set @gone is not here/,
);
test('ports of no protocol', refuses, [match(payload('th', 'dport'), 80), accept], /say tcp or udp/);
test(
  'any port',
  refuses,
  [match(payload('tcp', 'dport'), { range: [0, 65535] }), accept],
  /a test of any port/,
);
test(
  'one of several flags',
  refuses,
  [match(payload('tcp', 'flags'), ['syn', 'ack'], 'in'), accept],
  /one of several TCP flags/,
);
test(
  'a concatenation, negated',
  refuses,
  [match({ concat: [payload('ip', 'saddr')] }, { set: [{ concat: ['9.9.9.9'] }] }, '!='), accept],
  /a concatenation, negated/,
);

const refusesAll = test.macro(
  (t, objects: readonly object[], expected: RegExp, options: Partial<NftOptions> = {}) => {
    const result = read(objects, options);
    t.false(result.ok);
    t.regex(result.ok ? '' : result.problems.map((one) => one.message).join('\n'), expected);
  },
);
for (const [what, flags, elem, expected] of [
  [
    'a set with timeouts',
    ['timeout'],
    ['9.9.9.9'],
    /handle 7 of inet t forward: set @s changes by itself \(timeout\)/,
  ],
  ['a set that packets fill', ['dynamic'], [], /set @s changes by itself \(dynamic\)/],
  ['an element that ends', [], [{ elem: { val: '9.9.9.9', timeout: 60, expires: 3 } }], /has a timeout/],
] as const)
  test(
    what,
    refusesAll,
    [set('s', 'ipv4_addr', elem, flags), chain('forward'), rule('forward', from('s'), accept)],
    expected,
    {
      runTimeSets: [],
    },
  );
const blocked = set('blocked', 'ipv4_addr', []);
test(
  'what is not in a set that changes at run time',
  refusesAll,
  [blocked, chain('forward'), rule('forward', from('blocked', '!='), accept)],
  /what is not in @blocked, which changes at run time: a predicate can say it/,
);
test(
  'two sets that change at run time',
  refusesAll,
  [
    blocked,
    set('more', 'ipv4_addr', []),
    chain('forward'),
    rule('forward', from('blocked'), from('more'), accept),
  ],
  /two sets that change at run time for one address/,
);
test(
  'a set that is to change, and is not there',
  refusesAll,
  [blocked, chain('forward'), rule('forward', from('blocked'), accept)],
  /no rule asks for a set of addresses 'bloked'/,
  { runTimeSets: ['bloked'] },
);
test(
  'a verdict map that is not there',
  refusesAll,
  [chain('forward'), rule('forward', { vmap: { key: payload('tcp', 'dport'), data: '@gone' } })],
  /verdict map @gone is not here/,
);
test(
  'a map for translation',
  refusesAll,
  [{ map: { family: 'inet', table: 't', name: 'm', handle: 1, type: 'inet_service', map: 'ipv4_addr' } }],
  /map "m" of inet t has no counterpart/,
);
const jump = (target: string) => rule('forward', { jump: { target } });
const other = { chain: { family: 'inet', table: 't', name: 'c', handle: 3 } };

test(
  'return from a chain',
  refusesAll,
  [chain('forward'), other, jump('c'), rule('c', match(meta('l4proto'), 'tcp'), { return: null })],
  /return from a chain/,
);
test(
  'chains that jump to each other',
  refusesAll,
  [chain('forward'), other, jump('c'), rule('c', { jump: { target: 'c' } })],
  /jumps that never end/,
);
test(
  'two chains that judge the same',
  refusesAll,
  [chain('forward'), chain('forward', { name: 'more', family: 'ip' })],
  /judge the same packets/,
);
test('address translation', refusesAll, [chain('postrouting', { type: 'nat' })], /is of type nat/);
test('a chain behind routing', refusesAll, [chain('postrouting')], /has hook postrouting/);
test(
  'a flow table',
  refusesAll,
  [{ flowtable: { family: 'inet', table: 't', name: 'f' } }],
  /flowtable "f" of inet t has no counterpart/,
);
test('no interface', refusesAll, [chain('forward')], /no interface is named/, { interfaces: [] });

test('what is no ruleset', (t) => {
  for (const text of ['{', '{"a": 1}', '{"nftables": [{"chain": {"name": 1}}]}']) {
    const result = readNftables({ file: 'x', text }, usual);
    t.is(result.ok ? '' : result.problems[0]!.code, 'NM6001');
  }
});
