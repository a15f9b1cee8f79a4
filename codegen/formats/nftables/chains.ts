/**
 * The rules of a base chain, in the order in which they are asked, those of chains that it jumps to in their places. What has no
 * counterpart is told with its handle, and nothing of it is left out.
 */
import type { Family, Origin, Problem } from '../../../dsl/model.js';
import type { Face } from '../faces.js';
import type { Line } from '../lists.js';
import { type Box, meet, type Part } from './box.js';
import { type MatchContext, readMatch } from './match.js';
import { type Rest, rulesOf } from './rules.js';
import type { NftChain, NftMap, NftRule, Ruleset } from './ruleset.js';
import { isObject, NotHere } from './values.js';

export interface ChainContext extends MatchContext {
  readonly ruleset: Ruleset;
  readonly faces: readonly Face[];
  readonly file: string;
  readonly problems: Problem[];
}

const familiesOf: Readonly<Record<string, readonly Family[]>> = { ip: [4], ip6: [6], inet: [4, 6] };
const deepest = 16;
const mostRules = 65_536;

/** `chain forward of inet edge` */
export function chainName({ family, table, name }: Pick<NftChain, 'family' | 'table' | 'name'>): string {
  return `chain ${name} of ${family} ${table}`;
}

export function linesOfChain(chain: NftChain, context: ChainContext): readonly Line[] {
  const lines: Line[] = [];
  walk(chain, [{ families: familiesOf[chain.family] ?? [] }], { chain, context, lines, depth: 0 });
  return lines;
}

/** What the chain does with what no rule takes, as lines for its family alone. */
export function policyLine(chain: NftChain, context: ChainContext): readonly Line[] {
  const lines: Line[] = [];
  const box = { families: familiesOf[chain.family] ?? [] };
  const origin = { file: context.file, line: 1, column: 1 };
  const rest = {
    origin,
    called: `the policy of ${chainName(chain)}`,
    log: false,
    comment: `policy of ${chainName(chain)}`,
  };
  say([box], { ...rest, action: actionOf(chain.policy ?? 'accept') }, { chain, context, lines, depth: 0 });
  return lines;
}

interface Walk {
  /** The base chain. */
  readonly chain: NftChain;
  readonly context: ChainContext;
  readonly lines: Line[];
  readonly depth: number;
}

function walk(at: Pick<NftChain, 'family' | 'table' | 'name'>, boxes: readonly Box[], way: Walk): void {
  const { context } = way;
  const rules = context.ruleset.rules.filter(
    (rule) => rule.family === at.family && rule.table === at.table && rule.chain === at.name,
  );
  for (const [i, rule] of rules.entries())
    try {
      if (way.depth > deepest) throw new NotHere('jumps that never end');
      if (way.lines.length > mostRules) throw new NotHere(`more than ${mostRules} rules`);
      oneRule(rule, boxes, way, i === rules.length - 1);
    } catch (thrown) {
      if (!(thrown instanceof NotHere)) throw thrown;
      refuse(rule, thrown.message, context);
      if (way.depth > deepest || way.lines.length > mostRules) return;
    }
}

function nameOf({ family, table, chain, handle }: NftRule): string {
  return `handle ${handle} of ${family} ${table} ${chain}`;
}

function refuse(rule: NftRule, what: string, { file, problems }: ChainContext): void {
  const message = `${nameOf(rule)}: ${what}`;
  if (problems.some((one) => one.message === message)) return;
  problems.push({
    code: 'NM6003',
    origin: { file, line: 1, column: 1 },
    message,
    fix: fixes.find(([about]) => about.test(what))?.[1] ?? otherFix,
  });
}

const fixes: readonly (readonly [RegExp, string])[] = [
  [
    /connection tracking/,
    "let answers in by flags: 'established' or by their ports, and delete the rule from what is to be imported.",
  ],
  [
    /changes by itself|has a (timeout|expires)/,
    'sets here have no timeouts, and packets do not fill them: let a program say netmill set add and delete, and import the set without its flags and timeouts (--run-time-set).',
  ],
];
const otherFix =
  'say it otherwise in nftables, or delete it from what is to be imported and write it in the policy.';

/** What passes a rule's tests is in one of its boxes, which are disjoint: none, and no packet does. */
function oneRule(rule: NftRule, outer: readonly Box[], way: Walk, isLast: boolean): void {
  let boxes = outer;
  const rest: { log: boolean; why?: string } = { log: false };
  let done = false;
  for (const statement of rule.expr) {
    const [kind = '', another] = Object.keys(statement);
    if (another !== undefined) throw new NotHere(`'${another}' beside ${kind}`);
    if (done) throw new NotHere(`${kind} after the verdict`);
    if (kind === 'match') {
      if (rest.log) throw new NotHere('a test after log');
      boxes = narrowed(boxes, readMatch(statement.match, way.context));
    } else if (kind === 'log') Object.assign(rest, readLog(statement.log));
    else if (kind === 'counter' && isObject(statement.counter)) continue;
    else {
      verdict(kind, statement[kind], rule, boxes, rest, way, isLast);
      done = true;
    }
  }
  if (!done) throw new NotHere(rest.log ? 'log without a verdict' : 'a rule without a verdict');
}

function narrowed(boxes: readonly Box[], parts: readonly Part[]): readonly Box[] {
  return boxes.flatMap((box) => parts.flatMap((part) => meet(box, part) ?? []));
}

function readLog(log: unknown): { readonly log: true; readonly why?: string } {
  const { prefix, ...more } = isObject(log) ? log : {};
  const [other] = Object.keys(more);
  if (other !== undefined) throw new NotHere(`log ${other}`);
  const text = typeof prefix === 'string' ? prefix.replace(/[\p{Cc}:]+/gu, ' ').trim() : '';
  return { log: true, ...(text !== '' && { why: text }) };
}

