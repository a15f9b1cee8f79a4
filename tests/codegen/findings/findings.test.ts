/** What the analysis finds in policies made for it; and that what it names really does nothing, on drawn packets. */
import test from 'ava';
import type { Diagnostic } from '../../../codegen/diagnostics/diagnostic.js';
import { firstMatch, isHiddenFrom } from '../../../codegen/evaluate/rules.js';
import { findings } from '../../../codegen/findings/findings.js';
import { analysedList } from '../../../codegen/findings/list.js';
import { idleRules } from '../../../codegen/findings/rules.js';
import type { Ir, IrList, IrRule } from '../../../codegen/ir.js';
import { lower } from '../../../codegen/lower.js';
import { readsTransport } from '../../../codegen/optimise/transport.js';
import { packetChanges } from '../../../codegen/plan/packet-changes.js';
import { builtinPredicate } from '../../../codegen/predicate/builtin.js';
import type { PredicateExpr } from '../../../codegen/predicate/expr.js';
import {
  acl,
  allow,
  deny,
  icmp,
  nets,
  nexthop,
  pbr,
  predicate,
  type RuleTree,
  router,
  service,
  tcp,
  udp,
} from '../../../dsl/index.js';
import type { Router } from '../../../dsl/model.js';
import { drawnPackets, randomIr, randomPredicates } from '../analysis/random.js';

let predicates: readonly PredicateExpr[];

test.before(async () => {
  predicates = await randomPredicates();
});

function found(given: Router, notes = false): readonly Diagnostic[] {
  const policy = {
    router: given,
    predicates: [...predicates, builtinPredicate],
    files: [],
    policyHash: '',
    warnings: [],
    root: '/',
  };
  return findings(policy, { today: '2026-01-01', notes });
}

const wan = (face: object) =>
  router('r', { interfaces: { wan: { port: 'eth0', fallback: 'drop', ...face } } } as never);
const listed = (...rules: readonly RuleTree[]) => wan({ in: acl('in', { default: 'deny' }, rules) });
const customers = nets('10.20.0.0/16', '2001:db8:20::/48');

/** `expected`: codes in order, then parts of the first finding's text. */
const finds = test.macro((t, given: Router, expected: readonly string[], ...parts: readonly string[]) => {
  const all = found(
    given,
    expected.some((code) => code > 'NM3019' && code < 'NM3022'),
  );
  t.deepEqual(
    all.map((one) => one.code),
    expected as Diagnostic['code'][],
    JSON.stringify(all, undefined, 1),
  );
  const [first] = all;
  const text = [first?.message, ...(first?.related.map((one) => one.message) ?? [])].join('\n');
  for (const part of parts) t.true(text.includes(part), text);
});

