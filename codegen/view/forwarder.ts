/** The whole forwarder as a view: final strings for templates/forwarder.c.hbs. */

import { place } from '../cite.js';
import type { Ir, IrPredicate } from '../ir.js';
import { lookupText } from '../lookup.js';
import { asksFields } from '../optimise/transport.js';
import { type SetView, setView } from './addresses.js';
import type { Tables } from './classifiers.js';
import { type DifferenceView, difference } from './differences.js';
import { predicateBody } from './expression.js';
import { canMatch, type ListView, listView } from './lists.js';
import {
  type InterfaceView,
  interfaceView,
  isTogether,
  isUntagged,
  type LeaveView,
  leaveView,
  type PortView,
  portView,
  type Together,
} from './ports.js';
import type { Uses } from './rule-tests.js';
import { type ServiceView, serviceView } from './services.js';
import { comment, commentLines } from './text.js';

interface Named {
  readonly enumerator: string;
  readonly comment: string;
}

export interface ForwarderView {
  readonly router: string;
  readonly policy: string;
  readonly features: readonly { readonly macro: string; readonly comment: string }[];
  readonly portNames: readonly Named[];
  readonly interfaceNames: readonly Named[];
  readonly gatewayEnum: readonly { readonly names: readonly Named[] }[];
  readonly setEnum: readonly { readonly names: readonly Named[] }[];
  readonly ruleEnum: readonly { readonly names: readonly Named[] }[];
  readonly counts: Readonly<Record<'ports' | 'interfaces' | 'rules' | 'gateways' | 'sets', number>>;
  readonly tables: readonly { readonly name: string }[];
  readonly sets: readonly SetView[];
  readonly services: readonly ServiceView[];
  readonly differences: readonly DifferenceView[];
  readonly predicates: readonly PredicateView[];
  readonly lists: readonly ListView[];
  readonly interfaces: readonly InterfaceView[];
  readonly leaves: readonly LeaveView[];
  readonly ports: readonly PortView[];
  readonly hash: readonly string[];
}

interface PredicateView {
  readonly function: string;
  readonly title: string;
  readonly source: readonly string[];
  readonly body: readonly string[];
}

export function forwarderView(ir: Ir, tables: Tables): ForwarderView {
  const uses: Uses = {
    tables,
    sets: new Set(),
    services: new Set(),
    predicates: new Set(),
    differences: new Set(),
  };
  const matching = ir.lists.filter(canMatch);
  const lists = matching.map((list) => listView(list, ir, uses));
  const together: Together = new Map(matching.map((list, i) => [list, lists[i]!.together]));
  const leaves = leaveView(ir.interfaces);
  return {
    router: comment(ir.router.name),
    policy: comment(ir.policy),
    features: features(ir),
    portNames: ir.ports.map((port) => ({
      enumerator: port.enumerator,
      comment: comment(`${port.name}, ${port.spec}`),
    })),
    interfaceNames: ir.interfaces.map((one) => ({ enumerator: one.enumerator, comment: comment(one.name) })),
    gatewayEnum: some(
      ir.gateways.map((gateway) => ({
        enumerator: gateway.enumerator,
        comment: gateway.text,
      })),
    ),
    setEnum: some(
      ir.sets.map(({ enumerator, name, origin }) => ({
        enumerator,
        comment: comment(`${name}, ${place(origin)}`),
      })),
    ),
    ruleEnum: some(
      ir.rules.map((rule) => ({
        enumerator: rule.enumerator,
        comment: comment(`${place(rule.origin)}  ${rule.text}`),
      })),
    ),
    counts: {
      ports: ir.ports.length,
      interfaces: ir.interfaces.length,
      rules: ir.rules.length,
      gateways: ir.gateways.length,
      sets: ir.sets.length,
    },
    tables: tables.bytes().length === 0 ? [] : [{ name: 'forwarder_tables' }],
    sets: byName([...uses.sets].map(setView)),
    services: byName([...uses.services].map(serviceView)),
    differences: byName([...uses.differences].map(difference)),
    predicates: byName([...uses.predicates].map(predicateView)),
    lists,
    interfaces: ir.interfaces.map((one) => {
      const port = ir.ports[one.port]!;
      return interfaceView(one, isUntagged(port), isTogether(port, together));
    }),
    leaves,
    ports: ir.ports.map((port) => portView(port, leaves.length > 0, together)),
    hash: hashRows(ir.policyHash),
  };
}

/** What the pieces that a forwarder is made of have to be told before they are included. */
function features(ir: Ir): ForwarderView['features'] {
  const { engine } = ir.router;
  const lookup = ir.lookup.method;
  return [
    ...(engine.flowHash === 'symmetric'
      ? [{ macro: 'MILL_SYMMETRIC_FLOWS', comment: "engine: { flowHash: 'symmetric' }" }]
      : []),
    ...(ir.rules.some((rule) => rule.treatment?.dscp !== undefined)
      ? [{ macro: 'MILL_MARKS', comment: 'rules set a DSCP' }]
      : []),
    ...(ir.sets.length > 0
      ? [{ macro: 'MILL_SETS', comment: 'rules ask sets that change at run time' }]
      : []),
    ...(asksFields(ir.rules)
      ? []
      : [{ macro: 'MILL_PORTS_ALONE', comment: 'no predicate asks for TCP flags or ICMP types' }]),
    ...(ir.interfaces.some((one) => one.urpf)
      ? [{ macro: 'MILL_URPF', comment: 'interfaces ask for a way back to sources' }]
      : []),
    ...(lookup === 'flat'
      ? []
      : [
          {
            macro: `MILL_LOOKUP_${lookup.toUpperCase()}`,
            comment: `lookup ${lookupText(lookup, ir.lookup.reason)}`,
          },
        ]),
  ];
}

function some(names: readonly Named[]): readonly { readonly names: readonly Named[] }[] {
  return names.length === 0 ? [] : [{ names }];
}

function byName<T extends { readonly function: string }>(views: readonly T[]): readonly T[] {
  return [...views].sort((a, b) => (a.function < b.function ? -1 : 1));
}

function predicateView(predicate: IrPredicate): PredicateView {
  return {
    function: predicate.function,
    title: comment(`predicate ${predicate.name}, ${place(predicate.source.origin)}`),
    source: commentLines(predicate.source.source),
    body: predicateBody(predicate),
  };
}

function hashRows(hash: string): readonly string[] {
  const bytes = hash.match(/../g)!.map((byte) => `0x${byte},`);
  return [0, 8, 16, 24].map((at) => bytes.slice(at, at + 8).join(' '));
}
