/**
 * netmap-rt's files as policies: the example word by word, drawn ACLs against a reading of their lines that knows nothing of
 * policies, and what is refused.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { execa } from 'execa';
import fc from 'fast-check';
import { seenAs, usualMacs } from '../../../codegen/analysis/packet.js';
import type { Seen } from '../../../codegen/evaluate/rules.js';
import { explain } from '../../../codegen/explain/explain.js';
import type { Draft } from '../../../codegen/formats/draft.js';
import { finishImport } from '../../../codegen/formats/finish.js';
import type { PortLines } from '../../../codegen/formats/netmap-rt/asked-on.js';
import { type NetmapRtOptions, type Read, readNetmapRt } from '../../../codegen/formats/netmap-rt/read.js';
import { writePolicy } from '../../../codegen/formats/write.js';
import { packageRoot } from '../../../codegen/load/compiler.js';
import { lower } from '../../../codegen/lower.js';
import { contains, parseAddress } from '../../../dsl/address.js';
import {
  type AclFields,
  type NetmapRtRule,
  parseFields,
  parseNetmapRtAcl,
} from '../../../dsl/formats/netmap-rt-acl.js';
import { patient } from '../policy.js';
import { asChecked, evaluatePolicy } from './evaluate.js';

const preset = parseFields('netmap-rt') as AclFields;
const vlans = new Map([['vlan101', { parent: 'ix1', id: 101 }]]);
const usual: NetmapRtOptions = {
  name: 'border',
  fields: preset,
  default: 'allow',
  neighbourDiscovery: 'explicit',
  portLines: 'untagged',
  vlans,
};

function read(conf: string, acl?: string, options: Partial<NetmapRtOptions> = {}): Read<Draft> {
  const acls = acl === undefined ? [] : [{ file: 'acl.conf', text: acl }];
  return readNetmapRt({ file: 'rt.conf', text: conf }, acls, { ...usual, ...options });
}

function draftOf(result: Read<Draft>): Draft {
  if (result.ok) return result.value;
  throw new Error(JSON.stringify(result.problems));
}

test('the example becomes the policy that stands beside it, and builds', async (t) => {
  t.timeout(120_000);
  const directory = join(packageRoot, 'examples/netmap-rt');
  const source = (file: string) => ({ file, text: readFileSync(join(directory, file), 'utf8') });
  const result = readNetmapRt(source('netmap-rt.conf'), [source('netmap-rt-acl.conf')], usual);
  const { text, result: checked } = await finishImport(draftOf(result), 'border.ts', {
    limits: patient,
    today: '2026-01-01',
  });
  if (process.env.UPDATE_GOLDENS) writeFileSync(join(directory, 'border.ts'), text);
  t.is(text, readFileSync(join(directory, 'border.ts'), 'utf8'));
  t.true(checked.ok);
  t.deepEqual(checked.ok && checked.policy.warnings.map((one) => one.code), []);
});

/** What FreeBSD's machine would do with a packet, by the description alone. */
function meant(rules: readonly NetmapRtRule[], face: Face, packet: Drawn, portLines: PortLines): string {
  const taken = rules.find((rule) => {
    const on = rule.interface?.value;
    const covers = portLines === 'all' || rule.vlan !== undefined;
    if (on !== undefined && on !== face.device && !(covers && on === face.port)) return false;
    if (rule.vlan && rule.vlan.value !== face.vlan) return false;
    const src = { family: packet.family, bits: packet.src };
    const dst = { family: packet.family, bits: packet.dst };
    if (rule.source && !contains(rule.source.value, src)) return false;
    if (rule.destination && !contains(rule.destination.value, dst)) return false;
    if (rule.protocol && rule.protocol.value !== packet.proto) return false;
    const { action } = rule;
    if (action.kind === 'nexthop' && action.gateway.family !== packet.family) return false;
    const has = (range: { from: number; to: number } | undefined, port: number) =>
      range === undefined || (port >= range.from && port <= range.to);
    return has(rule.destinationPort?.value, packet.dport) && has(rule.sourcePort?.value, packet.sport);
  });
  if (taken === undefined) return 'passes';
  if (taken.action.kind === 'nexthop') return 'diverted';
  return taken.action.kind === 'deny' ? 'denied' : 'passes';
}

interface Face {
  readonly name: string;
  readonly device: string;
  readonly port: string;
  readonly vlan?: number;
}

interface Drawn {
  readonly family: 4 | 6;
  readonly src: bigint;
  readonly dst: bigint;
  readonly proto: number;
  readonly sport: number;
  readonly dport: number;
}

