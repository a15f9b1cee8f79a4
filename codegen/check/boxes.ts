/** Rules as boxes: products of one source prefix, one destination prefix and one service each. */
import { contains } from '../../dsl/address.js';
import type { Family, NetSet, Predicate, Prefix, Rule, Service } from '../../dsl/model.js';

/** One service: everything, ports of a protocol, or an ICMP type. */
export type Part =
  | { readonly kind: 'any' }
  | { readonly kind: 'tcp' | 'udp'; readonly from: number; readonly to: number }
  | { readonly kind: 'icmp'; readonly type: number | undefined; readonly code: number | undefined };

export interface Box {
  readonly rule: Rule;
  readonly family: Family;
  readonly from: Prefix;
  readonly to: Prefix;
  readonly part: Part;
  readonly when: Predicate | undefined;
}

/** Rules of more boxes are not analysed. */
const mostBoxes = 4096;
const families: readonly Family[] = [4, 6];

/** `undefined` when there are too many. */
export function boxesOf(rule: Rule): readonly Box[] | undefined {
  const { match, action } = rule;
  const reached = families.filter(
    (family) => action.kind !== 'nexthop' || action.gateways.some((one) => one.family === family),
  );
  const shape = reached.map((family) => ({
    family,
    sources: prefixesOf(match.from, family),
    targets: prefixesOf(match.to, family),
    parts: partsOf(match.service, family),
  }));
  const count = shape.reduce(
    (sum, one) => sum + one.sources.length * one.targets.length * one.parts.length,
    0,
  );
  if (count > mostBoxes) return undefined;
  return shape.flatMap(({ family, sources, targets, parts }) =>
    sources.flatMap((from) =>
      targets.flatMap((to) => parts.map((part) => ({ rule, family, from, to, part, when: match.when }))),
    ),
  );
}

/** Does `outer` take every packet that `inner` has? */
export function covers(outer: Box, inner: Box): boolean {
  return (
    outer.family === inner.family &&
    (outer.when === undefined || outer.when === inner.when) &&
    contains(outer.from, inner.from) &&
    contains(outer.to, inner.to) &&
    coversPart(outer.part, inner.part)
  );
}

function coversPart(outer: Part, inner: Part): boolean {
  if (outer.kind === 'any') return true;
  if (outer.kind === 'icmp')
    return (
      inner.kind === 'icmp' &&
      (outer.type === undefined || outer.type === inner.type) &&
      (outer.code === undefined || outer.code === inner.code)
    );
  return outer.kind === inner.kind && outer.from <= inner.from && outer.to >= inner.to;
}

function prefixesOf(set: NetSet | undefined, family: Family): readonly Prefix[] {
  return set === undefined
    ? [{ family, bits: 0n, length: 0 }]
    : set.prefixes.filter((prefix) => prefix.family === family);
}

function partsOf(service: Service | undefined, family: Family): readonly Part[] {
  if (service === undefined) return [{ kind: 'any' }];
  return service.alternatives.flatMap((one): readonly Part[] => {
    if (one.l4 !== 'icmp') return one.dports.map((range) => ({ kind: one.l4, ...range }));
    if (one.types.length === 0) return [{ kind: 'icmp', type: undefined, code: undefined }];
    return one.types
      .filter((type) => type.family === family)
      .map(({ type, code }) => ({ kind: 'icmp', type, code }));
  });
}
