/** Why a rule does not take a packet, in the operator's own terms: the first of its tests that fails. */
import { contains, formatAddress } from '../../dsl/address.js';
import type { NetSet, RuntimeSet, Service } from '../../dsl/model.js';
import { pointOf } from '../analysis/packet.js';
import { packetText } from '../analysis/packet-text.js';
import type { Seen } from '../evaluate/rules.js';
import { firstMatch } from '../evaluate/rules.js';
import { headerExpr, headerText } from '../header.js';
import type { Ir, IrList, IrRule } from '../ir.js';
import { evaluate, type PredicatePacket } from '../predicate/evaluate.js';

/** Undefined: the rule takes it. */
export function whyNot(ir: Ir, list: IrList, rule: IrRule, seen: Seen): string | undefined {
  const { fallback: _, ...alone } = { ...list, rules: [rule] };
  if (firstMatch(ir, alone, seen) === rule) return undefined;
  const { from, to, fromSet, toSet, service, header, when } = rule.match;
  const { packet, fields } = seen;
  if (from && !isIn(from, seen.packet.src))
    return `source ${formatAddress(packet.src)} is not in ${nameOf(from)}`;
  if (to && !isIn(to, packet.dst)) return `destination ${formatAddress(packet.dst)} is not in ${nameOf(to)}`;
  if (fromSet && !holds(fromSet, 'src', fields))
    return `source ${formatAddress(packet.src)} is not in ${setName(ir, fromSet)}`;
  if (toSet && !holds(toSet, 'dst', fields))
    return `destination ${formatAddress(packet.dst)} is not in ${setName(ir, toSet)}`;
  const families =
    rule.action.kind === 'nexthop' ? rule.action.gateways.map((one) => one.family) : [packet.family];
  if (!families.includes(packet.family)) return `it has no IPv${packet.family} gateway`;
  if (header && !evaluate(headerExpr(header), fields)) return `it has not ${headerText(header)}`;
  if (when && !evaluate(ir.predicates.get(when.name)!.expr, fields)) return `predicate ${when.name} is false`;
  if (service) return `${transportOf(seen)} is not ${serviceName(service)}`;
  return 'the list does not judge packets that hide their transport header';
}

function isIn(set: NetSet, address: Seen['packet']['src']): boolean {
  return set.prefixes.some((prefix) => contains(prefix, address));
}

function holds(set: RuntimeSet, field: 'src' | 'dst', fields: PredicatePacket): boolean {
  return set.families.includes(fields[field].family) && fields.isMember(set.name, field);
}

/** What nobody has said the contents of is taken for empty. */
function setName(ir: Ir, { name }: RuntimeSet): string {
  return `set '${name}'${ir.contents.has(name) ? '' : ', which is taken for empty: nothing was said of it'}`;
}

function nameOf(set: NetSet): string {
  return set.name ?? (set.prefixes.length === 1 ? 'the network of the rule' : 'the networks of the rule');
}

function serviceName(service: Service): string {
  return service.name ?? 'the service of the rule';
}

/** `tcp port 443`, `a later fragment`, … */
function transportOf(seen: Seen): string {
  const { transport, protocol } = seen.packet;
  const [word] = packetText(pointOf(seen)).split(' ');
  const name = word === 'proto' ? `protocol ${protocol}` : word;
  if (transport.state === 'hidden') return `${name} with a hidden header`;
  if (transport.state === 'absent') return `${name} without ports`;
  return name === 'icmp' ? `icmp type ${transport.icmpType}` : `${name} port ${transport.dport}`;
}