test('nothing', finds, listed(deny({ from: customers }), allow({ service: tcp(22) })), []);
test(
  'a rule that two others cover together, in halves of its networks',
  finds,
  listed(
    allow({ from: nets('10.20.0.0/17') }),
    deny({ from: nets('10.20.128.0/17') }).log(),
    allow({ from: nets('10.20.0.0/16'), service: tcp(22) }),
  ),
  ['NM3001'],
  'never matches',
  'takes 50 % of its IPv4 packets: tcp 10.20.0.10:40000 > 203.0.113.10:22 syn',
  'its action is another: tcp 10.20.128.10:40000 > 203.0.113.10:22 syn',
);
test(
  'a rule that a predicate and a service cover together',
  finds,
  listed(
    allow({ when: predicate('p5', () => true) }), // SYN without ACK
    deny({ service: tcp() }).log(),
    allow({ service: tcp('100-200') }),
  ),
  ['NM3001'],
  'never matches',
);
test(
  'a rule that its predicate leaves nothing',
  finds,
  listed(allow({ service: udp(53), when: predicate('p5', () => true) })),
  ['NM3018'],
  'no packet matches',
);
test(
  'a rule for tags that its interface does not have',
  finds,
  listed(allow({ when: predicate('p2', () => true) })),
  ['NM3018'],
  'no packet matches',
);
test(
  'a rule that one after it repeats',
  finds,
  listed(allow({ to: nets('192.0.2.7'), service: tcp(443) }), allow({ service: service(tcp(80, 443)) })),
  ['NM3019'],
  'could go',
);
test(
  'the last rule that asks for ports keeps out what hides them',
  finds,
  listed(allow({ from: customers, service: tcp(443) }), allow({ from: customers })),
  [],
);
test(
  'what hides ports is kept out all the same',
  finds,
  listed(deny({ from: customers, service: tcp(443) }), deny().count('rest')),
  ['NM3019'],
  'could go',
);
test(
  'a rule that is not what the one after it does, for one packet in between',
  finds,
  listed(
    allow({ to: nets('192.0.2.0/24'), service: tcp(443) }),
    deny({ to: nets('192.0.2.9'), from: nets('198.51.100.1') }),
    allow({ service: service(tcp(80, 443)) }),
  ),
  [],
);
test(
  'counting makes a rule useful',
  finds,
  listed(allow({ to: nets('192.0.2.7'), service: tcp(443) }).count('web'), allow({ service: tcp(443) })),
  [],
);
test(
  'a waiver',
  finds,
  listed(deny().log(), allow({ service: tcp(80) }).waive('NM3001', 'kept for the audit', '2026-02-01')),
  [],
);
test(
  'a waiver past its date',
  finds,
  listed(deny().log(), allow({ service: tcp(80) }).waive('NM3001', 'kept for the audit', '2025-12-31')),
  ['NM3001'],
);
test(
  'a gateway that another rule gives, too',
  finds,
  wan({
    pbr: pbr('way', [
      nexthop('192.0.2.1', { from: nets('10.0.0.0/9'), service: tcp(25) }),
      nexthop('192.0.2.1', { from: nets('10.0.0.0/8') }),
      nexthop('192.0.2.2', { service: udp() }),
    ]),
  }),
  ['NM3019'],
);
test('what the default does, too', finds, listed(deny({ from: customers })), ['NM3020'], 'default');
test(
  'a rule that keeps packets from being logged, by the default or by the next rule',
  finds,
  wan({
    in: acl('in', { default: 'deny', log: true }, [
      deny({ service: udp(137) }),
      allow({ from: customers.v4, service: tcp(443) }),
      allow({ from: customers.v4 }).log(),
    ]),
  }),
  [],
);
test(
  'rules that conflict',
  finds,
  listed(
    deny({ from: nets('10.0.0.0/8'), service: tcp(22) }),
    allow({ to: nets('192.0.2.0/25'), service: tcp(22, 80) }),
  ),
  ['NM3021'],
  'their order matters',
  'tcp 10.0.0.10:40000 > 192.0.2.10:22 syn',
);
test(
  'rules that conflict with an exception',
  finds,
  listed(deny({ from: nets('192.0.2.128/25') }).log(), allow({ from: nets('192.0.2.0/24') })),
  ['NM3021'],
  'take a part of this rule of "in"',
  'its action is another: tcp 192.0.2.138:40000',
);

const reached = (rules: readonly RuleTree[], mustReach: object) =>
  router('r', {
    interfaces: {
      wan: {
        port: 'eth0',
        fallback: 'drop',
        address: ['198.51.100.2/30', '2001:db8::2/64'],
        in: acl('in', {}, rules),
      },
    },
    mustReach,
  } as never);
const admins = nets('203.0.113.0/24', '2001:db8:99::/48');

test(
  'who must reach the router does',
  finds,
  reached([allow({ from: admins, service: tcp(22) })], {
    ssh: { in: 'wan', from: admins, service: tcp(22) },
  }),
  [],
);
test(
  'a rule before cuts off a part of who must reach the router',
  finds,
  reached([deny({ from: nets('203.0.113.128/25') }), allow({ from: admins, service: tcp(22) })], {
    ssh: { in: 'wan', from: admins, service: tcp(22) },
  }),
  ['NM3023'],
  "'ssh' must reach the router, and the policy denies in wan tcp 203.0.113.138:40000 > 198.51.100.2:22 syn",
  'deny(…) takes it',
);
test(
  'a peer of one family is forgotten',
  finds,
  reached([allow({ from: nets('203.0.113.7'), service: tcp(179) })], {
    bgp: { in: 'wan', from: nets('203.0.113.7', '2001:db8::7'), service: tcp(179) },
  }),
  ['NM3023'],
  'denies in wan tcp [2001:db8::7]:40000 > [2001:db8::2]:179 syn',
  'the default takes it',
);
const gtsm = [deny({ service: tcp(179), ttl: [0, 254] }), allow({ from: admins, service: tcp(179) })];
const bgp = { in: 'wan', from: admins, service: tcp(179) };
test(
  'a peer whose TTL is not said may be denied for it',
  finds,
  reached(gtsm, { bgp }),
  ['NM3023', 'NM3023'],
  'deny(…) takes it',
);
test('a peer whose TTL is said', finds, reached(gtsm, { bgp: { ...bgp, ttl: 255 } }), []);
test(
  'a peer that no packet can come from',
  finds,
  reached(gtsm, {
    bgp: { ...bgp, from: nets('203.0.113.7'), service: icmp('neighbour-solicitation') },
    tiny: { ...bgp, length: [0, 20] },
  }),
  ['NM3018', 'NM3018'],
  "no packet is what 'bgp' says",
);
test(
  'Neighbour Discovery is cut off',
  finds,
  wan({ in: acl('in', { neighbourDiscovery: 'explicit' }, [allow({ service: tcp(443) })]) }),
  ['NM3024'],
  'denies every Neighbour Solicitation and Neighbour Advertisement',
);
test(
  'without IPv6 nobody needs Neighbour Discovery',
  finds,
  wan({
    in: acl('in', { neighbourDiscovery: 'explicit' }, [allow({ from: customers.v4, service: tcp(443) })]),
  }),
  [],
);

