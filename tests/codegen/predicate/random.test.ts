/**
 * Random predicates: their text run as TypeScript and what was compiled from it give the same for random packets.
 * All of them go into one policy, since a type check is the cost.
 */
import { join } from 'node:path';
import test from 'ava';
import fc from 'fast-check';
import { generate } from '../../../codegen/compile.js';
import { loadPolicy } from '../../../codegen/load/load.js';
import { builtinPredicate } from '../../../codegen/predicate/builtin.js';
import { asOperatorSees, evaluate } from '../../../codegen/predicate/evaluate.js';
import type { Arithmetic, NumberField } from '../../../codegen/predicate/expr.js';
import {
  combine,
  fieldRanges,
  type Ranged,
  rangedField,
  rangedNumber,
} from '../../../codegen/predicate/ranges.js';
import { edgesOf, samplePacket } from '../../../codegen/predicate/samples.js';
import { acl, deny, nets, predicate, router } from '../../../dsl/index.js';
import { patient, withFiles } from '../policy.js';
import { gccSaysOfAll } from '../render/generated.js';

const seed = 20261121;
const anywhere = ['len', 'ttl', 'dscp', 'proto', 'family', 'vlan', 'pcp'] as const;
const operators = ['+', '-', '*', '&', '|', '^', '%'] as const;

interface Written {
  readonly text: string;
  readonly ranged: Ranged;
}

/** What a policy may have beside its predicates, as text of TypeScript and as the values that these have. */
const constants = {
  declared: [
    'const limit = 1400',
    'enum Size { small = 40, large = Size.small * 30 }',
    'const table = { low: 3, high: 0xffff } as const',
    'export const most = Math.max(7, 19)',
  ].join('\n'),
  values: {
    limit: 1400,
    Size: { small: 40, large: 1200 },
    table: { low: 3, high: 65535 },
    most: 19,
  },
  numbers: { limit: 1400, 'Size.large': 1200, 'table.low': 3, 'table.high': 65535, most: 19 },
};

/** Numbers whose ranges the compiler accepts: others are in the table of what is refused. */
const numbersOf = (fields: readonly NumberField[]) =>
  fc.letrec<{ number: Written; leaf: Written; operation: Written }>((tie) => ({
    leaf: fc.oneof(
      fc
        .constantFrom<NumberField>(...fields)
        .map((field) => ({ text: `p.${field}`, ranged: rangedField(field) })),
      fc.nat(70000).map((value) => ({ text: String(value), ranged: rangedNumber(value) })),
      fc
        .constantFrom(...Object.entries(constants.numbers))
        .map(([text, value]) => ({ text, ranged: rangedNumber(value) })),
    ),
    operation: fc
      .tuple(tie('number'), fc.constantFrom<Arithmetic>(...operators), tie('number'))
      .map(([left, op, right]) => {
        const ranged = combine(op, left.ranged, right.ranged);
        return typeof ranged === 'string' ? left : { text: `(${left.text} ${op} ${right.text})`, ranged };
      }),
    number: fc.oneof({ depthSize: 'small' }, tie('leaf'), tie('operation')),
  })).number;

const compareOf = (number: fc.Arbitrary<Written>) =>
  fc
    .tuple(number, fc.constantFrom('===', '!==', '<', '<=', '>', '>='), number)
    .map(([left, op, right]) => `${left.text} ${op} ${right.text}`);

const number = numbersOf(anywhere);
const compare = compareOf(number);
const comparePorts = compareOf(numbersOf([...anywhere, 'sport', 'dport']));
const compareMessages = compareOf(numbersOf([...anywhere, 'icmpType', 'icmpCode']));
const flag = fc.constantFrom('fin', 'syn', 'rst', 'psh', 'ack', 'urg', 'ece', 'cwr');

const { condition } = fc.letrec<{ condition: string; leaf: string; node: string }>((tie) => ({
  leaf: fc.oneof(
    compare,
    fc.constantFrom(
      'p.fragment',
      'true',
      'p.src.within(inside)',
      'p.dst.within(inside.v6)',
      "p.l4 === 'icmp'",
      "p.l4 !== 'udp'",
      "p.l4 === 'other'",
      "(p.l4 === 'tcp' && p.flags.syn)",
      "((p.l4 === 'tcp' || p.l4 === 'udp') && p.dport < 1024)",
      "(p.l4 === 'icmp' && p.icmpType * 256 + p.icmpCode !== 2048)",
    ),
    flag.map((one) => `(p.l4 === 'tcp' && p.flags.${one})`),
    comparePorts.map((one) => `((p.l4 === 'tcp' || p.l4 === 'udp') && ${one})`),
    compareMessages.map((one) => `(p.l4 === 'icmp' ? ${one} : p.fragment)`),
  ),
  node: fc.oneof(
    tie('condition').map((one) => `!(${one})`),
    fc
      .tuple(tie('condition'), fc.constantFrom('&&', '||'), tie('condition'))
      .map(([a, op, b]) => `(${a} ${op} ${b})`),
    fc
      .tuple(tie('condition'), tie('condition'), tie('condition'))
      .map(([a, b, c]) => `((${a}) ? (${b}) : (${c}))`),
    fc
      .tuple(tie('condition'), fc.constantFrom('===', '!=='), tie('condition'))
      .map(([a, op, b]) => `((${a}) ${op} (${b}))`),
  ),
  condition: fc.oneof({ depthSize: 'small' }, tie('leaf'), tie('node')),
}));

