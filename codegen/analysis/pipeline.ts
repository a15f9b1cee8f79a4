/**
 * A whole router over sets of packets: codegen/evaluate/evaluate.ts, for all packets at once. What is on an interface's
 * wire is judged by its addresses, its ACL, the router's own addresses, and what diverts it. The routing table is not the
 * policy's: what nothing diverts is `routed`, and by which interface it leaves, whose `out` ACL judges it, is asked.
 */
import { network, parseInterfaceAddress } from '../../dsl/address.js';
import type { Family, InterfaceAddress, Prefix } from '../../dsl/model.js';
import type { Ir, IrInterface, IrList, IrRule } from '../ir.js';
import { tagsOf } from '../tags.js';
import { refuses, treatmentOf } from '../treatment.js';
import { wayOf } from '../ways.js';
import { prefixed, union } from './bits.js';
import { all, type Diagram } from './diagram.js';
import { type Budget, type Decider, decisions, type FirstMatch, makeFirstMatch } from './first-match.js';
import { makeRegions, type Regions } from './regions.js';
import { type Block, blockOf, type PacketSet } from './sets.js';
import { onVlans, type Space } from './space.js';

export type Fate =
  /** Dropped for its addresses: RFC 1812 §5.3.7, RFC 4291 §2. */
  | { readonly kind: 'martian' }
  | { readonly kind: 'denied' }
  /** For the router itself. */
  | { readonly kind: 'host' }
  /** `198.51.100.9`, or several: `198.51.100.9*3 198.51.100.10 or drop` */
  | { readonly kind: 'diverted'; readonly gateway: string }
  | { readonly kind: 'routed' };

export interface Judged {
  readonly fate: Fate;
  readonly block: Block;
  /** What the `out` ACL of the way was; undefined: it has none, or was not asked. */
  readonly out?: Decider;
  /** What the ACL's rule, its default or its refusal of hidden headers was; undefined: there is no ACL, or it was not asked. */
  readonly acl: Decider;
  readonly pbr: IrRule | undefined;
}

/** One family of one policy. Sets of two pipelines of the same space can be compared. */
export interface Pipeline {
  readonly ir: Ir;
  readonly space: Space;
  /** Everything that can come in there. */
  readonly arriving: (iface: IrInterface) => PacketSet;
  readonly list: (list: IrList) => FirstMatch;
  /** The router's own addresses, as destinations and as sources. */
  readonly own: Diagram;
  readonly ownSources: Diagram;
  /** `out`: by which interface what is routed or diverted would leave; left out, by one without an `out` ACL. */
  readonly judge: (iface: IrInterface, set: PacketSet, spent: Budget, out?: IrInterface) => readonly Judged[];
  /** Everything that can be forwarded to an interface, whatever the `in` ACLs say. */
  readonly leaving: () => PacketSet;
  /** By the `out` ACL of the interface alone. */
  readonly judgeOut: (iface: IrInterface, set: PacketSet, spent: Budget) => readonly Judged[];
}

export function makePipeline(ir: Ir, space: Space): Pipeline {
  const regions = makeRegions(space);
  const lists = new Map<IrList, FirstMatch>();
  const list = (one: IrList) => {
    const match = lists.get(one) ?? makeFirstMatch(one, regions);
    lists.set(one, match);
    return match;
  };
  const checks = makeChecks(ir, regions);
  return {
    ir,
    space,
    list,
    own: checks.own,
    ownSources: checks.ownSources,
    arriving: (iface) => blockOf(all, all, onVlans(space, [vlanOf(iface)]).valid),
    judge: (iface, set, spent, out) => {
      const judged = judge(ir, space, checks, list, iface, set, spent);
      return out?.out === undefined ? judged : outgoing(judged, list(out.out), spent);
    },
    leaving: () => {
      const any = blockOf(all, all, onVlans(space, ir.interfaces.map(vlanOf)).valid);
      const say = () => {};
      return addressed(space, checks, any, say).flatMap((block) =>
        passing(space, checks, block, undefined, say),
      );
    },
    judgeOut: (iface, set, spent) => {
      const judged = set.map((block): Judged => ({ ...unjudged, block }));
      return iface.out === undefined ? judged : outgoing(judged, list(iface.out), spent);
    },
  };
}

