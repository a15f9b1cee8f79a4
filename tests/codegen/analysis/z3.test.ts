/**
 * The analysis against a theorem prover (L. de Moura, N. Bjørner, "Z3: An Efficient SMT Solver", TACAS 2008). Of random lists, each
 * rule's set of packets is held against the rule's formula: z3 finds a packet in one and not in the other, or proves that there is
 * none. Of pairs of policies it decides whether the packets that fare differently are those of which `netmill plan` tells.
 */
import test from 'ava';
import { init, killThreads } from 'z3-solver';
import { budget, decisions, eachLive, makeFirstMatch } from '../../../codegen/analysis/first-match.js';
import { type Judged, makePipeline, treatmentIn } from '../../../codegen/analysis/pipeline.js';
import { makeRegions } from '../../../codegen/analysis/regions.js';
import { type Block, everything } from '../../../codegen/analysis/sets.js';
import { makeSpace } from '../../../codegen/analysis/space.js';
import type { Direction, Ir, IrInterface, IrList, IrRule } from '../../../codegen/ir.js';
import { mutantsOf } from '../../../codegen/mutate/mutants.js';
import { packetChanges } from '../../../codegen/plan/packet-changes.js';
import type { PredicateExpr } from '../../../codegen/predicate/expr.js';
import { treatmentOf } from '../../../codegen/treatment.js';
import { acl, allow, deny, nets, nexthop, type RuleDraft, reject, router, tcp } from '../../../dsl/index.js';
import type { Acl, Family, Pbr, Router } from '../../../dsl/model.js';
import { randomPolicy } from '../../oracle/random-policy.js';
import { corners, treated } from './corners.js';
import { lowered, randomPredicates } from './random.js';
import { isKnown } from './smt/match.js';
import { packet } from './smt/packet.js';
import {
  fateFormula,
  forwardedFormula,
  type Name,
  onWireOf,
  outFormula,
  spelled,
  takerFormula,
} from './smt/router.js';
import { SetFormulas } from './smt/sets.js';

let predicates: readonly PredicateExpr[];
let z3: Awaited<ReturnType<typeof init>>;

test.before(async (t) => {
  t.timeout(120_000);
  predicates = await randomPredicates();
  z3 = await init();
});
test.after.always(() => killThreads(z3.em));

/**
 * A packet for which all of it holds, as z3 writes it; undefined: there is none. Each question has a context of its own: what one
 * was asked before makes every later answer slower, up to four times.
 */
async function solve(text: string): Promise<string | undefined> {
  const { Z3 } = z3;
  const config = Z3.mk_config();
  const context = Z3.mk_context(config);
  Z3.del_config(config);
  const solver = Z3.mk_solver_for_logic(context, Z3.mk_string_symbol(context, 'QF_BV'));
  Z3.solver_inc_ref(context, solver);
  try {
    Z3.solver_from_string(context, solver, text);
    const found = await Z3.solver_check(context, solver);
    if (found === -1) return undefined;
    if (found !== 1) throw new Error(`z3 does not know: ${Z3.solver_get_reason_unknown(context, solver)}`);
    return Z3.model_to_string(context, Z3.solver_get_model(context, solver));
  } finally {
    Z3.solver_dec_ref(context, solver);
    Z3.del_context(context);
  }
}

/** Of short lists: long ones say nothing else, and take a solver long. */
function drawn(seed: number, most = 7): Router {
  const router = randomPolicy(seed);
  const short = <L extends Acl | Pbr>(list: L): L => ({
    ...list,
    rules: list.rules.filter(isKnown).slice(0, most),
  });
  const interfaces = router.interfaces.map(({ in: acl, pbr, out, ...one }) => ({
    ...one,
    ...(acl && { in: short(acl) }),
    ...(pbr && { pbr: short(pbr) }),
    ...(out && { out: short(out) }),
  }));
  return { ...router, interfaces };
}

const families: readonly Family[] = [4, 6];

