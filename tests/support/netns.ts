/**
 * Network namespaces for system tests, demo and bench. A Lab is a set of namespaces with veth pairs between them;
 * names carry the process id, so that runs side by side never meet and a later run can sweep what a killed one
 * left behind. Everything goes at `close()`, and at the latest when the process exits.
 */
import { execFileSync, type StdioOptions } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa, type ResultPromise } from 'execa';

const prefix = 'nmlab';

export interface Run {
  readonly stdout: string;
  readonly stderr: string;
  readonly code: number;
}

/** What a system test needs of the machine; the first thing missing, in words, or undefined. */
export function missing(...tools: readonly string[]): string | undefined {
  if (process.getuid?.() !== 0) return 'needs root (network namespaces)';
  if (!existsSync('/proc/self/ns/net')) return 'the kernel has no network namespaces';
  for (const tool of ['ip', 'ethtool', ...tools]) {
    const found = ['/usr/sbin', '/usr/bin', '/sbin', '/bin'].some((dir) => existsSync(join(dir, tool)));
    if (!found) return `${tool} is not installed`;
  }
  return undefined;
}

/** One namespace. */
export class Node {
  constructor(
    readonly name: string,
    readonly namespace: string,
  ) {}

  /** Runs a program here; a failure is an error that quotes what it said. */
  async run(command: string, ...args: readonly string[]): Promise<string> {
    const result = await this.try(command, ...args);
    if (result.code === 0) return result.stdout;
    throw new Error(`${this.name}: ${command} ${args.join(' ')} ended with ${result.code}: ${result.stderr}`);
  }

  async try(command: string, ...args: readonly string[]): Promise<Run> {
    const result = await execa('ip', ['netns', 'exec', this.namespace, command, ...args], {
      reject: false,
      timeout: 90_000,
      killSignal: 'SIGKILL',
    });
    const late = result.timedOut ? 'did not end within 90 s: ' : '';
    return { stdout: result.stdout, stderr: late + result.stderr, code: result.exitCode ?? 255 };
  }

  /**
   * How many of `count` echo requests, 10 ms apart, are answered. Without a deadline (-w) the tool gives up on the last one after
   * two round trips; with it, it waits, and goes on sending until it has `count` answers: those beyond the first `count` do not count.
   */
  async pings(count: number, target: string, ...options: readonly string[]): Promise<number> {
    // Till all are answered, or long after they should be: a busy machine sends fewer than a hundred a second.
    const patience = `-w${5 + Math.ceil(count / 50)}`;
    const said = await this.try('ping', `-c${count}`, '-i0.01', patience, ...options, target);
    const answers = said.stdout.matchAll(/ bytes from .*icmp_seq=(\d+) (?!.*DUP)/g);
    return [...answers].filter(([, number]) => Number(number) <= count).length;
  }

  /** Starts a program here; it dies with this process. */
  start(command: string, args: readonly string[], options: { conversation?: boolean } = {}) {
    const child = execa('ip', ['netns', 'exec', this.namespace, command, ...args], {
      reject: false,
      // In a conversation the caller writes and reads; otherwise what it says is kept for the end.
      stdin: options.conversation ? 'pipe' : 'ignore',
      buffer: !options.conversation,
      maxBuffer: 16_000_000,
      cleanup: true,
    });
    return child as ResultPromise & typeof child;
  }

  /** `ip` commands, one a line, in one call. */
  async ip(...lines: readonly string[]): Promise<void> {
    const input = `${lines.join('\n')}\n`;
    const result = await execa('ip', ['-n', this.namespace, '-batch', '-'], { input, reject: false });
    if (result.exitCode !== 0)
      throw new Error(`${this.name}: ip: ${result.stderr}\n${lines.slice(0, 20).join('\n')}`);
  }

  /** As `ip`, for many lines: what fails is counted, not fatal. */
  async ipFile(file: string): Promise<void> {
    const result = await execa('ip', ['-n', this.namespace, '-force', '-batch', file], { reject: false });
    if (result.exitCode !== 0) throw new Error(`${this.name}: ip -batch: ${result.stderr.slice(0, 400)}`);
  }

  async ipJson<T>(...args: readonly string[]): Promise<T> {
    const result = await execa('ip', ['-n', this.namespace, '-j', ...args]);
    return JSON.parse(result.stdout || '[]') as T;
  }

  /** Written to /proc directly: no procps needed. Dots in the key separate. */
  async sysctl(settings: Readonly<Record<string, string | number>>): Promise<void> {
    const set = Object.entries(settings).map(
      ([key, value]) => `echo ${value} > /proc/sys/${key.replaceAll('.', '/')}`,
    );
    await this.run('sh', '-ec', set.join('\n'));
  }

  async mac(device: string): Promise<string> {
    const [link] = await this.ipJson<{ address: string }[]>('link', 'show', 'dev', device);
    return link!.address;
  }
}

export interface End {
  readonly node: Node;
  readonly device: string;
  readonly addresses?: readonly string[];
  readonly mac?: string;
  readonly mtu?: number;
}

export class Lab {
  readonly nodes: Node[] = [];
  private readonly children: { kill(signal: 'SIGKILL'): boolean }[] = [];

  private constructor(
    private readonly tag: string,
    /** A directory of this lab's own, gone with it. */
    readonly directory: string,
  ) {}

