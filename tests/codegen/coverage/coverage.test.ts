/** What tests reach of a policy, and why they do not reach the rest. */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import test from 'ava';
import { prove, simulate } from 'netmill/test';
import { branchesOf, branchesTaken } from '../../../codegen/coverage/branches.js';
import { collect } from '../../../codegen/coverage/collect.js';
import { type Coverage, coverageOf } from '../../../codegen/coverage/coverage.js';
import { coverageVariable } from '../../../codegen/coverage/record.js';
import { lower } from '../../../codegen/lower.js';
import type { LoadedPolicy } from '../../../codegen/testing/test.js';
import { nets, tcp } from '../../../dsl/index.js';
import { accepted, front } from '../policy.js';

const directory = mkdtempSync(join(tmpdir(), 'netmill-coverage-'));
test.after.always(() => rmSync(directory, { recursive: true, force: true }));

const text = `const odd = predicate('odd', (p) => p.l4 === 'tcp' && (p.flags.syn || p.ttl < 3))
const never = predicate('never', (p) => p.l4 === 'udp' && p.dport === 7)
const six = predicate('six', (p) => p.family === 6)
export default router('r', { interfaces: {
  wan: { port: 'xdp:eth0', fallback: 'drop', in: acl('in', {}, [
    deny({ from: nets('192.0.2.0/24') }),
    deny({ from: nets('192.0.2.128/25') }).allowShadow('kept'),
    allow({ service: tcp(1), when: never }).waive('NM3018', 'kept'),
    deny({ to: nets('127.0.0.0/8') }),
    allow({ when: odd, to: nets('203.0.113.0/24') }),
    allow({ when: six, to: nets('2001:db8::/32') }),
    allow({ service: tcp(80) }),
  ]) },
} })`;

let policy: LoadedPolicy;
test.before(async (t) => {
  t.timeout(120_000);
  const checked = accepted(await front(text));
  policy = { policy: checked, ir: lower(checked) };
});

/** What is reached by `ask`, as the processes of a test run would write it down. */
function covered(name: string, ask: () => unknown): Coverage {
  const records = join(directory, name.replaceAll(' ', '-'));
  mkdirSync(records);
  process.env[coverageVariable] = records;
  try {
    ask();
  } finally {
    delete process.env[coverageVariable];
  }
  const [reached] = collect(records);
  return coverageOf(policy.ir, reached);
}

/** `line why`, of rules; branches with their text. */
function missing({ missing }: Coverage): readonly string[] {
  return missing.map((one) => `${one.kind === 'rule' ? one.origin.line - 6 : one.text}: ${one.why}`);
}

// Records of one policy are kept once for each process: what the tests below reach adds up.
test.serial('a policy that no test reads', (t) => {
  const { rules, branches, missing } = coverageOf(policy.ir);
  t.deepEqual(rules, { reached: 0, all: 8 });
  t.deepEqual(branches, { reached: 0, all: 12 });
  t.is(missing.length, 20);
});

test.serial('a packet reaches the rule that takes it, and the predicates before it', (t) => {
  const found = covered('a packet', () => simulate(policy, 'in wan tcp 9.9.9.9:1 > 203.0.113.1:80 ack'));
  t.deepEqual(missing(found), [
    '1: not asked',
    '2: shadowed',
    '3: empty',
    '4: stopped',
    '5: not asked',
    '6: not asked',
    '0: not asked',
    "predicate never: p.l4 === 'udp' is true: empty",
    "predicate never: p.l4 === 'udp' is false: not asked",
    'predicate never: p.dport === 7 is true: empty',
    'predicate never: p.dport === 7 is false: empty',
    "predicate odd: p.l4 === 'tcp' is false: not asked",
    'predicate odd: p.flags.syn is true: not asked',
    'predicate odd: p.ttl < 3 is true: not asked',
    'predicate six: p.family === 6 is true: not asked',
    // Its rule asks about IPv6 alone.
    'predicate six: p.family === 6 is false: empty',
  ]);
});

test.serial('examples and blockers are named', (t) => {
  const { missing } = coverageOf(policy.ir);
  const [first, second] = missing;
  t.like(first, { why: 'not asked', example: 'in wan tcp 192.0.2.10:40000 > 203.0.113.10:443 syn' });
  t.like(second, { why: 'shadowed', by: 'policy.ts:7' });
  t.is(simulate(policy, first!.example!).fate, 'denied');
});

test.serial('a proof reaches what its packets reach', (t) => {
  const found = covered('a proof', () =>
    prove(policy, {
      in: 'wan',
      to: nets('203.0.113.0/24', '2001:db8:9::/48'),
      service: tcp(81),
      is: 'denied',
    }),
  );
  const reached = coverageOf(policy.ir).missing.length - found.missing.length;
  t.true(reached > 0);
  t.false(missing(found).includes('1: not asked'));
  t.false(missing(found).includes('5: not asked'));
  t.false(missing(found).includes('6: not asked'));
  t.false(missing(found).includes('predicate six: p.family === 6 is true: not asked'));
  t.true(missing(found).includes("predicate odd: p.l4 === 'tcp' is false: not asked"));
});

test('tests of a predicate are asked as && and || ask them', (t) => {
  const expr = policy.ir.predicates.get('odd')!.expr;
  const branches = branchesOf(expr);
  t.is(branches.length, 6);
  const flags = {
    fin: false,
    syn: true,
    rst: false,
    psh: false,
    ack: false,
    urg: false,
    ece: false,
    cwr: false,
  };
  const fields = { proto: 6, ttl: 64, flags } as never;
  t.deepEqual(
    branchesTaken(branches, fields).map((one) => one.text),
    ["p.l4 === 'tcp' is true", 'p.flags.syn is true'],
  );
});
