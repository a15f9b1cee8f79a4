/** Policies that cut off who must always reach the router, or Neighbour Discovery, without which IPv6 reaches nobody. */
import { formatAddress } from '../../dsl/address.js';
import type { Family, LogicalInterface, NetSet, Reach } from '../../dsl/model.js';
import { askedCondition } from '../analysis/asked.js';
import { equals, prefixed } from '../analysis/bits.js';
import { all } from '../analysis/diagram.js';
import { budget, decisions, eachLive, type FirstMatch, TooManySteps } from '../analysis/first-match.js';
import { heldBlock } from '../analysis/held.js';
import { examplePacket } from '../analysis/packet.js';
import { packetText } from '../analysis/packet-text.js';
import { type Judged, makePipeline, type Pipeline } from '../analysis/pipeline.js';
import { makeRegions } from '../analysis/regions.js';
import { type Block, blockOf, dependsOnSets, difference, intersection } from '../analysis/sets.js';
import { makeSpace } from '../analysis/space.js';
import { error, warning } from '../check/report.js';
import type { Diagnostic } from '../diagnostics/diagnostic.js';
import type { Ir } from '../ir.js';
import type { Contents } from '../sets/contents.js';
import { refuses } from '../treatment.js';
import type { AnalysedList } from './list.js';

const families: readonly Family[] = [4, 6];
const steps = 200_000;

/** Who would be cut off, by what sets that change at run time hold: asked of the rules once, and then of any contents. */
export interface LockoutGuard {
  readonly check: (contents: Contents) => readonly Diagnostic[];
}

/** With what sets hold at first. @throws TooComplex */
export function lockouts(ir: Ir): readonly Diagnostic[] {
  return lockoutGuard(ir).check(ir.contents);
}

/** @throws TooComplex */
export function lockoutGuard(ir: Ir): LockoutGuard {
  const { mustReach } = ir.router;
  if (mustReach.length === 0) return { check: () => [] };
  const pipes = families.map((family) => makePipeline(ir, makeSpace(family)));
  const guards = mustReach.map((one): LockoutGuard => {
    const ofFamilies = pipes.flatMap((pipe) => guardOf(pipe, one) ?? []);
    if (ofFamilies.length === 0) return { check: () => [nobody(one)] };
    return { check: (contents) => ofFamilies.flatMap((guard) => guard.check(contents)) };
  });
  return { check: (contents) => guards.flatMap((one) => one.check(contents)) };
}

/** What is never asked would hold of every policy. */
function nobody({ name, origin }: Reach): Diagnostic {
  return error('NM3018', origin, `no packet is what '${name}' says: its parts exclude each other`, {
    fix: 'correct it: networks, service and the rest must fit one family, and one another.',
  });
}

/** Undefined: no packet of the family is meant. */
function guardOf(pipe: Pipeline, one: Reach): LockoutGuard | undefined {
  const { space, ir } = pipe;
  const face = ir.router.interfaces.find((face) => face.name === one.in)!;
  const iface = ir.interfaces.find((face) => face.name === one.in)!;
  const condition = askedCondition({ ...one, to: one.to ?? addressesOf(face) }, space.family);
  if (condition === undefined) return undefined;
  const asked = makeRegions(space).ofCondition(condition);
  const here = intersection(space.diagrams, pipe.arriving(iface), asked);
  if (here.length === 0) return undefined;
  try {
    const denied = pipe.judge(iface, here, budget(steps)).filter((judged) => judged.fate.kind === 'denied');
    return { check: (contents) => firstCutOff(pipe, one, denied, contents) };
  } catch (thrown) {
    if (!(thrown instanceof TooManySteps)) throw thrown;
    const undecided = warning(
      'NM3022',
      one.origin,
      `whether '${one.name}' reaches the router was not decided: too many rules meet`,
    );
    return { check: () => [undecided] };
  }
}

function firstCutOff(
  pipe: Pipeline,
  one: Reach,
  denied: readonly Judged[],
  contents: Contents,
): readonly Diagnostic[] {
  for (const judged of denied) {
    const block = dependsOnSets(pipe.space, judged.block)
      ? heldBlock(pipe.space, judged.block, contents)
      : judged.block;
    if (block !== undefined) return [cutOff(pipe, one, { ...judged, block })];
  }
  return [];
}

