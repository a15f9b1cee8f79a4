/**
 * forwarder.json: what a generation is, for the daemon and for people. Local numbers are positions in its lists and
 * the numbers that the generated C uses.
 */
import { createHash } from 'node:crypto';
import { z } from 'zod';
import { puntClasses } from '../dsl/punt.js';
import { lookupReasons } from './lookup.js';

export const manifestVersion = 3;

const origin = z.object({ file: z.string(), line: z.number().int(), column: z.number().int() });
const hex = (digits: number) => z.string().regex(new RegExp(`^[0-9a-f]{${digits}}$`));

/** A filter of a device: what it does not say may be anything. */
const flow = z.object({
  queue: z.number().int(),
  family: z.union([z.literal(4), z.literal(6)]),
  protocol: z.number().int().optional(),
  /** Prefixes. */
  from: z.string().optional(),
  to: z.string().optional(),
  fromPort: z.number().int().optional(),
  toPort: z.number().int().optional(),
});

const port = z.object({
  local: z.number().int(),
  name: z.string(),
  spec: z.string(),
  fallback: z.enum(['kernel', 'drop']),
  offloadsOff: z.array(z.string()),
  busyPoll: z.boolean(),
  /** Of interrupts; absent: nothing was said. */
  affinity: z.enum(['worker', 'leave']).optional(),
  /** Receive queues that netmill takes; absent: all. */
  queues: z.array(z.number().int()).optional(),
  flows: z.array(flow).optional(),
  origin,
});

const logicalInterface = z.object({
  local: z.number().int(),
  name: z.string(),
  /** Local number of its port. */
  port: z.number().int(),
  /** Outermost first. */
  tags: z.array(z.object({ tpid: z.number().int(), vid: z.number().int() })),
  /** Bytes of an IP packet; 0: the port's. */
  mtu: z.number().int(),
  host: z.enum(['auto', 'tap', 'none']),
  /** Of its port. */
  fallback: z.enum(['kernel', 'drop']),
  /** With length: 192.0.2.1/24. */
  addresses: z.array(z.string()),
  in: z.string().optional(),
  out: z.string().optional(),
  pbr: z.string().optional(),
  urpf: z.enum(['strict', 'loose']).optional(),
  origin,
});

const rule = z.object({
  local: z.number().int(),
  /** 64-bit identity: counters belong to it across generations. */
  id: hex(16),
  list: z.string(),
  listKind: z.enum(['acl', 'pbr']),
  /** Of what it judges: an ACL on both sides of interfaces is two lists, with counters of their own. */
  direction: z.enum(['in', 'out']),
  /** Position in its list, from 1; 0 for what the default takes. */
  position: z.number().int(),
  /** Logical interfaces that the list is on. */
  interfaceNames: z.array(z.string()),
  /** The policy line. */
  text: z.string(),
  origin,
  action: z.enum(['allow', 'deny', 'reject', 'nexthop']),
  /** Where a nexthop rule diverts packets to, of both families: `192.0.2.1*3 192.0.2.2 or 192.0.2.9 or drop`. */
  way: z.string().optional(),
  /** What it does besides, in words. */
  treatment: z.array(z.string()).optional(),
  /** As given by `.id()`. */
  name: z.string().optional(),
  why: z.string().optional(),
  counter: z.string().optional(),
  logPerSecond: z.number().int().optional(),
  owner: z.string().optional(),
  ticket: z.string().optional(),
  expires: z.string().optional(),
});

/** A set that changes at run time. */
const runtimeSet = z.object({
  local: z.number().int(),
  name: z.string(),
  families: z.array(z.union([z.literal(4), z.literal(6)])),
  /** What it holds at first, relative to the policy; absent: nothing. */
  file: z.string().optional(),
  /** How many prefixes that is at least, and SHA-256 of the file beside this one that has it as the engine reads it. */
  initialPrefixes: z.number().int(),
  initialHash: hex(64),
  origin,
});

export const manifestSchema = z.object({
  version: z.literal(manifestVersion),
  /** MILL_ABI_VERSION and MILL_LAYOUT that the forwarder was compiled with. */
  abi: z.number().int(),
  layout: z.number().int(),
  router: z.string(),
  policy: z.string(),
  policyHash: hex(64),
  sequence: z.number().int(),
  /** File name of the shared object, beside this file, and SHA-256 of its contents. */
  forwarder: z.string(),
  forwarderHash: hex(64),
  compiler: z.object({ name: z.string(), version: z.string(), flags: z.array(z.string()) }),
  /** What `auto` was resolved to, too. */
  lookup: z.enum(['flat', 'radix', 'dxr']),
  /** Who decided: the policy, or the size of the kernel's tables, or what was assumed of it. */
  lookupReason: z.enum(lookupReasons),
  eventMode: z.enum(['poll', 'busy', 'adaptive']),
  /** Packets a second for the host stack, by class. */
  punt: z.record(z.enum(puntClasses), z.number().int()),
  ports: z.array(port),
  interfaces: z.array(logicalInterface),
  /** `rings`: ring numbers by port name; absent: dealt out. */
  workers: z.array(
    z.object({
      core: z.number().int().optional(),
      rings: z.record(z.string(), z.array(z.number().int())).optional(),
    }),
  ),
  /** By local number, each of one family: `192.0.2.1`, `192.0.2.1*3 192.0.2.2 or 192.0.2.9`. */
  gateways: z.array(z.string()),
  /** By local number. */
  sets: z.array(runtimeSet),
  /** By local number. */
  rules: z.array(rule),
  routes: z.array(z.object({ prefix: z.string(), gateway: z.string(), origin })),
  daemon: z.object({
    pidfile: z.string(),
    socket: z.object({ path: z.string(), mode: z.number().int() }),
    maxClients: z.number().int(),
    routeDumpFile: z.string(),
    arpMaxTries: z.number().int(),
    audit: z.number().int(),
    fpm: z.object({ host: z.string(), port: z.number().int(), grace: z.number().int() }).optional(),
    tables: z.array(z.number().int()),
  }),
});

export type Manifest = z.infer<typeof manifestSchema>;

function digestOf(manifest: object): string {
  return createHash('sha256').update(JSON.stringify(manifest)).digest('hex');
}

/** With the SHA-256 of everything else in it, so that a file edited after the build is not taken for what was built. */
export function formatManifest(manifest: Manifest): string {
  return `${JSON.stringify({ ...manifest, digest: digestOf(manifest) }, undefined, 2)}\n`;
}

/** @throws Error when the text is not a manifest of this version, or not as it was written */
export function parseManifest(text: string): Manifest {
  const { digest, ...rest } = JSON.parse(text) as { digest?: unknown };
  const manifest = manifestSchema.parse(rest);
  const found = digestOf(rest);
  if (found !== digest)
    throw new Error(`it was changed after the build: its digest is ${found}, not ${digest}`);
  return manifest;
}
