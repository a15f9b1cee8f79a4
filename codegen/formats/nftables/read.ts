/** A ruleset of nftables as a draft: filters of what is forwarded, and of all that comes in. */
import type { Problem } from '../../../dsl/model.js';
import type { Commented, Draft, DraftObject, DraftPort } from '../draft.js';
import { type Face, noInterfaces, readFaces, type VlanDevices } from '../faces.js';
import { type Line, type Lists, makeLists } from '../lists.js';
import type { Read, Source } from '../netmap-rt/read.js';
import { makePorts, mergedPorts } from '../ports.js';
import { type ChainContext, chainName, linesOfChain, policyLine } from './chains.js';
import type { Side } from './match.js';
import { type NftChain, type Ruleset, readRuleset } from './ruleset.js';
import { type NamedSets, readNamedSets } from './sets.js';

export interface NftOptions {
  readonly name: string;
  /** Devices that the router is to have. */
  readonly interfaces: readonly string[];
  readonly vlans: VlanDevices;
  /** As what a chain of hook forward is taken: exactly, as what leaves; or as all that comes in. */
  readonly forward: 'in' | 'out';
  /** Sets of addresses that are to change at run time, besides those that are empty. */
  readonly runTimeSets: readonly string[];
}

/** Chains whose rules stay in force in the kernel, which gets what is for the router, and sends what it says. */
const localHooks = ['input', 'output'];

export function readNftables(source: Source, options: NftOptions): Read<Draft> {
  const ruleset = readRuleset(source.file, source.text);
  if ('code' in ruleset) return { ok: false, problems: [ruleset] };
  const problems: Problem[] = [];
  const assumptions: string[] = [];
  const say = (message: string) =>
    problems.push({
      code: 'NM6003',
      origin: { file: source.file, line: 1, column: 1 },
      message,
      fix: 'delete it from what is to be imported, and say it otherwise.',
    });
  for (const other of ruleset.others) say(`${other} has no counterpart`);
  const chains = filters(ruleset, options, say, assumptions);
  const read = readFaces(
    { value: options.interfaces.join(' '), line: 1, column: 1 },
    '--interface',
    options.vlans,
  );
  if (options.interfaces.length === 0)
    problems.push(noInterfaces({ file: '--interface', line: 1, column: 1 }));
  else problems.push(...read.problems);
  assumptions.push(...read.assumptions);
  const sets = readNamedSets(ruleset, options.runTimeSets, problems);
  const sides = (['in', 'out'] as const).map((side) =>
    sideLists(side, chains, { ruleset, faces: read.faces, file: source.file, problems }, sets, options),
  );
  if (problems.length > 0) return { ok: false, problems };
  return { ok: true, value: draft(source, options, sides, read.faces, sets, assumptions) };
}

interface Filter {
  readonly chain: NftChain;
  readonly side: 'in' | 'out';
}

/** Base chains that judge what passes; one for each side and family. */
function filters(
  { chains, rules }: Ruleset,
  { forward }: NftOptions,
  say: (message: string) => void,
  assumptions: string[],
): readonly Filter[] {
  const found: Filter[] = [];
  for (const chain of chains) {
    if (chain.hook === undefined) continue;
    const isEmpty =
      chain.policy !== 'drop' &&
      !rules.some(
        (one) => one.chain === chain.name && one.table === chain.table && one.family === chain.family,
      );
    if (isEmpty) continue;
    const name = chainName(chain);
    if (!['ip', 'ip6', 'inet'].includes(chain.family) || chain.type !== 'filter')
      say(`${name} is of type ${chain.type ?? 'none'} and family ${chain.family}, which has no counterpart`);
    else if (localHooks.includes(chain.hook))
      assumptions.push(
        `The ${name} stays in force in the kernel: what is for the router, and from it, goes there.`,
      );
    else if (chain.hook === 'prerouting' || chain.hook === 'forward') {
      const side = chain.hook === 'prerouting' ? 'in' : forward;
      const clash = found.find((one) => one.side === side && meets(one.chain, chain));
      if (clash) say(`${name} and ${chainName(clash.chain)} judge the same packets: here, one list does`);
      found.push({ chain, side });
      assumptions.push(
        chain.hook === 'prerouting' ? `The ${name} judges all that comes in.` : forwardText(name, forward),
      );
    } else say(`${name} has hook ${chain.hook}, which has no counterpart`);
  }
  if (found.length > 0)
    assumptions.push(
      'A list that tests ports, flags or ICMP types drops packets that hide them, where nftables would ask the next rule.',
      'A later fragment has no ports: nftables may take what stands in their place for them (seen with Linux 6.18).',
      'What is logged is logged ten times a second at most.',
    );
  return found;
}

