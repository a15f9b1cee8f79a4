/**
 * Rulesets of nftables as the kernel applies them to packets, against the policies that they are imported to.
 *
 *   sender ── veth ── wan (kernel: table inet drawn, then table inet watch, which counts what got through by its id)
 */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import fc from 'fast-check';
import { parseFrame, parseIpv4, parseIpv6 } from '../../codegen/evaluate/parse.js';
import { firstMatch, isHiddenFrom, linkOf, membersBy, type Seen, see } from '../../codegen/evaluate/rules.js';
import { readNftables } from '../../codegen/formats/nftables/read.js';
import { writePolicy } from '../../codegen/formats/write.js';
import type { Ir } from '../../codegen/ir.js';
import { lower } from '../../codegen/lower.js';
import { type Contents, contentsOf } from '../../codegen/sets/contents.js';
import { asChecked, evaluatePolicy } from '../codegen/formats/evaluate.js';
import { Lab, type Node, until } from '../support/netns.js';
import { ethernet, ipv4, ipv6, tcpSyn, udp } from '../support/packet.js';
import { systemTest } from '../support/system-test.js';
import { Traffic } from '../support/traffic.js';

/** By its path: npm's own directory of programs has another nft. */
const nft = '/usr/sbin/nft';
const rulesets = 12;
const packetsOf = 90;

const network4 = fc.constantFrom(
  '20.0.0.0/8',
  '20.1.2.0/24',
  '20.1.2.3',
  '20.1.2.3-20.1.4.1',
  '{ 20.1.2.3, 30.0.0.0/9 }',
  '@named',
);
const network6 = fc.constantFrom(
  '2001:db8::/32',
  '2001:db8:1::/48',
  '{ 2001:db8::1, 2001:db8:1::/64 }',
  '@named6',
);
const ports = fc.constantFrom('80', '0-19', '53-1024', '{ 22, 80, 8000-8099 }', '65535', '@web');
const op = fc.constantFrom('', '', '!= ');
const either = (...texts: readonly string[]) => fc.constantFrom(...texts);

/** Tests of one layer each, that go together. */
const layer3 = fc.oneof(
  fc.constant(''),
  fc.tuple(either('ip saddr', 'ip daddr'), op, network4).map((words) => words.join(' ')),
  fc.tuple(either('ip6 saddr', 'ip6 daddr'), op, network6).map((words) => words.join(' ')),
  either(
    'meta nfproto ipv4',
    'meta nfproto ipv6',
    'ip ttl < 3',
    'ip ttl != 64',
    'ip6 hoplimit 1-5',
    'ip dscp ef',
    'ip6 dscp != { cs0, af11 }',
    'ip length > 100',
  ),
);
const layer4 = fc.oneof(
  fc.constant(''),
  fc
    .tuple(either('tcp dport', 'udp dport', 'tcp sport', 'udp sport'), op, ports)
    .map((words) => words.join(' ')),
  fc.tuple(either('meta l4proto { tcp, udp } th dport'), op, ports).map((words) => words.join(' ')),
  either(
    'meta l4proto tcp',
    'meta l4proto { udp, icmp }',
    'tcp flags & (syn | ack) == syn',
    'tcp flags == syn',
    'tcp dport 80 tcp sport != 4000',
    'ip daddr . tcp dport @pairs',
  ),
);
const icmp = either(
  'icmp type echo-request',
  'icmpv6 type { echo-request, nd-neighbor-solicit }',
  'icmp type != 3',
  'ip protocol icmp',
  'icmp type 3 icmp code 4',
);
const verdict = either(
  'accept',
  'drop',
  'log prefix "x: " drop',
  'counter accept',
  'jump other',
  'jump other',
  'goto other',
  'return',
);
const line = fc
  .record({
    tests: fc.oneof(
      { arbitrary: fc.tuple(layer3, layer4), weight: 4 },
      { arbitrary: fc.tuple(icmp), weight: 1 },
    ),
    device: either('', '', '', 'iifname "wan"', 'iifname != "wan"', 'iifname "wa*"'),
    verdict: fc.oneof(
      { arbitrary: verdict, weight: 6 },
      {
        arbitrary: either(
          'tcp dport vmap { 22 : accept, 80 : drop, 53-60 : jump other }',
          'udp dport vmap @verdicts',
        ),
        weight: 1,
      },
    ),
  })
  .map(({ tests, device, verdict }) => {
    const map = verdict.includes('vmap') && tests.at(-1) !== '';
    return [device, ...tests, map ? 'accept' : verdict].filter((word) => word !== '').join(' ');
  });

