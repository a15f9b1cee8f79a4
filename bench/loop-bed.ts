/** What the benchmarks in memory are run in: forwarders and their peers in one program, given the same packets, run by run in turn. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Router } from '../dsl/model.js';
import { station } from './loop-packets.js';
import {
  built,
  type Checked,
  type Counted,
  LoopProgram,
  make,
  makeForwarder,
  policyText,
  type Rate,
  writePackets,
  writeSetup,
} from './loop-program.js';
import { median } from './result.js';

const runs = 21; // short ones: what else happens on the machine lasts longer than a turn of them
export const whole = 64; // of a burst
const behind = '02:00:00:00:02:00';

export interface Bed {
  readonly directory: string;
  readonly say: (text: string) => void;
}

/** Everything that one policy's forwarders are compared by. */
export interface Trial {
  readonly name: string;
  readonly router: Router;
  readonly packets: readonly Buffer[];
  readonly table: string;
  readonly tags?: string;
  /** Names of bench/loop: they are compared with netmill's forwarder. */
  readonly others: readonly string[];
}

export async function open(bed: Bed, trial: Trial): Promise<LoopProgram> {
  const { directory } = bed;
  bed.say(`forward: ${trial.name}: forwarders`);
  await make('forward-loop', ...trial.others.map((one) => `${one}.so`));
  const made = await makeForwarder(directory, trial.name, trial.router);
  const [setup, packets, policy] = ['setup', 'packets', 'policy'].map((one) =>
    join(directory, `${trial.name}.${one}`),
  ) as [string, string, string];
  writeFileSync(policy, policyText(made.ir));
  await writePackets(packets, trial.packets);
  const faces = [
    { port: 0, mac: station, ...(trial.tags && { tags: trial.tags }) },
    { port: 1, mac: behind, ...(trial.tags && { tags: trial.tags }) },
  ];
  await writeSetup(setup, faces, [trial.table], policy);
  const others = trial.others.map((one) => `${one}=${built(`${one}.so`)}`);
  const program = new LoopProgram('forward-loop', [setup, packets, `netmill=${made.path}`, ...others]);
  const ours = await program.ask<Checked>(`check netmill ${whole}`);
  if (ours.packets !== ours.of)
    throw new Error(`${trial.name}: expected ${ours.of} packets to be forwarded, got ${ours.packets}`);
  for (const one of trial.others) {
    const theirs = await program.ask<Checked>(`check ${one} ${whole}`);
    if (theirs.sent !== ours.sent || theirs.counted !== ours.counted)
      throw new Error(`${trial.name}: '${one}' sends or counts other than netmill's forwarder`);
  }
  return program;
}

export interface Asked {
  readonly program: LoopProgram;
  readonly name: string;
}

/** Rates of all of them, run by run in turn, of packets that always come in one order or in one drawn for each round. */
export async function inTurn(
  asked: readonly Asked[],
  burst: number,
  order: 'run' | 'drawn' = 'run',
): Promise<Rate[][]> {
  const rates: Rate[][] = asked.map(() => []);
  for (let run = 0; run < runs; run++)
    for (const [i, { program, name }] of asked.entries())
      rates[i]!.push(await program.ask<Rate>(`${order} ${name} ${burst}`));
  return rates;
}

export const ratesOf = (all: readonly Rate[]) => all.map(({ rate }) => rate);
const ticksOf = (all: readonly Rate[]) => median(all.map(({ ticks }) => ticks))!;

/** Ticks of the time stamp counter and instructions, for one packet. */
export async function costs(
  { program, name }: Asked,
  all: readonly Rate[],
  prefix = '',
): Promise<Record<string, number>> {
  const { instructions, cycles } = await program.ask<Counted>(`count ${name} ${whole}`);
  return {
    [`${prefix}ticks`]: ticksOf(all),
    ...(instructions > 0 && { [`${prefix}instructions`]: instructions }),
    ...(cycles > 0 && { [`${prefix}cycles`]: cycles }),
  };
}