function addressesOf(face: LogicalInterface): NetSet {
  const prefixes = face.addresses.map(({ family, bits }) => ({
    family,
    bits,
    length: family === 4 ? 32 : 128,
  }));
  return { kind: 'nets', prefixes, labels: prefixes.map(() => undefined), origin: face.origin };
}

function cutOff({ space }: Pipeline, one: Reach, { acl, block }: Judged): Diagnostic {
  const packet = `in ${one.in} ${packetText(examplePacket(space, block))}`;
  const rule = acl === 'hidden' ? undefined : acl;
  return error('NM3023', one.origin, `'${one.name}' must reach the router, and the policy denies ${packet}`, {
    related: rule
      ? [
          {
            origin: rule.origin,
            message: `${rule.position === 0 ? 'the default' : `${rule.action.kind}(…)`} takes it.`,
          },
        ]
      : [],
    fix: 'allow it before, or say less in mustReach.',
  });
}

const linkLocal = { bits: 0xfe80n << 112n, length: 10 };
const solicitation = 135;
const advertisement = 136;

/** Neighbour Discovery is denied altogether by a list that lets other IPv6 pass: RFC 4890 §4.4. */
export function discoveryDenied({ list, matches }: AnalysedList): readonly Diagnostic[] {
  const match = matches.find((one) => one.regions.space.family === 6);
  if (list.kind !== 'acl' || list.direction === 'out' || match === undefined) return [];
  const lost = [solicitation, advertisement].filter((type) => isDenied(match, message(match, type)));
  if (lost.length === 0 || !passesOthers(match, lost)) return [];
  const names = lost.map((type) =>
    type === solicitation ? 'Neighbour Solicitation' : 'Neighbour Advertisement',
  );
  return [
    error('NM3024', list.origin, `"${list.name}" lets IPv6 pass, and denies every ${names.join(' and ')}`, {
      got: `packets such as icmp ${formatAddress({ family: 6, bits: linkLocal.bits + 1n })} > ff02::1:ff00:1`,
      fix: "leave out neighbourDiscovery: 'explicit', or allow icmp('neighbour-solicitation', 'neighbour-advertisement').",
    }),
  ];
}

/** From a neighbour on the link: RFC 4861 §7.1. */
function message({ regions }: FirstMatch, type: number): Block {
  const { diagrams, addresses, valid } = regions.space;
  const fields = [
    equals(diagrams, 'proto', 58),
    equals(diagrams, 'state', 0),
    equals(diagrams, 'icmpType', type),
  ];
  const rest = [...fields, equals(diagrams, 'ttl', 255), equals(diagrams, 'fragment', 0)].reduce(
    (set, one) => diagrams.and(set, one),
    valid,
  );
  return { src: prefixed(diagrams, addresses, linkLocal.bits, linkLocal.length), dst: all, rest };
}

function isDenied(match: FirstMatch, block: Block): boolean {
  try {
    return decisions(match, [block]).every(({ by }) => by === 'hidden' || (by !== undefined && refuses(by)));
  } catch (thrown) {
    if (thrown instanceof TooManySteps) return false;
    throw thrown;
  }
}

function passesOthers(match: FirstMatch, lost: readonly number[]): boolean {
  const { list, regions } = match;
  if (list.fallback?.action.kind !== 'deny') return true;
  const denied = lost.flatMap((type) => {
    const { src, dst, rest } = message(match, type);
    return blockOf(src, dst, rest);
  });
  const other = (block: Block) => difference(regions.space.diagrams, [block], denied).length > 0;
  return list.rules.some((rule, index) => !refuses(rule) && passes(match, index, other));
}

function passes(match: FirstMatch, index: number, other: (block: Block) => boolean): boolean {
  try {
    return eachLive(match, index, other);
  } catch (thrown) {
    if (thrown instanceof TooManySteps) return false;
    throw thrown;
  }
}