const faces: readonly Face[] = [
  { name: 'ix0', device: 'ix0', port: 'ix0' },
  { name: 'ix1', device: 'ix1', port: 'ix1' },
  { name: 'ix1.vlan101', device: 'vlan101', port: 'ix1', vlan: 101 },
  { name: 'ix1.vlan7', device: 'ix1.7', port: 'ix1', vlan: 7 },
];

function seen({ family, src, dst, proto, sport, dport }: Drawn, face: Face): Seen {
  const ports = proto === 6 || proto === 17 ? { sport, dport } : { sport: 0, dport: 0 };
  const link = { vlan: face.vlan ?? 0, pcp: 0, fromMac: usualMacs.from, toMac: usualMacs.to };
  const rest = {
    fragment: 0,
    later: 0,
    state: 0,
    icmpType: 0,
    icmpCode: 0,
    flags: 0,
    ttl: 64,
    dscp: 0,
    len: 80,
  };
  return seenAs({ family, src, dst, fields: { proto, ...ports, ...rest, ...link } });
}

const address = (texts: readonly string[]) => fc.constantFrom(...texts);
const nets = {
  4: ['20.0.0.0/8', '20.1.0.0/16', '20.1.2.3', '0.0.0.0/0', '30.0.0.0/9'],
  6: ['2001:db8::/32', '2001:db8:1::/48', '2001:db8::1', '::/0'],
} as const;
const ends = {
  4: ['20.1.2.3', '20.1.9.9', '20.200.0.1', '30.1.1.1', '30.255.0.1'],
  6: ['2001:db8::1', '2001:db8:1::1', '2001:db9::1'],
} as const;

const line = fc
  .record({
    family: fc.constantFrom(4 as const, 6 as const),
    iface: fc.constantFrom('', '', 'any', 'ix0', 'ix1', 'vlan101', 'ix1.7'),
    vlan: fc.constantFrom('', '', '', 'any'),
    protocol: fc.constantFrom('', 'tcp', 'udp', 'icmp', '47', 'ipv6-icmp'),
    ports: fc.constantFrom('', 'any', '80', '0-19', '53-1024', '0-65535'),
    action: fc.constantFrom('drop', 'deny log', 'pass', 'allow', 'nexthop'),
  })
  .chain((one) =>
    fc
      .record({
        source: fc.oneof(fc.constant(''), address(nets[one.family])),
        destination: fc.oneof(fc.constant('any'), address(nets[one.family])),
      })
      .map(({ source, destination }) => {
        const ports = /tcp|udp/.test(one.protocol) ? one.ports : '';
        const gateway = one.family === 4 ? '20.9.9.9' : '2001:db8:9::9';
        const action = one.action === 'nexthop' ? `nexthop ${gateway}` : one.action;
        return `${one.iface};${one.vlan};${source};${destination};${one.protocol};${ports};${action}`;
      }),
  );

const packet: fc.Arbitrary<Drawn> = fc.constantFrom(4 as const, 6 as const).chain((family) =>
  fc.record({
    family: fc.constant(family),
    src: address(ends[family]).map((text) => parseAddress(text)!.bits),
    dst: address(ends[family]).map((text) => parseAddress(text)!.bits),
    proto: fc.constantFrom(6, 17, 1, 47, 58),
    sport: fc.constantFrom(1, 53, 4000),
    dport: fc.constantFrom(0, 19, 20, 53, 80, 1024, 65_535),
  }),
);

/** What the project's formatter would write otherwise. */
async function formatterSays(texts: readonly string[]): Promise<string> {
  const directory = mkdtempSync(join(tmpdir(), 'netmill-written-'));
  try {
    for (const [i, text] of texts.entries()) writeFileSync(join(directory, `${i}.ts`), text);
    const biome = join(packageRoot, 'node_modules/.bin/biome');
    const ran = await execa(biome, ['format', `--config-path=${packageRoot}`, directory], {
      reject: false,
      all: true,
    });
    return ran.exitCode === 0 ? '' : ran.all;
  } finally {
    rmSync(directory, { recursive: true });
  }
}

