/**
 * Does the compiled forwarder do what the policy says? Frames go through it in a process of its own, and through the
 * evaluator; the first difference keeps the generation from being deployed.
 */
import type { Origin } from '../../dsl/model.js';
import { place } from '../cite.js';
import type { Diagnostic } from '../diagnostics/diagnostic.js';
import { evaluateFrame } from '../evaluate/evaluate.js';
import type { Ir } from '../ir.js';
import { decode, expected, type Observation } from './observe.js';
import { makeFrames, type PacketOptions } from './packets.js';
import { encode, numberPaths, type TestFrame } from './protocol.js';
import { type Ran, runForwarder } from './run-forwarder.js';
import { makeWorld } from './world.js';

export interface SelfTestOptions extends PacketOptions {
  /** The program that runs the forwarder, when it is not the package's own. */
  readonly runner?: string;
}

const bug = 'report this as a bug of netmill, with the policy.';

/** Frames, and what the evaluator says of them: all that needs no forwarder yet, so that it can be made while the compiler runs. */
export interface SelfTest {
  /** Empty when the forwarder agrees on all frames. */
  run(soPath: string): Promise<readonly Diagnostic[]>;
}

export function drawSelfTest(ir: Ir, options: SelfTestOptions = {}): SelfTest {
  const paths = makeWorld(ir);
  const numbers = numberPaths(paths);
  const frames = makeFrames(ir, paths, options);
  const input = encode(ir, paths, numbers, frames);
  const wanted = frames.map((one) => {
    const outcome = evaluateFrame(ir, ir.ports[one.port]!, one.bytes, paths, one.now);
    return { iface: outcome.iface, observation: expected(ir, one.bytes, outcome, numbers) };
  });
  const run = async (soPath: string): Promise<readonly Diagnostic[]> => {
    const result = await runForwarder(soPath, input, options.runner);
    if (result.code !== 0) return [failed(ir, result, frames)];
    const got = decode(ir, result.output, frames.length);
    if (got === undefined) return [failed(ir, { ...result, errors: 'its results end too early' }, frames)];
    const differs = wanted.findIndex((one, i) => !same(one.observation, got.frames[i]!));
    if (differs >= 0) {
      const { iface, observation } = wanted[differs]!;
      return [difference(ir, iface, frames[differs]!, observation, got.frames[differs]!)];
    }
    return got.burst ? [burstDifference(ir, got.burst, frames)] : [];
  };
  return { run };
}

export function selfTest(
  ir: Ir,
  soPath: string,
  options: SelfTestOptions = {},
): Promise<readonly Diagnostic[]> {
  return drawSelfTest(ir, options).run(soPath);
}

function same(a: Observation, b: Observation): boolean {
  return equal(a.counters, b.counters) && equal(a.actions, b.actions);
}

function equal(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((one, i) => one === b[i]);
}

function difference(
  ir: Ir,
  iface: number,
  frame: TestFrame,
  wanted: Observation,
  got: Observation,
): Diagnostic {
  const rules = [...new Set([...wanted.rules, ...got.rules])].flatMap((local) => ir.rules[local] ?? []);
  const says = (one: Observation) =>
    one.rules.length > 0 ? `rule ${one.rules.map((n) => line(ir, n)).join(', ')}` : 'no rule';
  return {
    code: 'NM5006',
    severity: 'error',
    origin: rules[0]?.origin ?? ir.interfaces[iface]!.origin,
    message: `the compiled forwarder does not do what the policy says with a frame that comes in on ${ir.interfaces[iface]!.name} (${circumstances(frame)}): ${hex(frame.bytes)}`,
    expected: `${says(wanted)}: ${told(wanted, got)}`,
    got: `${says(got)}: ${told(got, wanted)}`,
    related: rules.map((rule) => ({
      origin: rule.origin,
      message: `${says(wanted).includes(line(ir, rule.local)) ? 'the policy' : 'the forwarder'} takes it here: ${rule.text}`,
    })),
    fix: bug,
  };
}

function line(ir: Ir, local: number): string {
  const rule = ir.rules[local];
  return rule ? `${local} (${place(rule.origin)})` : String(local);
}

/** What one did and the other did not. */
function told(one: Observation, other: Observation): string {
  const only = [...one.counters, ...one.actions].filter(
    (text) => !other.counters.includes(text) && !other.actions.includes(text),
  );
  return only.join('; ') || 'nothing of that';
}

function circumstances({ now }: TestFrame): string {
  if (!now.aclEnabled) return 'ACLs switched off';
  if (!now.servicesTake) return 'with full queues';
  return now.room ? 'by itself' : 'with full transmit rings';
}

function burstDifference(
  ir: Ir,
  burst: { readonly first: number; readonly n: number },
  frames: readonly TestFrame[],
): Diagnostic {
  const port = ir.ports[frames[burst.first]!.port]!;
  return report(
    port.origin,
    `${burst.n} frames that come in together on port ${port.name} are not treated as one by one: ${frames
      .slice(burst.first, burst.first + burst.n)
      .map((frame) => hex(frame.bytes))
      .join(' ')}`,
  );
}

function failed(ir: Ir, { code, errors }: Ran, frames: readonly TestFrame[]): Diagnostic {
  const text = errors.trim();
  const at = /^frame (\d+): (.*)/m.exec(text);
  const frame = at && frames[Number(at[1])];
  if (at && frame) {
    const port = ir.ports[frame.port]!;
    return report(
      port.origin,
      `the forwarder failed (${at[2]}) at a frame from port ${port.name}: ${hex(frame.bytes)}`,
    );
  }
  return {
    ...report(
      ir.router.origin,
      `the forwarder could not be tested: ${text || `the test ended with ${code}`}`,
    ),
    code: 'NM5008',
    fix:
      code === null || /^compiled for another engine/.test(text) ? 'build the engine: npm run build.' : bug,
  };
}

function report(origin: Origin, message: string): Diagnostic {
  return { code: 'NM5006', severity: 'error', origin, message, related: [], fix: bug };
}

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex');
}
