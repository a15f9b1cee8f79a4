/** Rules from files: they are those that a policy would write, each is cited by its line, and wrong lines are refused. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import test from 'ava';
import { firstMatch, type Link, see } from '../../../codegen/evaluate/rules.js';
import type { Ir, IrList } from '../../../codegen/ir.js';
import { packageRoot } from '../../../codegen/load/compiler.js';
import { lower } from '../../../codegen/lower.js';
import { randomOf } from '../../../codegen/selftest/random.js';
import { accepted, diagnosticsOf, frontOfFiles, summary } from '../policy.js';

const policyOf = (
  rules: string,
) => `import { acl, allow, deny, icmp, nets, nexthop, proto, reject, router, rulesFromFile, service, tcp, udp } from 'netmill'
const list = acl('from-wan', {}, [${rules}])
export default router('r', { interfaces: { wan: { port: 'xdp:eth0', fallback: 'drop', in: list } } })
`;
const options = { today: '2026-01-01' } as const;

async function listOf(files: Readonly<Record<string, string>>): Promise<{ ir: Ir; list: IrList }> {
  const ir = lower(accepted(await frontOfFiles(files, options)));
  return { ir, list: ir.lists[0]! };
}

const csv = `# customers
action, from, to, protocol, port, from_port, icmp, flags, dscp, ttl, length, fragment, from_mac, to_mac, pcp, log, count, id, why, owner, ticket, expires

deny,   10.20.0.0/16 2001:db8:20::/48,,,,,,,,,,,,,, 5/s,spoofed,,"spoofed ""inside"", as ever",noc,NET-88,2027-03-31
allow,  any, 192.0.2.0/25,tcp udp,https 8000-8099,1024-65535,,,,,,none,,,,,,web,,,,
deny,,,tcp,,,,syn !ack,,1-5,,,,,,yes,,,,,,
allow,,,,,,echo-request too-big,,ef 10,,0-100,,,,,,,,,,,
reject,,192.0.2.128/26,,,,,,,,,,,,,,,,,,,
reject port-unreachable icmp,,192.0.2.128/25,,,,,,,,,,,,,,,,,,,
nexthop 198.51.100.9,,10.0.0.0/8,gre 50,,,,,,,,,02:00:00:00:00:01,group,5 6,,,,,,,
nexthop 198.51.100.9*3 2001:db8::9 198.51.100.10 or 198.51.100.17 or drop,,,udp,53,,,,,,,,,,,,,,,,,
`;

const written = `
  deny({ from: nets('10.20.0.0/16', '2001:db8:20::/48') }).log({ rate: '5/s' }).count('spoofed').why('spoofed "inside", as ever')
    .owner('noc').ticket('NET-88').expires('2027-03-31'),
  allow({ to: nets('192.0.2.0/25'), fragment: 'none',
    service: service(tcp('https', '8000-8099', { from: '1024-65535' }), udp('https', '8000-8099', { from: '1024-65535' })) }).id('web'),
  deny({ service: tcp(), flags: ['syn', '!ack'], ttl: [1, 5] }).log(),
  allow({ service: icmp('echo-request', 'too-big'), dscp: ['ef', 10], length: [0, 100] }),
  reject({ to: nets('192.0.2.128/26') }),
  reject({ to: nets('192.0.2.128/25') }, { icmp: 'port-unreachable', tcp: 'icmp' }),
  nexthop('198.51.100.9', { to: nets('10.0.0.0/8'), service: service(proto('gre'), proto(50)), fromMac: '02:00:00:00:00:01',
    toMac: 'group', pcp: [5, 6] }),
  nexthop({ '198.51.100.9': 3, '2001:db8::9': 1, '198.51.100.10': 1 }, { service: udp(53) }).or('198.51.100.17').orDrop(),
`;

const said = ({ rules }: IrList) =>
  rules.map(({ origin: _, text: __, conditions: ___, match: ____, enumerator: _____, ...rule }) => rule);

test('a table is what a policy would write', async (t) => {
  t.timeout(120_000);
  const { list } = await listOf({ 'policy.ts': policyOf("rulesFromFile('./rules.csv')"), 'rules.csv': csv });
  const own = await listOf({ 'policy.ts': policyOf(written) });
  // The identity of a rule is the hash of all that it matches and does.
  t.deepEqual(said(list), said(own.list));
  t.is(list.rules.length, 10);
  t.deepEqual(
    list.rules.slice(2).map(({ origin }) => `${origin.file}:${origin.line}`),
    [4, 5, 6, 7, 8, 9, 10, 11].map((line) => `rules.csv:${line}`),
  );
  t.regex(list.rules[3]!.text, /^allow, {2}any, 192\.0\.2\.0\/25,tcp udp/);
});

test("netmap-rt's lines are what a policy would write", async (t) => {
  t.timeout(120_000);
  const lines = `# from the old router
;;;;udp;0-19;drop log
ix0;;10.0.0.0/8;;tcp;22;allow # admins
ix1;;;;;;deny
;;;192.0.2.0/24;47;;nexthop 198.51.100.9
`.replace(';;;;udp', ';;;;udp');
  const named = `${lines}`.replace(';;;;udp;0-19;drop log', ';;;;udp;0-19;drop log');
  const call = "rulesFromFile('./wan.acl', { format: 'netmap-rt', fields: 'netmap-rt', interface: 'ix0' })";
  const { list } = await listOf({ 'policy.ts': policyOf(call), 'wan.acl': named });
  const own = await listOf({
    'policy.ts':
      policyOf(`deny({ service: udp('0-19') }).log(), allow({ from: nets('10.0.0.0/8'), service: tcp(22) }).why('admins'),
      nexthop('198.51.100.9', { to: nets('192.0.2.0/24'), service: proto(47) })`),
  });
  t.deepEqual(said(list), said(own.list));
  t.is(list.rules.at(-1)!.origin.line, 5);
});

test('a filter set takes what its lines say, byte by byte', async (t) => {
  t.timeout(240_000);
  const text = gunzipSync(readFileSync(join(packageRoot, 'examples/data/acl/acl2_1k.txt.gz'))).toString();
  const lines = text.trim().split('\n').slice(0, 400);
  const call =
    "rulesFromFile('set.txt', { format: 'classbench', action: 'allow' }).map((rule) => rule.allowShadow('as drawn').waive('NM3019', 'as drawn'))";
  const { ir, list } = await listOf({ 'policy.ts': policyOf(call), 'set.txt': lines.join('\n') });
  const own = { ...list, rules: list.rules.slice(2) };
  t.is(own.rules.length, lines.length);
  const random = randomOf(7);
  let met = 0;
  for (let i = 0; i < 4000; i++) {
    const packet = drawn(random, lines);
    const expected = lines.findIndex((line) => takes(line, packet));
    const link: Link = { vlan: 0, pcp: 0, fromMac: 0, toMac: 0 };
    const found = firstMatch(ir, own, see(packetOf(packet), link))!;
    t.is(found === own.fallback ? -1 : found.origin.line - 1, expected, JSON.stringify(packet));
    if (expected >= 0) met++;
  }
  t.true(met > 2500, `${met}`);
});

interface Drawn {
  readonly src: number;
  readonly dst: number;
  readonly proto: number;
  /** The first four bytes behind the IP header of TCP and UDP, and the byte of flags; of ICMP type and code. */
  readonly sport: number;
  readonly dport: number;
  readonly word: number;
}

