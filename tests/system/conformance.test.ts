/**
 * Each clause of RFC 1812, RFC 8200, RFC 4443 and RFC 4861 that a router which forwards must meet, on packets of its own:
 * what comes out is held against the clause, and then, byte by byte, against what comes out of a kernel router that got
 * the same. At last packets are drawn. docs/conformance.md lists all of it, and where netmill does otherwise and why.
 */
import { setTimeout } from 'node:timers/promises';
import test from 'ava';
import fc from 'fast-check';
import { outcome } from '../support/compare.js';
import { behind, macs } from '../support/line.js';
import { ethernet } from '../support/packet.js';
import { systemTest } from '../support/system-test.js';
import { Traffic } from '../support/traffic.js';
import { type Bed, createBed, type Outcomes, routers, titles } from './conformance/bed.js';
import type { Came } from './conformance/came.js';
import type { Case, Clause } from './conformance/clause.js';
import { drawnFrames, drawnWithoutOptions } from './conformance/drawn.js';
import { ipv4Clauses } from './conformance/ipv4.js';
import { ipv6Clauses } from './conformance/ipv6.js';
import { localClauses } from './conformance/local.js';
import { answersOf, neighbourClauses } from './conformance/neighbours.js';
import { stateClauses } from './conformance/state.js';
import { type Crafted, crafted, data, largeTo } from './crafted.js';

const seed = 20261121;
/** Its source is told when nobody has answered for seconds: own-host.test.ts. */
const unresolved = 'IPv4 to 10.0.2.0, which the table forbids';
const clauses: readonly Clause[] = [...ipv4Clauses, ...ipv6Clauses, ...localClauses];
let standing: Promise<Bed> | undefined;

function bed(): Promise<Bed> {
  standing ??= createBed();
  return standing;
}

test.after.always(async () => (await standing?.catch(() => undefined))?.close());

function text(came: Came): string {
  const sorted = Object.entries(came).map(([wire, all]) => [
    wire,
    all.map((one) => one.toString('hex')).sort(),
  ]);
  return JSON.stringify(Object.fromEntries(sorted));
}

/** Frames that only the kernel sent, and those that only the other one did. */
function differences(kernel: Came, other: Came): readonly string[] {
  return (['client', 'server', 'provider'] as const).flatMap((wire) => {
    const [theirs, ours] = [kernel[wire], other[wire]].map((all) => all.map((one) => one.toString('hex')));
    const lacks = (all: string[], some: string[]) => {
      const left = [...all];
      return some.filter((one) => left.indexOf(one) < 0 || !left.splice(left.indexOf(one), 1));
    };
    return [
      ...lacks(ours!, theirs!).map((frame) => `not sent to ${wire}: ${frame}`),
      ...lacks(theirs!, ours!).map((frame) => `sent to ${wire} by it alone: ${frame}`),
    ];
  });
}

/** Lines that say what is wrong with one packet of a clause. */
function judge(one: Case, out: Outcomes): readonly string[] {
  const { packet, meets } = one;
  const wrong = routers.flatMap((kind) => {
    const expects = (kind === 'faceless' ? one.faceless : one.kernel)?.meets ?? meets;
    const why = expects(packet.frame, out[kind]);
    return why === undefined ? [] : [`${titles[kind]}: ${why}`];
  });
  const compared = one.kernel || one.faceless ? (['faced'] as const) : (['faced', 'faceless'] as const);
  const differ = compared.flatMap((kind) =>
    text(out[kind]) === text(out.kernel)
      ? []
      : [`the kernel: ${text(out.kernel)}\n  ${titles[kind]}: ${text(out[kind])}`],
  );
  return [...wrong, ...differ].map((line) => `${packet.name}, ${packet.frame.toString('hex')}\n  ${line}`);
}

