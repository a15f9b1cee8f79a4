import { Command } from 'clipanion';
import { lookupText } from '../../codegen/lookup.js';
import type { StatusReply } from '../control/types.js';
import { deviceOf } from '../deploy/plan.js';
import { categories, NetmillCommand } from './command.js';
import type { Painter } from './paint.js';
import { count, duration, facts, plural, scaled, table, time } from './text.js';

export class StatusCommand extends NetmillCommand {
  static override paths = [['status']];
  static override usage = Command.Usage({
    category: categories.router,
    description: 'show what runs and how it does: generation, workers, ports, rates, FIB, drops',
    examples: [
      ['On the default socket', '$0 status'],
      ['The rate of each port, for a script', "$0 status --json | jq '.ports[] | {name, rxRate}'"],
    ],
  });

  async run(): Promise<number> {
    const status = await this.ask<StatusReply>({ op: 'status' });
    return this.show(status, (value) => statusText(value, this.paint));
  }
}

export function statusText(status: StatusReply, paint: Painter): string {
  return [overview(status, paint), ports(status, paint), workers(status), drops(status)]
    .filter(Boolean)
    .join('\n');
}

function overview(status: StatusReply, paint: Painter): string {
  const { generation, engine, fib } = status;
  const kept = generation.retained.length > 0 ? `, keeps ${generation.retained.join(' and ')}` : '';
  const adopted = engine.adopted > 0 ? `, adopted ${plural(engine.adopted, 'time')}` : '';
  return facts([
    ['router', paint.bold(status.router)],
    ['generation', `${generation.running}, since ${time(generation.deployedAt)}${kept}`],
    ['policy', `${generation.source} (${generation.policyHash.slice(0, 12)})`],
    ['lookup', lookupOfGeneration(generation)],
    ['events', eventsText[status.events]],
    ['engine', `process ${engine.pid}, up ${duration(engine.upSeconds)}${adopted}`],
    ['daemon', `process ${status.daemon.pid}, since ${time(status.daemon.since)}, netmill ${status.version}`],
    ['ACLs', status.acl.enabled ? paint.good('enabled') : paint.bad('disabled')],
    ['FIB', fibText(fib, paint)],
    ...rulesFacts(fib, paint),
  ]);
}

const eventsText: Readonly<Record<StatusReply['events'], string>> = {
  poll: 'poll: workers sleep until packets come',
  adaptive: 'adaptive: workers sleep when idle',
  busy: 'busy: workers never sleep',
};

function lookupOfGeneration({ lookup, lookupReason }: StatusReply['generation']): string {
  return lookup && lookupReason
    ? lookupText(lookup, lookupReason)
    : 'not known: the generation was made elsewhere';
}

/** None: nothing to say. */
export function rulesFacts(
  fib: Pick<StatusReply['fib'], 'rules'>,
  paint: Painter,
): (readonly [string, string])[] {
  return fib.rules.map((rule, i) => [i === 0 ? 'rules' : '', `${paint.warn('not followed')}: ${rule}`]);
}

export function fibText(fib: StatusReply['fib'], paint: Painter): string {
  const state = fib.coupled
    ? fib.synced
      ? paint.good('coupled, in sync')
      : paint.warn('coupled, first dump under way')
    : paint.warn(
        `decoupled since ${time(fib.decoupledSince)}, ${fib.pending === 1 ? '1 change waits' : `${count(fib.pending)} changes wait`}`,
      );
  return `${state}; ${count(fib.routes4)} IPv4 and ${count(fib.routes6)} IPv6 routes, ${plural(fib.neighbours, 'neighbour')}`;
}

function ports(status: StatusReply, paint: Painter): string {
  const columns = [
    { title: 'PORT' },
    { title: 'SPEC' },
    { title: 'STATE' },
    { title: 'RX', right: true },
    { title: 'TX', right: true },
    { title: 'RX PACKETS', right: true },
    { title: 'TX PACKETS', right: true },
    { title: 'RX DROPPED', right: true },
    { title: 'TX FULL', right: true },
    { title: 'FALLBACK' },
    { title: 'MODE' },
  ];
  const rate = (r: { packets: number; bits: number }): string =>
    `${scaled(r.packets, 'pps')} ${scaled(r.bits, 'bit/s')}`;
  const rows = status.ports.map((port) => [
    port.name,
    specText(port),
    port.open ? (port.up ? paint.good('up') : paint.bad('down')) : paint.bad('closed'),
    rate(port.rxRate),
    rate(port.txRate),
    count(port.rx.packets),
    count(port.tx.packets),
    dropped(port),
    count(port.txFull),
    port.fallback,
    port.mode.join(', '),
  ]);
  return table(columns, rows);
}

function dropped({ rxDropped, rxTooLong }: StatusReply['ports'][number]): string {
  return rxTooLong === 0 ? count(rxDropped) : `${count(rxDropped)} (${count(rxTooLong)} too long)`;
}

/** A device that was renamed is the same port. */
function specText({ spec, device }: StatusReply['ports'][number]): string {
  return device === '' || device === deviceOf(spec) ? spec : `${spec} (now ${device})`;
}

function workers(status: StatusReply): string {
  const columns = [
    { title: 'WORKER' },
    { title: 'THREAD' },
    { title: 'CORE' },
    { title: 'GENERATION' },
    { title: 'BURSTS', right: true },
  ];
  const rows = status.workers.map((w) => [
    `dataplane-${w.number}`,
    String(w.tid),
    w.core < 0 ? 'any' : String(w.core),
    String(w.generation),
    count(w.bursts),
  ]);
  return table(columns, rows);
}

function drops(status: StatusReply): string {
  if (status.drops.length === 0) return 'no packet was dropped\n';
  const columns = [{ title: 'DROPPED', right: true }, { title: 'REASON' }, { title: '' }];
  return table(
    columns,
    status.drops.map((drop) => [count(drop.packets), drop.reason, drop.text]),
  );
}
