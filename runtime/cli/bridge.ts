import { Command, Option, UsageError } from 'clipanion';
import { exits } from '../exit-codes.js';
import { DEFAULT_RUNDIR } from '../paths.js';
import { reports } from '../traffic/tool.js';
import { categories, NetmillCommand } from './command.js';
import { count, facts, scaled } from './text.js';
import type { BridgeReport } from './traffic-reports.js';

type Way = BridgeReport['there'];

export class BridgeCommand extends NetmillCommand {
  static override paths = [['bridge']];
  static override usage = Command.Usage({
    category: categories.traffic,
    description: 'join two ports, or a port and its host stack: what one receives the other sends',
    details:
      'Frames pass as they are, without a copy where both ports are opened here (`xdp:IF`, `netmap:IF`, `dpdk:DEVARGS`), with one to and from a `tap:NAME`, a `pcap:IN,OUT` and the peer of an engine (`pipe:NAME`). With `host` in the place of the second port, what the first receives goes up to the kernel, as received there. An `xdp:` port hands over IP; ARP and the like stay with the kernel. What the far side has no room for waits; what is larger than its MTU is refused, and counted.',
    examples: [
      ['Two interfaces', '$0 bridge xdp:eth1 xdp:eth2'],
      ["An engine's pipe, on a wire", '$0 bridge pipe:lab xdp:eth3'],
      ['A port and its host stack', '$0 bridge xdp:eth1 host'],
    ],
  });

  one = Option.String({ name: 'PORT' });
  two = Option.String({ name: 'PORT|host' });
  seconds = Option.String('--seconds', '0', { description: 'how long; no end' });
  rundir = Option.String('--rundir', DEFAULT_RUNDIR, {
    description: `run directory of the engine whose pipes are meant; ${DEFAULT_RUNDIR}`,
  });

  async run(): Promise<number> {
    const ms = Math.round(Number(this.seconds) * 1000);
    if (!/^\d{1,9}(\.\d{1,3})?$/.test(this.seconds))
      throw new UsageError(`expected seconds, as 10 or 0.5, got '${this.seconds}'`);
    if (this.one === this.two) throw new UsageError(`${this.one} twice: a bridge joins two ports`);
    if (this.one === 'host') throw new UsageError(`host is the second one: netmill bridge ${this.two} host`);
    let before: BridgeReport | undefined;
    for await (const report of reports<BridgeReport>('bridge', [
      this.one,
      this.two,
      String(ms),
      this.rundir,
    ])) {
      if (this.json) this.print(JSON.stringify(report));
      else this.print(report.done ? this.summary(report) : this.row(report, before));
      before = report;
    }
    return exits.ok;
  }

  private names(): readonly [string, string] {
    return [`${this.one} > ${this.two}`, `${this.two} > ${this.one}`];
  }

  private row(report: BridgeReport, before: BridgeReport | undefined): string {
    const seconds = (report.ms - (before?.ms ?? 0)) / 1000;
    const rate = (now: Way, then: Way | undefined): string =>
      scaled((now.packets - (then?.packets ?? 0)) / seconds, ' packets/s');
    const [there, back] = this.names();
    const parts = [`${there}  ${rate(report.there, before?.there)}`];
    if (report.back) parts.push(`${back}  ${rate(report.back, before?.back)}`);
    return parts.join('    ');
  }

  private summary(report: BridgeReport): string {
    const [there, back] = this.names();
    const text = ({ packets, bytes, refused }: Way): string =>
      `${count(packets)} packets, ${scaled(bytes, 'B')}${refused > 0 ? `, ${count(refused)} refused` : ''}`;
    return facts([
      [there, text(report.there)],
      ...(report.back ? [[back, text(report.back)] as [string, string]] : []),
    ]);
  }
}