const drawn = fc.record({
  main: fc.array(line, { minLength: 2, maxLength: 8 }),
  other: fc.array(line, { minLength: 1, maxLength: 4 }),
  policy: either('accept', 'drop'),
});

function rulesetText({
  main,
  other,
  policy,
}: {
  main: readonly string[];
  other: readonly string[];
  policy: string;
}): string {
  // The chain that is jumped to ends in verdicts: what returns early has no counterpart.
  const final = other.map((one) => one.replace(/jump other|goto other|return/g, 'accept'));
  return `table inet drawn {
  set named { type ipv4_addr; flags interval; elements = { 20.1.0.0/16, 30.1.1.1-30.1.1.9 }; }
  set named6 { type ipv6_addr; flags interval; elements = { 2001:db8:1::/64 }; }
  set web { type inet_service; flags interval; elements = { 22, 80, 8000-8099 }; }
  set pairs { type ipv4_addr . inet_service; flags interval; elements = { 20.1.2.3 . 22, 20.0.0.0/8 . 53-1024 }; }
  map verdicts { type inet_service : verdict; elements = { 22 : accept, 80 : drop, 53 : jump other }; }
  chain other {\n${final.join('\n')}\n}
  chain main { type filter hook prerouting priority -10; policy ${policy};\n${main.join('\n')}\n}
}`;
}

const four = ['20.1.2.3', '20.1.3.9', '20.200.0.1', '30.1.1.1', '30.255.0.1'] as const;
const six = ['2001:db8::1', '2001:db8:1::1', '2001:db9::1'] as const;
const numbers = [0, 19, 22, 53, 80, 1024, 4000, 8000, 65535] as const;

/**
 * No later fragments: Linux 6.18 takes what stands in them where ports would be for ports, which the import says.
 * `id` stands where the counting table finds it: IPv4's identification, IPv6's flow label.
 */
const frame = fc
  .record({
    v6: fc.boolean(),
    ends: fc.tuple(fc.nat(), fc.nat()),
    ports: fc.tuple(fc.constantFrom(...numbers), fc.constantFrom(...numbers)),
    kind: either('tcp', 'tcp', 'udp', 'udp', 'icmp', 'gre'),
    flags: fc.constantFrom(0x02, 0x12, 0x10, 0x04),
    type: fc.constantFrom(8, 3, 0, 128, 135),
    code: fc.constantFrom(0, 4),
    ttl: fc.constantFrom(1, 2, 5, 64, 255),
    tos: fc.constantFrom(0, 0xb8, 0x28),
    size: fc.constantFrom(8, 100),
  })
  .map((one) => (id: number, mac: string) => {
    const ends = one.v6
      ? { src: six[one.ends[0] % 3]!, dst: six[one.ends[1] % 3]! }
      : { src: four[one.ends[0] % 5]!, dst: four[one.ends[1] % 5]! };
    const protocol = { tcp: 6, udp: 17, icmp: one.v6 ? 58 : 1, gre: 47 }[one.kind]!;
    const icmpBytes = Buffer.from([one.type, one.code, 0, 0, 0, 0, 0, 0]);
    const payload =
      protocol === 6
        ? tcpSyn(ends, ...one.ports, one.flags)
        : protocol === 17
          ? udp(ends, ...one.ports, Buffer.alloc(one.size))
          : Buffer.concat([icmpBytes, Buffer.alloc(one.size)]);
    const packet = one.v6
      ? ipv6(
          { ...ends, nextHeader: protocol, hopLimit: one.ttl, trafficClass: one.tos, flowLabel: id },
          payload,
        )
      : ipv4(
          {
            ...ends,
            protocol,
            ttl: one.ttl,
            tos: one.tos,
            id,
          },
          payload,
        );
    return ethernet(mac, '02:00:00:00:00:01', one.v6 ? 0x86dd : 0x0800, packet);
  });

function seen(bytes: Buffer, contents: Contents): Seen {
  const frame = parseFrame(bytes, 0)!;
  const packet = (frame.etherType === 0x0800 ? parseIpv4 : parseIpv6)(bytes.subarray(frame.network));
  if (typeof packet === 'string') throw new Error(`a drawn packet is ${packet}`);
  return see(packet, linkOf(frame), membersBy(contents, packet));
}

