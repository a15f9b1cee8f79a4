/** Where rules divert packets to, as one word for all who tell of it. */
import { formatGateways } from '../dsl/gateways.js';
import type { Family, Gateway } from '../dsl/model.js';
import type { Ir, IrRule } from './ir.js';

/** Those of a rule that take packets of one family; empty: it diverts none. */
export function gatewaysOf({ action }: Pick<IrRule, 'action'>, family: Family): readonly Gateway[] {
  return action.kind === 'nexthop' ? action.gateways.filter((one) => one.family === family) : [];
}

/** `192.0.2.1*3 192.0.2.2 or 192.0.2.9 or drop`. Undefined: the rule diverts no packet of the family. */
export function wayOf(ir: Ir, rule: IrRule, family: Family): string | undefined {
  const local = rule.conditions[family]?.gateway;
  const found = ir.gateways.find((one) => one.local === local);
  return found && formatGateways(found.gateways, dropsUnreachable(rule));
}

/** What it would divert is dropped while no gateway answers. */
export function dropsUnreachable({ action }: Pick<IrRule, 'action'>): boolean {
  return action.kind === 'nexthop' && action.orDrop;
}
