import { Command } from 'clipanion';
import type { CounterReply, Traffic } from '../control/types.js';
import { categories, NetmillCommand } from './command.js';
import { count, scaled, table } from './text.js';

export class CounterCommand extends NetmillCommand {
  static override paths = [['counter'], ['counters']];
  static override usage = Command.Usage({
    category: categories.router,
    description: 'show counters: interfaces, packets for the host, drops by reason, rules with .count()',
    examples: [
      ['All of them', '$0 counter'],
      ['What one interface drops', '$0 counter --json | jq \'.interfaces[] | select(.name == "wan").drops\''],
    ],
  });

  async run(): Promise<number> {
    const counters = await this.ask<CounterReply>({ op: 'counter' });
    return this.show(counters, countersText);
  }
}

const COUNTED = [
  { title: 'PACKETS', right: true },
  { title: 'BYTES', right: true },
];

export function countersText(counters: CounterReply): string {
  const columns = [{ title: 'INTERFACE' }, { title: 'COUNTER' }, ...COUNTED, { title: 'RATE', right: true }];
  const rows = counters.interfaces.flatMap((iface) => {
    const row = (name: string, t: Traffic, rate = ''): string[] => [
      iface.name,
      name,
      count(t.packets),
      count(t.bytes),
      rate,
    ];
    const lost = (name: string, packets: number): string[][] =>
      packets > 0 ? [[iface.name, name, count(packets), '', '']] : [];
    return [
      row('rx', iface.rx, `${scaled(iface.rxRate.packets, 'pps')}`),
      row('tx', iface.tx, `${scaled(iface.txRate.packets, 'pps')}`),
      ...Object.entries(iface.punt).flatMap(([name, { full, policed, ...t }]) => [
        ...(t.packets > 0 ? [row(`host ${name}`, t)] : []),
        ...lost(`host ${name} policed`, policed),
        ...lost(`host ${name} full`, full),
      ]),
      ...Object.entries(iface.said).map(([kind, n]) => [iface.name, `said ${kind}`, count(n), '', '']),
      ...Object.entries(iface.drops).map(([name, packets]) => [
        iface.name,
        `drop ${name}`,
        count(packets),
        '',
        '',
      ]),
    ];
  });
  const named = counters.named.map((c) => [c.name, count(c.packets), count(c.bytes)]);
  const second = named.length > 0 ? `\n${table([{ title: 'RULES COUNTED AS' }, ...COUNTED], named)}` : '';
  return table(columns, rows) + second;
}