test('drawn ACLs mean what their lines say, and are written as the formatter would', async (t) => {
  t.timeout(120_000);
  const fates = new Map<string, number>();
  const texts: string[] = [];
  await fc.assert(
    fc.asyncProperty(
      fc.array(line, { minLength: 1, maxLength: 14 }),
      fc.array(packet, { minLength: 60, maxLength: 60 }),
      fc.constantFrom<PortLines>('all', 'untagged'),
      async (lines, packets, portLines) => {
        const acl = `${lines.join('\n')}\n;101;;;udp;;drop # VLANs by their number\n`;
        const draft = draftOf(read('interfaces = "ix0 ix1 vlan101 ix1.7";', acl, { portLines }));
        const { text } = writePolicy(draft);
        texts.push(text);
        const ir = lower(asChecked(await evaluatePolicy(text)));
        const rules = parseNetmapRtAcl('acl.conf', acl, preset).entries.flatMap((one) =>
          one.kind === 'rule' ? [one] : [],
        );
        for (const face of faces)
          for (const one of packets) {
            const iface = ir.interfaces.find(({ name }) => name === face.name)!;
            const { fate } = explain(ir, iface, seen(one, face));
            const got = fate.startsWith('via') ? 'diverted' : fate === 'denied' ? fate : 'passes';
            fates.set(got, (fates.get(got) ?? 0) + 1);
            if (got !== meant(rules, face, one, portLines))
              throw new Error(
                `${face.name} ${JSON.stringify(one, (_, x) => (typeof x === 'bigint' ? x.toString(16) : x))}: ${fate}`,
              );
          }
      },
    ),
    { seed: 20261121, numRuns: 60, endOnFailure: true, includeErrorInReport: true },
  );
  t.is(await formatterSays(texts), '');
  for (const kind of ['diverted', 'denied', 'passes'])
    t.true(fates.get(kind)! > 300, `${kind}: ${fates.get(kind)}`);
});

/** @param expected `FILE:LINE:COLUMN CODE MESSAGE` of each problem */
const refuses = test.macro(
  (
    t,
    conf: string,
    acl: string | undefined,
    expected: readonly string[],
    options: Partial<NetmapRtOptions> = {},
  ) => {
    const result = read(conf, acl, options);
    t.false(result.ok);
    const problems = result.ok ? [] : result.problems;
    t.deepEqual(
      problems.map(
        ({ origin, code, message }) => `${origin.file}:${origin.line}:${origin.column} ${code} ${message}`,
      ),
      expected,
    );
    for (const one of problems) t.truthy(one.expected && one.got && one.fix);
  },
);

const twoPorts = 'interfaces = "ix0 ix1";\n';