function actionOf(verdict: string): Rest['action'] {
  return { kind: verdict === 'accept' ? 'allow' : 'deny' };
}

/** An answer of one family is for packets of that family alone. */
function rejected(value: unknown, boxes: readonly Box[]): readonly Box[] {
  const type = isObject(value) ? value.type : undefined;
  const families = type === 'icmp' ? [4 as const] : type === 'icmpv6' ? [6 as const] : undefined;
  return families ? narrowed(boxes, [{ families }]) : boxes;
}

/** Without a type: port unreachable, TCP included. A reset is for TCP alone, here as there. */
function rejectOf(value: unknown, boxes: readonly Box[]): Rest['action'] {
  const { type = 'icmpx', expr = 'port-unreachable' } = isObject(value) ? value : {};
  if (type === 'tcp reset') {
    if (boxes.some(({ protocols }) => protocols?.some(({ from, to }) => from !== 6 || to !== 6) ?? true))
      throw new NotHere('a TCP reset for other protocols');
    return { kind: 'reject', icmp: 'admin-prohibited', tcp: 'reset' };
  }
  const known = (['admin-prohibited', 'port-unreachable'] as const).find((one) => one === expr);
  if (known === undefined) throw new NotHere(`reject with ${String(type)} ${JSON.stringify(expr)}`);
  return { kind: 'reject', icmp: known, tcp: 'icmp' };
}

function verdict(
  kind: string,
  value: unknown,
  rule: NftRule,
  boxes: readonly Box[],
  log: { readonly log: boolean; readonly why?: string },
  way: Walk,
  isLast: boolean,
): void {
  const origin: Origin = { file: way.context.file, line: 1, column: 1 };
  const rest = {
    ...log,
    origin,
    called: nameOf(rule),
    ...(rule.comment !== undefined && { comment: rule.comment }),
  };
  switch (kind) {
    case 'accept':
    case 'drop':
      say(boxes, { ...rest, action: actionOf(kind) }, way);
      return;
    case 'reject':
      say(rejected(value, boxes), { ...rest, action: rejectOf(value, boxes) }, way);
      return;
    case 'return':
      if (way.depth === 0) say(boxes, { ...rest, action: actionOf(way.chain.policy ?? 'accept') }, way);
      else if (!isLast || rule.expr.length > 1) throw new NotHere('return from a chain that was jumped to');
      return;
    case 'jump':
    case 'goto': {
      if (log.log) throw new NotHere(`log before ${kind}`);
      // It would go on behind the jump that led here.
      if (kind === 'goto' && way.depth > 0) throw new NotHere('goto in a chain that was jumped to');
      const target = isObject(value) ? String(value.target) : '';
      if (boxes.length === 0) return;
      walk({ family: rule.family, table: rule.table, name: target }, boxes, { ...way, depth: way.depth + 1 });
      if (kind === 'goto') say(boxes, { ...rest, action: actionOf(way.chain.policy ?? 'accept') }, way);
      return;
    }
    case 'vmap':
      verdictMap(value, rule, boxes, log, way);
      return;
    default:
      throw new NotHere(`'${kind}' has no counterpart`);
  }
}

/** `tcp dport vmap { 22 : accept, 23 : drop }`: keys are disjoint, so their order is of no importance. */
function verdictMap(
  value: unknown,
  rule: NftRule,
  boxes: readonly Box[],
  log: { readonly log: boolean; readonly why?: string },
  way: Walk,
): void {
  const { key, data } = isObject(value) ? value : {};
  const pairs = isObject(data) && Array.isArray(data.set) ? data.set : pairsNamed(data, rule, way);
  for (const pair of pairs) {
    const [right, verdicts] = Array.isArray(pair) ? pair : [];
    const [kind = ''] = isObject(verdicts) ? Object.keys(verdicts) : [];
    const mine = narrowed(boxes, readMatch({ op: '==', left: key, right: single(right) }, way.context));
    verdict(kind, (verdicts as Record<string, unknown>)[kind], rule, mine, log, way, false);
  }
}

/** A key of a map is one element, though it may be a concatenation. */
function single(key: unknown): unknown {
  return isObject(key) && Array.isArray(key.concat) ? { set: [key] } : key;
}

function pairsNamed(data: unknown, rule: NftRule, { context }: Walk): readonly unknown[] {
  const name = typeof data === 'string' && data.startsWith('@') ? data.slice(1) : '';
  const map = context.ruleset.maps.find(
    (one: NftMap) => one.name === name && one.family === rule.family && one.table === rule.table,
  );
  if (map === undefined) throw new NotHere(`verdict map @${name} is not here`);
  const changing = map.flags?.find((flag) => flag === 'timeout' || flag === 'dynamic');
  if (changing !== undefined) throw new NotHere(`verdict map @${name} changes by itself (${changing})`);
  if (!map.elem || map.elem.length === 0) throw new NotHere(`verdict map @${name} is empty`);
  return map.elem;
}

/** What no packet matches stays as a comment: a policy has no such rules. */
function say(boxes: readonly Box[], rest: Rest, { context, lines }: Walk): void {
  if (boxes.length === 0) lines.push({ kind: 'comment', text: `${rest.called}: no packet matches it` });
  for (const box of boxes) {
    const faces = context.faces.filter((face) => box.devices?.(face.device) ?? true);
    if (faces.length === 0)
      lines.push({ kind: 'comment', text: `${rest.called}: of none of these interfaces` });
    else for (const rule of rulesOf(box, rest, context.sets)) lines.push({ kind: 'rule', faces, rule });
  }
}