/** What the analysis says each rule takes, and each rule's formula: who takes a packet must be the same. */
async function disagreement(ir: Ir, list: IrList, family: Family): Promise<string | undefined> {
  const space = makeSpace(family);
  const match = makeFirstMatch(list, makeRegions(space));
  const sets = list.rules.map((_, index) => {
    const blocks: Block[] = [];
    eachLive(match, index, (block) => blocks.push(block) === 0, budget(100_000));
    return blocks;
  });
  const whole = decisions(match, [{ ...everything, rest: space.valid }]);
  const formulas = new SetFormulas(space, family);
  const inRule = sets.map((set) => formulas.of(set));
  const decided = [...list.rules, undefined].map((rule) =>
    formulas.of(whole.filter(({ by }) => by === (rule ?? list.fallback)).map(({ block }) => block)),
  );
  const hidden = formulas.of(whole.filter(({ by }) => by === 'hidden').map(({ block }) => block));
  const takes = (index: number) => `(= taker (_ bv${index} 32))`;
  const wrong = [
    ...inRule.map((set, index) => `(distinct ${set} ${takes(index)})`),
    ...decided.map((set, index) => `(distinct ${set} ${takes(index)})`),
    `(distinct ${hidden} ${takes(list.rules.length + 1)})`,
  ];
  return solve(
    [
      packet(family),
      '(assert valid)',
      ...formulas.definitions,
      `(define-fun taker () (_ BitVec 32) ${takerFormula(ir, list, family)})`,
      `(assert (or ${wrong.join(' ')}))`,
    ].join('\n'),
  );
}

for (const family of families)
  test.serial(`IPv${family}: the same packets are possible`, async (t) => {
    t.timeout(180_000);
    const space = makeSpace(family);
    const formulas = new SetFormulas(space, family);
    const possible = formulas.of([{ ...everything, rest: space.valid }]);
    const text = [packet(family), ...formulas.definitions, `(assert (distinct valid ${possible}))`].join(
      '\n',
    );
    t.is(await solve(text), undefined);
  });

// The solver answers one question at a time.
for (const family of families)
  test.serial(`IPv${family}: each rule takes the same packets`, async (t) => {
    t.timeout(180_000);
    let rules = 0;
    for (let seed = 1; seed <= (family === 4 ? 2 : 1); seed++) {
      const ir = lowered(drawn(seed, 11), predicates);
      for (const list of ir.lists) {
        t.is(await disagreement(ir, list, family), undefined, `seed ${seed}, ${list.kind} ${list.name}`);
        rules += list.rules.length;
      }
    }
    t.true(rules > 5, String(rules));
  });

for (const family of families)
  test.serial(
    `IPv${family}: rules of every kind take the same packets, and every packet fares the same`,
    async (t) => {
      t.timeout(180_000);
      const ir = lowered(corners, predicates);
      for (const list of ir.lists) t.is(await disagreement(ir, list, family), undefined, list.name);
      t.is(await fateDisagreement(ir, ir.interfaces[0]!, family), undefined);
    },
  );

/** What becomes of every packet that comes in somewhere, by the analysis and by the formula. */
async function fateDisagreement(
  ir: Ir,
  iface: IrInterface,
  family: Family,
  out?: IrInterface,
): Promise<string | undefined> {
  const space = makeSpace(family);
  const pipe = makePipeline(ir, space);
  const judged = pipe.judge(iface, pipe.arriving(iface), budget(100_000), out);
  const codes = new Map<string, number>();
  // Words are the analysis's own; of which rules, and whether a mark is seen, is said here.
  const name: Name = (fate, rules) => {
    const leaves = fate === 'routed' || fate.startsWith('via ');
    const unmarked = ({ treatment: { dscp: _, ...rest } = {}, ...rule }: IrRule): IrRule => ({
      ...rule,
      treatment: rest,
    });
    return `${fate}: ${treatmentOf(leaves ? rules : rules.map(unmarked), true)}`;
  };
  const fate = fateFormula({ ir, family, codes, name }, iface, out);
  const formulas = new SetFormulas(space, family);
  const wayOf = ({ fate }: Judged) => (fate.kind === 'diverted' ? `via ${fate.gateway}` : fate.kind);
  const wrong = [...codes].map(([name, code]) => {
    const own = judged.filter((one) => `${wayOf(one)}: ${treatmentIn(one)}` === name);
    return `(distinct ${formulas.of(own.map((one) => one.block))} (= fate (_ bv${code} 32)))`;
  });
  return solve(
    [
      packet(family),
      `(assert (and valid ${onWireOf(iface)}))`,
      ...formulas.definitions,
      `(define-fun fate () (_ BitVec 32) ${fate})`,
      `(assert (or ${wrong.join(' ')}))`,
    ].join('\n'),
  );
}

