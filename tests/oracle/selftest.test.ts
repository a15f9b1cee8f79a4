/** The self-test of a build: what it says of generated C that is wrong, and that it says nothing of C that is right. */
import test from 'ava';
import { selfTest } from '../../codegen/selftest/selftest.js';
import { acl, allow, nets, reject, router, tcp } from '../../dsl/index.js';
import { Forwarders } from './forwarders.js';

let forwarders: Forwarders;
test.before(async (t) => {
  t.timeout(300_000);
  forwarders = await Forwarders.create();
});
test.after.always(() => forwarders?.close());

/** Ways for generated C to be wrong, and what the self-test says of each. */
const wrong: Readonly<
  Record<string, readonly [change: (source: string) => string, code: string, says: RegExp]>
> = {
  'a rule that denies what it allows': [
    (source) => source.replace('return mill_allow(w, p, RULE_FIRST', 'return mill_deny(w, p, RULE_FIRST'),
    'NM5006',
    /does not do what the policy says/,
  ],
  'a port beside the right one': [
    (source) => source.replace('p->dport == 80', 'p->dport == 81'),
    'NM5006',
    /does not do what the policy says/,
  ],
  'a rule that is not tested': [
    (source) => source.replace(/if \(mill_unreadable\(p\)\)/, 'if (p->len == 0 && mill_unreadable(p))'),
    'NM5006',
    /does not do what the policy says/,
  ],
  'TCP flags that nobody reads': [
    (source) => source.replace('#include', '#define MILL_PORTS_ALONE\n#include'),
    'NM5006',
    /does not do what the policy says/,
  ],
  'an ACL on the way out that nobody asks': [
    (source) =>
      source.replace('mill_judged(out_second(w, p))', 'mill_judged(out_second(w, p) || p->ip_len > 60)'),
    'NM5006',
    /does not do what the policy says/,
  ],
  'a DSCP beside the right one': [
    (source) => source.replace('p->mark = 18;', 'p->mark = 19;'),
    'NM5006',
    /does not do what the policy says/,
  ],
  'a limit of another rate': [
    (source) => source.replace(/(mill_police\(w, p, \w+,\s+0x)7d/, '$17e'),
    'NM5006',
    /does not do what the policy says/,
  ],
  'a copy of too few': [
    (source) => source.replace('mill_mirror(w, p, PORT_A, 1)', 'mill_mirror(w, p, PORT_A, 2)'),
    'NM5006',
    /does not do what the policy says/,
  ],
  'an answer of another kind': [
    (source) => source.replace('MILL_ANSWER_RESETS)', '0)'),
    'NM5006',
    /does not do what the policy says/,
  ],
  'a way back by any interface': [
    (source) => source.replace('MILL_URPF_STRICT', 'MILL_URPF_LOOSE'),
    'NM5006',
    /does not do what the policy says/,
  ],
  'another VLAN': [
    (source) => source.replace('MILL_TAG(0x8100, 100)', 'MILL_TAG(0x8100, 99)'),
    'NM5006',
    /does not do/,
  ],
  'a burst that is forgotten': [
    (source) =>
      source.replace(
        'mill_burst_end(&burst);',
        'if (burst.end < kept.packet + 9)\n\t\tmill_burst_end(&burst);',
      ),
    'NM5006',
    /frames left/,
  ],
  'a crash': [
    (source) =>
      source.replace(
        'mill_burst_lookup(w, &burst);',
        'if (w->rule_counters->bytes == 0 && !w->acl_enabled)\n\t\t__builtin_trap();\n\tmill_burst_lookup(w, &burst);',
      ),
    'NM5006',
    /failed \(crashed\) at a frame from port/,
  ],
  'another policy': [(source) => source.replace('0xab,', '0xac,'), 'NM5008', /compiled from another policy/],
};

const treated = [
  allow({ service: tcp(80) })
    .dscp('af21')
    .police('1 Mbit/s')
    .mirror('a'),
  reject({ from: nets('10.0.0.0/8') }),
];

const known = router('known', {
  interfaces: {
    a: {
      port: 'pipe:a',
      fallback: 'drop',
      in: acl('first', { default: 'deny' }, [
        allow({ service: tcp(80, 443) }),
        allow({ service: tcp(), flags: ['syn', '!ack'] }),
        allow({ from: nets('10.0.0.0/8') }),
      ]),
    },
    b: {
      port: 'pipe:b',
      vlans: { c: { id: 100 }, d: { id: 200, urpf: 'strict', out: acl('second', {}, treated) } },
    },
  },
});

for (const [title, [change, code, says]] of Object.entries(wrong))
  test(`found: ${title}`, async (t) => {
    t.timeout(60_000);
    let changed = false;
    const { ir, forwarder } = await forwarders.build(known, title.replaceAll(' ', '-'), {
      change: (source) => {
        const other = change(source);
        changed = other !== source;
        return other;
      },
    });
    t.true(changed, 'the C does not have what the test changes');
    const found = await selfTest(ir, forwarder);
    t.deepEqual(
      found.map((one) => one.code),
      [code],
    );
    t.regex(found[0]!.message, says);
  });

test('nothing is found where nothing is wrong', async (t) => {
  t.timeout(60_000);
  const { ir, forwarder } = await forwarders.build(known, 'right');
  t.deepEqual(await selfTest(ir, forwarder), []);
});

test('a runner that is not there is said', async (t) => {
  const { ir, forwarder } = await forwarders.build(known, 'unrun');
  const found = await selfTest(ir, forwarder, { runner: '/nonexistent' });
  t.is(found[0]?.code, 'NM5008');
  t.regex(found[0]?.fix ?? '', /npm run build/);
});