function fieldsOf(line: string) {
  const [from, to, sports, dports, protocol, flags] = line.slice(1).trim().split('\t') as string[];
  const prefix = (text: string) => {
    const [address, length] = text.split('/') as [string, string];
    const bits = address.split('.').reduce((sum, byte) => sum * 256 + Number(byte), 0);
    return { bits, size: 2 ** (32 - Number(length)) };
  };
  const range = (text: string) => text.split(' : ').map(Number) as [number, number];
  const masked = (text: string) => text.split('/').map(Number) as [number, number];
  return {
    src: prefix(from!),
    dst: prefix(to!),
    sport: range(sports!),
    dport: range(dports!),
    proto: masked(protocol!),
    flags: masked(flags!),
  };
}

function takes(line: string, packet: Drawn): boolean {
  const { src, dst, sport, dport, proto, flags } = fieldsOf(line);
  const isIn = (address: number, { bits, size }: typeof src) =>
    Math.floor(address / size) === Math.floor(bits / size);
  const plain = sport[0] + dport[0] === 0 && sport[1] + dport[1] === 2 * 65535;
  const ports = packet.proto === 6 || packet.proto === 17;
  return (
    isIn(packet.src, src) &&
    isIn(packet.dst, dst) &&
    (packet.proto & proto[1]) === proto[0] &&
    (packet.word & flags[1]) === flags[0] &&
    (plain ||
      (ports &&
        packet.sport >= sport[0] &&
        packet.sport <= sport[1] &&
        packet.dport >= dport[0] &&
        packet.dport <= dport[1]))
  );
}

function drawn(random: ReturnType<typeof randomOf>, lines: readonly string[]): Drawn {
  const { src, dst, sport, dport, proto, flags } = fieldsOf(random.pick(lines));
  const near = ([from, to]: readonly [number, number]) => {
    const inside = from + random.below(to - from + 1);
    return random.pick([from, inside, inside, to, Math.min(65535, to + 1)]);
  };
  const protocol = random.once(8) || proto[1] === 0 ? random.pick([1, 6, 17, 47]) : proto[0];
  const word = random.once(3) ? random.below(65536) : flags[0] | (random.below(65536) & ~flags[1]);
  const meaning = protocol === 6 ? word & 0xff00 : protocol === 1 ? word : 0;
  return {
    src: src.bits + random.below(src.size),
    dst: dst.bits + random.below(dst.size),
    proto: protocol,
    sport: near(sport),
    dport: near(dport),
    word: meaning,
  };
}