for (const family of families)
  test.serial(`IPv${family}: every packet fares the same`, async (t) => {
    t.timeout(180_000);
    const ir = lowered(drawn(1), predicates);
    for (const iface of ir.interfaces.slice(0, 2))
      t.is(await fateDisagreement(ir, iface, family), undefined, iface.name);
  });

for (const family of families)
  test.serial(`IPv${family}: what rules do besides, and what \`out\` ACLs refuse`, async (t) => {
    t.timeout(180_000);
    const ir = lowered(treated, predicates);
    const [wan, lan] = ir.interfaces as [IrInterface, IrInterface];
    t.is(await fateDisagreement(ir, wan, family, lan), undefined);
    t.is(await fateDisagreement(ir, lan, family, wan), undefined);
  });

/** A packet that fares differently and is in no change, or the other way round. */
async function missed(
  a: Ir,
  b: Ir,
  name: string,
  family: Family,
  direction: Direction = 'in',
): Promise<string | undefined> {
  const { changes, undecided } = packetChanges(a, b);
  if (undecided.length > 0) return `not decided: ${JSON.stringify(undecided)}`;
  const mine = changes.filter(
    (one) => one.interface === name && one.family === family && one.direction === direction,
  );
  const codes = new Map<string, number>();
  const [one, other] = [a, b].map((ir) => {
    const asked = { ir, family, codes, name: spelled };
    const face = ir.interfaces.find((one) => one.name === name)!;
    return direction === 'in' ? fateFormula(asked, face) : outFormula(asked, face);
  });
  const here =
    direction === 'in'
      ? onWireOf(a.interfaces.find((one) => one.name === name)!)
      : forwardedFormula(b, family);
  const formulas = new SetFormulas(mine[0]?.space ?? makeSpace(family), family);
  const told = formulas.of(mine.flatMap(({ set }) => set));
  return solve(
    [
      packet(family),
      `(assert (and valid ${here}))`,
      ...formulas.definitions,
      `(assert (distinct ${told} (distinct ${one} ${other})))`,
    ].join('\n'),
  );
}

const small = (rules: readonly RuleDraft[], fallback: 'allow' | 'deny' = 'allow') =>
  router('small', {
    interfaces: {
      wan: {
        port: 'eth0',
        fallback: 'drop',
        in: acl('small', { default: fallback, neighbourDiscovery: 'explicit' }, rules),
      },
    },
  });
const some = nets('10.0.0.0/8', '2001:db8::/32');
const [first, second] = [deny({ from: some }), allow({ to: some })];
const to = (...gateways: readonly [string, ...string[]]) => nexthop(gateways, { from: some.v4 });
const pairs: Readonly<Record<string, readonly [Router, Router]>> = {
  'a rule that reads ports': [small([deny({ service: tcp(22) })]), small([])],
  'what the default does': [small([first], 'allow'), small([first], 'deny')],
  'the order of rules': [small([first, second], 'deny'), small([second, first], 'deny')],
  'a gateway': [small([to('192.0.2.9')]), small([to('192.0.2.10')])],
  'a weight': [
    small([to('192.0.2.9', '192.0.2.10')]),
    small([nexthop({ '192.0.2.9': 2, '192.0.2.10': 1 }, { from: some.v4 })]),
  ],
  'who stands in': [small([to('192.0.2.9')]), small([to('192.0.2.9').or('192.0.2.10')])],
  'what comes when nobody answers': [small([to('192.0.2.9')]), small([to('192.0.2.9').orDrop()])],
};
const treatments: Readonly<Record<string, readonly [Router, Router]>> = {
  'how the source is told': [small([reject({ from: some })]), small([deny({ from: some })])],
  'whether TCP is reset': [small([reject({ from: some })]), small([reject({ from: some }, { tcp: 'icmp' })])],
  'a meter': [
    small([allow({ from: some }).police('5 Mbit/s')]),
    small([allow({ from: some }).police('5000 packets/s')]),
  ],
  'what a meter lets through at once': [
    small([allow({ from: some }).police('100 packets/s', { burst: '7 packets' })]),
    small([allow({ from: some }).police('100 packets/s', { burst: '8 packets' })]),
  ],
  'a copy': [small([allow({ from: some }).mirror('eth0')]), small([second])],
  'how many are copied': [
    small([deny({ from: some }).mirror('eth0')]),
    small([deny({ from: some }).mirror('eth0', { oneIn: 3 })]),
  ],
  'how many are logged': [small([first.sample(9)]), small([deny({ from: some }).sample(10)])],
  'the DSCP of what leaves': [
    small([allow({ from: some }).dscp('ef')]),
    small([allow({ from: some }).dscp('af11')]),
  ],
};
const outgoing = (rules: readonly RuleDraft[], fallback: 'allow' | 'deny' = 'allow') =>
  router('outgoing', {
    interfaces: {
      lan: { port: 'eth1', fallback: 'drop', address: ['10.9.0.1/24'] },
      wan: { port: 'eth0', fallback: 'drop', out: acl('outgoing', { default: fallback }, rules) },
    },
  });
