/** A bundle: the directory that a build writes. Its manifest is read, checked, and put into the runtime's words. */
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { z } from 'zod';
import { type Manifest, parseManifest } from '../../codegen/manifest.js';
import { policyFile } from '../../codegen/policy-json.js';
import { initialSetFile } from '../../codegen/sets/image.js';
import { builtinOrigin } from '../../dsl/origin.js';
import { errnoOf, MillError, messageOf } from '../errors.js';
import type { Plan } from './plan.js';

export interface Bundle {
  readonly dir: string;
  readonly plan: Plan;
  /** Absolute path of the shared object. */
  readonly forwarder: string;
  readonly abi: number;
  readonly layout: number;
  /** What belongs to the bundle in `dir`, by name. */
  readonly files: readonly string[];
}

export const MANIFEST = 'forwarder.json';
const SOURCE = 'forwarder.c';

/** @throws MillError `policy` when it is no bundle, or not the one that its manifest describes */
export function readBundle(dir: string): Bundle {
  const manifest = readManifest(join(dir, MANIFEST));
  const forwarder = join(dir, basename(manifest.forwarder));
  const found = hashOf(forwarder);
  if (found !== manifest.forwarderHash) {
    throw new MillError(
      'policy',
      `${forwarder} is not what its manifest describes: expected SHA-256 ${manifest.forwarderHash}, got ${found}`,
      'build it again',
    );
  }
  for (const set of manifest.sets) checkSet(dir, set);
  const more = [SOURCE, policyFile].filter((name) => existsSync(join(dir, name)));
  const files = [
    MANIFEST,
    basename(forwarder),
    ...manifest.sets.map((set) => initialSetFile(set.name)),
    ...more,
  ];
  return { dir, plan: planOf(manifest), forwarder, abi: manifest.abi, layout: manifest.layout, files };
}

/** What it holds at first. */
function checkSet(dir: string, { name, initialHash }: Manifest['sets'][number]): void {
  const path = join(dir, initialSetFile(name));
  const found = hashOf(path);
  if (found === initialHash) return;
  throw new MillError(
    'policy',
    `${path} is not what the manifest describes: expected SHA-256 ${initialHash}, got ${found}`,
    'build it again',
  );
}

function readManifest(path: string): Manifest {
  try {
    return parseManifest(readFileSync(path, 'utf8'));
  } catch (error) {
    if (errnoOf(error) === 'ENOENT')
      throw new MillError(
        'policy',
        `no bundle: ${path} is missing`,
        'build one: netmill build POLICY -o DIR',
      );
    throw new MillError(
      'policy',
      `${path} is no manifest of this netmill: ${whatIsWrong(error)}`,
      'build the policy again, with the netmill that runs here',
    );
  }
}

/** The first of what may be a screenful. */
function whatIsWrong(error: unknown): string {
  if (!(error instanceof z.ZodError)) return messageOf(error);
  const [first, ...others] = error.issues;
  const more = others.length > 0 ? ` (and ${others.length} more)` : '';
  return `${first!.path.join('.')}: ${first!.message}${more}`;
}

function hashOf(path: string): string {
  try {
    return createHash('sha256').update(readFileSync(path)).digest('hex');
  } catch (error) {
    const why = errnoOf(error) === 'ENOENT' ? `${path} is missing` : messageOf(error);
    throw new MillError('policy', `no bundle: ${why}`, 'build it again');
  }
}

export function planOf(manifest: Manifest): Plan {
  const judges = manifest.interfaces.some((iface) => iface.out !== undefined);
  const place = ({ file, line, column }: Manifest['rules'][number]['origin']): string =>
    file === builtinOrigin.file ? 'built in' : `${file}:${line}:${column}`;
  return {
    router: manifest.router,
    policyHash: manifest.policyHash,
    eventMode: manifest.eventMode,
    punt: manifest.punt,
    lookup: manifest.lookup,
    lookupReason: manifest.lookupReason,
    ports: manifest.ports.map(({ name, spec, fallback, offloadsOff, busyPoll, affinity, queues, flows }) => ({
      name,
      spec,
      fallback,
      offloadsOff,
      busyPoll,
      affinity: affinity ?? 'auto',
      queues: queues ?? [],
      flows: flows ?? [],
    })),
    interfaces: manifest.interfaces.map((iface) => ({
      name: iface.name,
      port: manifest.ports[iface.port]!.name,
      tags: iface.tags,
      addresses: iface.addresses,
      mtu: iface.mtu > 0 ? iface.mtu : undefined,
      host: iface.host,
      guarded: judges || iface.in !== undefined || iface.pbr !== undefined,
    })),
    workers: manifest.workers.map(({ core, rings }) => ({ core, rings })),
    routes: manifest.routes.map(({ prefix, gateway }) => ({ prefix, gateway })),
    gateways: manifest.gateways,
    sets: manifest.sets.map(({ name, families, origin }) => ({ name, families, origin: place(origin) })),
    rules: manifest.rules.map((rule) => ({
      id: rule.id,
      name: rule.name,
      text: rule.why ?? rule.text,
      list: rule.list,
      direction: rule.direction,
      action: rule.way === undefined ? rule.action : `${rule.action} ${rule.way}`,
      origin: place(rule.origin),
      treatment: rule.treatment ?? [],
      counter: rule.counter,
      owner: rule.owner,
      ticket: rule.ticket,
      expires: rule.expires,
    })),
    daemon: manifest.daemon,
  };
}
