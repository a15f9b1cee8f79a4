/** What is looked at while the engine forwards: ACL log events, which go to syslog, and the rates of ports and interfaces. */
import type { Deployer } from './deploy/deployer.js';
import type { Logger } from './log.js';
import { type EventLog, followEvents, type SlotNames } from './log-events.js';
import { openSyslog } from './log-syslog.js';
import type { EngineLink } from './native.js';
import { followRates, type Rates, type Sample } from './rates.js';

export interface Watch {
  readonly recentEvents: EventLog['recent'];
  readonly rates: Rates;
  stop(): Promise<void>;
}

export function watchEngine(deployer: Deployer, link: () => EngineLink, log: Logger): Watch {
  const reading = new AbortController();
  const { signal } = reading;
  const syslog = openSyslog({
    path: '/dev/log',
    tag: 'netmilld',
    fallback: (line, severity) => log.info({ severity }, line),
  });
  const events = followEvents({
    state: () => link().state,
    names: slotNames(deployer, link),
    syslog,
    signal,
  });
  const rates = followRates({ read: () => readTraffic(deployer, link()), signal });
  return {
    recentEvents: events.recent,
    rates,
    stop: async () => {
      reading.abort();
      await Promise.all([events.done, rates.done]);
      await syslog.stop();
    },
  };
}

function slotNames(deployer: Deployer, link: () => EngineLink): SlotNames {
  return {
    rule: (slot) => {
      const at = link().runningConfiguration().ruleSlots.indexOf(slot);
      const rule = deployer.active?.bundle.plan.rules[at];
      if (rule === undefined) return { id: `slot ${slot}`, action: 'matched', origin: 'a generation before' };
      return { id: rule.name ?? rule.text, action: rule.action, origin: rule.origin };
    },
    interface: (slot) => {
      const plan = deployer.active?.bundle.plan;
      return (
        plan?.interfaces.find((i) => link().state.interfaceSlot(i.name) === slot)?.name ?? `slot ${slot}`
      );
    },
  };
}

function readTraffic(deployer: Deployer, link: EngineLink): ReadonlyMap<string, Sample> {
  const samples = new Map<string, Sample>();
  const { state } = link;
  const plan = deployer.active?.bundle.plan;
  for (const { name } of plan?.ports ?? []) {
    const port = state.port(state.portSlot(name));
    samples.set(`port ${name} rx`, { packets: port.rxPackets, bytes: port.rxBytes });
    samples.set(`port ${name} tx`, { packets: port.txPackets, bytes: port.txBytes });
  }
  for (const { name } of plan?.interfaces ?? []) {
    const counters = state.interfaceCounters(state.interfaceSlot(name));
    samples.set(`interface ${name} rx`, counters.rx);
    samples.set(`interface ${name} tx`, counters.tx);
  }
  return samples;
}
