import { Command, Option, UsageError } from 'clipanion';
import type { FibReply } from '../control/types.js';
import type { FpmStatus } from '../fpm.js';
import type { AuditReport } from '../native.js';
import { categories, NetmillCommand } from './command.js';
import type { Painter } from './paint.js';
import { fibText, rulesFacts } from './status.js';
import { count, facts, plural, time } from './text.js';

const actions = ['couple', 'decouple', 'recouple', 'audit', 'status'] as const;

export class FibCommand extends NetmillCommand {
  static override paths = [['fib']];
  static override usage = Command.Usage({
    category: categories.routes,
    description:
      "couple the forwarding FIB to the kernel's, freeze it, read the kernel afresh, or check all of it",
    details: `
      - \`decouple\` freezes what is forwarded by and goes on tracking the kernel
      - \`couple\` applies what has changed since
      - \`recouple\` dumps the kernel's tables again, and removes what is not there any more
      - \`audit\` holds the kernel's tables, the RIB and the compiled FIB against each other, prefix by prefix, and repairs what differs; it runs by itself every \`daemon.audit\` seconds
      - \`status\` only looks
    `,
    examples: [
      ['Freeze', '$0 fib decouple'],
      ['Apply the difference', '$0 fib couple'],
      ['Is everything as the kernel has it?', '$0 fib audit'],
    ],
  });

  action = Option.String({ name: 'couple|decouple|recouple|audit|status' });

  async run(): Promise<number> {
    const action = actions.find((known) => known === this.action);
    if (action === undefined) throw new UsageError(`expected ${actions.join(', ')}; got '${this.action}'`);
    const reply = await this.ask<FibReply>({ op: 'fib', action });
    return this.show(reply, (fib) => fibFacts(fib, this.paint));
  }
}

export function fibFacts(fib: FibReply, paint: Painter): string {
  const found =
    fib.divergences === 0
      ? 'nothing wrong'
      : `${plural(fib.divergences, 'prefix', 'prefixes')} wrong, ${count(fib.repaired)} of them repaired`;
  return facts([
    ['FIB', fibText(fib, paint)],
    [
      'netlink',
      [
        plural(fib.messages, 'message'),
        plural(fib.overruns, 'overrun'),
        plural(fib.resyncs, 'resync'),
        plural(fib.corrections, 'correction'),
      ].join(', '),
    ],
    ...rulesFacts(fib, paint),
    ...(fib.fpm === undefined ? [] : [['FPM', fpmText(fib.fpm, paint)] as const]),
    ['engine', plural(fib.batches, 'batch', 'batches')],
    ['audits', fib.audits === 0 ? 'none yet' : `${count(fib.audits)}: ${found}`],
    ...(fib.audit === undefined ? [] : auditFacts(fib.audit, fib.coupled, paint)),
  ]);
}

function fpmText(fpm: FpmStatus, paint: Painter): string {
  const state = fpm.connected ? paint.good('zebra is connected') : paint.warn('zebra is not connected');
  return `${state}, since ${time(fpm.since)}; ${plural(fpm.routes, 'route')}; ${fpm.listen}`;
}

function auditFacts(audit: AuditReport, coupled: boolean, paint: Painter): (readonly [string, string])[] {
  const why = coupled ? 'changes did not pause, or the engine is not in sync yet' : 'it is decoupled';
  const asked = audit.compiled
    ? `${plural(audit.addresses, 'address', 'addresses')} asked of the compiled FIB`
    : paint.warn(`the compiled FIB was not asked: ${why}`);
  const verdict =
    audit.divergences === 0
      ? paint.good(audit.compiled ? 'all agree' : 'kernel and RIB agree')
      : paint.bad(`${count(audit.divergences)} differ, ${count(audit.repaired)} repaired`);
  return [
    [
      'this audit',
      `${plural(audit.prefixes, 'prefix', 'prefixes')}, ${asked}, ${count(Math.round(audit.milliseconds))} ms`,
    ],
    ['verdict', verdict],
    ...audit.last.map(
      (one) =>
        [
          '',
          `${one.prefix}: ${one.between === 'kernel-rib' ? 'kernel' : 'RIB'} ${one.expected}, ${one.between === 'kernel-rib' ? 'RIB' : 'compiled FIB'} ${one.got}`,
        ] as const,
    ),
  ];
}
