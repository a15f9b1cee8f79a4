/**
 * What a compiled forwarder does with one frame: its shared object is loaded by the program of the self-test, in a process of its own,
 * with the interfaces and routes that it has where it runs. Nobody who forwards notices.
 */
import { place } from '../cite.js';
import type { Circumstances } from '../evaluate/evaluate.js';
import type { Paths } from '../evaluate/paths.js';
import type { Ir, IrInterface, IrRule } from '../ir.js';
import { ruleText } from '../plan/plan.js';
import { decode, type Observation } from '../selftest/observe.js';
import { encode, numberPaths } from '../selftest/protocol.js';
import { runForwarder } from '../selftest/run-forwarder.js';

export interface TracedRule {
  readonly list: string;
  readonly action: string;
  /** `edge.ts:14` */
  readonly place: string;
  readonly text: string;
}

export interface Traced {
  /** Local numbers of those that took it, in the order of asking. */
  readonly took: readonly number[];
  readonly rules: readonly TracedRule[];
  /** `sent by lan.dmz to 02:00:00:00:00:01`, `dropped: acl`, … */
  readonly fate: string;
}

/** @throws Error when the program does not run, or the forwarder breaks it */
export async function traceFrame(
  ir: Ir,
  forwarder: string,
  paths: Paths,
  iface: IrInterface,
  bytes: Uint8Array,
  now: Circumstances,
): Promise<Traced> {
  const frames = [{ port: iface.port, bytes, now }];
  const ran = await runForwarder(forwarder, encode(ir, paths, numberPaths(paths), frames));
  if (ran.code !== 0) throw new Error(ran.errors.trim() || `it ended with ${ran.code}`);
  const observed = decode(ir, ran.output, 1)?.frames[0];
  if (observed === undefined) throw new Error('its answer ends too early');
  const rules = observed.rules.flatMap((local) => ir.rules[local] ?? []).sort(byStage);
  return { took: rules.map((one) => one.local), rules: rules.map(traced), fate: fateOf(observed) };
}

/** What comes in is asked before PBR, that before what leaves. */
function byStage(a: IrRule, b: IrRule): number {
  const stage = ({ listKind, direction }: IrRule) => (listKind === 'pbr' ? 1 : direction === 'out' ? 2 : 0);
  return stage(a) - stage(b);
}

function traced(rule: IrRule): TracedRule {
  return {
    list: rule.list,
    action: rule.action.kind,
    place: place(rule.origin),
    text: ruleText(rule),
  };
}

/** By the actions; where there is none, by the counter of the reason. */
function fateOf({ counters, actions }: Observation): string {
  for (const action of actions) {
    const sent = /^sent by port (\S+): ([0-9a-f]{12})/.exec(action);
    if (sent) return `sent by ${sender(counters) ?? `port ${sent[1]}`} to ${macText(sent[2]!)}`;
    const other = /^(to host of .*?|deferred to .*? answers|to be cut up) ?(?:for path \d+)?: @/.exec(action);
    if (other) return hostText(other[1]!);
  }
  const dropped = counters.find((one) => / dropped: /.test(one));
  return dropped === undefined
    ? 'nothing is known of it'
    : dropped.replace(/^.* (dropped: .*) \d+\/\d+$/, '$1');
}

function sender(counters: readonly string[]): string | undefined {
  return counters.map((one) => /^(\S+) sent \d+\/\d+$/.exec(one)?.[1]).find((one) => one !== undefined);
}

function hostText(text: string): string {
  if (text.startsWith('deferred')) return 'waits until its neighbour answers';
  return text === 'to be cut up' ? 'cut up and sent: it is larger than the MTU' : text;
}

function macText(hex: string): string {
  return hex.match(/../g)!.join(':');
}
