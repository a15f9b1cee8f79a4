/**
 * Runs inside a network namespace and calls the addon for a test: one JSON request a line on standard input, one
 * answer a line on standard output. `{ target: 'rib' | 'link' | 'state' | 'kernel' | 'agent', method, args }`.
 */
import { createInterface } from 'node:readline';
import {
  type AuditReport,
  type EngineConfiguration,
  type EngineLink,
  type EngineNotice,
  native,
  type Rib,
} from '../../runtime/native.js';

export interface Request {
  readonly target: string;
  readonly method: string;
  readonly args: readonly unknown[];
}

/** Questions under way: the engine hangs up on who asks and does not read. */
const AT_ONCE = 256;

const addon = native();
const rib: Rib = addon.createRib({
  receiveBuffer: Number(process.argv[2] ?? 1 << 25),
  arpMaxTries: 3,
  audit: 0,
  tables: [255, 254],
});
let link: EngineLink | undefined;
let old: EngineLink | undefined;
const notices: EngineNotice[] = [];
const audits: AuditReport[] = [];
rib.onAudit((report) => audits.push(report));
let linkChanges = 0;
rib.onLinks(() => linkChanges++);

function watch(next: EngineLink): EngineLink {
  next.onNotice((notice) => notices.push(notice));
  return next;
}

const threeAnswers = async (address: string) => ({
  address,
  rib: rib.lookup(address),
  kernel: await rib.kernelLookup(address),
  compiled: await link?.lookup(address),
});

const agent: Record<string, (...args: never[]) => unknown> = {
  connect: async (path: string) => {
    link = watch(await addon.connectEngine(path));
    return link.pid;
  },
  attach: () => rib.attach(link),
  detach: () => rib.attach(undefined),
  adopt: async (path: string) => {
    old = link;
    link = watch(await link!.adoptInto(path));
    return link.pid;
  },
  releaseOld: () => old?.release(),
  notices: () => notices.splice(0),
  linkChanges: () => linkChanges,
  pid: () => process.pid,
  audits: () => audits.splice(0),
  prepare: (config: EngineConfiguration, path: string) => link!.prepare(config, path),
  facts: () => ({
    pid: link!.pid,
    running: link!.running,
    retained: link!.retained,
    workers: link!.state.workers,
    adopted: link!.state.adopted,
    aclEnabled: link!.state.aclEnabled,
  }),
  /** The answers of RIB, kernel and (when connected) compiled FIB for each address. */
  ask: async (addresses: readonly string[]) => {
    const answers: unknown[] = [];
    for (let i = 0; i < addresses.length; i += AT_ONCE)
      answers.push(...(await Promise.all(addresses.slice(i, i + AT_ONCE).map(threeAnswers))));
    return answers;
  },
  /** The gateways that the engine alone sends each address to, with commas between; none: nowhere. */
  compiled: async (addresses: readonly string[]) => {
    const said: string[] = [];
    for (let i = 0; i < addresses.length; i += AT_ONCE) {
      const answers = addresses.slice(i, i + AT_ONCE).map((address) => link!.lookup(address));
      for (const { legs } of await Promise.all(answers)) said.push(legs.map((leg) => leg.nexthop).join());
    }
    return said;
  },
};

const targets: Record<string, () => unknown> = {
  rib: () => rib,
  link: () => link,
  state: () => link!.state,
  kernel: () => addon.kernel,
  agent: () => agent,
};

const plain = (_: string, value: unknown): unknown => (typeof value === 'bigint' ? `${value}n` : value);

for await (const line of createInterface({ input: process.stdin })) {
  const { target, method, args } = JSON.parse(line) as Request;
  const object = targets[target]!() as Record<string, (...args: readonly unknown[]) => unknown>;
  try {
    const value = await object[method]!.call(object, ...args.map((a) => a ?? undefined));
    process.stdout.write(`${JSON.stringify({ value }, plain)}\n`);
  } catch (error) {
    const { message, code, syscall } = error as NodeJS.ErrnoException;
    process.stdout.write(`${JSON.stringify({ error: { message, code, syscall } })}\n`);
  }
}
rib.stop();
link?.release();