function forwardText(name: string, forward: 'in' | 'out'): string {
  return forward === 'out'
    ? `The ${name} judges what is forwarded and leaves by one of these interfaces.`
    : `The ${name} judges all that comes in on these interfaces, what is for the router itself, too.`;
}

function meets(a: NftChain, b: NftChain): boolean {
  return a.family === b.family || a.family === 'inet' || b.family === 'inet';
}

interface SideLists extends Lists {
  readonly side: 'in' | 'out';
}

function sideLists(
  side: 'in' | 'out',
  filters: readonly Filter[],
  context: Pick<ChainContext, 'ruleset' | 'faces' | 'file' | 'problems'>,
  sets: NamedSets,
  { forward }: NftOptions,
): SideLists {
  const mine = filters.filter((one) => one.side === side).map((one) => one.chain);
  const asked: Side = side === 'in' ? 'iif' : 'oif';
  const lines = mine.flatMap((chain): readonly Line[] => {
    const all: ChainContext = {
      ...context,
      side: asked,
      ttlTaken: chain.hook === 'forward' ? 1 : 0,
      sets: sets.of(chain),
    };
    const own = linesOfChain(chain, all);
    return chain.family === 'inet' ? own : [...own, ...policyLine(chain, all)];
  });
  const inet = mine.find((chain) => chain.family === 'inet');
  const lists = makeLists(lines, context.faces, {
    default: inet?.policy === 'drop' ? 'deny' : 'allow',
    neighbourDiscovery: 'explicit',
    general: side === 'in' ? (forward === 'in' ? 'filter' : 'incoming') : 'forward',
    each: side === 'in' ? 'from' : 'to',
    shared: side === 'in' ? 'everywhere' : 'toAll',
    comments: [],
  });
  return { side, ...lists };
}

function draft(
  source: Source,
  { name, interfaces }: NftOptions,
  sides: readonly SideLists[],
  faces: readonly Face[],
  sets: NamedSets,
  assumptions: readonly string[],
): Draft {
  const said = [...assumptions];
  const [into, out] = sides;
  const ports = mergedPorts(
    makePorts(faces, into!.byDevice, 'in', []),
    makePorts(faces, out!.byDevice, 'out', []),
  );
  said.push(
    `When netmill does not run, the kernel forwards by its own ruleset, except on ports with VLANs, which drop.`,
  );
  const text = JSON.stringify(
    sides.map((side) => [side.fragments, side.lists]),
    (_, value: unknown) => (typeof value === 'bigint' ? String(value) : value),
  );
  const objects = sets.objects.filter((one) => text.includes(`"kind":"object","name":"${one.name}"`));
  said.push(...objects.flatMap(runTimeText));
  const value: Commented<readonly DraftPort[]> = { value: ports, above: [] };
  return {
    router: name,
    sources: `${source.file}, for ${interfaces.join(', ')}`,
    assumptions: said,
    comments: sides.flatMap((side) => side.comments),
    objects,
    fragments: sides.flatMap((side) => side.fragments),
    lists: sides.flatMap((side) => side.lists),
    ports: value,
    settings: {},
  };
}

function runTimeText(one: DraftObject): readonly string[] {
  if (one.kind !== 'set') return [];
  const first = one.prefixes.length === 0 ? 'It is empty at first' : 'It holds at first what it held there';
  return [`Set ${one.set} changes at run time. ${first}, and what fills it has to say netmill set.`];
}