for (const { cites, says, cases, late } of clauses)
  systemTest(
    `${cites}: ${says}`,
    async (t) => {
      const wrong: string[] = [];
      for (const one of cases) {
        const right = (out: Outcomes) => judge(one, out).length === 0;
        const frames = one.packet.pieces ?? [one.packet.frame];
        wrong.push(...judge(one, await (await bed()).outcomes(frames, right)));
      }
      if (late) await setTimeout(4000);
      t.is(wrong.join('\n'), '');
    },
    { seconds: 120 },
  );

for (const { cites, says, cases } of neighbourClauses)
  systemTest(`${cites}: ${says}`, async (t) => {
    const { routers: all } = await bed();
    const wrong: string[] = [];
    for (const { name, frame, meets, free } of cases) {
      const answers = await Promise.all(routers.map((kind) => answersOf(all[kind].ends, frame, meets)));
      for (const [i, answer] of answers.entries()) {
        const why = meets(answer);
        if (why !== undefined) wrong.push(`${name}: ${titles[routers[i]!]}: ${why}`);
        if (!free && answer.join() !== answers[0]!.join())
          wrong.push(`${name}: the kernel: ${answers[0]}; ${titles[routers[i]!]}: ${answer}`);
      }
    }
    t.is(wrong.join('\n'), '');
  });

for (const { cites, says, holds } of stateClauses)
  systemTest(
    `${cites}: ${says}`,
    async (t) => {
      t.is((await holds(await bed())).join('\n'), '');
    },
    { seconds: 60 },
  );

systemTest('IEEE 802.1AB, IEEE 802.1D: LLDP and spanning tree are left to the kernel', async (t) => {
  const { routers: all } = await bed();
  const frames = [
    ethernet('01:80:c2:00:00:0e', macs.c0, 0x88cc, data(46)),
    ethernet('01:80:c2:00:00:00', macs.c0, 0x0026, Buffer.concat([Buffer.from([0x42, 0x42, 3]), data(43)])),
  ];
  for (const kind of ['kernel', 'faced'] as const) {
    const { line, ends } = all[kind];
    const inside = await Traffic.on(line.lab, line.router, 'r0');
    await inside.capture();
    const out = await outcome(ends, frames);
    const seen = (got: readonly Buffer[]) => frames.filter((frame) => got.some((one) => one.equals(frame)));
    const got = await inside.captured((some) => seen(some).length === frames.length);
    t.is(seen(got).length, frames.length, titles[kind]);
    t.deepEqual(out, { client: [], server: [], provider: [] }, titles[kind]);
    await inside.quit();
  }
});

systemTest('every other crafted packet fares as with the kernel', async (t) => {
  const cited = new Set(clauses.flatMap(({ cases }) => cases.map(({ packet }) => packet.name)));
  const all: readonly Crafted[] = [...crafted, ...largeTo(behind.provider)];
  const rest = all.filter(({ name }) => !cited.has(name) && name !== unresolved);
  for (const { name, frame } of rest) {
    const right = (out: Outcomes) => text(out.faced) === text(out.kernel);
    const out = await (await bed()).outcomes([frame], right);
    t.is(text(out.faced), text(out.kernel), `${name}, ${frame.toString('hex')}`);
  }
});

for (const [kind, what, frames] of [
  ['faced', 'drawn packets', drawnFrames],
  ['faceless', 'drawn packets without options', drawnWithoutOptions],
] as const)
  systemTest(
    `${what} fare as with the kernel: ${titles[kind]}`,
    async (t) => {
      let came = 0;
      // What was sent before may still be answered: a host gives up on a neighbour after three seconds (RFC 4861 §7.2.2).
      await setTimeout(4000);
      const property = fc.asyncProperty(frames, async (some) => {
        const out = await (await bed()).outcomes(
          some,
          (out) => differences(out.kernel, out[kind]).length === 0,
        );
        came += out.kernel.client.length + out.kernel.server.length + out.kernel.provider.length;
        const differ = differences(out.kernel, out[kind]);
        if (differ.length > 0) throw new Error(differ.join('\n'));
      });
      await fc.assert(property, { seed, numRuns: 60, includeErrorInReport: true, endOnFailure: true });
      t.true(came > 300, `only ${came} frames came out`);
    },
    { seconds: 120 },
  );