const pairsOut: Readonly<Record<string, readonly [Router, Router]>> = {
  'a rule that reads ports': [outgoing([deny({ service: tcp(22) })]), outgoing([])],
  'what the default does': [outgoing([second], 'allow'), outgoing([second], 'deny')],
  'how the source is told': [outgoing([reject({ from: some })]), outgoing([deny({ from: some })])],
  'a meter, and a mark': [
    outgoing([allow({ from: some }).police('5 Mbit/s')]),
    outgoing([allow({ from: some }).dscp('ef')]),
  ],
};
for (const [what, [a, b]] of Object.entries(pairs))
  test.serial(`two policies differ in ${what}`, async (t) => {
    t.timeout(60_000);
    const [old, fresh] = [lowered(a, predicates), lowered(b, predicates)];
    t.true(packetChanges(old, fresh).changes.length > 0);
    for (const family of families) t.is(await missed(old, fresh, 'wan', family), undefined);
  });
// What is done besides knows no families: one of them is asked.
Object.entries(treatments).forEach(([what, [a, b]], i) => {
  test.serial(`two policies differ in ${what}`, async (t) => {
    t.timeout(60_000);
    const [old, fresh] = [lowered(a, predicates), lowered(b, predicates)];
    t.true(packetChanges(old, fresh).changes.length > 0);
    t.is(await missed(old, fresh, 'wan', families[i % 2]!), undefined);
  });
});
Object.entries(pairsOut).forEach(([what, [a, b]], i) => {
  test.serial(`two \`out\` ACLs differ in ${what}`, async (t) => {
    t.timeout(60_000);
    const [old, fresh] = [lowered(a, predicates), lowered(b, predicates)];
    t.true(packetChanges(old, fresh).changes.some((one) => one.direction === 'out'));
    t.is(await missed(old, fresh, 'wan', families[i % 2]!, 'out'), undefined);
  });
});

test.serial('two policies are equal, or not', async (t) => {
  t.timeout(180_000);
  const counts = { equal: 0, different: 0 };
  for (let seed = 1; seed <= 3; seed++) {
    const router = drawn(seed);
    const policy = { router, predicates, files: [], policyHash: '', warnings: [], root: '/' };
    const ir = lowered(router, predicates);
    const mutants = mutantsOf(policy);
    for (const mutant of mutants.filter((_, i) => i % Math.ceil(mutants.length / 6) === seed % 3)) {
      const fresh = lowered(mutant.policy.router, predicates);
      const { changes } = packetChanges(ir, fresh);
      const has = (...lists: readonly (IrList | undefined)[]) =>
        lists.some((list) => list?.name === mutant.list);
      const face = ir.interfaces.find((one) => has(one.acl, one.pbr, one.out))!;
      const direction = has(face.acl, face.pbr) ? 'in' : 'out';
      for (const family of families) {
        const found = changes.some(
          (one) => one.interface === face.name && one.family === family && one.direction === direction,
        );
        const about = `seed ${seed}, ${mutant.list} ${mutant.change}, ${face.name} IPv${family}`;
        t.is(await missed(ir, fresh, face.name, family, direction), undefined, about);
        counts[found ? 'different' : 'equal']++;
      }
    }
  }
  t.true(counts.equal > 2 && counts.different > 2, JSON.stringify(counts));
});
