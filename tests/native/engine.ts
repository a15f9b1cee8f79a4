/** A real engine in a test's namespace, with nothing to forward but what the test prepares. */
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { EngineConfiguration } from '../../runtime/native.js';
import type { Lab, Node } from '../support/netns.js';

const root = fileURLToPath(new URL('../../..', import.meta.url));

export interface TestEngine {
  readonly socket: string;
  readonly pid: number;
  kill(): Promise<void>;
}

/** @param environment `NAME=value` */
export async function startEngine(
  lab: Lab,
  node: Node,
  name: string,
  flags: readonly string[] = [],
  environment: readonly string[] = [],
): Promise<TestEngine> {
  const rundir = join(lab.directory, name);
  const socket = join(rundir, 'engine.sock');
  await mkdir(rundir, { recursive: true });
  const program = join(root, 'runtime/engine/build/netmill-engine');
  const args = ['--rundir', rundir, '--buffers', '16384', ...flags];
  const child = lab.own(node.start('env', [...environment, program, ...args]));
  for (let i = 0; i < 500 && !existsSync(socket); i++) await delay(10);
  if (!existsSync(socket)) throw new Error(`the engine did not start: ${(await child).stderr}`);
  return {
    socket,
    pid: child.pid!,
    kill: async () => {
      child.kill('SIGKILL');
      await child;
    },
  };
}

/** An engine finds no memory for larger tables while `file` exists: the environment that does it. */
export function refusingMemory(lab: Lab, file: string): readonly string[] {
  const library = join(lab.directory, 'refuse.so');
  execFileSync('gcc', ['-O1', '-shared', '-fPIC', '-o', library, join(root, 'tests/native/refuse.c')]);
  return [`LD_PRELOAD=${library}`, `REFUSE_MEMORY=${file}`];
}

/** The forwarder of the engine's own tests: two ports, each sends to the other. */
export function buildForwarder(lab: Lab): string {
  const output = join(lab.directory, 'forwarder.so');
  const include = ['runtime', 'runtime/engine/include', 'runtime/engine', 'tests/engine'].map(
    (d) => `-I${join(root, d)}`,
  );
  execFileSync('gcc', [
    '-O1',
    '-shared',
    '-fPIC',
    ...include,
    '-o',
    output,
    join(root, 'tests/engine/forwarder_swap2.c'),
  ]);
  return output;
}

export function pipeConfiguration(generation: number): EngineConfiguration {
  const names = ['left', 'right'];
  return {
    generation,
    eventMode: 'poll',
    lookup: 'flat',
    neighbourTries: 3,
    puntRates: [7, 6, 5, 4, 3, 2, 1],
    policyHash: '0'.repeat(64),
    ports: names.map((name, slot) => ({
      name,
      spec: `pipe:${name}`,
      slot,
      fallback: 'drop',
      offloadsOff: slot === 0 ? ['gro', 'txvlan'] : [],
      busyPoll: slot === 0,
      affinity: slot === 0 ? 'leave' : 'auto',
      queues: slot === 0 ? [1, 3] : [],
      flows:
        slot === 0
          ? [
              { queue: 3, family: 4, protocol: 17, to: '10.1.0.0/16', fromPort: 1024, toPort: 53 },
              { queue: 1, family: 6, from: '2001:db8::/32' },
            ]
          : [],
    })),
    interfaces: names.map((name, slot) => ({
      name,
      slot,
      port: slot,
      tags:
        slot === 0
          ? []
          : [
              { tpid: 0x88a8, vid: 7 },
              { tpid: 0x8100, vid: 9 },
            ],
      mtu: 1400 + slot,
      host: 'none',
      hostName: '',
      addresses: [],
    })),
    workers: [{ core: -1, rings: [1, 1] }],
    ruleSlots: [5, 6],
    gatewaySlots: [],
    sets: [],
  };
}
