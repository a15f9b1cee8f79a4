/**
 * `netmill/test`: what an operator's tests ask of a policy, with any test runner. `simulate` looks at one packet, `prove`
 * decides about all of them, `equivalent` about two policies, `packets` gives one of every kind.
 *
 * @example
 * const edge = await load('routers/edge.ts')
 * t.is(simulate(edge, 'in wan tcp 9.9.9.9:1234 > 203.0.113.10:443 syn').fate, 'routed')
 * const proof = prove(edge, { in: 'guests', to: inside, is: 'denied' })
 * t.true(proof.holds, proof.text)
 */
import { type HeaderSpec, headerKeys, readHeader } from '../../dsl/header.js';
import type { Family, Match, NetSet, Service } from '../../dsl/model.js';
import { here } from '../../dsl/origin.js';
import { problemsSoFar } from '../../dsl/problems.js';
import { askedCondition } from '../analysis/asked.js';
import { budget, TooManySteps } from '../analysis/first-match.js';
import { examplePacket } from '../analysis/packet.js';
import { packetText } from '../analysis/packet-text.js';
import { type Fate, type Judged, makePipeline, type Pipeline } from '../analysis/pipeline.js';
import { makeRegions } from '../analysis/regions.js';
import { difference, intersection, type PacketSet, size } from '../analysis/sets.js';
import { makeSpace } from '../analysis/space.js';
import type { CheckedPolicy } from '../checked.js';
import { place } from '../cite.js';
import { recorderOf } from '../coverage/record.js';
import { renderText } from '../diagnostics/text.js';
import type { Seen } from '../evaluate/rules.js';
import { type Explanation, explain, explainOut } from '../explain/explain.js';
import { seenIn, withMembers } from '../explain/members.js';
import { readPacket } from '../explain/read-packet.js';
import type { Ir, IrInterface } from '../ir.js';
import { lower } from '../lower.js';
import { packageRoot } from '../package-root.js';
import { makePlan, type PlannedChange, ruleText } from '../plan/plan.js';
import { tagsOf } from '../tags.js';
import { policyInstead } from './instead.js';

/** A policy file that was loaded, checked and found right. */
export interface LoadedPolicy {
  readonly policy: CheckedPolicy;
  readonly ir: Ir;
}

/** Packets, by what rules match: all that is given must hold. */
export interface Packets extends HeaderSpec {
  readonly from?: NetSet;
  readonly to?: NetSet;
  readonly service?: Service;
}

/** `allowed`: routed, diverted or delivered to the router. `via 198.51.100.9`: diverted to that gateway. */
export type Claim = 'allowed' | 'denied' | 'host' | 'routed' | 'diverted' | `via ${string}`;

export interface Question extends Packets {
  /** Interface, or interfaces, on which they come in; all of them when not said. */
  readonly in?: string | readonly string[];
  /**
   * Interface by which what is forwarded leaves, so that its `out` ACL judges it; when not said, every one of them: a
   * claim must hold whichever way they go.
   */
  readonly out?: string;
  /** Packets that are not asked about. */
  readonly except?: Packets | readonly Packets[];
}

export interface Proof {
  readonly holds: boolean;
  /** How many packets were decided about. */
  readonly packets: bigint;
  /** A packet that fares otherwise, as `netmill explain` reads it. */
  readonly counterexample?: string;
  readonly fate?: string;
  /** The line that decides about it. */
  readonly place?: string;
  /** All of it in a sentence, for the message of an assertion. */
  readonly text: string;
}

export interface Kind {
  readonly packet: string;
  readonly fate: string;
  readonly place?: string;
  readonly text?: string;
  readonly packets: bigint;
}

const families: readonly Family[] = [4, 6];
const steps = 2_000_000;

/** @throws Error with all diagnostics when the policy is refused */
export async function load(path: string): Promise<LoadedPolicy> {
  const instead = policyInstead(path);
  if (instead) return { policy: instead, ir: lower(instead) };
  // The compiler is a large program: a policy that is there already does not wait for it.
  const { loadAndCheck } = await import('../front.js');
  const result = await loadAndCheck(path, { expired: 'warning' });
  if (!result.ok) {
    const { diagnostics, root, files } = result;
    throw new Error(renderText(diagnostics, { root, files, colour: false }));
  }
  return { policy: result.policy, ir: lower(result.policy) };
}

/**
 * The way of one packet: `in wan tcp 9.9.9.9:1234 > 203.0.113.10:443 syn`. Sets that change at run time hold what their files
 * say, and what the packet's text says: `… from-set blocked`, `… not-to-set blocked`. @throws Error when it is not understood
 */