test('a predicate of too many cases is not analysed, and that is said', (t) => {
  const field = (name: 'len' | 'ttl' | 'sport' | 'dport') => ({ kind: 'field', field: name }) as const;
  const times = (left: ReturnType<typeof field>, right: ReturnType<typeof field>) =>
    ({ kind: 'arithmetic', op: '*', left, right }) as const;
  const expr = {
    kind: 'compare',
    op: '<',
    left: times(field('sport'), field('len')),
    right: times(field('dport'), field('ttl')),
  } as const;
  const origin = { file: 'p.ts', line: 1, column: 1 };
  const policy = {
    router: listed(allow({ when: predicate('hard', () => true) })),
    predicates: [{ name: 'hard', expr, source: '', origin }, builtinPredicate],
    files: [],
    policyHash: '',
    warnings: [],
    root: '/',
  };
  const all = findings(policy, { today: '2026-01-01' });
  t.deepEqual(
    all.map((one) => `${one.severity} ${one.code}`),
    ['warning NM3022'],
  );
  t.regex(all[0]!.message, /could not be analysed: a set of packets needs more than/);
  const { undecided } = packetChanges(lower({ ...policy, router: listed() }), lower(policy));
  t.deepEqual(
    undecided.map((one) => `${one.interface} ${one.family}`),
    ['wan 4', 'wan 6'],
  );
});

/** What happens to a packet: the action, and where it is sent. */
function effect(
  ir: Ir,
  list: IrList,
  rules: readonly IrRule[],
  drawn: ReturnType<typeof drawnPackets>[number],
) {
  if (list.kind === 'acl' && isHiddenFrom(list, drawn.seen)) return 'deny undefined';
  const rule = firstMatch(ir, { ...list, rules }, drawn.seen);
  return `${rule?.action.kind} ${rule?.conditions[drawn.point.family]?.gateway}`;
}

test('without all the rules that are found idle no packet fares differently', (t) => {
  const kinds = { empty: 0, dead: 0, redundant: 0 };
  for (let seed = 20; seed < 50; seed++) {
    const ir = randomIr(seed, predicates);
    const packets = drawnPackets(ir, 300, seed);
    for (const list of ir.lists.filter((one) => one.rules.length < 80)) {
      const { idle } = idleRules(analysedList(ir, list));
      for (const one of idle) kinds[one.kind]++;
      const named = new Set(idle.map((one) => one.rule));
      const rest = list.rules.filter((rule) => !named.has(rule));
      // What rules that never match read is not read without them: that is not said of them.
      const dead = new Set(idle.flatMap((one) => (one.kind === 'redundant' ? [] : [one.rule])));
      const live = list.rules.filter((rule) => !dead.has(rule));
      const reading = (rules: readonly IrRule[]): IrList => ({
        ...list,
        readsTransport: { 4: readsTransport(rules, 4), 6: readsTransport(rules, 6) },
      });
      const [before, after] = [reading(live), reading(rest)];
      // Predicates of VLANs see those of the interfaces that use the list.
      const ids = new Set(
        ir.interfaces
          .filter((one) => one.acl === list || one.pbr === list)
          .map(({ encapsulation: tags }) =>
            tags.kind === 'untagged' ? 0 : tags.kind === 'vlan' ? tags.id : tags.inner.id,
          ),
      );
      for (const drawn of packets.filter((one) => ids.has(one.point.fields.vlan))) {
        const whole = effect(ir, list, list.rules, drawn);
        if (whole !== effect(ir, list, rest, drawn)) t.fail(`seed ${seed}`);
        if (effect(ir, before, live, drawn) !== effect(ir, after, rest, drawn))
          t.fail(`seed ${seed}, what hides its header`);
      }
    }
  }
  for (const kind of ['dead', 'redundant'] as const) t.true(kinds[kind] > 10, JSON.stringify(kinds));
});