  static async create(): Promise<Lab> {
    sweep();
    const tag = `${prefix}-${process.pid}-${randomBytes(2).toString('hex')}`;
    const lab = new Lab(tag, await mkdtemp(join(tmpdir(), `${tag}-`)));
    open.add(lab);
    return lab;
  }

  async node(name: string): Promise<Node> {
    const node = new Node(name, `${this.tag}-${name}`);
    await execa('ip', ['netns', 'add', node.namespace]);
    this.nodes.push(node);
    await node.ip('link set lo up');
    await node.sysctl({ 'net.ipv6.conf.all.accept_dad': 0, 'net.ipv6.conf.default.accept_dad': 0 });
    return node;
  }

  /** A node that forwards: the kernel's own routing, and the ground that netmilld stands on. */
  async router(name: string): Promise<Node> {
    const node = await this.node(name);
    await node.sysctl({
      'net.ipv4.ip_forward': 1,
      'net.ipv6.conf.all.forwarding': 1,
      'net.ipv4.conf.all.rp_filter': 0,
      'net.ipv4.conf.default.rp_filter': 0,
      'net.ipv4.conf.all.send_redirects': 0,
      'net.ipv4.conf.default.send_redirects': 0,
      'net.ipv4.icmp_ratemask': 0, // icmp_ratelimit = 0 would empty the buckets of route errors too
      'net.ipv4.icmp_msgs_per_sec': 100000,
      'net.ipv4.icmp_msgs_burst': 100000,
      'net.ipv6.icmp.ratelimit': 0,
    });
    return node;
  }

  /**
   * A veth pair. Offloads that would leave a checksum or a VLAN tag beside the frame are switched off at both
   * ends, unless `offloads` asks for veth as it comes. `queues`: in each direction, 1 when not said.
   */
  async link(a: End, b: End, options: { offloads?: boolean; queues?: number } = {}): Promise<void> {
    const queues = options.queues ? ` numrxqueues ${options.queues} numtxqueues ${options.queues}` : '';
    const half = (end: End) =>
      `${end.device} netns ${end.node.namespace}${end.mac ? ` address ${end.mac}` : ''} mtu ${end.mtu ?? 1500}${queues}`;
    await execa('ip', `link add ${half(a)} type veth peer name ${half(b)}`.split(' '));
    for (const end of [a, b]) {
      if (!options.offloads) await end.node.run('ethtool', '-K', end.device, 'tx', 'off', 'txvlan', 'off');
      await end.node.ip(
        ...(end.addresses ?? []).map(
          (address) => `addr add ${address} dev ${end.device}${address.includes(':') ? ' nodad' : ''}`,
        ),
        `link set ${end.device} up`,
      );
    }
  }

  /** Has a child killed at the end, should it still live. */
  own<T extends { kill(signal: 'SIGKILL'): boolean }>(child: T): T {
    this.children.push(child);
    return child;
  }

  async close(): Promise<void> {
    this.closeNow();
  }

  /** Synchronous, so that it works in an exit handler. */
  closeNow(): void {
    if (!open.delete(this)) return;
    for (const child of this.children) child.kill('SIGKILL');
    for (const node of this.nodes) removeNamespace(node.namespace);
    rmSync(this.directory, { recursive: true, force: true });
  }
}

const open = new Set<Lab>();

function removeNamespace(name: string): void {
  const quiet = { stdio: ['ignore', 'pipe', 'ignore'] satisfies StdioOptions };
  try {
    const pids = execFileSync('ip', ['netns', 'pids', name], quiet).toString().split('\n').filter(Boolean);
    for (const pid of pids.map(Number)) {
      if (pid > 1 && pid !== process.pid) process.kill(pid, 'SIGKILL');
    }
  } catch {
    // a process that ended meanwhile is as good as killed
  }
  try {
    execFileSync('ip', ['netns', 'del', name], quiet);
  } catch {
    // already gone
  }
}

/** Namespaces of runs whose process is gone. */
function sweep(): void {
  if (!existsSync('/run/netns')) return;
  for (const name of readdirSync('/run/netns')) {
    const pid = new RegExp(`^${prefix}-(\\d+)-`).exec(name)?.[1];
    if (pid && !isAlive(pid)) removeNamespace(name);
  }
}

function isAlive(pid: string): boolean {
  try {
    return readFileSync(`/proc/${pid}/stat`, 'utf8').length > 0;
  } catch {
    return false;
  }
}

function closeAll(): void {
  for (const lab of [...open]) lab.closeNow();
}

process.on('exit', closeAll);
for (const [signal, code] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
  ['SIGHUP', 129],
] as const) {
  process.on(signal, () => {
    closeAll();
    process.exit(code);
  });
}

export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/** Polls until `probe` gives something, or says what it waited for. */
export async function until<T>(
  what: string,
  probe: () => Promise<T | undefined | false> | T | undefined | false,
  timeoutMs = 10_000,
): Promise<T> {
  const end = Date.now() + timeoutMs;
  for (;;) {
    const value = await probe();
    if (value !== undefined && value !== false) return value as T;
    if (Date.now() > end) throw new Error(`waited ${timeoutMs} ms in vain for ${what}`);
    await sleep(20);
  }
}