const unjudged = { fate: { kind: 'routed' }, acl: undefined, pbr: undefined } as const;

function vlanOf(iface: IrInterface): number {
  return tagsOf(iface.encapsulation).at(-1)?.vid ?? 0;
}

/** What is forwarded, by the ACL of the interface that it would leave by. */
function outgoing(judged: readonly Judged[], match: FirstMatch, spent: Budget): readonly Judged[] {
  return judged.flatMap((one): readonly Judged[] => {
    if (one.fate.kind !== 'routed' && one.fate.kind !== 'diverted') return [one];
    return decisions(match, [one.block], spent).map(({ by: out, block }) =>
      out === 'hidden' || (out !== undefined && refuses(out))
        ? { ...one, fate: { kind: 'denied' }, block, out }
        : { ...one, block, out },
    );
  });
}

interface Checks {
  /** Sources that nobody sends from, and destinations that nobody sends to. */
  readonly martianSources: Diagram;
  readonly martianDestinations: Diagram;
  /** Both unspecified: a question for an address (IPv4). */
  readonly unspecified: Diagram;
  readonly forMany: Diagram;
  /** Addresses that the router answers at, broadcast ones of its networks among them. */
  readonly own: Diagram;
  /** Those that only the router sends from. */
  readonly ownSources: Diagram;
}

const texts = {
  4: {
    sources: ['224.0.0.0/4', '127.0.0.0/8', '255.255.255.255/32'],
    destinations: ['127.0.0.0/8'],
    forMany: ['224.0.0.0/4', '255.255.255.255/32'],
  },
  6: {
    sources: ['ff00::/8', '::1/128'],
    // Multicast of scopes 0 and 1, whatever its flags: RFC 4291 §2.7.
    destinations: [
      '::1/128',
      ...Array.from({ length: 32 }, (_, i) => `ff${(i >> 1).toString(16)}${i % 2}::/16`),
    ],
    forMany: ['ff00::/8', 'fe80::/10'],
  },
} as const;

function makeChecks(ir: Ir, { space }: Regions): Checks {
  const { diagrams, addresses, family } = space;
  const set = (prefixes: readonly Prefix[]) =>
    union(
      diagrams,
      prefixes.map((one) => prefixed(diagrams, addresses, one.bits, one.length)),
    );
  const parsed = (list: readonly string[]) => set(list.map((text) => network(parseInterfaceAddress(text)!)));
  return {
    martianSources: parsed(texts[family].sources),
    martianDestinations: parsed(texts[family].destinations),
    unspecified: set([{ family, bits: 0n, length: space.width }]),
    forMany: parsed(texts[family].forMany),
    own: set([...ownAddresses(ir, family), ...ownBroadcasts(ir, family)]),
    ownSources: set(ownAddresses(ir, family)),
  };
}

/** Of the router, as far as the policy gives them. */
function ownAddresses(ir: Ir, family: Family): readonly Prefix[] {
  return addressesOf(ir, family).map(({ bits }) => ({ family, bits, length: family === 4 ? 32 : 128 }));
}

function ownBroadcasts(ir: Ir, family: Family): readonly Prefix[] {
  if (family === 6) return [];
  return addressesOf(ir, family)
    .filter((one) => one.length < 31)
    .map(broadcast);
}

function addressesOf(ir: Ir, family: Family): readonly InterfaceAddress[] {
  return ir.router.interfaces.flatMap((face) => face.addresses.filter((one) => one.family === family));
}

function broadcast(one: InterfaceAddress): Prefix {
  return { family: 4, bits: one.bits | ((1n << BigInt(32 - one.length)) - 1n), length: 32 };
}

type Say = (fate: Fate, blocks: PacketSet, acl?: Decider, pbr?: IrRule) => void;

