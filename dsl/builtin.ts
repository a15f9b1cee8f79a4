/**
 * Rules that stand before an ACL's own unless it says `neighbourDiscovery: 'explicit'`: without Neighbour Discovery
 * and MLD no IPv6 neighbour can be resolved, and the router would cut itself off. They are ordinary rules with ids,
 * so listings and counters show them.
 */
import { parseAddress } from './address.js';
import { icmpTypes } from './icmp.js';
import type { Acl, NetSet, Predicate, Prefix, Rule, Service } from './model.js';
import { builtinOrigin } from './origin.js';

/** RFC 4861 §7.1: a valid message was sent on this link, so no router has lowered its hop limit. */
export const onLink: Predicate = Object.freeze({
  kind: 'predicate',
  name: 'builtin-on-link',
  test: (packet: { readonly ttl: number }) => packet.ttl === 255,
  origin: builtinOrigin,
});

const multicast: Prefix = { ...parseAddress('ff00::')!, length: 8 };

const discovery: Rule = {
  kind: 'rule',
  action: { kind: 'allow' },
  match: {
    service: types([
      ...icmpTypes['router-solicitation'],
      ...icmpTypes['router-advertisement'],
      ...icmpTypes['neighbour-solicitation'],
      ...icmpTypes['neighbour-advertisement'],
    ]),
    when: onLink,
  },
  id: 'builtin:nd',
  why: 'Neighbour Discovery (RFC 4861)',
  origin: builtinOrigin,
};

const listeners: Rule = {
  kind: 'rule',
  action: { kind: 'allow' },
  match: {
    to: nets([multicast]),
    service: types([...icmpTypes['mld-query'], ...icmpTypes['mld-report'], ...icmpTypes['mld-done']]),
  },
  id: 'builtin:mld',
  why: 'Multicast Listener Discovery (RFC 2710, RFC 3810)',
  origin: builtinOrigin,
};

/** The rules to put before those of `list`. */
export function builtinRules(list: Acl): readonly Rule[] {
  return list.neighbourDiscovery === 'builtin' ? [discovery, listeners] : [];
}

function types(
  all: readonly { readonly family: 4 | 6; readonly type: number; readonly code?: number }[],
): Service {
  const v6 = all.filter((one) => one.family === 6);
  return { kind: 'service', alternatives: [{ l4: 'icmp', types: v6 }], origin: builtinOrigin };
}

function nets(prefixes: readonly Prefix[]): NetSet {
  return { kind: 'nets', prefixes, labels: prefixes.map(() => undefined), origin: builtinOrigin };
}
