/**
 * netmilld in a namespace, with a run directory of its own; the `netmill` command as a function, and the control
 * socket without the cost of starting a process. Daemon and engine can be killed one by one; both go with the lab at
 * the latest.
 */
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { rename, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { execa } from 'execa';
import { call } from '../../runtime/control/client.js';
import type { RequestBody } from '../../runtime/control/protocol.js';
import type {
  AclReply,
  CounterReply,
  DeployResult,
  RouteGetReply,
  StatusReply,
} from '../../runtime/control/types.js';
import { type Lab, type Node, type Run, sleep, until } from './netns.js';

const cliMain = fileURLToPath(new URL('../../runtime/cli/main.js', import.meta.url));
/** The `netmill` command, to be run by hand. */
export const cli = [process.execPath, cliMain] as const;
const daemonMain = fileURLToPath(new URL('../../runtime/daemon-main.js', import.meta.url));

let instances = 0;

export class Netmill {
  private daemon: ReturnType<Node['start']> | undefined;

  private constructor(
    private readonly lab: Lab,
    readonly node: Node,
    readonly rundir: string,
    private readonly source: string,
    /** Put before the daemon's command line, such as `['sh', '-c', '…; exec "$@"', 'sh']`. */
    private readonly wrapper: readonly string[],
  ) {}

  /** Starts daemon and engine. @param policy the text of a policy, or a file with one */
  static async start(
    lab: Lab,
    node: Node,
    policy: string,
    wrapper: readonly string[] = [],
  ): Promise<Netmill> {
    const rundir = join(lab.directory, `run-${++instances}`);
    mkdirSync(rundir, { mode: 0o755 });
    const netmill = new Netmill(lab, node, rundir, await asFile(lab, policy), wrapper);
    await netmill.startDaemon();
    return netmill;
  }

  get socket(): string {
    return join(this.rundir, 'netmill.sock');
  }

  /** Starts the daemon (again), and returns when it forwards and its routes are in step with the kernel's. */
  async startDaemon(): Promise<void> {
    this.launch();
    await this.ready();
  }

  /** Returns when the daemon that was launched forwards, and is in step with the kernel. */
  async ready(): Promise<void> {
    await until('netmilld to forward', () => this.isForwarding(), 60_000);
  }

  /** Starts the daemon and does not wait for it. */
  launch(): void {
    const line = [
      ...this.wrapper,
      process.execPath,
      daemonMain,
      '--foreground',
      '--rundir',
      this.rundir,
      this.source,
    ];
    this.daemon = this.lab.own(this.node.start(line[0]!, line.slice(1)));
  }

  private async isForwarding(): Promise<boolean> {
    const ended = this.daemon?.exitCode ?? this.daemon?.signalCode;
    if (ended !== null && ended !== undefined) {
      const { stderr } = await this.daemon!;
      throw new Error(`netmilld ended (${ended}): ${stderr}\n${this.logs()}`);
    }
    const status = await this.status().catch(() => undefined);
    return status !== undefined && status.generation.running > 0 && status.fib.synced;
  }

  /** The end of what the engine logged. */
  logs(): string {
    try {
      return `--- engine.log\n${readFileSync(join(this.rundir, 'engine.log'), 'utf8').slice(-4000)}`;
    } catch {
      return '--- engine.log: none';
    }
  }

  /** `netmill ARGS`, whatever comes of it. */
  async run(...args: readonly string[]): Promise<Run> {
    return this.node.try(process.execPath, cliMain, '-s', this.socket, ...args);
  }

  /** The same, and what it says goes to a file: more than a test would keep in memory. */
  async runInto(file: string, ...args: readonly string[]): Promise<Run> {
    const command = [process.execPath, cliMain, '-s', this.socket, ...args];
    return this.node.try('sh', '-c', 'file=$1; shift; exec "$@" > "$file"', 'sh', file, ...command);
  }

  /** `netmill ARGS --json`; a failure is an error. */
  async json<T>(...args: readonly string[]): Promise<T> {
    const result = await this.run(...args, '--json');
    if (result.code !== 0) {
      throw new Error(
        `netmill ${args.join(' ')} ended with ${result.code}: ${result.stderr}${result.stdout}`,
      );
    }
    return JSON.parse(result.stdout) as T;
  }

  /** Deploys build, which takes its time; everything else has to answer soon. */
  async call<T>(body: RequestBody): Promise<T> {
    const limit = AbortSignal.timeout(body.op === 'deploy' ? 60_000 : 10_000);
    try {
      return await call<T>(body, { socket: this.socket, signal: limit });
    } catch (error) {
      if (limit.aborted) throw new Error(`netmilld did not answer to ${JSON.stringify(body)} in time`);
      throw error;
    }
  }

  status(): Promise<StatusReply> {
    return this.call<StatusReply>({ op: 'status' });
  }

  counters(): Promise<CounterReply> {
    return this.call<CounterReply>({ op: 'counter' });
  }

  rules(): Promise<AclReply> {
    return this.call<AclReply>({ op: 'acl.list' });
  }

  route(address: string): Promise<RouteGetReply> {
    return this.call<RouteGetReply>({ op: 'route.get', address });
  }

  /** @param policy the text of a policy, a file with one, or a directory that `netmill build` made */
  async deploy(policy: string): Promise<DeployResult> {
    return this.call<DeployResult>({ op: 'deploy', path: await asFile(this.lab, policy) });
  }

  rollback(generation?: number): Promise<DeployResult> {
    return this.call<DeployResult>({ op: 'rollback', ...(generation === undefined ? {} : { generation }) });
  }

  async enginePid(): Promise<number> {
    return (await this.status()).engine.pid;
  }

  /** SIGKILL at this instant; the engine goes on. */
  async killDaemon(): Promise<void> {
    const daemon = this.daemon!;
    daemon.kill('SIGKILL');
    await daemon;
  }

  signalDaemon(signal: NodeJS.Signals): void {
    this.daemon?.kill(signal);
  }

  /** SIGTERM: ports go back to the kernel, daemon and engine end. @returns what the daemon said */
  async stop(): Promise<string> {
    const daemon = this.daemon!;
    daemon.kill('SIGTERM');
    const ended = await Promise.race([daemon, sleep(15_000)]);
    if (!ended) throw new Error('netmilld did not stop within 15 s');
    return `${ended.stderr}`;
  }
}

async function asFile(lab: Lab, policy: string): Promise<string> {
  return policy.includes('\n') ? writePolicy(lab, `policy-${++instances}`, policy) : policy;
}

export async function writePolicy(lab: Lab, name: string, text: string): Promise<string> {
  const file = join(lab.directory, `${name}.ts`);
  await writeFile(file, text);
  return file;
}

const bundles = new Map<string, Promise<string>>();

/**
 * The bundle of a policy, for tests that only start from it: built once, it makes a start twice as fast. Once for all files of a
 * run, where tests/run.ts says where to keep them.
 * @param policy its text
 */
export function built(policy: string): Promise<string> {
  const bundle = bundles.get(policy) ?? bundleOf(policy);
  bundles.set(policy, bundle);
  return bundle;
}

async function bundleOf(policy: string): Promise<string> {
  const kept = process.env.NETMILL_TEST_BUNDLES;
  const name = kept && join(kept, createHash('sha256').update(policy).digest('hex'));
  if (name && existsSync(name)) return name;
  const directory = mkdtempSync(join(kept ?? tmpdir(), 'nmbundle-'));
  if (!kept) process.once('exit', () => rmSync(directory, { recursive: true, force: true }));
  const file = join(directory, 'policy.ts');
  const bundle = join(directory, 'bundle');
  await writeFile(file, policy);
  const result = await build(file, bundle);
  if (result.code !== 0) throw new Error(`netmill build ended with ${result.code}: ${result.stderr}`);
  if (!name) return bundle;
  // Whole or not at all; another file's, which was there first, is as good.
  await rename(bundle, name).catch(() => undefined);
  return existsSync(name) ? name : bundle;
}

/** `netmill build FILE`, without a daemon. */
export async function build(file: string, out: string): Promise<Run> {
  const result = await execa(process.execPath, [cliMain, 'build', file, '-o', out, '--json'], {
    reject: false,
  });
  return { stdout: result.stdout, stderr: result.stderr, code: result.exitCode ?? 255 };
}