/** Bodies: declarations of conditions and of numbers, and ways to return. */
const body = fc
  .tuple(condition, number, condition, condition, condition, fc.constantFrom('<', '>=', '!=='), fc.nat(2))
  .map(([a, n, b, c, d, op, shape]) => {
    const declared = `const first = ${a}; const size = ${n.text};`;
    const compared = `size ${op} limit`;
    if (shape === 0) return `{ ${declared} if (${b}) return first; return ${c} || ${compared} }`;
    if (shape === 1)
      return `{ ${declared} if (${b}) { const more = !first; return more && ${c}; } else if (${d}) return ${compared}; return first }`;
    return `{ ${declared} if (${b}) return ${compared}; else { if (first) return ${c}; return !(${d}) } }`;
  });

/** As many of either, of a length that people write. */
function drawn(from: number): readonly string[] {
  const texts = [
    ...fc.sample(condition, { seed: from, numRuns: 170 }),
    ...fc.sample(body, { seed: from, numRuns: 80 }),
  ];
  return [...new Set(texts)].filter((text) => text.length < 1500);
}

async function compiled(texts: readonly string[]) {
  const inside = nets('10.0.0.0/8', '192.0.2.0/25', '2001:db8::/33');
  const source = [
    `import { nets, predicate, router } from 'netmill'`,
    `const inside = nets('10.0.0.0/8', '192.0.2.0/25', '2001:db8::/33')`,
    constants.declared,
    ...texts.map((text, i) => `predicate('p${i}', (p): boolean => ${text})`),
    `export default router('r', { interfaces: { wan: { port: 'eth0' } } })`,
  ].join('\n');
  const loaded = await withFiles({ 'policy.ts': source }, (directory) =>
    loadPolicy(join(directory, 'policy.ts'), patient),
  );
  return { inside, loaded };
}

test('TypeScript and PredicateExpr agree on random predicates', async (t) => {
  t.timeout(300_000);
  const texts = drawn(seed);
  const { inside, loaded } = await compiled(texts);
  // Random conditions compare what TypeScript knows to be different, and may cost too much: neither is a mistake here.
  const mistyped = loaded.diagnostics.filter((one) => one.code === 'NM1002').map((one) => one.origin.line);
  const wrong = loaded.diagnostics.filter(
    (one) => one.code !== 'NM2110' && !mistyped.includes(one.origin.line),
  );
  t.deepEqual(
    wrong.map((one) => `${one.origin.line} ${one.code} ${one.message}`),
    [],
  );
  const random = numbers(seed);
  let trues = 0;
  let checked = 0;
  for (const { name, expr } of loaded.predicates) {
    const text = texts[Number(name.slice(1))]!;
    const known = { inside, ...constants.values };
    const run = new Function(...Object.keys(known), `return (p) => ${text}`)(...Object.values(known)) as (
      packet: unknown,
    ) => unknown;
    for (let i = 0; i < 200; i++) {
      const packet = samplePacket(random, edgesOf(expr));
      const expected = run(asOperatorSees(packet));
      if (evaluate(expr, packet) !== expected)
        t.fail(
          `${text} is ${expected} for ${JSON.stringify(packet, (_, v) => (typeof v === 'bigint' ? String(v) : v))}`,
        );
      checked++;
      if (expected === true) trues++;
    }
  }
  t.true(loaded.predicates.length > 150, `only ${loaded.predicates.length} predicates were compiled`);
  t.true(trues > checked / 10 && trues < (checked * 9) / 10, 'the packets tell nothing');
});

test('gcc has nothing to say about the C of random predicates', async (t) => {
  t.timeout(300_000);
  const { loaded } = await compiled(drawn(seed + 1));
  const rules = loaded.predicates.map(({ name }) => deny({ when: predicate(name, () => true) }));
  const one = router('r', {
    interfaces: { a: { port: 'pipe:a', fallback: 'drop', in: acl('a', {}, rules) } },
  });
  const predicates = [...loaded.predicates, builtinPredicate];
  const policy = { router: one, predicates, files: [], policyHash: '00'.repeat(32), warnings: [], root: '/' };
  t.is(gccSaysOfAll([generate(policy).source]), '');
});

test('a range holds every value of its expression', (t) => {
  const fields = Object.keys(fieldRanges) as NumberField[];
  const outcome = fc.check(
    fc.property(
      number,
      fc.infiniteStream(fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true })),
      (written, stream) => {
        const values = Object.fromEntries(
          fields.map((field) => {
            const [min, max] = fieldRanges[field];
            return [field, min + Math.floor(stream.next().value! * (max - min + 1))];
          }),
        );
        const known = { p: values, ...constants.values };
        const run = new Function(...Object.keys(known), `return ${written.text}`);
        const value = run(...Object.values(known)) as number;
        return Number.isInteger(value) && value >= written.ranged.min && value <= written.ranged.max;
      },
    ),
    { seed, numRuns: 2000 },
  );
  t.false(outcome.failed, fc.defaultReportMessage(outcome));
});

function numbers(start: number): (below: number) => number {
  let state = start;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}