export function simulate({ policy, ir: plain }: LoadedPolicy, packet: string): Explanation {
  const read = readPacket(packet);
  if ('expected' in read) throw new Error(`${packet}: expected ${read.expected}, got ${read.got}`);
  const ir = withMembers(plain, read.packet);
  const out = read.out === undefined ? undefined : faceOf(ir, read.out);
  if (out && read.interface === undefined) return simulateOut(policy, ir, out, seenIn(ir, read.packet));
  const iface = faceOf(ir, read.interface);
  const vlan = tagsOf(iface.encapsulation).at(-1)?.vid ?? 0;
  const seen = seenIn(ir, { ...read.packet, fields: { ...read.packet.fields, vlan } });
  const explanation = explain(ir, iface, seen, out);
  recorderOf(policy, ir)?.packet(explanation, seen, out !== undefined);
  return explanation;
}

function simulateOut(policy: CheckedPolicy, ir: Ir, out: IrInterface, seen: Seen): Explanation {
  const explanation = explainOut(ir, out, seen);
  recorderOf(policy, ir)?.packet(explanation, seen, true);
  return explanation;
}

/** Decides for every packet of the question whether it fares as claimed. @throws Error when there is none, or no answer */
export function prove(policy: LoadedPolicy, question: Question & { readonly is: Claim }): Proof {
  let packets = 0n;
  for (const { pipe, iface, out, judged } of judgedAll(policy, question)) {
    const wrong = judged.findIndex((one) => !fares(one.fate, question.is));
    const seen = (wrong < 0 ? judged : judged.slice(0, wrong + 1)).map((one) => one.block);
    // Together, since packets that fare alike whatever sets hold count once.
    if (out === undefined || question.out !== undefined) packets += size(pipe.space, seen);
    if (wrong >= 0) return refuted(pipe, iface, out, judged[wrong]!, question.is, packets);
  }
  return { holds: true, packets, text: `all ${packets} packets are ${question.is}` };
}

/** One packet of every kind: by interface, what becomes of it, and the line that decides. */
export function packets(policy: LoadedPolicy, question: Question = {}): readonly Kind[] {
  return judgedAll(policy, question).flatMap(({ pipe, iface, out, judged }) => {
    const kinds = new Map<string, Kind>();
    const first = out === undefined || question.out !== undefined;
    for (const one of judged) {
      // What no `out` ACL was asked about fares alike whichever way it would leave.
      if (!first && one.out === undefined) continue;
      const kind = kindOf(pipe, iface, out, one);
      const key = `${kind.fate} ${kind.place} ${kind.text}`;
      const known = kinds.get(key);
      kinds.set(key, known ? { ...known, packets: known.packets + kind.packets } : kind);
    }
    return [...kinds.values()];
  });
}

export interface Equivalence {
  readonly equivalent: boolean;
  /** What fares differently in `b`. */
  readonly changes: readonly PlannedChange[];
  readonly text: string;
}

/** Do two policies do the same with every packet? @throws Error when it cannot be decided */
export function equivalent(a: LoadedPolicy, b: LoadedPolicy): Equivalence {
  const plan = makePlan(a.policy, b.policy);
  if (plan.undecided.length > 0)
    throw new Error(`not decided: too many rules meet on ${plan.undecided.join(', ')}`);
  const faces = [...plan.newInterfaces, ...plan.goneInterfaces];
  const [first] = plan.packets;
  const text = first
    ? `${first.example} is ${first.old.fate} in one and ${first.new.fate} in the other`
    : faces.length > 0
      ? `only one of them has ${faces.join(', ')}`
      : 'they do the same with every packet';
  return { equivalent: first === undefined && faces.length === 0, changes: plan.packets, text };
}

interface JudgedFace {
  readonly pipe: Pipeline;
  readonly iface: IrInterface;
  /** By which they would leave; undefined: by one without an `out` ACL. */
  readonly out: IrInterface | undefined;
  readonly judged: readonly Judged[];
}

function judgedAll({ policy, ir }: LoadedPolicy, question: Question): readonly JudgedFace[] {
  refuseProblems();
  const asked: Asked = {
    ...question,
    match: matchOf(question, questionKeys),
    excepted: [question.except ?? []].flat().map((one) => matchOf(one, packetKeys)),
  };
  refuseProblems();
  const names = question.in === undefined ? ir.interfaces.map((one) => one.name) : [question.in].flat();
  const faces = names.map((name) => faceOf(ir, name));
  try {
    const all = families.flatMap((family) => judgedOf(ir, family, faces, asked));
    if (all.every((one) => one.judged.length === 0)) throw new Error('no packet is asked about');
    const recorder = recorderOf(policy, ir);
    for (const { pipe, iface, out, judged } of all) recorder?.packets(pipe, iface, out, judged);
    return all;
  } catch (error) {
    if (error instanceof TooManySteps) throw new Error('not decided: too many rules meet in these packets');
    throw error;
  }
}