function judge(
  ir: Ir,
  space: Space,
  checks: Checks,
  list: (list: IrList) => FirstMatch,
  iface: IrInterface,
  set: PacketSet,
  spent: Budget,
): readonly Judged[] {
  const found: Judged[] = [];
  const say: Say = (fate, blocks, acl, pbr) => {
    for (const block of blocks) found.push({ fate, block, acl, pbr });
  };
  const open = addressed(space, checks, set, say);
  const passed = iface.acl
    ? decisions(list(iface.acl), open, spent)
    : open.map((block) => ({ by: undefined, block }));
  for (const { by, block } of passed) {
    if (by === 'hidden' || (by !== undefined && refuses(by))) {
      say({ kind: 'denied' }, [block], by);
      continue;
    }
    const through = passing(space, checks, block, by, say);
    const gateway = by && wayOf(ir, by, space.family);
    if (gateway !== undefined) say({ kind: 'diverted', gateway }, through, by);
    else if (iface.pbr === undefined) say({ kind: 'routed' }, through, by);
    else
      for (const { by: rule, block: part } of decisions(list(iface.pbr), through, spent)) {
        const way = rule === 'hidden' ? undefined : rule;
        const to = way && wayOf(ir, way, space.family);
        say(to === undefined ? { kind: 'routed' } : { kind: 'diverted', gateway: to }, [part], by, way);
      }
  }
  return found;
}

function onto({ diagrams }: Space, blocks: PacketSet, src: Diagram, dst: Diagram): PacketSet {
  return blocks.flatMap((one) => blockOf(diagrams.and(one.src, src), diagrams.and(one.dst, dst), one.rest));
}

/** What has addresses that may be on a wire. */
function addressed(space: Space, checks: Checks, set: PacketSet, say: Say): PacketSet {
  const { diagrams, family } = space;
  const { martianSources, martianDestinations, unspecified, forMany } = checks;
  const martian = (blocks: PacketSet) => say({ kind: 'martian' }, blocks);
  martian(onto(space, set, martianSources, all));
  const sources = onto(space, set, diagrams.not(martianSources), all);
  if (family === 6) {
    martian(onto(space, sources, all, martianDestinations));
    return onto(space, sources, all, diagrams.not(martianDestinations));
  }
  // RFC 1812 §5.3.7: nothing is sent from 0.0.0.0 but to everybody, or to nobody.
  const specified = diagrams.not(unspecified);
  const asked = diagrams.or(forMany, unspecified);
  const wrong = diagrams.or(martianDestinations, unspecified);
  martian(onto(space, sources, unspecified, diagrams.not(asked)));
  martian(onto(space, sources, specified, wrong));
  return [
    ...onto(space, sources, unspecified, asked),
    ...onto(space, sources, specified, diagrams.not(wrong)),
  ];
}

/** What passed the ACL and is not for the router itself. */
function passing(space: Space, checks: Checks, block: Block, acl: Decider, say: Say): PacketSet {
  const { diagrams, family } = space;
  const many = family === 4 ? diagrams.or(checks.forMany, checks.unspecified) : checks.forMany;
  say({ kind: 'host' }, onto(space, [block], all, many), acl);
  const one = onto(space, [block], all, diagrams.not(many));
  // RFC 1812 §5.3.8, which the kernel asks for IPv4 alone.
  if (family === 4) say({ kind: 'martian' }, onto(space, one, checks.ownSources, all), acl);
  const foreign = family === 4 ? onto(space, one, diagrams.not(checks.ownSources), all) : one;
  say({ kind: 'host' }, onto(space, foreign, all, checks.own), acl);
  return onto(space, foreign, all, diagrams.not(checks.own));
}

/** What the rules that took it do with it besides. */
export function treatmentIn({ fate, acl, pbr, out }: Judged): string {
  const rules = [acl, pbr, out].flatMap((one) => (one === undefined || one === 'hidden' ? [] : [one]));
  return treatmentOf(rules, fate.kind === 'routed' || fate.kind === 'diverted');
}

export function sameFate(a: Fate, b: Fate): boolean {
  return a.kind === b.kind && (a.kind !== 'diverted' || (b.kind === 'diverted' && a.gateway === b.gateway));
}
