/**
 * The traffic tool (tests/support/traffic) as an object: one per interface. Requests are lines, answers are JSON
 * in the order of the requests.
 */
import { existsSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { type Lab, type Node, sleep } from './netns.js';

export const trafficTool = fileURLToPath(
  new URL('../../../tests/support/traffic/build/mill-traffic', import.meta.url),
);

export interface FlowSpec {
  readonly id: number;
  readonly src: string;
  readonly dst: string;
  /** The next hop's MAC address. */
  readonly dmac: string;
  readonly smac?: string;
  readonly proto?: 'udp' | 'tcp' | 'icmp';
  readonly sport?: number;
  readonly dport?: number;
  /** Bytes of the frame, tags included, without FCS. */
  readonly size?: number;
  readonly ttl?: number;
  readonly tos?: number;
  readonly df?: 0 | 1;
  /** Tags as `8100:100` or `88a8:300,8100:10`. */
  readonly tags?: string;
  /** So many flows: id and sport count up. */
  readonly n?: number;
  /** With `n`: the last byte of dst counts up too. */
  readonly spread?: 0 | 1;
}

export interface FlowCount {
  readonly id: number;
  readonly sent: number;
  readonly received: number;
  readonly unique: number;
  readonly reordered: number;
  readonly duplicates: number;
  readonly bytes: number;
  readonly badPayload: number;
  readonly ttl: number;
  readonly gapMaxNs: number;
  readonly firstNs: number;
  readonly lastNs: number;
  readonly latencyNs: { readonly min: number; readonly mean: number; readonly max: number };
}

export interface SinkCount {
  readonly frames: number;
  readonly bytes: number;
  readonly arp: number;
  readonly nd: number;
  readonly icmpErrors: number;
  readonly other: number;
  readonly answered: number;
  readonly badIp: number;
  readonly badL4: number;
  readonly badPayload: number;
  readonly kernelDrops: number;
  readonly flows: readonly FlowCount[];
}

export interface Sent {
  readonly sent: number;
  readonly ns: number;
  readonly retries: number;
}

/** No sending of a test takes longer. */
const answerMs = 45_000;

type Answer = { readonly ok: boolean; readonly error?: string };

export class Traffic {
  private kept: Buffer[] = [];
  private readonly waiting: { resolve(answer: Answer): void; reject(error: Error): void }[] = [];

  private constructor(
    private readonly child: ReturnType<Node['start']>,
    readonly device: string,
    readonly mac: string,
  ) {
    const lines = createInterface({ input: child.stdout! });
    lines.on('line', (line) => this.waiting.shift()?.resolve(JSON.parse(line) as Answer));
    lines.on('close', () => {
      for (const one of this.waiting.splice(0)) one.reject(new Error(`traffic tool on ${device} has ended`));
    });
  }

  /** @param cpu pins the tool to one core. */
  static async on(lab: Lab, node: Node, device: string, cpu?: number): Promise<Traffic> {
    if (!existsSync(trafficTool)) throw new Error(`${trafficTool} is missing: run npm run build`);
    const command =
      cpu === undefined ? [trafficTool, device] : ['taskset', '-c', String(cpu), trafficTool, device];
    const mac = await node.mac(device);
    // With a queue of its own, a veth whose peer's ring is full makes the sender wait (Linux 6.16) instead of dropping.
    await node.run('tc', 'qdisc', 'replace', 'dev', device, 'root', 'pfifo', 'limit', '1000');
    const child = lab.own(node.start(command[0]!, command.slice(1), { conversation: true }));
    const traffic = new Traffic(child, device, mac);
    await traffic.answered();
    return traffic;
  }

  private async answered<T extends object = object>(verb = 'start'): Promise<T> {
    const answer = await new Promise<Answer>((resolve, reject) => {
      const late = () =>
        reject(new Error(`traffic tool on ${this.device} did not answer to '${verb}' in time`));
      const timer = setTimeout(late, answerMs);
      const done =
        <V>(settle: (value: V) => void) =>
        (value: V) => {
          clearTimeout(timer);
          settle(value);
        };
      this.waiting.push({ resolve: done(resolve), reject: done(reject) });
    });
    if (!answer.ok) throw new Error(`traffic tool on ${this.device}: ${answer.error}`);
    return answer as unknown as T;
  }

  private ask<T extends object = object>(
    verb: string,
    words: Readonly<Record<string, unknown>> = {},
  ): Promise<T> {
    const list = Object.entries(words).map(([key, value]) => `${key}=${value}`);
    const answer = this.answered<T>(verb);
    this.child.stdin!.write(`${[verb, ...list].join(' ')}\n`);
    return answer;
  }

  async flow(spec: FlowSpec): Promise<void> {
    await this.ask('flow', { ...spec });
  }

  /** Sends the flows in turn. @param rate packets per second, of all together */
  async start(rate: number, limit: { readonly count?: number; readonly ms?: number } = {}): Promise<void> {
    await this.ask('start', { rate, ...limit });
  }

  /** Until a limited sending is over. Other requests wait behind this one. */
  wait(): Promise<Sent> {
    return this.ask<Sent>('wait');
  }

  stop(): Promise<Sent> {
    return this.ask<Sent>('stop');
  }

  async send(rate: number, limit: { readonly count?: number; readonly ms?: number }): Promise<Sent> {
    await this.start(rate, limit);
    return this.wait();
  }

  async raw(frame: Uint8Array): Promise<void> {
    await this.ask('raw', { hex: Buffer.from(frame).toString('hex') });
  }

  /** Plays a station: answers ARP or ND, and ping. */
  async answer(
    addr: string,
    more: { readonly tags?: string; readonly mac?: string; readonly announce?: 1 } = {},
  ) {
    await this.ask('answer', { addr, ...more });
  }

  stats(): Promise<SinkCount> {
    return this.ask<SinkCount>('stats');
  }

  async reset(): Promise<void> {
    await this.ask('reset');
  }

  async clear(): Promise<void> {
    await this.ask('clear');
  }

  /** From now on frames are kept. */
  async capture(): Promise<void> {
    await this.ask('captured');
    await this.ask('capture');
    this.kept = [];
  }

  /** What came since `capture`, once it is `enough`; what there is, if it is not after ten seconds. */
  async captured(enough: (frames: readonly Buffer[]) => boolean = () => true): Promise<readonly Buffer[]> {
    for (const end = performance.now() + 10_000; ; await sleep(10)) {
      const { frames } = await this.ask<{ frames: string[] }>('captured');
      this.kept.push(...frames.map((frame) => Buffer.from(frame, 'hex')));
      if (enough(this.kept) || performance.now() > end) return this.kept;
    }
  }

  /**
   * Many packets from inside the kernel. Needs NAPI at the peer (XDP there, or GRO on).
   * @param order.rate packets per second; absent: as fast as it goes
   * @param order.file IPv4 destinations, one a line, taken in turn (the largest power of two of them)
   */
  blast(
    frame: Uint8Array,
    order: { readonly ms: number; readonly rate?: number; readonly file?: string },
  ): Promise<{ readonly sent: number }> {
    return this.ask('blast', { ...order, hex: Buffer.from(frame).toString('hex') });
  }

  /** From now on everything sent gets a VLAN tag, kept beside the frame as a stack with VLAN offload does. */
  async tagBeside(vid: number): Promise<void> {
    await this.ask('beside', { vid });
  }

  /** From now on IP is counted and dropped by XDP, for rates that sockets do not reach. */
  async drop(): Promise<void> {
    await this.ask('drop');
  }

  dropped(): Promise<{ readonly packets: number; readonly bytes: number }> {
    return this.ask('dropped');
  }

  async quit(): Promise<void> {
    this.child.stdin!.write('quit\n');
    await this.child;
  }
}

export interface Tally {
  readonly sent: number;
  readonly received: number;
  readonly lost: number;
  readonly reordered: number;
  readonly duplicates: number;
  readonly bad: number;
  /** Longest silence between two packets of one flow, milliseconds. */
  readonly gapMs: number;
}

/** What was sent against what arrived, over the flows that are asked for (all). */
export function tally(sender: SinkCount, sink: SinkCount, ids?: readonly number[]): Tally {
  const wanted = (flow: FlowCount) => !ids || ids.includes(flow.id);
  const sum = (flows: readonly FlowCount[], pick: (flow: FlowCount) => number) =>
    flows.filter(wanted).reduce((total, flow) => total + pick(flow), 0);
  const sent = sum(sender.flows, (flow) => flow.sent);
  const received = sum(sink.flows, (flow) => flow.unique);
  return {
    sent,
    received,
    lost: sent - received,
    reordered: sum(sink.flows, (flow) => flow.reordered),
    duplicates: sum(sink.flows, (flow) => flow.duplicates),
    bad: sink.badIp + sink.badL4 + sink.badPayload,
    gapMs: Math.max(0, ...sink.flows.filter(wanted).map((flow) => flow.gapMaxNs)) / 1e6,
  };
}

/** The same, when all has arrived or nothing more comes. */
export async function settled(from: Traffic, to: Traffic, ids?: readonly number[]): Promise<Tally> {
  const sent = await from.stats();
  return atRest(
    async () => tally(sent, await to.stats(), ids),
    ({ received, lost }) => ({ received, all: lost <= 0 }),
  );
}

/** The counters of a sink when so many packets have come to it, or nothing more does. */
export function counted(to: Traffic, packets: number): Promise<SinkCount> {
  return atRest(
    () => to.stats(),
    ({ flows }) => {
      const received = flows.reduce((sum, flow) => sum + flow.received, 0);
      return { received, all: received >= packets };
    },
  );
}

/** What is seen when all has arrived, or nothing has for 300 ms: on a busy machine the last packets take a while. */
export async function atRest<T>(
  look: () => Promise<T>,
  judge: (seen: T) => { readonly received: number; readonly all: boolean },
): Promise<T> {
  for (let last = -1, same = 0; ; await sleep(20)) {
    const seen = await look();
    const { received, all } = judge(seen);
    same = received === last ? same + 1 : 0;
    last = received;
    if (all || same === 15) return seen;
  }
}