/** A question whose packets are read. */
interface Asked extends Pick<Question, 'out'> {
  readonly match: Match;
  readonly excepted: readonly Match[];
}

const packetKeys = ['from', 'to', 'service', ...headerKeys];
const questionKeys = [...packetKeys, 'in', 'out', 'except', 'is'];

function matchOf(packets: Packets, keys: readonly string[]): Match {
  const unknown = Object.keys(packets).find((key) => !keys.includes(key));
  if (unknown !== undefined)
    throw new Error(`packets cannot be asked for by '${unknown}': expected ${keys.join(', ')}`);
  const { from, to, service } = packets;
  const header = readHeader(
    packets,
    here((file) => file.startsWith(`${packageRoot}/dist/`)),
  );
  return { ...(from && { from }), ...(to && { to }), ...(service && { service }), ...(header && { header }) };
}

function refuseProblems(): void {
  const [problem] = problemsSoFar();
  if (!problem) return;
  const { origin, message, expected } = problem;
  const more = expected === undefined ? '' : `: expected ${expected}`;
  throw new Error(`${origin.file}:${origin.line}: ${message}${more}`);
}

function judgedOf(
  ir: Ir,
  family: Family,
  faces: readonly IrInterface[],
  question: Asked,
): readonly JudgedFace[] {
  const space = makeSpace(family);
  const regions = makeRegions(space);
  const setOf = (match: Match): PacketSet => {
    const condition = askedCondition(match, family);
    return condition === undefined ? [] : regions.ofCondition(condition);
  };
  const excepted = question.excepted.flatMap(setOf);
  const asked = difference(space.diagrams, setOf(question.match), excepted);
  const pipe = makePipeline(ir, space);
  const judging = ir.interfaces.filter((one) => one.out !== undefined);
  const ways = question.out === undefined ? [undefined, ...judging] : [faceOf(ir, question.out)];
  return faces.flatMap((iface) => {
    const here = intersection(space.diagrams, pipe.arriving(iface), asked);
    return ways.map((out) => ({ pipe, iface, out, judged: pipe.judge(iface, here, budget(steps), out) }));
  });
}

function faceOf(ir: Ir, name: string | undefined): IrInterface {
  const found = ir.interfaces.find((one) => one.name === name);
  if (found) return found;
  const names = ir.interfaces.map((one) => one.name).join(', ');
  throw new Error(
    `expected an interface of the policy (${names}), got ${name === undefined ? 'none' : `'${name}'`}`,
  );
}

function fares(fate: Fate, is: Claim): boolean {
  const denied = fate.kind === 'denied' || fate.kind === 'martian';
  if (is === 'denied') return denied;
  if (is === 'allowed') return !denied;
  const text = fateText(fate);
  return is === fate.kind || is === text || `${is} or drop` === text;
}

function fateText(fate: Fate): string {
  return fate.kind === 'diverted' ? `via ${fate.gateway}` : fate.kind;
}

function kindOf({ space }: Pipeline, iface: IrInterface, out: IrInterface | undefined, one: Judged): Kind {
  const rule = one.out ?? one.pbr ?? one.acl;
  const leaving = out === undefined ? '' : ` out ${out.name}`;
  const by =
    rule === undefined
      ? {}
      : rule === 'hidden'
        ? { text: 'hides its transport header' }
        : { place: place(rule.origin), text: ruleText(rule) };
  return {
    packet: `in ${iface.name}${leaving} ${packetText(examplePacket(space, one.block))}`,
    fate: fateText(one.fate),
    ...by,
    packets: size(space, [one.block]),
  };
}

function refuted(
  pipe: Pipeline,
  iface: IrInterface,
  out: IrInterface | undefined,
  one: Judged,
  is: Claim,
  packets: bigint,
): Proof {
  const { packet, fate, place: at, text: line } = kindOf(pipe, iface, out, one);
  const by = [at, line].filter((part) => part !== undefined).join(' ');
  return {
    holds: false,
    packets,
    counterexample: packet,
    fate,
    ...(at !== undefined && { place: at }),
    text: `expected ${is}, got ${fate} for ${packet}${by === '' ? '' : ` by ${by}`}`,
  };
}
