/** `netmill counter` and `netmill acl list`: counters of the running generation's interfaces and rules. */
import { puntClasses } from '../../dsl/punt.js';
import type { Counter, InterfaceCounters } from '../native.js';
import type { ControlContext } from './context.js';
import { dropReasons } from './drops.js';
import { saidKinds } from './said.js';
import type { AclReply, CounterReply, RuleReply, Traffic } from './types.js';

export function traffic(counter: Counter): Traffic {
  return { packets: Number(counter.packets), bytes: Number(counter.bytes) };
}

export function readCounters(context: ControlContext): CounterReply {
  const { state } = context.link();
  const plan = context.deployer.active?.bundle.plan;
  const interfaces = (plan?.interfaces ?? []).map(({ name }) => {
    const counters = state.interfaceCounters(state.interfaceSlot(name));
    return {
      name,
      rx: traffic(counters.rx),
      tx: traffic(counters.tx),
      rxRate: context.rates.of(`interface ${name} rx`),
      txRate: context.rates.of(`interface ${name} tx`),
      punt: Object.fromEntries(
        puntClasses.map((one, c) => [
          one,
          {
            ...traffic(counters.punt[c]!),
            full: Number(counters.puntFull[c]),
            policed: Number(counters.puntPoliced[c]),
          },
        ]),
      ),
      drops: Object.fromEntries(
        dropReasons
          .map((reason, r) => [reason.name, Number(counters.drops[r] ?? 0n)] as const)
          .filter(([, n]) => n > 0),
      ),
      said: saidBy(counters),
    };
  });
  return { interfaces, named: sumByName(readRules(context)) };
}

/** What the engine said by itself on an interface; kinds that it never said are left out. */
export function saidBy(counters: Pick<InterfaceCounters, 'said'>): Readonly<Record<string, number>> {
  return Object.fromEntries(
    saidKinds.map((kind, k) => [kind, Number(counters.said[k] ?? 0n)] as const).filter(([, n]) => n > 0),
  );
}

/** Rules that share a name given by `.count()` are counted together. */
function sumByName(rules: readonly RuleReply[]): CounterReply['named'] {
  const sums = new Map<string, Traffic>();
  for (const { counter, packets, bytes } of rules) {
    if (counter === undefined) continue;
    const sum = sums.get(counter) ?? { packets: 0, bytes: 0 };
    sums.set(counter, { packets: sum.packets + packets, bytes: sum.bytes + bytes });
  }
  return [...sums].map(([name, sum]) => ({ name, ...sum }));
}

export function listAcls(context: ControlContext): AclReply {
  const link = context.link();
  return { enabled: link.state.aclEnabled, generation: link.running, rules: readRules(context) };
}

function readRules(context: ControlContext): readonly RuleReply[] {
  const link = context.link();
  const rules = context.deployer.active?.bundle.plan.rules ?? [];
  const { ruleSlots } = link.runningConfiguration();
  const counters = link.state.ruleCounters(ruleSlots);
  const policed = link.state.policedCounters(ruleSlots);
  return rules.map((rule, r) => ({
    list: rule.list,
    direction: rule.direction,
    id: rule.name ?? rule.id,
    text: rule.text,
    action: rule.action,
    origin: rule.origin,
    counter: rule.counter,
    owner: rule.owner,
    ticket: rule.ticket,
    expires: rule.expires,
    treatment: rule.treatment,
    packets: Number(counters[2 * r] ?? 0n),
    bytes: Number(counters[2 * r + 1] ?? 0n),
    policed: { packets: Number(policed[2 * r] ?? 0n), bytes: Number(policed[2 * r + 1] ?? 0n) },
  }));
}
