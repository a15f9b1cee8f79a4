import { Command, Option } from 'clipanion';
import { exits } from '../exit-codes.js';
import { DEFAULT_RUNDIR } from '../paths.js';
import { genArguments } from '../traffic/orders.js';
import { reports } from '../traffic/tool.js';
import { categories, NetmillCommand } from './command.js';
import { genHeading, genRow, genStuck, genSummary } from './gen-text.js';
import type { GenReport } from './traffic-reports.js';

export class GenCommand extends NetmillCommand {
  static override paths = [['gen']];
  static override usage = Command.Usage({
    category: categories.traffic,
    description: 'send packets, receive them, or both: rates, loss, order, latency',
    details: `
      A generator and a sink of UDP packets, on ports that it opens itself (\`xdp:IF\`, \`netmap:IF\`, \`dpdk:DEVARGS\`, \`pcap:IN,OUT\`, \`tap:NAME\`) or as the peer of a running engine's \`pipe:NAME\`. An interface that it receives on hands it all of its IP until it ends. All rings of a port are used: flow n is sent by ring n modulo their number, a burst a ring in turn; so give as many flows as rings, or more.

      Every packet carries the number of its flow, its own, and the time at which it went. With both ports, and in the sink of another process with the same \`--id\`, each is looked for: MISSING are numbers that were passed over, REORDERED came behind a later one, TWICE came before, OTHER is what nobody of the run sent; *damaged* came with other bytes than were sent. Latency is from the moment that a packet is written to the moment that it is read.

      Rates and counts may be written as 10k or 2.5M. Sizes are bytes of a frame without its FCS; several are sent in turn; \`imix\` is 7 of 60, 4 of 590 and 1 of 1514 bytes. The largest is 14 bytes (18 with a tag) above the MTU of the interface that sends, to an MTU of 16,000; a pipe takes what its engine's packet buffers do.
    `,
    examples: [
      [
        'Through a router: out of one port, into another',
        '$0 gen --send xdp:eth1 --receive xdp:eth2 --to-mac 02:00:00:00:00:01 --to 10.9.0.0/16 --flows 1000 --rate 50k --seconds 10',
      ],
      ['As fast as it goes', '$0 gen --send xdp:eth1 --to-mac 02:00:00:00:00:01 --size imix'],
      ['A sink', '$0 gen --receive pipe:wan --seconds 60'],
    ],
  });

  send = Option.String('--send', { description: 'port to send from' });
  receive = Option.String('--receive', { description: 'port to receive on' });
  toMac = Option.String('--to-mac', { description: 'MAC address of the port that the packets go to' });
  fromMac = Option.String('--from-mac', { description: "else the port's own" });
  to = Option.String('--to', { description: 'destinations: address, FIRST-LAST or prefix; 198.19.0.1' });
  from = Option.String('--from', { description: 'sources, likewise; 198.18.0.1' });
  toPort = Option.String('--to-port', '9', { description: 'UDP port or FIRST-LAST; 9' });
  fromPort = Option.String('--from-port', '1024-65535', {
    description: 'UDP port or FIRST-LAST; 1024-65535',
  });
  flows = Option.String('--flows', '1', { description: 'flows that take turns, to 65536; 1' });
  size = Option.String('--size', { description: 'sizes of frames, or imix; the smallest' });
  vlan = Option.String('--vlan', { description: '802.1Q tag' });
  ttl = Option.String('--ttl', '64', { description: 'TTL or hop limit; 64' });
  rate = Option.String('--rate', 'max', { description: 'packets a second, or max; max' });
  count = Option.String('--count', { description: 'packets to send, or to receive; no end' });
  seconds = Option.String('--seconds', { description: 'how long; no end' });
  burst = Option.String('--burst', '64', { description: 'packets that go together at most, to 256; 64' });
  id = Option.String('--id', '1835625068', {
    description: 'number of the run, in every packet: a sink elsewhere needs the same',
  });
  rundir = Option.String('--rundir', DEFAULT_RUNDIR, {
    description: `run directory of the engine whose pipes are meant; ${DEFAULT_RUNDIR}`,
  });

  async run(): Promise<number> {
    let before: GenReport = { ms: 0 };
    for await (const report of reports<GenReport>('gen', genArguments(this))) {
      if (this.json) this.print(JSON.stringify(report));
      else if (report.done) this.print(genSummary(report, this.send));
      else {
        if (before.ms === 0) this.print(genHeading(report));
        this.print(genRow(report, before));
        if (report.stuck !== undefined && before.stuck === undefined)
          this.print(genStuck(this.send ?? '', report.stuck));
        before = report;
      }
    }
    return exits.ok;
  }
}