function packetOf({ src, dst, proto, sport, dport, word }: Drawn): Parameters<typeof see>[0] {
  const ports = proto === 6 || proto === 17;
  return {
    family: 4,
    src: { family: 4, bits: BigInt(src) },
    dst: { family: 4, bits: BigInt(dst) },
    length: 100,
    ttl: 64,
    dscp: 0,
    protocol: proto,
    fragment: false,
    laterFragment: false,
    dontFragment: false,
    options: false,
    transportAt: 20,
    transport: {
      state: ports || proto === 1 ? 'read' : 'absent',
      sport: ports ? sport : 0,
      dport: ports ? dport : 0,
      tcpFlags: proto === 6 ? word >> 8 : 0,
      icmpType: proto === 1 ? word >> 8 : 0,
      icmpCode: proto === 1 ? word & 0xff : 0,
    },
  };
}

const diverting = `import { pbr, router, rulesFromFile } from 'netmill'
const ways = pbr('ways', [rulesFromFile('./ways.csv')])
export default router('r', { interfaces: { lan: { port: 'xdp:eth1', fallback: 'kernel', pbr: ways } } })
`;

test('a PBR list takes a table of ways, and refuses its lines that are none', async (t) => {
  t.timeout(120_000);
  const ways = 'action,from\nnexthop 198.51.100.9,10.0.0.0/8\n';
  const { list } = await listOf({ 'policy.ts': diverting, 'ways.csv': ways });
  t.deepEqual([list.kind, list.rules.length, list.rules[0]!.action.kind], ['pbr', 1, 'nexthop']);
  const refused = await frontOfFiles(
    { 'policy.ts': diverting, 'ways.csv': `${ways}allow,20.0.0.0/8\n` },
    options,
  );
  t.deepEqual(
    diagnosticsOf(refused).map((one) => `${one.origin.file} ${summary(one)}`),
    ['ways.csv 3:1 NM3007'],
  );
});

const wrong = test.macro(
  async (t, call: string, file: string, expected: readonly string[], message: string) => {
    t.timeout(120_000);
    const files = { 'policy.ts': policyOf(call), 'rules.csv': file };
    const found = diagnosticsOf(await frontOfFiles(files, options)).filter((one) => one.code !== 'NM3025');
    t.deepEqual(
      found.map((one) => `${one.origin.file} ${summary(one)}`),
      expected,
      found.map((one) => one.message).join('\n'),
    );
    t.true(found[0]!.message.includes(message), found[0]!.message);
  },
);

const rules = "rulesFromFile('./rules.csv')";
test(
  'a file that is not there',
  wrong,
  "rulesFromFile('./none.csv')",
  '',
  ['policy.ts 2:49 NM3029'],
  './none.csv',
);
test(
  'a file that is somebody else’s',
  wrong,
  "rulesFromFile('../../../../../../../../etc/passwd', { format: 'csv' })",
  '',
  ['policy.ts 2:49 NM3029'],
  'cannot be read',
);
test(
  'a path that is computed',
  wrong,
  "rulesFromFile(['./rules', 'csv'].join('.'))",
  'action\n',
  ['policy.ts 2:49 NM3029'],
  './rules.csv',
);
test('a format that is none', wrong, "rulesFromFile('./rules.txt')", '', ['policy.ts 2:35 NM4014'], 'format');
test(
  'an option of another format',
  wrong,
  "rulesFromFile('./rules.csv', { vlan: 5 } as {})",
  'action\nallow\n',
  ['policy.ts 2:66 NM4017'],
  "no option 'vlan'",
);
test('an empty file', wrong, rules, '# nothing\n', ['rules.csv 1:1 NM3030'], 'empty');
test('a column that is none', wrong, rules, 'action,form\nallow,\n', ['rules.csv 1:8 NM3030'], "'form'");
test('a column twice', wrong, rules, 'action,to,to\nallow,,\n', ['rules.csv 1:11 NM3030'], "'to'");
test(
  'wrong cells, each at its place',
  wrong,
  rules,
  'action,from,protocol,port,ttl\nallow,10.0.0.0/8 10.0.300.0,,,\ndeny,,tcp,htpps,\n\npermit,,,,\nallow,,gre,22,\nallow,,,,5-1\ndeny,"10.0.0.0/8,,,\ndeny,,,\n',
  [
    'rules.csv 2:7 NM3002',
    'rules.csv 3:11 NM3003',
    'rules.csv 5:1 NM3030',
    'rules.csv 6:12 NM3030',
    'rules.csv 7:1 NM3028',
    'rules.csv 8:1 NM3030',
    'rules.csv 9:8 NM3030',
  ],
  '10.0.300.0',
);
test(
  'a rule of a file that never matches is told at its line',
  wrong,
  rules,
  'action,to\nallow,10.0.0.0/8\ndeny,10.1.0.0/16\n',
  ['rules.csv 3:1 NM3001'],
  'never',
);
