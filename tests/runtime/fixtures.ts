/** A bundle on disk, and as much of the addon as deploying asks for: an engine that keeps two generations. */
import { createHash } from 'node:crypto';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ExecutionContext } from 'ava';
import { formatManifest, type Manifest } from '../../codegen/manifest.js';
import { planOf } from '../../runtime/deploy/bundle.js';
import type { Plan } from '../../runtime/deploy/plan.js';
import type { EngineConfiguration, EngineLink, Link, StateView } from '../../runtime/native.js';

const origin = { file: 'edge.ts', line: 3, column: 5 };

export function manifest(change: Partial<Manifest> = {}): Manifest {
  const port = (local: number, name: string, spec: string): Manifest['ports'][number] => ({
    local,
    name,
    spec,
    fallback: 'drop',
    offloadsOff: [],
    busyPoll: false,
    queues: [],
    flows: [],
    origin,
  });
  const iface = (
    local: number,
    name: string,
    at: number,
    tags: number[],
  ): Manifest['interfaces'][number] => ({
    local,
    name,
    port: at,
    tags: tags.map((vid) => ({ tpid: 0x8100, vid })),
    mtu: 0,
    host: 'auto',
    fallback: 'drop',
    addresses: [],
    origin,
  });
  return {
    version: 3,
    abi: 1,
    layout: 7,
    router: 'edge',
    policy: 'edge.ts',
    policyHash: 'a'.repeat(64),
    sequence: 1,
    forwarder: 'fwd-1-x.so',
    forwarderHash: '0'.repeat(64),
    compiler: { name: 'gcc', version: '12', flags: [] },
    lookup: 'flat',
    lookupReason: 'policy',
    eventMode: 'adaptive',
    punt: { bgp: 10_000, ospf: 5000, arp: 2500, nd: 2500, local: 20_000, ttl: 1000, exception: 7 },
    ports: [port(0, 'wan', 'xdp:eth0'), port(1, 'lan', 'eth1')],
    interfaces: [iface(0, 'wan', 0, []), iface(1, 'lan.office', 1, [100])],
    workers: [{}],
    gateways: [],
    sets: [],
    rules: [],
    routes: [],
    daemon: {
      pidfile: '/run/x.pid',
      socket: { path: '/run/x.sock', mode: 0o660 },
      maxClients: 10,
      routeDumpFile: '/tmp/dump',
      arpMaxTries: 5,
      audit: 60,
      tables: [255, 254],
    },
    ...change,
  };
}

export const plan = (change: Partial<Manifest> = {}): Plan => planOf(manifest(change));

export function rule(local: number, id: string): Manifest['rules'][number] {
  return {
    local,
    id,
    list: 'from-wan',
    listKind: 'acl',
    direction: 'in',
    position: local + 1,
    interfaceNames: ['wan'],
    text: 'deny()',
    origin,
    action: 'deny',
  };
}

/** Writes a bundle whose shared object is `code`. */
export function writeBundle(dir: string, change: Partial<Manifest> = {}, code = 'code'): string {
  mkdirSync(dir, { recursive: true });
  const made = manifest({ forwarderHash: createHash('sha256').update(code).digest('hex'), ...change });
  writeFileSync(join(dir, made.forwarder), code);
  writeFileSync(join(dir, 'forwarder.c'), '/* C */\n');
  writeFileSync(join(dir, 'forwarder.json'), formatManifest(made));
  return dir;
}

export function link(change: Partial<Link> & Pick<Link, 'ifindex' | 'name'>): Link {
  return {
    mac: `02:00:00:00:00:0${change.ifindex}`,
    mtu: 1500,
    up: true,
    carrier: true,
    addresses: [],
    kind: 'veth',
    parent: 0,
    vlan: undefined,
    ...change,
  };
}

/** Slots by first use, as the addon gives them. */
export function slots(): Pick<StateView, 'portSlot' | 'interfaceSlot' | 'ruleSlots'> {
  const given = (): ((name: string) => number) => {
    const known = new Map<string, number>();
    return (name) => {
      if (!known.has(name)) known.set(name, known.size);
      return known.get(name)!;
    };
  };
  const rules = given();
  return { portSlot: given(), interfaceSlot: given(), ruleSlots: (ids) => ids.map(rules) };
}

export interface FakeEngine extends EngineLink {
  readonly said: string[];
  /** What the next call of that name fails with. */
  fail: { prepare?: Error; commit?: Error };
  readonly prepared: Map<number, EngineConfiguration>;
}

/** Prepares, commits and keeps two generations, and notes what it was asked. */
export function fakeEngine(): FakeEngine {
  const prepared = new Map<number, EngineConfiguration>();
  const said: string[] = [];
  let running = 0;
  let retained: number[] = [];
  const failing = (engine: FakeEngine, name: 'prepare' | 'commit'): void => {
    const error = engine.fail[name];
    delete engine.fail[name];
    if (error) throw error;
  };
  const state = {
    ...slots(),
    port: () => ({ up: true, mac: '02:00:00:00:00:ff', rxRings: 2 }),
  } as unknown as StateView;
  const engine: Partial<FakeEngine> = {
    said,
    fail: {},
    prepared,
    state,
    pid: 1,
    setInterface: async () => undefined,
    prepare: async (config) => {
      said.push(`prepare ${config.generation}`);
      failing(engine as FakeEngine, 'prepare');
      prepared.set(config.generation, config);
    },
    commit: async (generation, expected) => {
      said.push(`commit ${generation} in place of ${expected}`);
      failing(engine as FakeEngine, 'commit');
      retained = [running, ...retained].filter((one) => one > 0 && one !== generation).slice(0, 2);
      running = generation;
    },
    putSet: async () => undefined,
    dropSet: async () => undefined,
    sets: () => [],
    readSet: () => undefined,
    discard: async (generation) => {
      said.push(`discard ${generation}`);
      prepared.delete(generation);
    },
    runningConfiguration: () => prepared.get(running)!,
  };
  Object.defineProperty(engine, 'running', { get: () => running });
  Object.defineProperty(engine, 'retained', { get: () => retained });
  return engine as FakeEngine;
}

/** A directory that goes with the test. */
export function scratch(t: ExecutionContext): string {
  const dir = mkdtempSync(join(tmpdir(), 'netmill-deploy-'));
  t.teardown(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}
