import { Command, Option } from 'clipanion';
import type { TraceReply } from '../control/types.js';
import { categories, NetmillCommand } from './command.js';
import { compiledText } from './route-get.js';
import { facts } from './text.js';

export class TraceCommand extends NetmillCommand {
  static override paths = [['trace']];
  static override usage = Command.Usage({
    category: categories.router,
    description: 'show what the running forwarder does with a packet: the generated C itself answers',
    details:
      "The running generation's shared object is asked in a process of its own, with the interfaces and the routes that the engine has now. No packet is sent, nothing is counted, and the workers do not notice. A packet is written as for `explain`.",
    examples: [['A packet', "$0 trace 'in wan tcp 9.9.9.9:1234 > 203.0.113.10:443 syn'"]],
  });

  packet = Option.String({ name: 'PACKET' });

  async run(): Promise<number> {
    const reply = await this.ask<TraceReply>({ op: 'trace', packet: this.packet });
    return this.show(reply, traceText);
  }
}

export function traceText({
  packet,
  interface: iface,
  generation,
  aclEnabled,
  rules,
  fate,
  compiled,
  diverted,
}: TraceReply): string {
  const taken = rules.map(({ list, place, text, action }): [string, string] => [
    'taken by',
    `"${list}" ${action}  ${place}  ${text}`,
  ]);
  const ways = (one: TraceReply['compiled']) =>
    `${compiledText(one)}${one.legs.length > 1 ? `; one of ${one.legs.length} ways, by the flow` : ''}`;
  const gateways: readonly [string, string][] =
    diverted === undefined
      ? []
      : [
          [
            'gateways',
            `${diverted.way}: ${diverted.compiled.legs.length > 0 ? ways(diverted.compiled) : 'none answers'}`,
          ],
        ];
  return `in ${iface} ${packet}\n${facts([
    ['generation', String(generation)],
    ...(aclEnabled ? [] : [['ACLs', 'switched off'] as [string, string]]),
    ...taken,
    ['compiled', ways(compiled)],
    ...gateways,
    ['fate', fate],
  ])}`;
}
