/** ACL log events: from the workers' rings to syslog, with rule, policy line, interface and a summary of the packet. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Syslog } from './log-syslog.js';
import type { LogEvent, StateView } from './native.js';
import { summarise } from './packet-summary.js';

/** What `netmill log` shows. */
export interface LoggedEvent {
  readonly time: string;
  readonly rule: string;
  readonly action: string;
  readonly origin: string;
  readonly interface: string;
  readonly packet: string;
  readonly suppressed: number;
}

/** Names of slots, as the running generation has them; a rule that is gone keeps its number. */
export interface SlotNames {
  rule(slot: number): { readonly id: string; readonly action: string; readonly origin: string };
  interface(slot: number): string;
}

export interface EventLogOptions {
  /** The state to read now: it changes with the engine. */
  readonly state: () => StateView | undefined;
  readonly names: SlotNames;
  readonly syslog: Syslog;
  readonly signal: AbortSignal;
  /** Milliseconds between two looks at empty rings. */
  readonly intervalMs?: number;
}

export interface EventLog {
  recent(): readonly LoggedEvent[];
  readonly done: Promise<void>;
}

const KEEP = 1000;
const BATCH = 256;

export function followEvents(options: EventLogOptions): EventLog {
  const kept: LoggedEvent[] = [];
  const interval = options.intervalMs ?? 50;

  const takeBatch = (): number => {
    const events = options.state()?.takeEvents(BATCH) ?? [];
    for (const event of events) {
      const entry = describe(event, options.names);
      kept.push(entry);
      options.syslog.write(lineOf(entry), 'info');
    }
    if (kept.length > KEEP) kept.splice(0, kept.length - KEEP);
    return events.length;
  };

  const run = async (): Promise<void> => {
    while (!options.signal.aborted) {
      const full = takeBatch() === BATCH;
      await sleep(full ? 1 : interval, undefined, { signal: options.signal }).catch(() => undefined);
    }
    takeBatch();
  };
  return { recent: () => kept, done: run() };
}

function describe(event: LogEvent, names: SlotNames): LoggedEvent {
  const rule = names.rule(event.rule);
  const ageMs = Number(process.hrtime.bigint() - event.timeNs) / 1e6;
  return {
    time: new Date(Date.now() - Math.max(0, ageMs)).toISOString(),
    rule: rule.id,
    action: rule.action,
    origin: rule.origin,
    interface: names.interface(event.interface),
    packet: summarise(event.frame, event.l3, event.length),
    suppressed: event.suppressed,
  };
}

export function lineOf(event: LoggedEvent): string {
  const suppressed = event.suppressed > 0 ? ` (${event.suppressed} suppressed)` : '';
  return `acl: ${event.action} on ${event.interface} by ${event.rule} (${event.origin}): ${event.packet}${suppressed}`;
}
