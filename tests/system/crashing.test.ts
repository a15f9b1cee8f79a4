/*
 * Generations whose code kills the engine. Topology: support/line.ts. What netmill made of a policy is compiled once more with
 * a trap in it, so that all else about the bundle is as it should be.
 */
import { createHash } from 'node:crypto';
import { cpSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { execa } from 'execa';
import { compilerFlags, includeFlags, linkFlags } from '../../codegen/compiler.js';
import { formatManifest } from '../../codegen/manifest.js';
import type { GenerationReply } from '../../runtime/control/types.js';
import { engineBinary } from '../../runtime/paths.js';
import { behind, Line, macs, own } from '../support/line.js';
import { built, Netmill } from '../support/netmill.js';
import { until } from '../support/netns.js';
import { systemTest } from '../support/system-test.js';
import type { Traffic } from '../support/traffic.js';
import { numbered } from './policies.js';

const receives = 'while ((p = mill_burst_next(&burst)) != NULL)';
/** What is IPv4 is the end: ARP and what IPv6 says by itself are not. */
const trap = 'if (p->frame[12] == 8 && p->frame[13] == 0) __builtin_trap(); else';

async function deadly(line: Line, policy: string): Promise<string> {
  const dir = join(line.lab.directory, 'deadly');
  cpSync(await built(policy), dir, { recursive: true });
  const at = (name: string) => join(dir, name);
  const { digest: _, ...manifest } = JSON.parse(readFileSync(at('forwarder.json'), 'utf8'));
  const source = readFileSync(at('forwarder.c'), 'utf8');
  writeFileSync(at('forwarder.c'), source.replaceAll(receives, `${receives} ${trap}`));
  const files = [at('forwarder.c'), ...linkFlags(), '-o', at(manifest.forwarder)];
  await execa('gcc', [...compilerFlags(), ...includeFlags(), ...files]);
  const code = readFileSync(at(manifest.forwarder));
  const forwarderHash = createHash('sha256').update(code).digest('hex');
  writeFileSync(at('forwarder.json'), formatManifest({ ...manifest, forwarderHash }));
  return dir;
}

function crashTest(title: string, body: (t: ExecutionContext, line: Line) => Promise<void>): void {
  systemTest(
    title,
    async (t) => {
      const line = await Line.create();
      try {
        await body(t, line);
      } finally {
        await line.close();
      }
    },
    { seconds: 90 },
  );
}

/** IPv4 to behind the server. */
async function flowing({ client }: { readonly client: Traffic }, rate: number): Promise<void> {
  await client.flow({ id: 1, src: own.client.v4, dst: behind.server.v4, dmac: macs.r0 });
  await client.start(rate);
}

async function running(netmill: Netmill): Promise<GenerationReply | undefined> {
  const status = await netmill.status().catch(() => undefined);
  if (status === undefined || !status.fib.synced || status.engine.pid === 0) return undefined;
  const all = await netmill.json<readonly GenerationReply[]>('generations');
  return all.find((one) => one.state === 'running');
}

for (const rate of [10, 5000])
  crashTest(
    `a generation that dies of what comes ${rate} times a second gives way to the one before, which has all ports`,
    async (t, line) => {
      const netmill = await Netmill.start(line.lab, line.router, await built(numbered(0)));
      const bad = await deadly(line, numbered(1, ['provider']));
      await line.warm();
      const ends = await line.traffic();
      await flowing(ends, rate);
      // An engine that dies while it is asked does not answer.
      await netmill.deploy(bad).catch(() => undefined);
      await until('the first generation to run', async () => (await running(netmill))?.generation === 1);
      const arrived = async () => (await ends.server.stats()).flows.find(({ id }) => id === 1)?.unique ?? 0;
      const before = await arrived();
      await until('packets to be forwarded again', async () => (await arrived()) > before + 5);
      t.is((await running(netmill))?.generation, 1);
      const next = await netmill.deploy(await built(numbered(2)));
      t.is(next.previous, 1);
    },
  );

crashTest(
  'a generation that dies, and has none before it, is tried until it lives, and is still of its policy',
  async (t, line) => {
    const bad = await deadly(line, numbered(0));
    const netmill = await Netmill.start(line.lab, line.router, bad);
    const ends = await line.traffic();
    await flowing(ends, 20);
    await until(
      'engines to die',
      async () => (netmill.logs().match(/generation \d+ runs/g) ?? []).length > 2,
    );
    await ends.client.stop();
    await until('an engine that lives', async () => (await running(netmill)) !== undefined);
    t.is((await running(netmill))?.source, bad);
    t.notRegex(netmill.logs(), /another XDP program/);
  },
);

crashTest('an engine that waits to adopt, and whose daemon has died, is in nobody’s way', async (t, line) => {
  const log = join(line.lab.directory, 'orphan.log');
  const script = '"$0" --rundir "$5" --adopt >"$ORPHAN_LOG" 2>&1 & sleep 0.5; exec "$@"';
  const wrapper = ['env', `ORPHAN_LOG=${log}`, 'sh', '-c', script, engineBinary];
  const netmill = await Netmill.start(line.lab, line.router, await built(numbered(0)), wrapper);
  t.is((await running(netmill))?.generation, 1);
  t.regex(readFileSync(log, 'utf8'), /nothing was adopted: stopping\nstopped/);
});