test('a setting that nobody knows', refuses, `${twoPorts}pid_file = "/run/x";`, undefined, [
  "rt.conf:2:1 NM6002 netmap-rt has no setting 'pid_file', as far as it is described",
]);
test('a setting twice', refuses, `${twoPorts}arp_max_tries = 3; arp_max_tries = 4;`, undefined, [
  "rt.conf:2:20 NM6004 'arp_max_tries' is given twice",
]);
test('what is no setting', refuses, `${twoPorts}  section { a = 1 }`, undefined, [
  "rt.conf:2:3 NM6001 'section { a = 1 }' is not a setting",
]);
test('a string without its end', refuses, `${twoPorts}pidfile = "/run/x;`, undefined, [
  `rt.conf:2:1 NM6001 'pidfile = "/run/x;' is not a setting`,
]);
test('an event backend that is none', refuses, `${twoPorts}event_backend = "epoll";`, undefined, [
  "rt.conf:2:18 NM6003 'event_backend' is 'epoll'",
]);
test('a lookup method that is none', refuses, `${twoPorts}lookup_method = "trie"`, undefined, [
  "rt.conf:2:18 NM6003 'lookup_method' is 'trie'",
]);
test('too many clients', refuses, `${twoPorts}cli_max_clients = 5000;`, undefined, [
  "rt.conf:2:19 NM6003 'cli_max_clients' is '5000'",
]);
test('an offload that is none', refuses, `${twoPorts}disable_hw_acceleration = "lro toe";`, undefined, [
  "rt.conf:2:32 NM6002 'toe' is not an offload that netmap-rt knows",
]);
test('a dump file that is a directory', refuses, `${twoPorts}route_dump_file = "/var/";`, undefined, [
  "rt.conf:2:20 NM6003 'route_dump_file' is '/var/'",
]);
test('no interfaces', refuses, 'arp_max_tries = 5;', undefined, [
  'rt.conf:1:1 NM6003 no interface is named, so nothing would be forwarded',
]);
test('an interface twice', refuses, 'interfaces = "ix0 ix0";', undefined, [
  "rt.conf:1:19 NM6004 'ix0' is an interface that was named before",
]);
test('a VLAN twice', refuses, 'interfaces = "ix1 vlan101 ix1.101";', undefined, [
  "rt.conf:1:27 NM6004 'ix1.101' is an interface that was named before",
]);
test('a VLAN device of which nothing is known', refuses, 'interfaces = "ix0 vlan102";', undefined, [
  "rt.conf:1:19 NM6004 which VLAN of which interface 'vlan102' is, is not said",
]);
test("a VLAN whose parent is the kernel's", refuses, 'interfaces = "ix0 vlan101";', undefined, [
  "rt.conf:1:19 NM6003 'vlan101' is a VLAN of 'ix1', which is not among the interfaces",
]);
test('a device that a policy could not name', refuses, 'interfaces = "vale0:a";', undefined, [
  "rt.conf:1:15 NM6003 'vale0:a' cannot be an interface of a policy",
]);
test('a line on an interface that is not there', refuses, twoPorts, 'ix7;;;;;;drop', [
  "acl.conf:1:1 NM6002 the configuration has no interface 'ix7'",
]);
test('a line on a VLAN that is not there', refuses, twoPorts, '\n;30;;;;;drop', [
  'acl.conf:2:2 NM6002 no interface has VLAN 30',
]);
test('a line on a VLAN of an interface that has none', refuses, twoPorts, 'ix0;30;;;;;drop', [
  "acl.conf:1:5 NM6002 no interface of 'ix0' has VLAN 30",
]);
test(
  'a line for a port with VLANs, of which it is not said whether it means them',
  refuses,
  'interfaces = "ix0 ix1 ix1.7";',
  'ix1;;;;;;drop\nix0;;;;;;drop\nix1;7;;;;;drop\nix1.7;;;;;;drop\n',
  ["acl.conf:1:1 NM6004 whether this line takes what comes in on the VLANs of 'ix1' is not said"],
  { portLines: undefined } as never,
);
test('all mistakes are told', refuses, 'x = 1;\ninterfaces = "ix0";', ';;;;;;quick\n;;;;;;drop\nbad', [
  "rt.conf:1:1 NM6002 netmap-rt has no setting 'x', as far as it is described",
  "acl.conf:1:7 NM6001 'quick' is not an action",
  'acl.conf:3:4 NM6001 this line has 1 field',
]);
test(
  'fields that nobody has named',
  refuses,
  twoPorts,
  ';;10.0.0.0/8;;;;drop',
  ['acl.conf:1:3 NM6004 what field 3 of an ACL line is, the description of netmap-rt does not say'],
  { fields: undefined } as never,
);

test('what stands in comments and paths stays text', async (t) => {
  const acl = `;;;;;;drop # */ }); process.exit() /* \u2028 deny() \r deny()\n# \u{E000}0\u{E000} x\n;;;;udp;;pass`;
  const draft = draftOf(read(`${twoPorts}pidfile = "/run/a'\\\\b.pid"; # "quoted"`, acl));
  const { text, lines } = writePolicy({ ...draft, sources: '*/ evil' });
  const router = await evaluatePolicy(text);
  t.is(router.daemon.pidfile, "/run/a'\\b.pid");
  t.is(router.interfaces[0]!.in!.rules.length, 2);
  t.deepEqual(
    [...lines.values()].map((at) => text.split('\n')[at - 1]!.trim().slice(0, 4)),
    ['deny', 'allo'],
  );
});

test('a list of offloads that is empty leaves its comments', (t) => {
  const { text } = writePolicy(
    draftOf(read(`${twoPorts}# none here\ndisable_hw_acceleration = ""; # yet\n`)),
  );
  t.regex(text, /^\/\/ none here\n\/\/ yet$/m);
  t.notRegex(text, /offloads/);
});

test('an ACL file of comments alone keeps them', async (t) => {
  const draft = draftOf(read(twoPorts, '# nothing yet\n'));
  const { text } = writePolicy(draft);
  t.regex(text, /^\/\/ nothing yet$/m);
  t.is((await evaluatePolicy(text)).interfaces[0]!.in, undefined);
});

test('a policy that is refused as one says which Neighbour Discovery it denies', async (t) => {
  t.timeout(60_000);
  const acl = ';;;;tcp;80;pass\n;;;;;;drop\n';
  const refused = await finishImport(draftOf(read(twoPorts, acl)), 'x.ts', { limits: patient });
  t.false(refused.result.ok);
  t.deepEqual(!refused.result.ok && refused.result.diagnostics.map((one) => one.code), ['NM3024']);
  const draft = draftOf(read(twoPorts, acl, { neighbourDiscovery: 'builtin' }));
  t.true((await finishImport(draft, 'x.ts', { limits: patient })).result.ok);
});