function passes(ir: Ir, bytes: Buffer): boolean {
  const { acl } = ir.interfaces[0]!;
  if (!acl) return true;
  const one = seen(bytes, ir.contents);
  return !isHiddenFrom(acl, one) && firstMatch(ir, acl, one)!.action.kind === 'allow';
}

/** Ids of what got as far as the table behind the one that is tried. */
async function kernelPasses(
  node: Node,
  from: Traffic,
  text: string,
  frames: readonly Buffer[],
  directory: string,
): Promise<ReadonlySet<number>> {
  await node.run(nft, 'flush ruleset');
  // All of them pass here, before the table that is tried.
  const came = `table inet came {
    counter everything { }
    chain c { type filter hook prerouting priority -20; ip id 1-${frames.length} counter name everything; ip6 flowlabel 1-${frames.length} counter name everything; }
  }`;
  const ids = frames.map((_, i) => `ip id ${i + 1} counter\nip6 flowlabel ${i + 1} counter`);
  const file = join(directory, 'ruleset.nft');
  writeFileSync(
    file,
    `${text}\n${came}\ntable inet watch { chain c { type filter hook prerouting priority 10;\n${ids.join('\n')}\n}\n}\n`,
  );
  await node.run(nft, '-f', file);
  for (const one of frames) await from.raw(one);
  await until('all frames to have come', async () =>
    (await node.run(nft, 'list', 'counter', 'inet', 'came', 'everything')).includes(
      `packets ${frames.length} `,
    ),
  );
  const { nftables } = JSON.parse(await node.run(nft, '-j', 'list', 'table', 'inet', 'watch')) as {
    readonly nftables: readonly { readonly rule?: { readonly expr: readonly [Match, Counter] } }[];
  };
  const counted = nftables.flatMap(({ rule }) =>
    rule && rule.expr[1].counter.packets > 0 ? [rule.expr[0].match.right] : [],
  );
  return new Set(counted);
}

interface Match {
  readonly match: { readonly right: number };
}
interface Counter {
  readonly counter: { readonly packets: number };
}

systemTest(
  'drawn rulesets of nftables: the policy lets the same packets pass as the kernel',
  async (t) => {
    const lab = await Lab.create();
    try {
      const [router, sender] = [await lab.node('router'), await lab.node('sender')];
      await lab.link({ node: router, device: 'wan' }, { node: sender, device: 'out' });
      const from = await Traffic.on(lab, sender, 'out');
      const mac = await router.mac('wan');
      const fates = { passed: 0, dropped: 0, refused: 0 };
      for (const [index, ruleset] of fc.sample(drawn, { seed: 20261121, numRuns: rulesets }).entries()) {
        const text = rulesetText(ruleset);
        const frames = fc
          .sample(frame, { seed: index, numRuns: packetsOf })
          .map((make, i) => make(i + 1, mac));
        const through = await kernelPasses(router, from, text, frames, lab.directory);
        const json = await router.run(nft, '-j', 'list', 'table', 'inet', 'drawn');
        // What is not in such a set has no rule.
        const runTimeSets =
          index % 2 === 0 && /@named(?!6)/.test(text) && !/!=\s+@named(?!6)/.test(text) ? ['named'] : [];
        const read = readNftables(
          { file: 'drawn', text: json },
          { name: 'drawn', interfaces: ['wan'], vlans: new Map(), forward: 'out', runTimeSets },
        );
        if (!read.ok) {
          fates.refused += 1;
          t.log(read.problems.map((one) => one.message).join('\n'));
          continue;
        }
        const policy = writePolicy(read.value).text;
        const contents = new Map(
          read.value.objects.flatMap((one) =>
            one.kind === 'set' ? [[one.set, contentsOf(one.prefixes)]] : [],
          ),
        );
        const ir = lower({ ...asChecked(await evaluatePolicy(policy)), contents });
        for (const [i, one] of frames.entries()) {
          const got = passes(ir, one);
          t.is(got, through.has(i + 1), `ruleset ${index}, frame ${one.toString('hex')}\n${text}\n${policy}`);
          fates[got ? 'passed' : 'dropped'] += 1;
        }
      }
      t.log(JSON.stringify(fates));
      t.true(
        fates.passed > 100 && fates.dropped > 100 && fates.refused < rulesets / 3,
        JSON.stringify(fates),
      );
    } finally {
      await lab.close();
    }
  },
  { tools: ['nft'], seconds: 90 },
);
